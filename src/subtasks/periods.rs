//! Rows some periods apart, as pandas counts `periods`: rows before, or behind if negative.

use super::Refusal;

/// How many rows apart, of a column of so many; all of them if there are not as many.
pub(super) fn apart(periods: i64, rows: usize) -> usize {
    usize::try_from(periods.unsigned_abs()).map_or(rows, |apart| apart.min(rows))
}

/// Replaces each value by what `f` makes of it and of the value `periods` rows before; missing if there is none.
pub(super) fn combine(column: &mut [f64], periods: i64, f: impl Fn(f64, f64) -> f64) {
    let rows = column.len();
    let apart = apart(periods, rows);
    // Each value is replaced when no other row needs it any more.
    let without = if periods >= 0 {
        (apart..rows).rev().for_each(|row| column[row] = f(column[row], column[row - apart]));
        &mut column[..apart]
    } else {
        (0..rows - apart).for_each(|row| column[row] = f(column[row], column[row + apart]));
        &mut column[rows - apart..]
    };
    without.iter_mut().for_each(|x| *x = f(*x, f64::NAN));
}

/// Refuses to look at rows behind, over the stream.
pub(super) fn check_stream(periods: i64) -> Result<(), Refusal> {
    if periods >= 0 {
        return Ok(());
    }
    Err(Refusal::new("periods", "the rows of the next message are not known yet: 0 or more over the stream"))
}
