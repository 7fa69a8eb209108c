//! The precision in which trees compare.

/// What trees compare: values in double precision, or rounded to single as most trees of scikit-learn take them.
pub trait Compared: Copy + PartialOrd + Send + Sync + 'static {
    /// A value as it is compared.
    fn value(x: f64) -> Self;
    /// A threshold with which such values compare as with the one in double precision.
    fn threshold(x: f64) -> Self;

    /// Whether a value is missing.
    #[inline(always)]
    #[allow(clippy::eq_op, reason = "a value that does not equal itself is missing")]
    fn is_missing(self) -> bool {
        self != self
    }
}

impl Compared for f64 {
    fn value(x: f64) -> f64 {
        x
    }

    fn threshold(x: f64) -> f64 {
        x
    }
}

impl Compared for f32 {
    fn value(x: f64) -> f32 {
        x as f32
    }

    /// The greatest single that is no greater: a single is up to the one threshold if it is up to the other.
    fn threshold(x: f64) -> f32 {
        let nearest = x as f32;
        if f64::from(nearest) > x { nearest.next_down() } else { nearest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_between_two_singles_splits_them_as_in_double_precision() {
        let below = 0.1_f64.next_down();
        for threshold in [0.1, below, f64::from(0.1_f32), f64::from(0.1_f32.next_down()), 1e300, -1e300] {
            for x in [0.1_f32, 0.1_f32.next_down(), 0.1_f32.next_up(), f32::MAX, f32::MIN, 0.0] {
                assert_eq!(x <= f32::threshold(threshold), f64::from(x) <= threshold, "{x} {threshold}");
            }
        }
    }
}
