//! Units of measurement: which of them can be converted to which, by WeeWX's labels and names.

/// A number of one unit as one of another: `(x - shift) * over / under + base`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    shift: f64,
    over: f64,
    under: f64,
    base: f64,
}

/// What is measured, each with a unit of its own to go by.
#[derive(Clone, Copy, PartialEq)]
enum Dimension {
    Temperature,
    Pressure,
    Speed,
    Length,
    /// Of rain, per hour.
    Rate,
}

use Dimension::{Length, Pressure, Rate, Speed, Temperature};

/// A unit's labels and names; `(x - shift) * over / under` is the number of its dimension's first unit.
type Unit = (&'static [&'static str], Dimension, f64, f64, f64);

const UNITS: [Unit; 22] = [
    (&["C", "degree_C", "celsius"], Temperature, 0.0, 1.0, 1.0),
    (&["F", "degree_F", "fahrenheit"], Temperature, 32.0, 5.0, 9.0),
    (&["K", "degree_K", "kelvin"], Temperature, 273.15, 1.0, 1.0),
    (&["hPa", "mbar"], Pressure, 0.0, 1.0, 1.0),
    (&["kPa"], Pressure, 0.0, 10.0, 1.0),
    (&["Pa"], Pressure, 0.0, 1.0, 100.0),
    // Conventional inch and millimetre of mercury (NIST SP 811).
    (&["inHg"], Pressure, 0.0, 33.863_89, 1.0),
    (&["mmHg"], Pressure, 0.0, 1.333_224, 1.0),
    (&["mps", "meter_per_second", "meter_per_sec"], Speed, 0.0, 1.0, 1.0),
    (&["kph", "km_per_hour", "km_per_hr"], Speed, 0.0, 1.0, 3.6),
    (&["mph", "mile_per_hour"], Speed, 0.0, 0.447_04, 1.0),
    (&["knot"], Speed, 0.0, 1852.0, 3600.0),
    (&["mm"], Length, 0.0, 1.0, 1.0),
    (&["cm"], Length, 0.0, 10.0, 1.0),
    (&["in", "inch"], Length, 0.0, 25.4, 1.0),
    (&["foot"], Length, 0.0, 304.8, 1.0),
    (&["meter"], Length, 0.0, 1e3, 1.0),
    (&["km"], Length, 0.0, 1e6, 1.0),
    (&["mile"], Length, 0.0, 1_609_344.0, 1.0),
    (&["mm_per_hour", "mm_per_hr"], Rate, 0.0, 1.0, 1.0),
    (&["cm_per_hour", "cm_per_hr"], Rate, 0.0, 10.0, 1.0),
    (&["inch_per_hour", "in_per_hr"], Rate, 0.0, 25.4, 1.0),
];

fn find(name: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|(names, ..)| names.contains(&name))
}

/// Whether a name is that of a unit that can be converted.
pub fn is_unit(name: &str) -> bool {
    find(name).is_some()
}

/// How numbers of one unit become those of another; `None` if they measure different things, or a name is unknown.
pub fn conversion(from: &str, to: &str) -> Option<Conversion> {
    let (&(_, measured, shift, over, under), &(_, asked, base, to_over, to_under)) = (find(from)?, find(to)?);
    // Whole numbers first: 50 degrees Fahrenheit are 10 degrees Celsius to the last digit.
    (measured == asked).then_some(Conversion { shift, over: over * to_under, under: under * to_over, base })
}

impl Conversion {
    /// The number of the other unit.
    pub fn apply(self, number: f64) -> f64 {
        if self.over == self.under && self.shift == self.base {
            return number;
        }
        (number - self.shift) * self.over / self.under + self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_others() {
        for (number, from, to, expected) in [
            (50.0, "F", "degree_C", 10.0),
            (10.0, "C", "degree_F", 50.0),
            (11.7, "C", "degree_C", 11.7),
            (0.0, "C", "degree_K", 273.15),
            (1013.25, "mbar", "hPa", 1013.25),
            (101.325, "kPa", "mbar", 1013.25),
            (29.92, "inHg", "mbar", 1_013.207_588_8),
            (10.0, "mph", "meter_per_second", 4.4704),
            (36.0, "kph", "mps", 10.0),
            (10.0, "knot", "km_per_hour", 18.52),
            (0.5, "in", "mm", 12.7),
            (2.0, "inch_per_hour", "mm_per_hour", 50.8),
        ] {
            let found = conversion(from, to).unwrap().apply(number);
            assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{number} {from} are {found} {to}");
        }
        assert_eq!((conversion("F", "mbar"), conversion("V", "degree_C")), (None, None));
        assert!(is_unit("degree_F") && !is_unit("percent"));
    }
}
