//! Conflicts of a dataflow with itself at a broker, which would go on for ever: it publishes into its own subscription,
//! or two of its clients have one id, so that each ends the other's connection.

use crate::config::error::{SpannedError, Wrong};
use crate::config::model::Dataflow;
use crate::config::sink_plan::SinkPlan;
use crate::config::source_plan::SourcePlan;
use crate::mqtt::{Endpoint, MqttUrl, PublishMark, overlap, same_broker, same_host, takes};
use crate::sink;

/// Something that is published under a source's subscription.
struct Fed {
    what: String,
    each: &'static str,
    url: String,
    filter: String,
}

impl Dataflow {
    /// Refuses a sink, a table's sink or dead letters under the source's own subscription.
    ///
    /// # Errors
    /// The first of them.
    pub(crate) fn check_feedback(&self) -> Result<(), SpannedError> {
        self.sources.iter().filter(|source| !source.allow_loop).try_for_each(|source| self.check_loop(source))
    }

    fn check_loop(&self, source: &SourcePlan) -> Result<(), SpannedError> {
        match self.fed_by(source, same_broker).next() {
            Some(Fed { what, each, url, filter }) => Err(Wrong::Feedback { what, url, filter, each }.in_file()),
            None => Ok(()),
        }
    }

    /// What is published under a source's own subscription, where `same` says that the brokers are one.
    fn fed_by<'a>(
        &'a self,
        source: &'a SourcePlan,
        same: fn(&MqttUrl, &MqttUrl) -> bool,
    ) -> impl Iterator<Item = Fed> + 'a {
        let endpoint = source.settings.endpoint.as_ref();
        let pairs =
            endpoint.into_iter().flat_map(|endpoint| self.sinks().into_iter().map(move |sink| (endpoint, sink)));
        pairs.filter_map(move |(endpoint, (what, each, sink))| {
            let sink::SinkUrl::Mqtt(url) = &sink.url else { return None };
            let fed = |filter: &&str| {
                let published = |topic: &sink::SinkTopic| overlap(filter, &topic.filter());
                sink.topic.as_ref().map_or_else(|| takes(filter, &url.topic), published)
            };
            let filter = source.settings.topics().into_iter().find(fed).filter(|_| same(&endpoint.url, url))?;
            Some(Fed { what, each, url: url.to_string(), filter: filter.to_owned() })
        })
    }

    /// Gives the publishes of a dataflow a mark that its sources know, where they might come to one of them: an address
    /// does not tell which listeners, names and bridges lead to one broker.
    pub(crate) fn mark_publishes(&mut self) {
        let own = |source: &&SourcePlan| !source.allow_loop && self.fed_by(source, |_, _| true).next().is_some();
        if self.sources.iter().filter(own).count() == 0 {
            return;
        }
        let mark = Some(PublishMark::random());
        let of_tables = self.tables.iter_mut().filter_map(|table| table.sink_mut());
        let sinks = self.sinks.iter_mut().map(|plan| &mut plan.settings).chain(&mut self.dead_letter).chain(of_tables);
        sinks.filter_map(|sink| sink.endpoint.as_mut()).for_each(|endpoint| endpoint.mark = mark.clone());
        let sources = self.sources.iter_mut().filter(|source| !source.allow_loop);
        sources
            .filter_map(|source| source.settings.endpoint.as_mut())
            .for_each(|endpoint| endpoint.mark = mark.clone());
    }

    /// What may make rows of its own results, each as a sentence: the broker is on the source's host, by another port.
    pub fn possible_loops(&self) -> Vec<String> {
        let sources = self.sources.iter().filter(|source| !source.allow_loop);
        let fed = sources.flat_map(|source| self.fed_by(source, same_host).map(move |fed| (&source.url, fed)));
        fed.map(|(source, Fed { what, each, url, filter })| {
            format!(
                "{what}, {url}, is under the source's own {filter:?} on one host: if {source} is the same broker, {each} \
                 would be a row again, and the run ends at the first, over MQTT 3.1.1 it goes on for ever: give it another \
                 topic then (allow_loop = true in [source] permits it)"
            )
        })
        .collect()
    }

    /// Refuses a `client_id` that is given twice for one broker.
    ///
    /// # Errors
    /// The first that does.
    pub(crate) fn check_client_ids(&self) -> Result<(), SpannedError> {
        let mut known: Vec<(String, Endpoint)> = Vec::new();
        for (what, endpoint) in self.clients(0, 1).into_iter().filter(|(_, endpoint)| endpoint.client_id.is_some()) {
            let same = |(_, other): &&(String, Endpoint)| {
                other.client_id == endpoint.client_id && same_broker(&other.url, &endpoint.url)
            };
            if let Some((other, _)) = known.iter().find(same) {
                let id = endpoint.client_id.unwrap_or_default();
                return Err(Wrong::ClientIdTwice { one: other.clone(), other: what, id }.in_file());
            }
            known.push((what, endpoint));
        }
        Ok(())
    }

    /// The MQTT clients of process `process` of so many: a name for people, and the endpoint.
    pub fn clients(&self, process: usize, processes: usize) -> Vec<(String, Endpoint)> {
        let own = (0..).zip(self.readers(processes)).filter(|(_, reader)| *reader == process);
        let source = own.filter_map(|(number, _)| {
            let (source, settings) = self.connection(number);
            Some((self.sources[source].role(), settings.endpoint?))
        });
        let sinks = match process {
            0 => self.sinks().into_iter().map(|(what, _, sink)| (what, sink)).collect(),
            _ if self.publishes_apart(processes) => self.results().collect(),
            _ => Vec::new(),
        };
        let sinks = sinks.into_iter().filter_map(|(what, sink)| Some((what, sink.endpoint_of(process)?)));
        source.chain(sinks).collect()
    }

    /// Whether of so many processes each publishes the results of the connections that it reads: all go to brokers.
    pub fn publishes_apart(&self, processes: usize) -> bool {
        let mut written = self.results().filter(|(_, sink)| sink.url != sink::SinkUrl::Null).peekable();
        let several = self.is_read_in_several(processes);
        // What ends comes behind what has begun, also where another process has read the row.
        let alerts = self.sinks.iter().any(SinkPlan::is_alert);
        several && !alerts && written.peek().is_some() && written.all(|(_, sink)| sink.endpoint.is_some())
    }

    /// The sinks of results: a name, and the settings.
    fn results(&self) -> impl Iterator<Item = (String, &sink::SinkSettings)> {
        self.sinks.iter().map(|plan| (plan.role(), &plan.settings))
    }

    /// Everything that it writes or publishes to: a name, what is written there, and the settings.
    fn sinks(&self) -> Vec<(String, &'static str, &sink::SinkSettings)> {
        let of_tables = self.tables.iter().filter_map(|table| {
            let what = format!("the sink of table {}", table.name());
            Some((what, "each line", table.sink()?))
        });
        let sinks = self.results().map(|(what, sink)| (what, "each result", sink));
        let letters = self.dead_letter.iter().map(|sink| ("dead_letter".to_owned(), "each dead letter", sink));
        sinks.chain(letters).chain(of_tables).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Override;
    use crate::config::model::Dataflow;

    fn refused(source: &str, rest: &str) -> Option<String> {
        let text = format!("[source]\n{source}\n{rest}");
        Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin())
            .err()
            .map(|diagnostic| diagnostic.to_string())
    }

    #[test]
    fn each_client_has_an_id_of_its_own() {
        let sink = |host: &str, id: &str| format!("[sink]\nurl = \"mqtt://{host}/out\"\nclient_id = \"{id}\"\n");
        let source = "url = \"mqtt://localhost/in\"\nsession = true\nconnections = 2";
        let letters = "[dead_letter]\nurl = \"mqtt://localhost/dead\"\nclient_id = \"a\"\n";
        for (rest, part) in [
            (sink("127.0.0.1", "rowmill-f"), "the source and the sink have the client_id \"rowmill-f\""),
            (sink("127.0.0.1", "rowmill-f-1"), "\"rowmill-f-1\""),
            (format!("{}{letters}", sink("localhost", "a")), "the sink and dead_letter"),
        ] {
            let said = refused(source, &rest).unwrap_or_else(|| panic!("{rest}"));
            assert!(said.contains(part), "{said}");
        }
        for rest in [sink("localhost", "b"), sink("other", "rowmill-f"), format!("{}{letters}", sink("localhost", "b"))]
        {
            assert_eq!(refused(source, &rest), None, "{rest}");
        }
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
            (url("weather/+"), sink("weather/{station}"), "the sink, "),
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
        // Listeners of one host are one broker or not: that is told, and publishes are marked.
        let read = |source: &str, rest: &str| {
            let text = format!("[source]\n{source}\n{rest}");
            Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin()).unwrap()
        };
        let mark = |dataflow: &Dataflow| {
            let (source, sink) = (&dataflow.sources[0].settings.endpoint, &dataflow.sinks[0].settings.endpoint);
            assert_eq!(source.as_ref().unwrap().mark, sink.as_ref().unwrap().mark);
            sink.as_ref().unwrap().mark.clone()
        };
        let other = |address: &str| format!("[sink]\nurl = \"{address}\"\n");
        for address in ["mqtt://localhost:1884/weather/a", "ws://localhost:9001/weather/{station}"] {
            let dataflow = read(&url("weather/+"), &other(address));
            let told = dataflow.possible_loops();
            assert!(told.len() == 1 && told[0].contains("if mqtt://127.0.0.1:1883/weather/+ is the same"), "{told:?}");
            assert!(mark(&dataflow).is_some());
            let permitted = read(&format!("{}\nallow_loop = true", url("weather/+")), &other(address));
            assert!(permitted.possible_loops().is_empty() && mark(&permitted).is_none());
        }
        // What another host publishes is known as well, should it come.
        let dataflow = read(&url("weather/+"), &other("mqtt://elsewhere/weather/a"));
        assert!(dataflow.possible_loops().is_empty() && mark(&dataflow).is_some());
        let dataflow = read(&url("weather/+"), &other("mqtt://elsewhere/clean/a"));
        assert!(dataflow.possible_loops().is_empty() && mark(&dataflow).is_none());
        // Overrides are checked as the file is.
        let text = format!("{}{SINK}", "source.url = \"x.csv\"\n");
        let from = |url: &str| {
            Dataflow::from_text(
                "f.toml",
                &text,
                &[Override::text("--source", "source.url", url)],
                &crate::registry::Registry::builtin(),
            )
        };
        assert!(from("mqtt://localhost/weather/+").is_err() && from("y.csv").is_ok());
    }
}
