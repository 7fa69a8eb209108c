//! WeeWX's names: its MQTT publisher appends the unit to a name, such as `outTemp_C`.

use super::units::is_label;

/// A name without its unit label, and the label, if it has one.
pub(crate) fn without_label(name: &str) -> Option<(&str, &str)> {
    let mut cuts = name.match_indices('_').map(|(at, _)| (&name[..at], &name[at + 1..]));
    cuts.find(|(_, label)| is_label(label))
}

/// The place of a name: its own, or that of the name without WeeWX's unit label.
pub(crate) fn place(name: &str, place: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    place(name).or_else(|| {
        let mut cuts = name.match_indices('_').map(|(at, _)| at);
        cuts.find_map(|at| if is_label(&name[at + 1..]) { place(&name[..at]) } else { None })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Schema;

    #[test]
    fn unit_labels_are_cut_off() {
        let schema = Schema::davis();
        for (key, name) in [
            ("outTemp_C", "outTemp"),
            ("rainRate_inch_per_hour", "rainRate"),
            ("UV", "UV"),
            ("windSpeed_knot2", "windSpeed"),
        ] {
            assert_eq!(place(key, |name| schema.place(name)), schema.place(name), "{key}");
        }
        assert_eq!(place("outTemp_max", |name| schema.place(name)), None);
    }
}
