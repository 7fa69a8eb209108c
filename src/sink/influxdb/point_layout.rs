//! Which columns are tags, which are fields of what type, and which is the time.

use super::settings::{InfiniteField, InfluxDb};
use crate::data::{Column, Kind, Schema, did_you_mean};

/// How rows become points.
pub struct PointLayout {
    /// The measurement as lines begin with it.
    pub measurement: Vec<u8>,
    /// By their names, as line protocol recommends.
    pub tags: Vec<PointColumn>,
    pub fields: Vec<(PointColumn, FieldType)>,
    pub time: Column,
    pub infinite: InfiniteField,
}

/// A column with its name as lines have it, and the `=` behind it.
pub struct PointColumn {
    pub key: Vec<u8>,
    pub column: Column,
}

/// The types of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Float,
    Integer,
    Boolean,
    Text,
}

/// What line protocol escapes in names and tags.
pub const SPECIAL: [char; 3] = [',', '=', ' '];

impl PointLayout {
    /// The layout of rows of these columns; `time` is the column of time if the settings name none.
    ///
    /// # Errors
    /// In words: what does not fit.
    pub fn of(settings: &InfluxDb, schema: &Schema, time: Option<&str>) -> Result<PointLayout, String> {
        let column = |key: &str, name: &str| {
            schema.get(name).ok_or_else(|| {
                let nearest = did_you_mean(name, schema.names()).map(|text| format!("; {text}")).unwrap_or_default();
                format!("{key}: the rows have no column {name}{nearest}")
            })
        };
        let time = settings.time.as_deref().or(time);
        let time = time.ok_or("a point needs a time, by which it is the same when it is sent again: name its column with `time`, or in [schema.time]")?;
        let time = column("time", time)?.clone();
        let lists = [("tags", &settings.tags), ("integers", &settings.integers), ("booleans", &settings.booleans)];
        let mut listed: Vec<(&str, &str)> = Vec::new();
        for (key, name) in lists.iter().flat_map(|(key, names)| names.iter().map(move |name| (*key, name.as_str()))) {
            let kind = column(key, name)?.kind;
            if *name == *time.name {
                return Err(format!("{key}: {name} is the time"));
            }
            if let Some((other, _)) = listed.iter().find(|(_, other)| *other == name) {
                return Err(format!("{key}: {name} stands in `{other}` already"));
            }
            if key != "tags" && kind == Kind::Text {
                return Err(format!("{key}: {name} is a column of texts"));
            }
            listed.push((key, name));
        }
        let is_in = |key: &str, column: &Column| listed.contains(&(key, column.name.as_str()));
        let (mut tags, mut fields) = (Vec::new(), Vec::new());
        for column in schema.columns().iter().filter(|column| column.name != time.name) {
            // InfluxDB drops fields of this name.
            if column.name == "time" {
                return Err("a column besides the time has the name time, which points do not take: rename it".into());
            }
            let key = name_of_lines(&column.name, &SPECIAL)? + "=";
            let point_column = PointColumn { key: key.into_bytes(), column: column.clone() };
            match column.kind {
                _ if is_in("tags", column) => tags.push(point_column),
                Kind::Text => fields.push((point_column, FieldType::Text)),
                Kind::Number if is_in("integers", column) => fields.push((point_column, FieldType::Integer)),
                Kind::Number if is_in("booleans", column) => fields.push((point_column, FieldType::Boolean)),
                Kind::Number => fields.push((point_column, FieldType::Float)),
            }
        }
        if fields.is_empty() {
            return Err("a point needs a field: all columns are tags or the time".into());
        }
        tags.sort_by(|a, b| a.column.name.cmp(&b.column.name));
        if settings.measurement.starts_with('#') {
            return Err("measurement: a line that begins with # is a comment".into());
        }
        let measurement = name_of_lines(&settings.measurement, &[',', ' '])?.into_bytes();
        Ok(PointLayout { measurement, tags, fields, time, infinite: settings.infinite })
    }
}

/// A name as it stands in lines.
fn name_of_lines(name: &str, special: &[char]) -> Result<String, String> {
    escaped(name, special).ok_or_else(|| {
        format!(
            "{name:?} is no name of line protocol: it is empty, has a line break or another control character, or a \\ \
             at its end or before a comma, a space or ="
        )
    })
}

/// A text with what is special escaped; `None` if line protocol cannot say it: it has no escape for the escape.
pub fn escaped(text: &str, special: &[char]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 2);
    let mut after_escape = false;
    for c in text.chars() {
        let is_special = special.contains(&c);
        if c.is_control() || (is_special && after_escape) {
            return None;
        }
        if is_special {
            out.push('\\');
        }
        out.push(c);
        after_escape = c == '\\';
    }
    (!after_escape && !out.is_empty()).then_some(out)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn settings(text: &str) -> InfluxDb {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn columns_that_do_not_fit_are_told() {
        let schema = Schema::new([("station", Kind::Text), ("at", Kind::Text), ("temp", Kind::Number)]);
        let layout = |more: &str, schema: &Schema, time: Option<&str>| {
            PointLayout::of(&settings(&format!("measurement = 'w'\n{more}")), schema, time).map(|layout| {
                let keys = layout.tags.iter().chain(layout.fields.iter().map(|(field, _)| field));
                keys.map(|column| String::from_utf8(column.key.clone()).unwrap()).collect::<String>()
            })
        };
        assert_eq!(layout("tags = ['station']", &schema, Some("at")).unwrap(), "station=temp=");
        assert_eq!(layout("time = 'at'", &schema, Some("temp")).unwrap(), "station=temp=");
        for (more, time, words) in [
            ("", None, "[schema.time]"),
            ("time = 'att'", None, "did you mean"),
            ("tags = ['at']", Some("at"), "at is the time"),
            ("tags = ['statoin']", Some("at"), "tags: the rows have no column statoin"),
            ("tags = ['temp']\nintegers = ['temp']", Some("at"), "in `tags` already"),
            ("booleans = ['station']", Some("at"), "column of texts"),
            ("tags = ['station', 'temp']", Some("at"), "needs a field"),
        ] {
            let refused = layout(more, &schema, time).unwrap_err();
            assert!(refused.contains(words), "{more}: {refused}");
        }
        for name in ["time", "a\\", "a\\ b", "a\nb"] {
            let schema = Schema::new([("at", Kind::Text), (name, Kind::Number), ("b", Kind::Number)]);
            assert!(layout("", &schema, Some("at")).is_err(), "{name}");
        }
        let strange = Schema::new([("at", Kind::Text), ("a b,c=d", Kind::Number)]);
        assert_eq!(layout("", &strange, Some("at")).unwrap(), "a\\ b\\,c\\=d=");
        for measurement in ["", "#w", "w\\\\"] {
            let settings = settings(&format!("measurement = \"{measurement}\""));
            assert!(PointLayout::of(&settings, &schema, Some("at")).is_err(), "{measurement}");
        }
    }

    #[test]
    fn what_cannot_be_escaped_is_known() {
        let of = |text: &str| escaped(text, &SPECIAL);
        assert_eq!(of("a b,c=d\"'").as_deref(), Some("a\\ b\\,c\\=d\"'"));
        assert_eq!(of("C:\\x").as_deref(), Some("C:\\x"));
        assert_eq!(of("ä\\\\b").as_deref(), Some("ä\\\\b"));
        for cannot in ["", "a\\", "a\\\\", "a\\,b", "a\\ b", "a\\=", "a\nb", "a\tb", "\0"] {
            assert_eq!(of(cannot), None, "{cannot:?}");
        }
    }
}
