//! From a document to a checked dataflow.

use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::Diagnostic;
use crate::config::document::Document;
use crate::config::error::{SpannedError, Wrong};
use crate::config::model::{Dataflow, WEATHER};
use crate::config::overrides::Override;
use crate::config::parse::custom::{take_sink, take_source};
use crate::config::parse::overlay::put;
use crate::config::parse::schema::{ReadSchema, read_schema};
use crate::config::parse::sections::FileSections;
use crate::config::parse::sink::{read_sinks, sink_settings};
use crate::config::parse::source::{SourceParts, complete_address, take_sources, together};
use crate::config::parse::subtasks::read_subtasks;
use crate::config::parse::table::read_tables;
use crate::config::parsed_settings::ParsedSettings;
use crate::config::source_plan::SourcePlan;
use crate::registry::Registry;
use crate::{disk, sink, source};

/// The most bytes of a dataflow file.
const FILE_BYTES_MAX: u64 = 1 << 26;

impl Dataflow {
    /// Reads a dataflow file.
    ///
    /// # Errors
    /// Whatever is wrong in it, with file, line and column.
    pub fn from_path(path: impl AsRef<std::path::Path>, registry: &Registry) -> Result<Dataflow, Diagnostic> {
        Dataflow::read(path.as_ref(), &[], registry)
    }

    /// Reads a dataflow file and puts the overrides of the command line over it.
    ///
    /// # Errors
    /// Whatever is wrong in it, with file, line and column.
    pub fn read(path: &std::path::Path, overrides: &[Override], registry: &Registry) -> Result<Dataflow, Diagnostic> {
        let shown = path.display().to_string();
        let text = disk::read_text_at_most(path, FILE_BYTES_MAX)
            .map_err(|error| Diagnostic::new(format!("the dataflow file {shown} cannot be read: {error}")))?;
        parse(Document::new(shown, text, overrides), registry)
    }

    /// Reads a dataflow from text; `name` stands for the file in diagnostics.
    ///
    /// # Errors
    /// As [`Dataflow::read`].
    pub fn from_text(
        name: &str,
        text: &str,
        overrides: &[Override],
        registry: &Registry,
    ) -> Result<Dataflow, Diagnostic> {
        parse(Document::new(name.into(), text.into(), overrides), registry)
    }

    /// The dataflow [`WEATHER`].
    ///
    /// # Errors
    /// An override that does not fit it.
    pub fn weather(overrides: &[Override], registry: &Registry) -> Result<Dataflow, Diagnostic> {
        Dataflow::from_text("dataflows/weather.toml", WEATHER, overrides, registry)
    }
}

/// The dataflow of a document. What is wrong becomes a diagnostic here.
pub fn parse(document: Document, registry: &Registry) -> Result<Dataflow, Diagnostic> {
    let document = Arc::new(document);
    read(&document, registry).map_err(|error| document.diagnostic(error))
}

fn read(document: &Arc<Document>, registry: &Registry) -> Result<Dataflow, SpannedError> {
    let mut root = DeTable::parse(&document.text)?;
    let whole = root.span();
    for placed in &document.overrides {
        let value = Document::value(placed);
        put(root.get_mut(), &placed.given.key, value)
            .map_err(|reason| Wrong::Override { shown: placed.given.shown.clone(), reason }.nowhere())?;
    }
    let parsed = Spanned::new(whole.clone(), DeValue::Table(root.get_ref().clone()));
    let parsed = toml::Value::deserialize(ValueDeserializer::from(parsed));
    let contents = ParsedSettings::new(parsed?);
    let mut parts = take_sources(root.get_mut(), registry)?;
    complete_address(root.get_mut());
    let custom_source = take_source(root.get_mut(), registry)?;
    let custom_dead_letter = take_sink(root.get_mut(), "dead_letter", registry)?.map(|(url, sink)| {
        let at = sink::SinkSettings::at(sink::SinkUrl::Custom(url));
        sink::SinkSettings { custom: Some(sink), ..at }
    });
    let sinks = root.get_mut().remove("sink");
    let schema = root.get_mut().remove("schema");
    let subtasks = root.get_mut().remove("subtask");
    let tables = root.get_mut().remove("table");
    let table = Spanned::new(whole.clone(), DeValue::Table(root.into_inner()));
    let file = FileSections::deserialize(ValueDeserializer::from(table))?;
    let sinks = read_sinks(sinks, registry)?;

    let all = schema.map_or_else(|| Ok(ReadSchema::davis()), read_schema)?;
    if parts.is_empty() {
        parts.push(SourceParts::alone(file.source, custom_source));
    }
    let names: Vec<&str> = parts.iter().filter_map(|parts| Some(parts.name.as_ref()?.get_ref().as_str())).collect();
    let steps = subtasks.map_or_else(|| Ok(Vec::new()), |value| read_subtasks(value, &names, registry))?;
    let tables = tables.map_or_else(|| Ok(Vec::new()), read_tables)?;
    let missing = |section, flag| Wrong::NoUrl { path: document.path.clone(), section, flag }.nowhere();
    let dead_letter = file.dead_letter.map(|sink| sink_settings(sink, true)).transpose()?.flatten();
    let dead_letter = custom_dead_letter.or(dead_letter);
    let limits = source::Limits { bucket_size: file.buffer.bucket_size, delay: file.buffer.delay };
    let name = file.name.map(checked_name).transpose()?;
    let name = name.unwrap_or_else(|| stem(&document.path));
    let mut sources: Vec<SourcePlan> = Vec::new();
    for parts in &mut parts {
        let read = parts.take_schema().map_or_else(|| Ok(all.clone()), read_schema)?;
        let session = parts.name.as_ref().map_or_else(|| name.clone(), |source| format!("{name}-{}", source.get_ref()));
        let without = || match parts.is_alone() {
            true => missing("source", "--source"),
            false => Wrong::SourceWithoutUrl.at(parts.span()),
        };
        sources.push(parts.plan(&session, limits, read)?.ok_or_else(without)?);
    }
    together(&mut sources)?;
    let mut sinks = sinks.ok_or_else(|| missing("sink", "--sink"))?;
    sinks.iter_mut().for_each(|plan| plan.settings.origin = origin(&name, &sources));
    let mut dataflow = Dataflow {
        name,
        description: file.description.unwrap_or_default(),
        workers: file.workers,
        processes: file.processes,
        placement: file.placement,
        checkpoint_every: file.checkpoint.every,
        sources,
        sinks,
        dead_letter,
        sort: file.buffer.sort,
        steps,
        tables,
        document: document.clone(),
        contents,
    };
    if let Some(schema) = dataflow.source().known() {
        dataflow.find_steps(schema)?;
        dataflow.find_branches(schema)?;
        dataflow.find_tables(schema)?;
    }
    for (parts, plan) in parts.iter().zip(&dataflow.sources) {
        parts.check(plan, &dataflow)?;
    }
    dataflow.check_client_ids()?;
    dataflow.check_feedback()?;
    dataflow.mark_publishes();
    Ok(dataflow)
}

/// Whose results the sinks get.
fn origin(dataflow: &str, sources: &[SourcePlan]) -> sink::RowsOrigin {
    let file = sources.iter().find_map(|source| match &source.url {
        source::SourceUrl::File { path, .. } => Some(path.clone()),
        _ => None,
    });
    let time = sources[0].decoding.time.as_ref().map(|time| time.name.clone());
    sink::RowsOrigin { dataflow: dataflow.to_owned(), source: SourcePlan::addresses(sources), file, time }
}

fn stem(path: &str) -> String {
    std::path::Path::new(path).file_stem().map_or_else(|| path.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Refuses a name that does not fit into the names of files and of a broker's sessions.
fn checked_name(name: Spanned<String>) -> Result<String, SpannedError> {
    const LONGEST: usize = 100;
    let fits = |c: char| c.is_alphanumeric() || " _-.".contains(c);
    let (span, name) = (name.span(), name.into_inner());
    if !name.trim().is_empty() && name.len() <= LONGEST && !name.starts_with('.') && name.chars().all(fits) {
        return Ok(name);
    }
    Err(Wrong::Name { name, longest: LONGEST }.at(span))
}

#[cfg(test)]
mod tests {
    use crate::config::model::Dataflow;
    use crate::config::{Override, Placement, SchemaChoice};
    use crate::data::{Kind, Schema};
    use crate::format::Infinity;

    const GOOD: &str = r#"
name = "w"
placement = "subtask"
[source]
url = "data/x.csv"
[buffer]
bucket_size = 10
delay = "5ms"
[[subtask]]
use = "prepare"
[[subtask]]
use = "standard_scaler"
columns = ["outTemp"]
with_mean = false
[[subtask]]
use = "standard_scaler"
[sink]
url = "null"
"#;

    fn error(text: &str) -> String {
        match Dataflow::from_text("f.toml", text, &[], &crate::registry::Registry::builtin()) {
            Ok(_) => panic!("no error in {text}"),
            Err(diagnostic) => diagnostic.to_string(),
        }
    }

    #[test]
    fn a_good_file_is_read_whole() {
        let dataflow = Dataflow::from_text("f.toml", GOOD, &[], &crate::registry::Registry::builtin()).unwrap();
        assert_eq!(dataflow.labels(), ["prepare", "standard_scaler", "standard_scaler_2", "result"]);
        assert_eq!((dataflow.name.as_str(), dataflow.placement), ("w", Placement::Subtask));
        let (steps, _) = dataflow.steps(&crate::data::Schema::davis()).unwrap();
        assert_eq!((steps[0].scope.numbers.len(), steps[1].scope.numbers.len()), (1, 26));
    }

    #[test]
    fn rows_are_exchanged_around_steps_that_remember() {
        let text = "source.url = \"-\"\nsink.url = \"null\"\n[[subtask]]\nuse = \"diff\"\nfit = \"stream\"\n\
            [[subtask]]\nuse = \"fillna\"\nvalue = 0\n[[subtask]]\nuse = \"dropna\"\n";
        let of = |placement: &str| {
            Dataflow::from_text(
                "f.toml",
                &format!("placement = \"{placement}\"\n{text}"),
                &[],
                &crate::registry::Registry::builtin(),
            )
            .unwrap()
            .exchanges()
        };
        assert_eq!(of("message"), [true, true, true, false, false]);
        assert_eq!(of("subtask"), [true, true, true, true, false]);
    }

    #[test]
    fn errors_name_file_line_column_and_the_nearest_name() {
        for (from, to, place, hint) in [
            ("bucket_size", "bucketsize", "f.toml:7:1", "did you mean `bucket_size`?"),
            ("standard_scaler\"\ncol", "standart_scaler\"\ncol", "f.toml:12:7", "did you mean `standard_scaler`?"),
            ("with_mean", "with_maen", "f.toml:14:1", "did you mean `with_mean`?"),
            ("outTemp", "outtemp", "f.toml:13:12", "did you mean `outTemp`?"),
            ("\"outTemp\"", "\"station\"", "f.toml:13:12", "text column"),
            ("false", "3", "f.toml:14:13", "expected a boolean"),
            ("= 10", "= 0", "f.toml:7:15", "between 1 and"),
            ("5ms", "5 parsecs", "f.toml:8:9", "duration"),
            ("\"null\"", "\"x.xml\"", "f.toml:18:7", ".parquet"),
            ("name = ", "nmae = ", "f.toml:2:1", "did you mean `name`?"),
            ("[sink]", "[snik]", "f.toml:17:2", "did you mean `sink`?"),
            ("= 10", "= ", "f.toml:7:", ""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let shown = error(&GOOD.replacen(from, to, 1));
            assert!(shown.contains(place) && shown.contains(hint), "{from} -> {to}:\n{shown}");
        }
    }

    #[test]
    fn refused_parameters_are_pointed_at() {
        let shown = error(
            &GOOD.replace("use = \"standard_scaler\"\n[sink]", "use = \"fillna\"\nlimit = 0\nvalue = 1.0\n[sink]"),
        );
        assert!(shown.contains("f.toml:17:9") && shown.contains("greater than 0"), "{shown}");
    }

    #[test]
    fn errors_of_expressions_point_into_them() {
        let of = |step: &str| error(&GOOD.replace("use = \"standard_scaler\"\n[sink]", &format!("{step}\n[sink]")));
        for (step, place, part) in [
            ("use = \"query\"\nexpr = \"outTmp > 0\"", "f.toml:17:9", "did you mean `outTemp`?"),
            ("use = \"query\"\nexpr = \"outTemp > 0 and\"", "f.toml:17:24", "column 16: the expression ends here"),
            ("use = \"query\"\nexpr = 'station == 1'", "f.toml:17:9", "compared with a number"),
            (
                "use = \"eval\"\nexpr = \"\"\"\na = 1\n  b = c\n\"\"\"",
                "f.toml:19:7",
                "line 2, column 7: there is no column `c`",
            ),
            (
                "use = \"query\"\nexpr = \"station == \\\"x\\\" and c\"",
                "f.toml:17:8",
                "column 20: there is no column `c`",
            ),
            ("use = \"mask\"\ncond = \"outTemp\"", "f.toml:17:9", "where a condition must be"),
            ("use = \"rename\"\ncolumns = { outTmp = \"t\" }", "f.toml:17:11", "did you mean `outTemp`?"),
            ("use = \"drop\"\ncolumns = [\"x\"]", "f.toml:17:11", "no column `x`"),
        ] {
            let shown = of(step);
            assert!(shown.contains(place) && shown.contains(part), "{step}:\n{shown}");
        }
        let text = GOOD.replace("use = \"standard_scaler\"\n[sink]", "use = \"drop\"\ncolumns = [\"outTemp\"]\n[sink]");
        let dataflow = Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin()).unwrap();
        let (_, after) = dataflow.steps(&crate::data::Schema::davis()).unwrap();
        assert!(after.get("outTemp").is_none() && after.number_count() == 25);
    }

    #[test]
    fn no_column_has_a_name_of_the_output() {
        for schema in ["number = [\"a\", \"row\"]", "text = [\"message\"]", "number = [\"a\"]\nid = \"row\""] {
            let text = format!("{}[schema]\n{schema}", GOOD.replace("columns = [\"outTemp\"]", ""));
            let shown = error(&text);
            assert!(shown.contains("a column is named `") && shown.contains("f.toml:2"), "{shown}");
        }
    }

    #[test]
    fn columns_are_read_from_keys_and_on_top_of_others() {
        let with = |schema: &str| format!("{}[schema]\n{schema}", GOOD.replace("columns = [\"outTemp\"]", ""));
        let read = |schema: &str| {
            Dataflow::from_text("f.toml", &with(schema), &[], &crate::registry::Registry::builtin()).unwrap()
        };
        let names = |dataflow: &Dataflow, schema| dataflow.complete(schema).names().collect::<Vec<_>>().join(" ");
        let own = read(
            "number = [\"a\", { name = \"t\", from = \"b[0].t\" }, { name = \"c\" }]\nid = { name = \"i\", from = \"x.i\" }",
        );
        let SchemaChoice::Known { schema, id } = &own.source().schema else { panic!() };
        assert_eq!((schema.names().collect::<Vec<_>>(), id.as_deref()), (vec!["i", "a", "t", "c"], Some("i")));
        assert_eq!(
            (own.source().decoding.keys.key("t"), own.source().decoding.keys.key("c"), own.source().decoding.units),
            ("b[0].t", "c", false)
        );
        let davis = read("base = \"davis\"\nnumber = [\"pm25\", \"interval\"]");
        let SchemaChoice::Known { schema, .. } = &davis.source().schema else { panic!() };
        assert_eq!((schema.columns().len(), schema.number_count(), davis.source().decoding.units), (34, 28, true));
        let infer = read("base = \"infer\"\ntext = [\"id\", { name = \"device\", from = \"d.id\" }, \"late\"]");
        let found = Schema::new([("d.id", Kind::Number), ("t", Kind::Number), ("id", Kind::Number)]);
        assert_eq!(names(&infer, found.clone()), "device t id late");
        assert_eq!(
            (infer.complete(found.clone()).number_count(), names(&read("base = \"infer\""), found)),
            (1, "d.id t id".into())
        );
        for (wrong, hint) in [
            ("number = [{ name = \"t\", from = \"a..b\" }]", "a key is empty"),
            ("number = [{ name = \"t\", form = \"a\" }]", "did you mean `from`?"),
            ("number = [{ name = \"t\", from = \"a\" }, { name = \"u\", from = \"a\" }]", "both read from \"a\""),
            ("number = [{ name = \"t\", from = \"a\" }, \"a\"]", "both read from \"a\""),
            ("number = [7]", "a column's name or"),
            ("base = \"davos\"", "did you mean `davis`?"),
        ] {
            let shown = error(&with(wrong));
            assert!(shown.contains(hint) && shown.contains("f.toml:20:"), "{wrong}: {shown}");
        }
        let shown = error(&GOOD.replace("[source]", "[source]\nrows = \"a[\""));
        assert!(shown.contains("f.toml:5:8") && shown.contains("a bracket does not close"), "{shown}");
    }

    #[test]
    fn infinity_is_for_text() {
        let with = |sink: &str| GOOD.replace("url = \"null\"", sink);
        let dataflow =
            |sink| Dataflow::from_text("f.toml", &with(sink), &[], &crate::registry::Registry::builtin()).unwrap();
        let infinity = |sink| dataflow(sink).sinks[0].settings.infinity;
        assert_eq!(infinity("url = \"x.csv\""), Infinity::Null);
        assert_eq!(infinity("url = \"x.csv\"\ninfinity = \"text\""), Infinity::Text);
        assert!(error(&with("url = \"x.parquet\"\ninfinity = \"text\"")).contains("not for x.parquet"));
        assert!(error(&with("url = \"x.csv\"\ninfinity = \"inf\"")).contains("`text`"));
    }

    /// Any number is either accepted or refused by a diagnostic.
    #[test]
    fn numbers_are_bounded() {
        let table = "[[table]]\nname = \"t\"\nwindow = \"1h\"\nhop = \"1h\"\nretention = \"1h\"\ninterval = \"1h\"\n\
                     max_future = \"1h\"\nlate = \"drop\"\n";
        let source = "[source]\nmax_payload = 9\nconnect_timeout = \"1s\"\nreconnect_timeout = \"1s\"";
        let good = format!("{GOOD}{table}[checkpoint]\nevery = \"1s\"\n").replace("[source]", source);
        Dataflow::from_text("f.toml", &good, &[], &crate::registry::Registry::builtin()).unwrap();
        let lengths = ["\"-1s\"", "\"99999999999years\"", "\"1001years\"", "\"nan\"", "-1", "nan", "1e300", "\"\""];
        let numbers = ["0", "-1", "9223372036854775807", "nan", "inf", "1.5", "1e300", "\"1\""];
        for (key, wrong) in [
            ("buffer.bucket_size", &numbers[..]),
            ("source.max_payload", &numbers),
            ("workers", &numbers),
            ("processes", &numbers),
            ("buffer.delay", &lengths),
            ("checkpoint.every", &lengths),
            ("source.connect_timeout", &lengths),
            ("source.reconnect_timeout", &lengths),
            ("table.t.window", &lengths),
            ("table.t.hop", &lengths),
            ("table.t.retention", &lengths),
            ("table.t.interval", &lengths),
            ("table.t.max_future", &lengths),
        ] {
            for value in wrong {
                let set = Override::set(&format!("{key}={value}")).unwrap();
                let shown = match Dataflow::from_text("f.toml", &good, &[set], &crate::registry::Registry::builtin()) {
                    Ok(_) => panic!("{key} = {value} is taken"),
                    Err(diagnostic) => diagnostic.to_string(),
                };
                assert!(shown.contains(key), "{key} = {value}: {shown}");
            }
        }
        let shown = error(&good.replace("hop = \"1h\"", "hop = \"1ms\""));
        assert!(shown.contains("3600000 windows") && shown.contains("10000"), "{shown}");
        for wrong in [
            "rate=0",
            "rate=-1",
            "rate=nan",
            "rate=inf",
            "rate=1e300",
            "rate=1e-300",
            "rate=",
            "burst=0,rate=1",
            "burst=-1,rate=1",
            "burst=1e3,rate=1",
            "seed=-1",
            "seed=x",
            "rows=-1",
            "rows=1e3",
            "rows=nan",
            "rows=18446744073709551616",
        ] {
            let shown = error(&GOOD.replace("data/x.csv", &format!("generate:rows=5,{wrong}")));
            assert!(shown.contains("f.toml:5:7"), "{wrong}: {shown}");
        }
    }

    #[test]
    fn a_name_leads_nowhere() {
        for wrong in ["../x", "/tmp/x", "a/b", "", " ", ".x", "a\\b", "a\u{0}b", "a\nb", &"x".repeat(101)] {
            let shown = error(&GOOD.replace("name = \"w\"", &format!("name = {}", toml::Value::from(wrong))));
            assert!(shown.contains("f.toml:2:8") && shown.contains("letters"), "{wrong:?}: {shown}");
        }
        for good in ["Wetter S\u{fc}d 2.1", "a_b-c"] {
            let text = GOOD.replace("\"w\"", &format!("{good:?}"));
            assert_eq!(
                Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin()).unwrap().name,
                good
            );
        }
        let shown = match Dataflow::from_text(
            "f.toml",
            GOOD,
            &[Override::set("name=../x").unwrap()],
            &crate::registry::Registry::builtin(),
        ) {
            Ok(dataflow) => panic!("{}", dataflow.name),
            Err(diagnostic) => diagnostic.to_string(),
        };
        assert!(shown.contains("--set name=../x: the name"), "{shown}");
    }

    #[test]
    fn errors_show_no_password() {
        let source = |lines: &str| GOOD.replace("url = \"data/x.csv\"", lines);
        for text in [
            source("url = \"mqtt://h/t\"\npassword = 7 # hunter2"),
            source("url = \"mqtt://h/t\"\npasword = \"hunter2\""),
            source("url = \"mqtt://anna:hunter2@h\""),
            source("url = \"mqtt://anna:hun/hunter2@h/t\""),
            source("url = \"mqtt://anna:hunter2@h/t\"\nuser = \"anna\""),
            source("url = \"mqtt://anna:hunter2@h/t\"\nca = \"none.pem\""),
            source("url = \"http://anna:hunter2@h/t\""),
            GOOD.replace("url = \"null\"", "url = \"postgresql//anna:hunter2@h/t\"\ntable = \"t\""),
            GOOD.replace("url = \"null\"", "url = \"postgresql:/anna:hunter2@h/t\"\ntable = \"t\""),
            GOOD.replace("url = \"null\"", "url = \"postgresql://anna:hunter2@hunter2@h/t\"\ntable = \"t\""),
            source("url = \"mqtt://h/t\", password = \"hunter2\""),
            GOOD.replace("[sink]\nurl = \"null\"", "sink = { url = \"null\", password = \"hunter2\", qoss = 1 }"),
            GOOD.replace("[source]", "source = \"mqtt://anna:hunter2@h/t\"\n[source]"),
            GOOD.replace("url = \"null\"", "url = \"mqtt://anna:hunter2@h/t/#\""),
            GOOD.replace("bucket_size = 10", "bucket_size = 0 # password = \"hunter2\""),
            format!("{GOOD}[dead_letter]\nurl = \"mqtt://anna:hunter2@h\""),
            format!("{GOOD}[[table]]\nname = \"t\"\nsink = {{ url = \"mqtt://h/t\", password = \"hunter2\", x = 1 }}"),
        ] {
            let shown = error(&text);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for set in [
            "source.password=hunter2",
            "sink.passwort=\"hunter2\"",
            "source.url=mqtt://anna:hunter2@h",
            "source={ url = \"mqtt://h/t\", password = \"hunter2\", x = 1 }",
        ] {
            let set = Override::set(set).unwrap();
            assert!(!set.shown.contains("hunter2"), "{}", set.shown);
            if let Err(diagnostic) = Dataflow::from_text("f.toml", GOOD, &[set], &crate::registry::Registry::builtin())
            {
                assert!(!diagnostic.to_string().contains("hunter2"), "{diagnostic}");
            }
        }
    }

    #[test]
    fn a_login_stands_in_the_address_or_beside_it() {
        let login = |url: &str, more: &str| {
            let text = format!("source.url = \"mqtt://{url}\"\nsink.url = \"mqtt://{url}/out\"\n{more}");
            let dataflow = Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin())
                .map_err(|error| error.to_string())?;
            let endpoints = [
                dataflow.source().settings.endpoint.clone().unwrap(),
                dataflow.sinks[0].settings.endpoint.clone().unwrap(),
            ];
            assert!(!dataflow.source().url.to_string().contains('@') && !dataflow.sinks[0].shown().contains('@'));
            let shown = endpoints.map(|e| (e.user.unwrap(), e.password.map(|p| p.reveal().to_owned())));
            assert_eq!(shown[0], shown[1]);
            Ok::<_, String>(shown[0].clone())
        };
        assert_eq!(login("anna:s%2Fx@h/t", ""), Ok(("anna".into(), Some("s/x".into()))));
        assert_eq!(login("anna@h/t", ""), Ok(("anna".into(), None)));
        let twice = login("anna@h/t", "source.user = \"x\"").unwrap_err();
        assert!(twice.contains("leave out `user` and `password`"), "{twice}");
    }

    #[test]
    fn overrides_stand_over_the_file() {
        let set = |text: &str| Override::set(text).unwrap();
        let overrides = [
            set("buffer.bucket_size=7"),
            set("subtask.standard_scaler.with_std=false"),
            Override::text("--source", "source.url", "generate:rows=5"),
            set("name=other"),
        ];
        let dataflow = Dataflow::from_text("f.toml", GOOD, &overrides, &crate::registry::Registry::builtin()).unwrap();
        assert_eq!((dataflow.source().settings.limits.bucket_size, dataflow.name.as_str()), (7, "other"));
        assert_eq!(dataflow.source().url.to_string(), "generate:rows=5,seed=0");
    }

    #[test]
    fn a_session_has_the_name_of_its_dataflow_unless_it_has_one_of_its_own() {
        let client_id = |more: &str| {
            let text = format!("name = \"roof\"\nsink.url = \"null\"\n[source]\nurl = \"mqtt://h/t\"\n{more}");
            Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin())
                .unwrap()
                .source()
                .settings
                .endpoint
                .as_ref()
                .unwrap()
                .client_id
                .clone()
        };
        assert_eq!(client_id(""), None);
        assert_eq!(client_id("session = true").as_deref(), Some("rowmill-roof"));
        assert_eq!(client_id("session = true\nclient_id = \"mill\"").as_deref(), Some("mill"));
    }

    #[test]
    fn connections_go_with_what_needs_no_order_among_them() {
        let with = |connections: &str, more: &str| {
            format!("sink.url = \"null\"\n[source]\nurl = \"mqtt://h/t\"\nconnections = {connections}\n{more}")
        };
        let stream = "session = true\n[[subtask]]\nuse = \"diff\"\nfit = \"stream\"\n";
        let upsert = "session = true\n[[table]]\nname = \"t\"\nkey = [\"station\"]\nupsert = [\"station\"]\n";
        for (connections, more, part) in [
            ("2", "", "session = true"),
            ("0", "session = true", "between 1 and 256"),
            ("\"2\"", "session = true", "a number of connections"),
            ("2", stream, "diff needs their order"),
            ("2", upsert, "t needs their order"),
            ("[\"a\", \"a\"]", "session = true", "a stands twice"),
        ] {
            let shown = error(&with(connections, more));
            assert!(shown.contains(part) && shown.contains("f.toml:4:15"), "{connections} {more}: {shown}");
        }
        let good = with("[\"a\", \"b\"]", stream);
        assert_eq!(
            Dataflow::from_text("f.toml", &good, &[], &crate::registry::Registry::builtin())
                .unwrap()
                .source()
                .settings
                .connections(),
            2
        );
        let file = [Override::text("--source", "source.url", "x.csv")];
        assert_eq!(
            Dataflow::from_text("f.toml", &good, &file, &crate::registry::Registry::builtin())
                .unwrap()
                .source()
                .settings
                .connections(),
            1
        );
    }

    #[test]
    fn a_wrong_override_is_named_as_it_was_written() {
        for (wrong, part) in [
            ("buffer.bucket_size=x", "--set buffer.bucket_size=x: "),
            ("subtask.1.with_men=true", "did you mean `with_mean`?"),
            ("subtask.1.columns=[\"uv\"]", "did you mean `UV`?"),
            ("subtask.binarizer.threshold=1.0", "no subtask binarizer"),
            ("sink.url=x.xml", "--set sink.url=x.xml: "),
        ] {
            let shown = match Dataflow::from_text(
                "f.toml",
                GOOD,
                &[Override::set(wrong).unwrap()],
                &crate::registry::Registry::builtin(),
            ) {
                Ok(_) => panic!("{wrong}"),
                Err(diagnostic) => diagnostic.to_string(),
            };
            assert!(shown.contains(part), "{wrong}: {shown}");
        }
    }
}
