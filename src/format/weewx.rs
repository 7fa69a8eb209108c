//! WeeWX's names: its MQTT publisher appends the unit to a name, such as `outTemp_C`.

use crate::data::Schema;

/// The unit labels that WeeWX's MQTT publisher appends.
const LABELS: [&str; 36] = [
    "C",
    "F",
    "K",
    "mph",
    "kph",
    "mps",
    "knot",
    "beaufort",
    "inHg",
    "mmHg",
    "mbar",
    "hPa",
    "kPa",
    "in",
    "inch",
    "mm",
    "cm",
    "inch_per_hour",
    "in_per_hr",
    "mm_per_hour",
    "mm_per_hr",
    "cm_per_hour",
    "cm_per_hr",
    "Wpm2",
    "V",
    "volt",
    "cb",
    "centibar",
    "s",
    "second",
    "minute",
    "foot",
    "meter",
    "km",
    "mile",
    "percent",
];

/// The place of a key in the schema: its own name, or its name without WeeWX's unit label.
pub fn place(schema: &Schema, key: &str) -> Option<usize> {
    schema.place(key).or_else(|| {
        let mut cuts = key.match_indices('_').map(|(at, _)| at);
        cuts.find_map(|at| if LABELS.contains(&&key[at + 1..]) { schema.place(&key[..at]) } else { None })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_labels_are_cut_off() {
        let schema = Schema::davis();
        for (key, name) in [("outTemp_C", "outTemp"), ("rainRate_inch_per_hour", "rainRate"), ("UV", "UV")] {
            assert_eq!(place(&schema, key), schema.place(name), "{key}");
        }
        assert_eq!(place(&schema, "outTemp_max"), None);
    }
}
