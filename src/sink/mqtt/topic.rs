//! A sink's topic with columns, such as `out/{station}`: each row is published under its own texts.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::data::{Kind, Schema};

/// A topic as a sink's address gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkTopic {
    parts: Vec<TopicPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TopicPart {
    Text(String),
    Column(String),
}

/// The longest topic of MQTT, in bytes.
const MAX_TOPIC: usize = u16::MAX as usize;

impl SinkTopic {
    /// Reads a topic; `None` if it names no column.
    ///
    /// # Errors
    /// A brace that opens or closes nothing.
    pub fn read(text: &str) -> Result<Option<SinkTopic>, String> {
        let unclosed = || format!("{text:?}: a column in a topic is written {{NAME}}");
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or_else(unclosed)?;
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return Err(unclosed());
            }
            parts.extend([TopicPart::Text(before.to_owned()), TopicPart::Column(name.to_owned())]);
            rest = after;
        }
        if rest.contains('}') {
            return Err(unclosed());
        }
        if parts.is_empty() {
            return Ok(None);
        }
        parts.push(TopicPart::Text(rest.to_owned()));
        Ok(Some(SinkTopic { parts }))
    }

    /// The columns it names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TopicPart::Column(name) => Some(name.as_str()),
            TopicPart::Text(_) => None,
        })
    }

    /// The first column it names that is no text column of the rows.
    pub fn no_text(&self, schema: &Schema) -> Option<&str> {
        self.columns().find(|name| schema.get(name).is_none_or(|column| column.kind != Kind::Text))
    }

    /// The filter that takes all its topics.
    pub fn filter(&self) -> String {
        let text = self.parts.iter().map(|part| match part {
            TopicPart::Text(text) => text.as_str(),
            TopicPart::Column(_) => "{",
        });
        let text = text.collect::<String>();
        let levels = text.split('/').map(|level| if level.contains('{') { "+" } else { level });
        levels.collect::<Vec<_>>().join("/")
    }

    /// The topic of a row.
    ///
    /// # Errors
    /// Why it has none.
    pub fn of(&self, line: &[u8]) -> Result<String, String> {
        let row: HashMap<String, &RawValue> =
            serde_json::from_slice(line).map_err(|error| format!("no topic for it: {error}"))?;
        let text = |name: &str| serde_json::from_str::<String>(row.get(name)?.get()).ok();
        let mut topic = String::new();
        for part in &self.parts {
            match part {
                TopicPart::Text(text) => topic.push_str(text),
                TopicPart::Column(name) => match text(name) {
                    Some(value) if !value.is_empty() => push_level(&mut topic, &value),
                    _ => return Err(format!("no value for {{{name}}} in the sink's topic")),
                },
            }
        }
        check_topic(&topic).map(|()| topic)
    }
}

/// Appends a value as a part of one level: what means something in a topic is percent-encoded, and so is the percent
/// sign, so that different values are different levels.
fn push_level(topic: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            // `$` begins the topics of the broker itself.
            '$' if topic.is_empty() => topic.push_str("%24"),
            '/' | '+' | '#' | '%' => topic.push_str(&format!("%{:02X}", u32::from(c))),
            c if is_refused(c) => {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| topic.push_str(&format!("%{byte:02X}")));
            }
            c => topic.push(c),
        }
    }
}

/// Whether brokers may refuse a topic with it, as MQTT permits: control characters, and what is no character of Unicode.
fn is_refused(c: char) -> bool {
    c.is_control() || matches!(u32::from(c), 0xfdd0..=0xfdef) || u32::from(c) & 0xfffe == 0xfffe
}

/// Refuses what no topic of rows may have.
///
/// # Errors
/// Why brokers would refuse it.
pub fn check_topic(topic: &str) -> Result<(), String> {
    if topic.len() > MAX_TOPIC {
        return Err(format!("a topic of {} bytes: MQTT has {MAX_TOPIC} at most", topic.len()));
    }
    match topic.chars().find(|c| is_refused(*c)) {
        Some(c) => Err(format!("brokers refuse a topic with the character U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str, line: &str) -> Result<String, String> {
        SinkTopic::read(text).unwrap().unwrap().of(line.as_bytes())
    }

    #[test]
    fn a_row_is_published_under_its_texts() {
        let line = r#"{"message":1,"row":2,"t":4.5,"station":"north","site":"a \"b\""}"#;
        assert_eq!(topic("out/{station}", line).unwrap(), "out/north");
        assert_eq!(topic("{site}/x-{station}/y", line).unwrap(), "a \"b\"/x-north/y");
        assert_eq!(SinkTopic::read("out/plain"), Ok(None));
        for (value, level) in [
            ("a/b", "a%2Fb"),
            ("a+", "a%2B"),
            ("#", "%23"),
            ("50%", "50%25"),
            ("$SYS", "$SYS"),
            ("x\u{0}y\nz", "x%00y%0Az"),
            ("\u{85}", "%C2%85"),
            ("\u{fffe}", "%EF%BF%BE"),
            ("a\u{10ffff}", "a%F4%8F%BF%BF"),
            ("\u{fdd0}\u{fffd}", "%EF%B7%90\u{fffd}"),
            ("Gr\u{fc}n 1", "Gr\u{fc}n 1"),
        ] {
            let line = serde_json::json!({ "station": value }).to_string();
            assert_eq!(topic("out/{station}", &line).unwrap(), format!("out/{level}"), "{value:?}");
        }
        assert_eq!(topic("{station}", r#"{"station":"$SYS"}"#).unwrap(), "%24SYS");
    }

    #[test]
    fn a_row_without_the_text_has_no_topic() {
        for line in [r#"{"station":null}"#, r#"{"station":""}"#, r#"{"t":1}"#, r#"{"station":4}"#] {
            assert_eq!(topic("out/{station}", line).unwrap_err(), "no value for {station} in the sink's topic");
        }
        let long = serde_json::json!({ "station": "x".repeat(70_000) }).to_string();
        assert!(topic("out/{station}", &long).unwrap_err().contains("70004 bytes"));
        for wrong in ["a/{", "a/}", "a/{}", "a/{b{c}}", "{a}/}"] {
            assert!(SinkTopic::read(wrong).unwrap_err().contains("{NAME}"), "{wrong}");
        }
    }

    #[test]
    fn a_topic_that_brokers_refuse_is_told() {
        assert_eq!(check_topic("out/Gr\u{fc}n 1/$x"), Ok(()));
        for (topic, code) in [("a\u{0}", "0000"), ("\u{fffe}/b", "FFFE"), ("a\u{1ffff}", "1FFFF"), ("\u{9f}", "009F")] {
            assert!(check_topic(topic).unwrap_err().ends_with(code), "{topic:?}");
        }
        assert!(check_topic(&"x".repeat(65_536)).unwrap_err().contains("65536 bytes"));
    }

    #[test]
    fn its_columns_are_texts_and_its_filter_takes_its_topics() {
        let both = SinkTopic::read("out/{station}/x-{t}/y").unwrap().unwrap();
        assert_eq!(both.filter(), "out/+/+/y");
        let schema = Schema::new([("t", Kind::Number), ("station", Kind::Text)]);
        assert_eq!(both.no_text(&schema), Some("t"));
        assert_eq!(SinkTopic::read("{station}").unwrap().unwrap().no_text(&schema), None);
        assert_eq!(SinkTopic::read("{other}").unwrap().unwrap().no_text(&schema), Some("other"));
    }
}
