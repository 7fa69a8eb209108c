//! Units of measurement: which of them can be converted to which, by WeeWX's names and labels and by their signs.

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
    DegreeDays,
    Pressure,
    PressureRate,
    Speed,
    Length,
    /// Of rain, per hour.
    Rate,
    Energy,
    Power,
    Volume,
    Duration,
    Angle,
    Data,
    /// Of one unit, which is no other's.
    Own(&'static str),
}

use Dimension::{
    Angle, Data, DegreeDays, Duration, Energy, Length, Own, Power, Pressure, PressureRate, Rate, Speed, Temperature,
    Volume,
};

/// WeeWX's names and labels, which stand behind names; signs, which stand behind numbers; `(x - shift) * over / under` is
/// the number of the dimension's first unit.
type Unit = (&'static [&'static str], &'static [&'static str], Dimension, f64, f64, f64);

/// A unit that nothing is converted to.
const fn own(names: &'static [&'static str], signs: &'static [&'static str]) -> Unit {
    (names, signs, Own(names[0]), 0.0, 1.0, 1.0)
}

const UNITS: [Unit; 73] = [
    (&["C", "degree_C"], &["celsius", "\u{b0}C", "\u{2103}", "degC", "deg C", "Celsius"], Temperature, 0.0, 1.0, 1.0),
    (
        &["F", "degree_F"],
        &["fahrenheit", "\u{b0}F", "\u{2109}", "degF", "deg F", "Fahrenheit"],
        Temperature,
        32.0,
        5.0,
        9.0,
    ),
    (&["K", "degree_K"], &["kelvin", "\u{b0}K", "Kelvin"], Temperature, 273.15, 1.0, 1.0),
    (&["degree_E"], &["\u{b0}E"], Temperature, 16.0, 5.0, 7.0),
    (&["degree_C_day"], &["\u{b0}C-day"], DegreeDays, 0.0, 1.0, 1.0),
    (&["degree_F_day"], &["\u{b0}F-day"], DegreeDays, 0.0, 5.0, 9.0),
    (&["hPa", "mbar"], &["mb"], Pressure, 0.0, 1.0, 1.0),
    (&["kPa"], &[], Pressure, 0.0, 10.0, 1.0),
    (&["Pa"], &[], Pressure, 0.0, 1.0, 100.0),
    // Conventional inch and millimetre of mercury (NIST SP 811).
    (&["inHg"], &["in Hg"], Pressure, 0.0, 33.863_89, 1.0),
    (&["mmHg"], &["mm Hg"], Pressure, 0.0, 1.333_224, 1.0),
    (&["hPa_per_hour", "mbar_per_hour"], &["hPa/h", "mbar/h"], PressureRate, 0.0, 1.0, 1.0),
    (&["kPa_per_hour"], &["kPa/h"], PressureRate, 0.0, 10.0, 1.0),
    (&["inHg_per_hour"], &["inHg/h"], PressureRate, 0.0, 33.863_89, 1.0),
    (&["mmHg_per_hour"], &["mmHg/h"], PressureRate, 0.0, 1.333_224, 1.0),
    (
        &["mps", "mps2", "meter_per_second", "meter_per_second2", "meter_per_sec"],
        &["m/s", "m s-1", "m\u{b7}s\u{207b}\u{b9}"],
        Speed,
        0.0,
        1.0,
        1.0,
    ),
    (
        &["kph", "kph2", "km_per_hour", "km_per_hour2", "km_per_hr"],
        &["km/h", "kmh", "km/hr", "kmph"],
        Speed,
        0.0,
        1.0,
        3.6,
    ),
    (&["mph", "mph2", "mile_per_hour", "mile_per_hour2"], &["mi/h"], Speed, 0.0, 0.447_04, 1.0),
    (&["knot", "knot2"], &["knots", "kn", "kt", "kts"], Speed, 0.0, 1852.0, 3600.0),
    (&["mm"], &[], Length, 0.0, 1.0, 1.0),
    (&["cm"], &[], Length, 0.0, 10.0, 1.0),
    (&["in", "inch"], &["inches", "\""], Length, 0.0, 25.4, 1.0),
    (&["foot"], &["ft", "feet"], Length, 0.0, 304.8, 1.0),
    (&["meter"], &["m", "meters"], Length, 0.0, 1e3, 1.0),
    (&["km"], &[], Length, 0.0, 1e6, 1.0),
    (&["mile"], &["mi", "miles"], Length, 0.0, 1_609_344.0, 1.0),
    (&["astronomical_unit"], &["AU"], Length, 0.0, 149_597_870_700_000.0, 1.0),
    (&["mm_per_hour", "mm_per_hr"], &["mm/h", "mm/hr"], Rate, 0.0, 1.0, 1.0),
    (&["cm_per_hour", "cm_per_hr"], &["cm/h", "cm/hr"], Rate, 0.0, 10.0, 1.0),
    (&["inch_per_hour", "in_per_hour", "in_per_hr"], &["in/h", "in/hr"], Rate, 0.0, 25.4, 1.0),
    (&["watt_hour"], &["Wh"], Energy, 0.0, 1.0, 1.0),
    (&["kilowatt_hour"], &["kWh"], Energy, 0.0, 1e3, 1.0),
    (&["watt_second"], &["Ws", "J"], Energy, 0.0, 1.0, 3600.0),
    (&["mega_joule"], &["MJ"], Energy, 0.0, 1e6, 3600.0),
    (&["watt"], &["W"], Power, 0.0, 1.0, 1.0),
    (&["kilowatt"], &["kW"], Power, 0.0, 1e3, 1.0),
    (&["liter", "litre"], &["l", "L"], Volume, 0.0, 1.0, 1.0),
    (&["gallon"], &["gal"], Volume, 0.0, 3.785_411_784, 1.0),
    (&["cubic_foot"], &["ft\u{b3}"], Volume, 0.0, 28.316_846_592, 1.0),
    (&["cubic_meter"], &["m\u{b3}", "m3"], Volume, 0.0, 1e3, 1.0),
    (&["s", "second"], &["sec", "seconds"], Duration, 0.0, 1.0, 1.0),
    (&["minute"], &["min", "minutes"], Duration, 0.0, 60.0, 1.0),
    (&["hour"], &["h", "hr", "hours"], Duration, 0.0, 3600.0, 1.0),
    (&["day"], &["d", "days"], Duration, 0.0, 86_400.0, 1.0),
    (&["degree_compass", "degree_angle"], &["\u{b0}", "deg", "degrees"], Angle, 0.0, 1.0, 1.0),
    (&["radian"], &["rad"], Angle, 0.0, 180.0, std::f64::consts::PI),
    (&["byte"], &["B"], Data, 0.0, 1.0, 1.0),
    (&["bit"], &[], Data, 0.0, 1.0, 8.0),
    (&["V", "volt"], &[], Own("volt"), 0.0, 1.0, 1.0),
    (&["millivolt"], &["mV"], Own("volt"), 0.0, 1.0, 1e3),
    (&["amp"], &["A"], Own("amp"), 0.0, 1.0, 1.0),
    (&["milliamp"], &["mA"], Own("amp"), 0.0, 1.0, 1e3),
    own(&["Wpm2", "watt_per_meter_squared"], &["W/m2", "W/m\u{b2}", "W/m^2"]),
    own(&["cb", "centibar"], &[]),
    own(&["percent"], &["%", "%RH", "% RH"]),
    own(&["microgram_per_meter_cubed"], &["\u{b5}g/m\u{b3}", "\u{3bc}g/m\u{b3}", "ug/m3", "\u{b5}g/m3", "\u{3bc}g/m3"]),
    own(&["gram_per_meter_cubed", "g_per_meter_cubed"], &["g/m\u{b3}", "g/m3"]),
    own(&["ppm"], &[]),
    own(&["ppb"], &[]),
    own(&["lux"], &["lx"]),
    own(&["dB"], &[]),
    own(&["dBm"], &[]),
    own(&["hertz"], &["Hz"]),
    own(&["count"], &[]),
    own(&["boolean"], &[]),
    own(&["uv_index"], &[]),
    own(&["beaufort"], &["Bft", "bft"]),
    own(&["unix_epoch"], &[]),
    own(&["unix_epoch_ms"], &[]),
    own(&["unix_epoch_ns"], &[]),
    own(&["dublin_jd"], &[]),
    own(&["local_djd"], &[]),
    own(&["NONE"], &[]),
];

fn find(name: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|(names, signs, ..)| names.contains(&name) || signs.contains(&name))
}

/// Whether a name is that of a unit.
pub fn is_unit(name: &str) -> bool {
    find(name).is_some()
}

/// Whether it is one of the labels that WeeWX's MQTT publisher appends to names, or a unit of WeeWX.
pub fn is_label(name: &str) -> bool {
    UNITS.iter().any(|(names, ..)| names.contains(&name))
}

/// The name that a unit has in a dataflow file.
pub fn name(unit: &str) -> Option<&'static str> {
    find(unit).and_then(|(names, ..)| names.last().copied())
}

/// A number and the unit behind it: `21.5 °C`, `55%`; what stands there may be no unit that is known.
pub fn split(cell: &str) -> Option<(&str, &str)> {
    let cell = cell.trim();
    let is_number = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-\u{2212}.,'\u{2019}".contains(c);
    let (number, unit) = cell.split_at(cell.find(|c| !is_number(c))?);
    let number = number.trim_end();
    number.contains(|c: char| c.is_ascii_digit()).then_some((number, unit))
}

/// How numbers of one unit become those of another; `None` if they measure different things, or a name is unknown.
pub fn conversion(from: &str, to: &str) -> Option<Conversion> {
    let (&(.., measured, shift, over, under), &(.., asked, base, to_over, to_under)) = (find(from)?, find(to)?);
    // Whole numbers first: 50 degrees Fahrenheit are 10 degrees Celsius to the last digit.
    (measured == asked).then_some(Conversion { shift, over: over * to_under, under: under * to_over, base })
}

impl Conversion {
    /// Whether it leaves numbers as they are.
    pub fn is_none(self) -> bool {
        self.over == self.under && self.shift == self.base
    }

    /// The number of the other unit.
    pub fn apply(self, number: f64) -> f64 {
        if self.is_none() {
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
            (10.0, "km/h", "meter_per_second", 10.0 / 3.6),
            (55.0, "%", "percent", 55.0),
            (1.5, "kWh", "watt_hour", 1500.0),
            (3.6, "mega_joule", "kilowatt_hour", 1.0),
            (30.0, "degree_E", "degree_C", 10.0),
        ] {
            let found = conversion(from, to).unwrap().apply(number);
            assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{number} {from} are {found} {to}");
        }
        assert_eq!((conversion("F", "mbar"), conversion("V", "degree_C")), (None, None));
        assert!(is_unit("degree_F") && is_unit("percent") && !is_unit("degree_X"));
        assert!(is_label("microgram_per_meter_cubed") && !is_label("%"));
    }

    #[test]
    fn a_unit_is_named_once_and_split_from_its_number() {
        let mut names: Vec<&str> = UNITS.iter().flat_map(|(names, signs, ..)| [*names, *signs].concat()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for (cell, expected) in [
            ("21.5 \u{b0}C", Some(("21.5", "\u{b0}C"))),
            (" -3,5%", Some(("-3,5", "%"))),
            ("1 013 hPa ", Some(("1 013", "hPa"))),
            ("10 km/h", Some(("10", "km/h"))),
            ("21.5", None),
            ("C 21", None),
            ("warm", None),
        ] {
            assert_eq!(split(cell), expected, "{cell}");
        }
        assert_eq!((name("\u{b0}F"), name("%"), name("x")), (Some("degree_F"), Some("percent"), None));
    }
}
