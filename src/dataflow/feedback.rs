//! Whether a dataflow would feed itself: what it publishes comes back as rows, for ever.

use super::{Dataflow, Diagnostic};
use crate::mqtt::{same_broker, takes};
use crate::sink;

impl Dataflow {
    /// Refuses a sink, a table's sink or dead letters under the source's own subscription.
    ///
    /// # Errors
    /// The first of them.
    pub(super) fn check_feedback(&self) -> Result<(), Diagnostic> {
        let Some(source) = &self.source_settings.endpoint else { return Ok(()) };
        let of_tables = self.tables.iter().filter_map(|table| {
            let what = format!("the sink of table {}", table.name());
            Some((what, "each line", table.sink()?))
        });
        let sinks = [("the sink".to_owned(), "each result", &self.sink)].into_iter();
        let letters = self.dead_letter.iter().map(|sink| ("dead_letter".to_owned(), "each dead letter", sink));
        for (what, each, sink) in sinks.chain(letters).chain(of_tables) {
            let sink::Url::Mqtt(url) = &sink.url else { continue };
            let filters = self.source_settings.topics();
            let fed = |filter: &&str| same_broker(&source.url, url) && takes(filter, &url.topic);
            if let Some(filter) = filters.into_iter().find(fed) {
                let title = format!(
                    "{}: {what}, {url}, is under the source's own {filter:?}: {each} would be a row again, for ever",
                    self.document.path
                );
                let help = "give it another topic; allow_loop = true in [source] permits it";
                return Err(Diagnostic::new(title).help(Some(help.into())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataflow, Override};

    fn refused(source: &str, rest: &str) -> Option<String> {
        let text = format!("[source]\n{source}\n{rest}");
        Dataflow::from_text("f.toml", &text, &[]).err().map(|diagnostic| diagnostic.to_string())
    }

    #[test]
    fn what_it_publishes_is_not_taken_again() {
        const SINK: &str = "[sink]\nurl = \"mqtt://localhost/weather/clean\"\n";
        let sink = |topic: &str| format!("[sink]\nurl = \"mqtt://127.0.0.1:1883/{topic}\"\n");
        let table = "[[table]]\nname = \"t\"\nkey = [\"station\"]\nsink = { url = \"mqtt://localhost/weather/t\" }\n";
        let letters = "[dead_letter]\nurl = \"mqtt://localhost/weather/dead\"\n";
        let url = |topic: &str| format!("url = \"mqtt://127.0.0.1/{topic}\"");
        let connections = "session = true\nconnections = [\"x/+\", \"weather/+\"]";
        for (source, rest, part) in [
            (url("weather/#"), SINK.to_owned(), "the sink, mqtt://localhost:1883/weather/clean"),
            (url("#"), sink("a"), "each result"),
            (url("+/clean"), sink("weather/clean"), "\"+/clean\""),
            (url("$share/g/weather/+"), sink("weather/clean"), "$share/g"),
            (format!("{}\nsession = true\nconnections = 2", url("weather/+")), sink("weather/a"), "allow_loop"),
            (format!("{}\n{connections}", url("y")), sink("weather/a"), "\"weather/+\""),
            (url("weather/+"), format!("{}{letters}", sink("a")), "dead_letter, "),
            (url("weather/+"), format!("{}{table}", sink("a")), "table t"),
        ] {
            let said = refused(&source, &rest).unwrap_or_else(|| panic!("{source} {rest}"));
            assert!(said.contains(part) && said.contains("allow_loop = true"), "{said}");
            assert_eq!(refused(&format!("{source}\nallow_loop = true"), &rest), None);
        }
        for (source, rest) in [
            (url("weather/+"), sink("clean/a")),
            (format!("{}\n{connections}", url("weather/#")), sink("weather/a/b")),
            ("url = \"mqtt://127.0.0.1:1884/weather/#\"".into(), sink("weather/a")),
            (url("weather/+"), format!("{}[dead_letter]\nurl = \"mqtt://127.0.0.1/a\"\n", sink("a"))),
        ] {
            assert_eq!(refused(&source, &rest), None, "{source} {rest}");
        }
        // The command line counts as the file does.
        let text = format!("{}{SINK}", "source.url = \"x.csv\"\n");
        let from = |url: &str| Dataflow::from_text("f.toml", &text, &[Override::text("--source", "source.url", url)]);
        assert!(from("mqtt://localhost/weather/+").is_err() && from("y.csv").is_ok());
    }
}
