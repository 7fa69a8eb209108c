//! Levels of a topic as columns: `weather/{station}/loop`, and `weather/{station}/{column}`, where the level names the
//! column and the payload is its value.

use std::str::FromStr;

use serde::Deserialize;

/// The level whose name is that of the payload's column.
const COLUMN: &str = "column";

/// A level of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    /// A level of just this name.
    Name(String),
    /// `+`: any level.
    Any,
    /// `#`, at the end: any number of levels.
    Rest,
    /// `{name}`: any level but an empty one, which is the value of the column of this name.
    Value(String),
    /// `{column}`: any level but an empty one, which is the name of the column whose value is the payload.
    Column,
}

/// What the levels of topics mean.
///
/// ```
/// use rowmill::format::TopicPattern;
/// let pattern: TopicPattern = "weather/{station}/loop".parse().unwrap();
/// assert!(pattern.matches("weather/north/loop") && !pattern.matches("weather/north/status"));
/// assert_eq!(pattern.values("weather/north/loop").collect::<Vec<_>>(), [("station", "north")]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TopicPattern {
    levels: Vec<Level>,
}

impl FromStr for TopicPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<TopicPattern, String> {
        let levels = text.split('/').map(Level::read).collect::<Result<Vec<_>, _>>()?;
        let before_last = &levels[..levels.len() - 1];
        if before_last.contains(&Level::Rest) {
            return Err("# stands at the end of a topic only".into());
        }
        let pattern = TopicPattern { levels };
        let columns: Vec<&str> = pattern.columns().collect();
        if let Some(twice) = (1..columns.len()).find(|place| columns[..*place].contains(&columns[*place])) {
            return Err(format!("{{{}}} stands twice", columns[twice]));
        }
        match pattern.levels.iter().filter(|level| **level == Level::Column).count() {
            0 if columns.is_empty() => Err(format!("{text:?} names no column: write {{station}} for a level")),
            0 | 1 => Ok(pattern),
            _ => Err("{column} stands twice".into()),
        }
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = String;

    fn try_from(text: String) -> Result<TopicPattern, String> {
        text.parse()
    }
}

impl Level {
    fn read(text: &str) -> Result<Level, String> {
        match text {
            "+" => return Ok(Level::Any),
            "#" => return Ok(Level::Rest),
            _ => {}
        }
        let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(COLUMN) => Ok(Level::Column),
            Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Ok(Level::Value(name.to_owned())),
            None if !text.contains(['{', '}', '+', '#']) => Ok(Level::Name(text.to_owned())),
            _ => Err(format!("the level {text:?} is neither a name nor +, #, {{NAME}} or {{column}} alone")),
        }
    }

    fn takes(&self, level: &str) -> bool {
        match self {
            Level::Name(name) => name == level,
            Level::Any | Level::Rest => true,
            Level::Value(_) | Level::Column => !level.is_empty(),
        }
    }
}

impl TopicPattern {
    /// Whether a topic is one of these.
    pub fn matches(&self, topic: &str) -> bool {
        let mut names = topic.split('/');
        for level in &self.levels {
            match (level, names.next()) {
                // It takes the parent level, too, as in a filter.
                (Level::Rest, _) => return true,
                (level, Some(name)) if level.takes(name) => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// The columns that levels are the values of, in the order of the levels.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Value(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether payloads are values of a column that the topic names.
    pub fn names_column(&self) -> bool {
        self.column_level().is_some()
    }

    fn column_level(&self) -> Option<usize> {
        self.levels.iter().position(|level| *level == Level::Column)
    }

    /// The columns that levels of a topic are the values of, each with its value.
    pub fn values<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.levels.iter().zip(topic.split('/')).filter_map(|(level, value)| match level {
            Level::Value(name) => Some((name.as_str(), value)),
            _ => None,
        })
    }

    /// The column that a topic names.
    pub fn column<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.split('/').nth(self.column_level()?)
    }

    /// A topic without the level that names the column: the same for all values of one row.
    pub fn row_of(&self, topic: &str) -> String {
        let place = self.column_level();
        let levels = topic.split('/').enumerate().filter(|(level, _)| Some(*level) != place);
        levels.map(|(_, name)| name).collect::<Vec<_>>().join("/")
    }

    /// A filter that also takes the topics of all other values of the rows that `filter` takes values of.
    pub fn filter_of_rows(&self, filter: &str) -> String {
        let place = self.column_level();
        let levels = filter.split('/').enumerate();
        let levels = levels.map(|(level, name)| if Some(level) == place && name != "#" { "+" } else { name });
        levels.collect::<Vec<_>>().join("/")
    }

    /// The filter that takes these topics.
    pub fn filter(&self) -> String {
        let levels = self.levels.iter().map(|level| match level {
            Level::Name(name) => name,
            Level::Any | Level::Value(_) | Level::Column => "+",
            Level::Rest => "#",
        });
        levels.collect::<Vec<_>>().join("/")
    }
}

impl std::fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, level) in self.levels.iter().enumerate() {
            f.write_str(if place > 0 { "/" } else { "" })?;
            match level {
                Level::Name(name) => f.write_str(name)?,
                Level::Any => f.write_str("+")?,
                Level::Rest => f.write_str("#")?,
                Level::Value(name) => write!(f, "{{{name}}}")?,
                Level::Column => write!(f, "{{{COLUMN}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        text.parse().unwrap()
    }

    #[test]
    fn levels_are_values_names_or_neither() {
        let both = pattern("/+/{station}/sensor/{column}/#");
        let topic = "/home/north/sensor/outTemp/state/x";
        assert!(both.matches(topic) && both.matches("/home/north/sensor/outTemp"));
        assert_eq!(both.values(topic).collect::<Vec<_>>(), [("station", "north")]);
        assert_eq!((both.column(topic), both.names_column()), (Some("outTemp"), true));
        assert_eq!(both.row_of(topic), "/home/north/sensor/state/x");
        assert_eq!(both.filter(), "/+/+/sensor/+/#");
        assert_eq!(both.to_string(), "/+/{station}/sensor/{column}/#");
        for other in ["home/north/sensor/outTemp", "/home/north/sensor", "/home//sensor/outTemp", "/h/n/s/outTemp", ""]
        {
            assert!(!both.matches(other), "{other}");
        }
        let one = pattern("weather/{station}");
        assert!(!one.matches("weather/a/b") && !one.names_column() && one.column("weather/a").is_none());
        assert_eq!(pattern("{a}/{b}").columns().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (wrong, part) in [
            ("weather/loop", "names no column"),
            ("", "names no column"),
            ("{a}/{a}", "{a} stands twice"),
            ("{column}/x/{column}", "{column} stands twice"),
            ("#/{a}", "at the end"),
            ("a/{}", "\"{}\""),
            ("a/x{b}", "\"x{b}\""),
            ("a/{b", "\"{b\""),
            ("a+/{b}", "\"a+\""),
        ] {
            let reason = wrong.parse::<TopicPattern>().unwrap_err();
            assert!(reason.contains(part), "{wrong}: {reason}");
        }
    }
}
