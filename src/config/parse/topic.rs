//! Filters of the source's connections, and `topic`: whether its levels are columns, and topics under the filters.

use toml::Spanned;

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::sections::{Milliseconds, SchemaChoice};
use crate::config::source_plan::SourcePlan;
use crate::format::{InnerRows, TopicPattern};
use crate::mqtt::{Protocol, check_filter, overlap};

/// Refuses filters that no broker takes.
pub(super) fn check_filters(source: &SourcePlan) -> Result<(), SpannedError> {
    for filter in source.settings.topics() {
        check_filter(filter).map_err(|reason| Wrong::Filter { filter: filter.to_owned(), reason }.in_file())?;
    }
    let protocol = source.settings.endpoint.as_ref().and_then(|endpoint| endpoint.protocol);
    if protocol == Some(Protocol::V3) && source.settings.shares() {
        return Err(Wrong::SharedOfV3.in_file());
    }
    Ok(())
}

/// Refuses levels that are no columns of the schema, and topics that no connection subscribes to.
pub(super) fn check_topic(source: &SourcePlan, topic: &Spanned<TopicPattern>) -> Result<(), SpannedError> {
    let (pattern, decoding) = (topic.get_ref(), &source.settings.framing.decoding);
    if let SchemaChoice::Known { schema, .. } = &source.schema
        && let Some(name) = pattern.columns().find(|name| schema.get(name).is_none() && !decoding.is_of_time(name))
    {
        return Err(Wrong::no_column(name, schema).at(topic.span()));
    }
    let own = pattern.filter();
    let filters = source.settings.topics();
    match filters.into_iter().find(|filter| !overlap(filter, &own)) {
        None => Ok(()),
        Some(filter) => {
            Err(Wrong::TopicElsewhere { pattern: pattern.to_string(), filter: filter.to_owned() }.at(topic.span()))
        }
    }
}

/// Refuses to collect values that no topic names, or that come over several connections.
pub(super) fn check_collect(source: &SourcePlan, collect: &Spanned<Milliseconds>) -> Result<(), SpannedError> {
    let settings = &source.settings;
    let Some(pattern) = settings.framing.topic.as_ref().filter(|pattern| pattern.names_column()) else {
        return Err(Wrong::CollectWithoutColumn.at(collect.span()));
    };
    let rows: Vec<String> = settings.topics().iter().map(|filter| pattern.filter_of_rows(filter)).collect();
    let meets = (1..rows.len()).any(|place| rows[..place].iter().any(|other| overlap(other, &rows[place])));
    if settings.shares() || meets {
        return Err(Wrong::CollectShared.at(collect.span()));
    }
    Ok(())
}

/// Refuses a place of the value in payloads that no topic names a column for, rows and other formats where one does, and
/// keys that are values of no column.
pub(super) fn check_inner(
    source: &SourcePlan,
    topic: Option<&Spanned<TopicPattern>>,
    value: Option<&Spanned<String>>,
    rows: Option<&Spanned<String>>,
) -> Result<(), SpannedError> {
    let framing = &source.settings.framing;
    let names_column = framing.topic.as_ref().is_some_and(|pattern| pattern.names_column());
    if let Some(value) = value.filter(|_| !names_column) {
        return Err(Wrong::ValueWithoutColumn.at(value.span()));
    }
    if let Some(rows) = rows.filter(|_| names_column) {
        return Err(Wrong::RowsWithColumn.at(rows.span()));
    }
    if let Some(topic) = topic.filter(|_| names_column && !["auto", "json", "value"].contains(&framing.format.name)) {
        return Err(Wrong::FormatWithColumn(framing.format.name).at(topic.span()));
    }
    let (SchemaChoice::Known { schema, .. }, Some(rows)) = (&source.schema, rows) else { return Ok(()) };
    let mut named = framing.rows.iter().flat_map(InnerRows::key_columns);
    match named.find(|name| schema.get(name).is_none()) {
        Some(name) => Err(Wrong::no_column(name, schema).at(rows.span())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::model::Dataflow;

    fn refused(source: &str) -> Option<String> {
        let text =
            format!("schema = {{ number = [\"t\"], text = [\"station\"] }}\nsink.url = \"null\"\n[source]\n{source}\n");
        let read = Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin());
        read.err().map(|diagnostic| diagnostic.to_string())
    }

    #[test]
    fn a_topic_names_columns_of_the_schema_and_lies_under_the_filters() {
        let source = |url: &str, topic: &str| refused(&format!("url = {url:?}\ntopic = {topic:?}"));
        for (url, topic) in [
            ("mqtt://h/weather/+/loop", "weather/{station}/loop"),
            ("mqtt://h/weather/#", "weather/{station}/{column}"),
            ("mqtt://h/$share/g/+/+", "{station}/{t}"),
            // A recorded file stands in for the topic.
            ("x.csv", "weather/{station}/loop"),
        ] {
            assert_eq!(source(url, topic), None, "{url} {topic}");
        }
        for (url, topic, part) in [
            ("mqtt://h/weather/+/loop", "weather/{staton}/loop", "no column `staton`"),
            ("mqtt://h/weather/+/loop", "weather/{station}", "no topic under \"weather/+/loop\""),
            ("mqtt://h/weather/+", "weather/loop", "names no column"),
        ] {
            let said = source(url, topic).unwrap_or_else(|| panic!("{url} {topic}"));
            assert!(said.contains(part) && said.contains("f.toml:"), "{said}");
        }
        // Of an address without a topic the list has them all.
        for url in ["mqtt://h", "mqtt://h:1884/"] {
            let topics = |list: &str| refused(&format!("url = {url:?}\nsession = true\nconnections = {list}"));
            assert_eq!(topics("[\"w/a/+\", \"w/b/+\"]"), None);
            for list in ["2", "[]", "[\"\", \"w/b\"]"] {
                assert!(topics(list).unwrap().contains("names no topic"), "{list}");
            }
        }
        let topics = "url = \"mqtt://h/a\"\nsession = true\nconnections = [\"w/a/+\", \"x/+\"]\ntopic = \"w/{station}/{column}\"";
        assert!(refused(topics).unwrap().contains("\"x/+\""));
    }

    #[test]
    fn values_are_collected_where_one_connection_takes_them_all() {
        let source = |rest: &str| refused(&format!("collect = \"2s\"\nsession = true\n{rest}"));
        let topic = "topic = \"w/{station}/{column}\"";
        assert_eq!(source(&format!("url = \"mqtt://h/w/+/+\"\n{topic}")), None);
        let topics = |topics: &str| source(&format!("url = \"mqtt://h/w\"\n{topic}\nconnections = {topics}"));
        assert_eq!(topics("[\"w/a/+\", \"w/b/+\"]"), None);
        for shared in ["[\"w/+/t\", \"w/+/h\"]", "[\"w/a/+\", \"w/#\"]"] {
            assert!(topics(shared).unwrap().contains("several connections"), "{shared}");
        }
        assert!(source(&format!("url = \"mqtt://h/w/#\"\n{topic}\nconnections = 2")).unwrap().contains("several"));
        assert!(source(&format!("url = \"mqtt://h/$share/g/w/#\"\n{topic}")).unwrap().contains("several"));
        let without = source("url = \"mqtt://h/w/+/loop\"\ntopic = \"w/{station}/loop\"").unwrap();
        assert!(without.contains("collect without {column}"), "{without}");
        assert!(refused("url = \"mqtt://h/w/#\"\ncollect = \"0s\"").is_some());
    }

    #[test]
    fn values_and_rows_inside_of_payloads_are_of_columns() {
        let source = |rest: &str| refused(&format!("url = \"mqtt://h/w/+/+\"\n{rest}"));
        let topic = "topic = \"w/{station}/{column}\"";
        assert_eq!(source(&format!("{topic}\nvalue = \"val\"")), None);
        assert!(source("value = \"val\"").unwrap().contains("value without {column}"));
        assert!(source(&format!("{topic}\nvalue = \"a..b\"")).unwrap().contains("is no path"));
        assert!(source(&format!("{topic}\nrows = \"a\"")).unwrap().contains("rows beside {column}"));
        assert!(source(&format!("{topic}\nformat = \"cbor\"")).unwrap().contains("format = \"cbor\" beside {column}"));
        assert_eq!(source(&format!("{topic}\nformat = \"value\"")), None);
        for rows in ["a.b", ".", "a.{station}", "{station}"] {
            assert_eq!(source(&format!("rows = {rows:?}")), None, "{rows}");
        }
        assert!(source("rows = \"a.{staton}\"").unwrap().contains("no column `staton`"));
        assert!(source("rows = \"a.\"").unwrap().contains("is no path"));
    }

    #[test]
    fn filters_that_mqtt_does_not_know_are_refused() {
        for filter in ["weather/#/loop", "weather/a+", "$share/g", "weather#"] {
            let said = refused(&format!("url = \"mqtt://h/{filter}\"")).unwrap_or_else(|| panic!("{filter}"));
            assert!(said.contains(&format!("{filter:?} is no filter of MQTT")), "{said}");
        }
        assert!(refused("url = \"mqtt://h/a\"\nsession = true\nconnections = [\"a/#/b\"]").is_some());
        assert_eq!(refused("url = \"mqtt://h//sys/+/post\""), None);
    }
}
