//! The text of a copy: a project of its own, which takes nothing from the one it was copied from.

use std::path::Path;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::document::replace;
use super::folder::ProjectName;
use crate::sink::SinkUrl;

/// The text for a project `copy`: another name in reports, other files, tables and measurements of results, and other
/// client ids, by which brokers know sessions. A text that is no TOML stays.
pub fn duplicated(text: &str, copy: &ProjectName) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return text.to_owned() };
    if let Some(name) = document.get_mut("name").and_then(Item::as_value_mut) {
        replace(name, &copy.to_string());
    }
    visit(document.as_table_mut(), false, &copy.to_string());
    document.to_string()
}

/// A file of results beside another: `out.csv` and `noon` give `out-noon.csv`. `None` if the address is no file.
pub fn beside(url: &str, word: &str) -> Option<String> {
    let sink = SinkUrl::try_from(url.to_owned()).ok()?;
    let (SinkUrl::Ndjson(path) | SinkUrl::Csv(path) | SinkUrl::Parquet(path)) = sink else { return None };
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    let stem = path.file_stem()?.to_string_lossy();
    let file = format!("{stem}-{word}{ending}");
    Some(path.parent().unwrap_or(Path::new("")).join(file).to_string_lossy().into_owned())
}

fn visit(table: &mut dyn TableLike, of_sink: bool, copy: &str) {
    for (key, item) in table.iter_mut() {
        let of_sink = of_sink || matches!(key.get(), "sink" | "dead_letter");
        match item {
            Item::None => {}
            Item::Value(value) => visit_value(key.get(), value, of_sink, copy),
            Item::Table(table) => visit(table, of_sink, copy),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(|table| visit(table, of_sink, copy)),
        }
    }
}

fn visit_value(key: &str, value: &mut Value, of_sink: bool, copy: &str) {
    match value {
        Value::InlineTable(table) => visit(table, of_sink, copy),
        Value::Array(items) => items.iter_mut().for_each(|item| visit_value(key, item, of_sink, copy)),
        Value::String(text) if key == "client_id" => {
            let text = format!("{}-{copy}", text.value());
            replace(value, &text);
        }
        Value::String(text) if key == "url" && of_sink => {
            if let Some(text) = beside(text.value(), copy) {
                replace(value, &text);
            }
        }
        // Rows there would replace each other.
        Value::String(text) if of_sink && matches!(key, "table" | "measurement") => {
            let text = format!("{}_{copy}", text.value());
            replace(value, &text);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shares_no_file_and_no_session() {
        let text = r#"# Ours.
name = "w" # shown
source = { url = "mqtt://h/t", client_id = "station" }
dead_letter.url = "dead/letters.ndjson" # kept

[[table]]
name = "t"
key = ["station"]
sink = { url = "t.parquet" }

[[table]]
name = "u"
[table.sink]
url = "mqtt://h/u"
client_id = "u"

[sink]
url = "./out.csv"
"#;
        let expected = text
            .replace("name = \"w\"", "name = \"noon\"")
            .replace("\"station\" }", "\"station-noon\" }")
            .replace("letters.ndjson", "letters-noon.ndjson")
            .replace("t.parquet", "t-noon.parquet")
            .replace("client_id = \"u\"", "client_id = \"u-noon\"")
            .replace("out.csv", "out-noon.csv");
        assert_eq!(duplicated(text, &"noon".parse().unwrap()), expected);
        let sinks = "[[sink]]\nurl = \"postgresql://h/db\"\ntable = 'a.rows'\n[[sink]]\ntable = \"weather\"\n\
                     [[sink]]\nurl = \"http://h/write?db=w\"\nmeasurement = \"loop\"\n[[table]]\nname = \"t\"\n";
        let copy = duplicated(sinks, &"noon".parse().unwrap());
        let told: toml::Table = copy.parse().unwrap();
        let sink = |at: usize, key: &str| told["sink"][at][key].as_str().unwrap().to_owned();
        assert_eq!(sink(0, "table"), "a.rows_noon", "{copy}");
        assert_eq!((sink(1, "table"), sink(2, "measurement")), ("weather_noon".into(), "loop_noon".into()));
        assert_eq!(duplicated("no = ", &"noon".parse().unwrap()), "no = ");
        for url in ["null", "-", "mqtt://h/t"] {
            assert_eq!(beside(url, "noon"), None, "{url}");
        }
    }
}
