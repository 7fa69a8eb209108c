//! The order of day and month in the dates of a file: its rows tell it, and one file has one order.

use std::io::{self, BufRead};

use super::records::FileRecords;
use super::{Framing, csv, time_rules};
use crate::data::DateOrder;

/// So many bytes wait for a date that tells the order of day and month.
const MOST_WAITING: usize = 1 << 20;

/// So many lines without a date that could have either order are looked at: units, comments, dates of ISO 8601.
const MOST_OTHERS: usize = 16;

/// The cell of a row's date.
fn date_of(line: &[u8], (separator, index): (u8, usize)) -> String {
    let line = String::from_utf8_lossy(line);
    csv::cells_by(line.trim_end_matches(['\r', '\n']), separator).nth(index).unwrap_or_default().into_owned()
}

/// The place of the date among the cells, with the separator before it, where dates are read.
pub fn date_cell(header: &str, separator: u8, framing: &Framing) -> Option<(u8, usize)> {
    let time = framing.decoding.time.as_ref()?;
    let wanted = time.from.first().unwrap_or(&time.name);
    let index = csv::names(header, separator).iter().position(|name| name == wanted)?;
    Some((separator, index))
}

impl<R: BufRead> FileRecords<R> {
    /// The order of day and month that the rows from a place on tell; they wait for it, for one input has one order.
    pub(super) fn order_ahead(&mut self, begin: usize) -> io::Result<Option<DateOrder>> {
        let Some(cell) = self.date_cell else { return Ok(None) };
        let (mut from, mut first, mut others) = (begin, None, 0);
        while from - begin < MOST_WAITING {
            let Some(line) = self.line_ahead(from)? else { break };
            from = line.end;
            let date = date_of(&self.bytes[line], cell);
            if let Some(order) = time_rules::order_told(&date) {
                return Ok(Some(order));
            }
            match time_rules::needs_order(&date) {
                true => {
                    first.get_or_insert(date);
                }
                false => others += 1,
            }
            if first.is_none() && others == MOST_OTHERS {
                return Ok(None);
            }
        }
        if let Some(first) = first {
            tracing::warn!(
                "{first} may have the day or the month first, and no date of the first rows tells: say order in \
                 [schema.time]"
            );
        }
        Ok(None)
    }

    /// The order of day and month that some row tells, however far behind.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn told_order(mut self) -> io::Result<Option<DateOrder>> {
        let Some(cell) = self.date_cell else { return Ok(None) };
        while std::mem::take(&mut self.held_back) || self.read_record()? {
            if let Some(order) = time_rules::order_told(&date_of(self.record(), cell)) {
                return Ok(Some(order));
            }
        }
        Ok(None)
    }
}
