//! The settings of a dataflow by key: a checkpoint recognises the dataflow by them, and tells what has changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::params_files::read_params;
use crate::data::fingerprint;
use crate::mqtt;
use crate::subtasks::Subtasks;

/// The settings of a dataflow by key, as TOML in one form: file and overrides as they were parsed, without logins, the
/// number of workers, the checkpoint interval and the description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedSettings(BTreeMap<String, String>);

/// A step by its settings.
type StepContents = BTreeMap<String, String>;

/// A sink by its settings.
type SinkContents = BTreeMap<String, String>;

/// What is the same as in an earlier dataflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnchangedSettings {
    /// The steps that are the same: from the number in the earlier dataflow to the number now, both from 1.
    pub steps: BTreeMap<usize, usize>,
    /// Whether all tables and the columns that they take are the same, sinks aside.
    pub tables: bool,
    /// The tables, counted from 0, whose sinks are the same.
    pub sinks: BTreeSet<usize>,
    /// The sinks that are the same, with the same chain before them: from the number in the earlier dataflow to the
    /// number now, both from 0.
    pub alerts: BTreeMap<usize, usize>,
    /// Whether the schema is the same.
    pub schema: bool,
}

/// Steps beside models that change which columns there are, so that later ones may take other columns with the same settings.
const CHANGE_COLUMNS: [&str; 3] = ["one_hot_encoder", "ordinal_encoder", "polynomial_features"];

/// What stands before the key of params whose contents may change.
const FOLLOWED: &str = "followed.";

impl ParsedSettings {
    pub(crate) fn new(parsed: toml::Value) -> ParsedSettings {
        let mut all = BTreeMap::new();
        flatten(String::new(), parsed, &mut all);
        ParsedSettings(all)
    }

    /// The settings that a checkpoint holds.
    pub fn read(settings: impl IntoIterator<Item = (String, String)>) -> ParsedSettings {
        ParsedSettings(settings.into_iter().collect())
    }

    /// All keys with their values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The settings that results depend on: without time limits and placement, of a broker's address the topic alone,
    /// and with a hash of each file of params. The contents of a table's reference do not count: every run reads it
    /// again when it changes. Those of params that a run follows stand under keys of their own.
    ///
    /// # Errors
    /// In words: a file that cannot be read.
    pub fn of_results(&self) -> Result<ParsedSettings, String> {
        self.of_results_with(&BTreeMap::new())
    }

    /// As [`ParsedSettings::of_results`], with these hashes of files of params, by path.
    ///
    /// # Errors
    /// In words: another file that cannot be read.
    pub fn of_results_with(&self, known: &BTreeMap<String, u128>) -> Result<ParsedSettings, String> {
        let mut all = BTreeMap::new();
        for (key, value) in self.0.iter().filter(|(key, _)| !is_harmless(key)) {
            let Some(path) = params_path(key, value) else {
                all.insert(key.clone(), topic_of(key, value).unwrap_or_else(|| value.clone()));
                continue;
            };
            let hash = match known.get(&path) {
                Some(hash) => *hash,
                None => fingerprint(&read_params(Path::new(&path)).map_err(|error| format!("params {path}: {error}"))?),
            };
            let hash = format!("{hash:032x}");
            if self.is_followed(key) {
                all.insert(format!("{FOLLOWED}{key}"), hash);
                all.insert(key.clone(), "followed".into());
            } else {
                all.insert(key.clone(), hash);
            }
        }
        Ok(ParsedSettings(all))
    }

    /// Whether a run follows the params that a step has under this key.
    fn is_followed(&self, key: &str) -> bool {
        let reload = key.rsplit_once('.').and_then(|(step, _)| self.0.get(&format!("{step}.reload")));
        reload.is_some_and(|reload| reload == "true")
    }

    /// The keys of all settings that differ; params that a run follows may.
    pub fn differences<'a>(&'a self, other: &'a ParsedSettings) -> Vec<&'a str> {
        self.all_differences(other).filter(|key| !key.starts_with(FOLLOWED)).collect()
    }

    /// The subtasks whose params are followed and hold other contents than before.
    pub fn followed_differences(&self, before: &ParsedSettings) -> BTreeSet<String> {
        let number = |key: &str| key.strip_prefix(FOLLOWED)?.split('.').nth(1)?.parse::<usize>().ok();
        let both = |key: &&str| self.0.contains_key(*key) && before.0.contains_key(*key);
        let label = |number: usize| Some(self.0.get(&format!("subtask.{number}.use"))?.trim_matches('"').to_owned());
        self.all_differences(before).filter(both).filter_map(number).filter_map(label).collect()
    }

    fn all_differences<'a>(&'a self, other: &'a ParsedSettings) -> impl Iterator<Item = &'a str> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        keys.into_iter().filter(move |key| self.0.get(*key) != other.0.get(*key)).map(String::as_str)
    }

    /// What is the same as in `before`.
    pub fn unchanged(&self, before: &ParsedSettings) -> UnchangedSettings {
        let of = |contents: &ParsedSettings, section: &str| -> BTreeMap<String, String> {
            let within =
                |key: &str| key == section || key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
            contents.iter().filter(|(key, _)| within(key)).map(|(key, value)| (key.into(), value.into())).collect()
        };
        // That of a lone source may stand with it.
        let schema = ["schema", "source.schema"].iter().all(|section| of(self, section) == of(before, section));
        let (now, then) = (self.steps(), before.steps());
        let columns = |steps: &[StepContents]| -> Vec<StepContents> {
            let changes = |step: &&StepContents| step.get("use").is_some_and(|name| changes_columns(name));
            steps.iter().filter(changes).cloned().collect()
        };
        let same = longest_common(&then, &now).into_iter();
        let steps = same.filter(|(then_at, now_at)| schema && columns(&then[..*then_at]) == columns(&now[..*now_at]));
        let steps: BTreeMap<usize, usize> = steps.map(|(then_at, now_at)| (then_at + 1, now_at + 1)).collect();
        let (settings, before_settings) = (of(self, "table"), of(before, "table"));
        let is_sink = |key: &str| key.split('.').nth(2) == Some("sink");
        let without_sinks = |settings: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            settings.iter().filter(|(key, _)| !is_sink(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let sink = |settings: &BTreeMap<String, String>, number: usize| -> BTreeMap<String, String> {
            let table = format!("table.{number}.");
            let own = settings.iter().filter(|(key, _)| key.starts_with(&table) && is_sink(key));
            own.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let numbers = settings.keys().filter_map(|key| key.split('.').nth(1)?.parse::<usize>().ok());
        let sinks = numbers.filter(|number| sink(&settings, *number) == sink(&before_settings, *number)).collect();
        // The same label may now be that of another step.
        let stays = |label: &String| match (place_of(&then, label), place_of(&now, label)) {
            (Some(then), now) => now.is_some() && steps.get(&then) == now.as_ref(),
            (None, now) => now.is_none(),
        };
        let mut inputs = settings.iter().filter(|(key, _)| key.ends_with(".input")).map(|(_, label)| label);
        let same_tables = without_sinks(&settings) == without_sinks(&before_settings);
        let tables = schema && columns(&then) == columns(&now) && same_tables && inputs.all(stays);
        let (own, earlier) = (self.sink_settings(), before.sink_settings());
        let place = |(number, settings): (usize, &SinkContents)| {
            Some((number, own.iter().position(|of_now| of_now == settings)?))
        };
        let same_chain = schema && then == now;
        let alerts = earlier.iter().enumerate().filter(|_| same_chain).filter_map(place).collect();
        UnchangedSettings { steps, tables, sinks, alerts, schema }
    }

    /// Whether one of several sources is another than before: progress is known by their places.
    pub fn has_other_sources(&self, before: &ParsedSettings) -> bool {
        let is_several = |contents: &ParsedSettings| contents.0.keys().any(|key| key.starts_with("source.1."));
        let of_source = |key: &str| key.starts_with("source.");
        (is_several(self) || is_several(before)) && self.all_differences(before).any(of_source)
    }

    /// The steps of the chain in their order.
    fn steps(&self) -> Vec<StepContents> {
        let mut steps: BTreeMap<usize, StepContents> = BTreeMap::new();
        for (key, value) in self.iter() {
            let Some((number, key)) = key.strip_prefix("subtask.").and_then(|key| key.split_once('.')) else {
                continue;
            };
            if let Ok(number) = number.parse() {
                steps.entry(number).or_default().insert(key.into(), value.into());
            }
        }
        steps.into_values().collect()
    }

    /// The settings of the sinks, in their order.
    fn sink_settings(&self) -> Vec<SinkContents> {
        let mut sinks: BTreeMap<usize, SinkContents> = BTreeMap::new();
        for (key, value) in self.iter().filter(|(key, _)| key.starts_with("sink.")) {
            let Some(own) = in_endpoint(key) else { continue };
            let number = key.split('.').nth(1).and_then(|part| part.parse().ok()).unwrap_or(0);
            sinks.entry(number).or_default().insert(own.into(), value.into());
        }
        sinks.into_values().collect()
    }

    /// The addresses of the sinks, in their order.
    pub fn sinks(&self) -> Vec<String> {
        let urls = self.iter().filter(|(key, _)| key.starts_with("sink.") && in_endpoint(key) == Some("url"));
        let number = |key: &str| key.split('.').nth(1).and_then(|part| part.parse::<usize>().ok()).unwrap_or(0);
        let mut urls: Vec<(usize, &str)> = urls.map(|(key, value)| (number(key), value)).collect();
        urls.sort();
        let text = |value: &str| toml::from_str::<toml::Table>(&format!("url = {value}")).ok();
        let url = |(_, value): (usize, &str)| Some(text(value)?.get("url")?.as_str()?.to_owned());
        urls.into_iter().filter_map(url).collect()
    }

    /// The subtask of a step that is counted from 1.
    pub fn step(&self, number: usize) -> String {
        let name = self.steps().get(number.wrapping_sub(1)).and_then(|step| step.get("use").cloned());
        format!("step {number} ({})", name.unwrap_or_default().trim_matches('"'))
    }
}

/// The number of the step with this label, from 1; `None` if there is none.
fn place_of(steps: &[StepContents], label: &str) -> Option<usize> {
    let (label, mut times) = (label.trim_matches('"'), BTreeMap::<&str, usize>::new());
    let place = steps.iter().filter_map(|step| step.get("use")).position(|name| {
        let name = name.trim_matches('"');
        let times = times.entry(name).or_default();
        *times += 1;
        if *times == 1 { label == name } else { label == format!("{name}_{times}") }
    });
    place.map(|place| place + 1)
}

fn changes_columns(name: &str) -> bool {
    let name = name.trim_matches('"');
    CHANGE_COLUMNS.contains(&name) || Subtasks::builtin().find(name).is_some_and(|entry| entry.model)
}

/// The indices of a longest common subsequence.
fn longest_common<T: PartialEq>(one: &[T], other: &[T]) -> Vec<(usize, usize)> {
    let mut longest = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for (i, a) in one.iter().enumerate().rev() {
        for (j, b) in other.iter().enumerate().rev() {
            longest[i][j] = if a == b { 1 + longest[i + 1][j + 1] } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut common) = (0, 0, Vec::new());
    while i < one.len() && j < other.len() {
        if one[i] == other[j] {
            common.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

/// Collects the settings of a section; sections of a list are numbered from 0.
fn flatten(key: String, value: toml::Value, all: &mut BTreeMap<String, String>) {
    let inner = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    // The columns of a table's key are no client's key.
    if is_elsewhere(&key) && !value.is_array() {
        return;
    }
    match value {
        toml::Value::Table(table) => table.into_iter().for_each(|(name, value)| flatten(inner(&name), value, all)),
        // One sink or source in a list is that one.
        toml::Value::Array(mut items)
            if ["source", "sink"].contains(&key.as_str()) && items.len() == 1 && items[0].is_table() =>
        {
            flatten(key, items.remove(0), all);
        }
        toml::Value::Array(items) if ["source", "sink", "subtask", "table"].contains(&key.as_str()) => {
            for (number, item) in items.into_iter().enumerate() {
                // They are in every chain, whether they are listed or not.
                let named = item.get("use").and_then(toml::Value::as_str);
                if !named.is_some_and(|name| ["prepare", "result"].contains(&name)) {
                    flatten(inner(&number.to_string()), item, all);
                }
            }
        }
        value => {
            let address = value.as_str().filter(|_| in_endpoint(&key) == Some("url"));
            let shown = |text: &str| {
                text.parse::<mqtt::MqttUrl>().map_or_else(|_| without_login(text), |address| address.to_string())
            };
            let value = address.map(shown).map_or(value, toml::Value::from);
            all.insert(key, value.to_string());
        }
    }
}

/// An address of a registry's scheme without user and password.
fn without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(end) => mqtt::masked(&format!("{scheme}://{}", &rest[end + 1..])),
        None => mqtt::masked(text),
    }
}

/// The key within the section of a source or a sink; `None` for keys elsewhere.
fn in_endpoint(key: &str) -> Option<&str> {
    let (section, rest) = key.split_once('.')?;
    match section {
        "dead_letter" => Some(rest),
        "source" | "sink" => match rest.split_once('.') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => Some(rest),
            _ => Some(rest),
        },
        "table" => rest.split_once(".sink.").map(|(_, rest)| rest),
        _ => None,
    }
}

/// Whether a key may differ between processes, because results are the same with any value.
fn is_elsewhere(key: &str) -> bool {
    let login = ["user", "password", "token", "ca", "certificate", "key"];
    ["description", "workers", "processes", "checkpoint"].contains(&key)
        || in_endpoint(key).is_some_and(|key| login.contains(&key))
}

/// Whether a run may resume with another value of it.
fn is_harmless(key: &str) -> bool {
    let limits = ["connect_timeout", "reconnect_timeout", "allow_loop", "protocol", "add_columns"];
    let is_name = key.starts_with("sink.") && in_endpoint(key) == Some("name");
    let is_reload = key.starts_with("subtask.") && key.ends_with(".reload");
    ["placement", "buffer.delay"].contains(&key)
        || is_name
        || is_reload
        || in_endpoint(key).is_some_and(|key| limits.contains(&key))
}

/// The path of a file of fitted params that a step names.
fn params_path(key: &str, value: &str) -> Option<String> {
    let names_params = key.starts_with("subtask.") && (key.ends_with(".params") || key.ends_with(".shadow"));
    let read = || toml::from_str::<toml::Table>(&format!("path = {value}")).ok();
    names_params.then(read).flatten()?.get("path")?.as_str().map(str::to_owned)
}

/// The value of a broker's address by its topic alone.
fn topic_of(key: &str, value: &str) -> Option<String> {
    let text = value.strip_prefix('"')?.strip_suffix('"').filter(|_| in_endpoint(key) == Some("url"))?;
    text.parse::<mqtt::MqttUrl>().ok().map(|url| toml::Value::from(format!("mqtt://{}", url.topic)).to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Override;
    use crate::config::model::Dataflow;
    use crate::mqtt::allow_environment;

    use super::*;

    const TEXT: &str = "[source]\nurl = \"mqtt://one/rows\"\n[sink]\nurl = \"mqtt://one/results\"\n[[subtask]]\n\
        use = \"standard_scaler\"\nfit = \"stream\"\n[[subtask]]\nuse = \"fillna\"\nvalue = 0\n[[table]]\n\
        name = \"hourly\"\nwindow = \"1h\"\nsink = { url = \"mqtt://one/hourly\" }\n";

    fn contents(text: &str, set: &[&str]) -> ParsedSettings {
        allow_environment(|name| std::env::var(name));
        let set: Vec<Override> = set.iter().map(|text| Override::set(text).unwrap()).collect();
        Dataflow::from_text("f.toml", text, &set, &crate::registry::Registry::builtin()).unwrap().contents().clone()
    }

    #[test]
    fn what_is_harmless_is_no_other_dataflow() {
        let before = contents(TEXT, &[]).of_results().unwrap();
        for harmless in [
            TEXT.replace("[sink]", "# a comment\n\n  [sink] # another"),
            TEXT.replace("mqtt://one/rows", "mqtt://user:word@two:99/rows"),
            TEXT.replace("mqtt://one", "mqtts://[::1]"),
            TEXT.replace("[source]", "[source]\nuser = \"u\"\npassword = \"p\"\nconnect_timeout = \"1m\""),
            TEXT.replace("[source]", "[source]\nreconnect_timeout = \"1m\"\nallow_loop = true"),
            TEXT.replace("[sink]", "[sink]\nuser = \"u\"\npassword = { env = \"HOME\" }"),
            TEXT.replace("results\"", "results\"\n[checkpoint]\nevery = \"2s\"\n[buffer]\ndelay = \"3s\""),
            TEXT.replace("fit = \"stream\"\n", "").replace("use = \"standard", "fit = \"stream\"\nuse = \"standard"),
            TEXT.replace("value = 0", "value = 0x0"),
            format!("workers = 2\nprocesses = 2\ndescription = \"x\"\nplacement = \"subtask\"\n{TEXT}"),
            TEXT.replacen("[[subtask]]", "[[subtask]]\nuse = \"prepare\"\n[[subtask]]", 1),
        ] {
            let after = contents(&harmless, &[]).of_results().unwrap();
            if harmless.contains("\"prepare\"") {
                assert_eq!(after.unchanged(&before).steps.len(), 2, "{harmless}");
            } else {
                assert_eq!(after.differences(&before), [] as [&str; 0], "{harmless}");
            }
        }
        assert_eq!(contents(TEXT, &["source.url=\"mqtt://three/rows\""]).of_results().unwrap(), before);
        assert!(!format!("{:?}", contents(&TEXT.replace("one", "me:word@one"), &[])).contains("word"));
    }

    #[test]
    fn what_changes_results_is_named() {
        let before = contents(TEXT, &[]).of_results().unwrap();
        for (from, to, key) in [
            ("one/rows", "one/others", "source.url"),
            ("one/results", "one/others", "sink.url"),
            ("one/hourly", "one/others", "table.0.sink.url"),
            ("value = 0", "value = 1", "subtask.1.value"),
            ("fit = \"stream\"\n", "", "subtask.0.fit"),
            ("\"1h\"", "\"2h\"", "table.0.window"),
        ] {
            let now = contents(&TEXT.replace(from, to), &[]).of_results().unwrap();
            assert_eq!(now.differences(&before), [key]);
        }
        let now = contents(TEXT, &["buffer.bucket_size=7"]).of_results().unwrap();
        assert_eq!(now.differences(&before), ["buffer.bucket_size"]);
    }

    #[test]
    fn params_that_are_followed_may_change_and_the_change_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one.json");
        let with = |reload: &str| {
            let params = format!("fit = \"frozen\"\nparams = '{}'\nreload = {reload}\n", path.display());
            contents(&TEXT.replacen("fit = \"stream\"\n", &params, 1), &[]).of_results().unwrap()
        };
        std::fs::write(&path, "1").unwrap();
        let (followed, fixed) = (with("true"), with("false"));
        std::fs::write(&path, "2").unwrap();
        assert!(with("true").differences(&followed).is_empty());
        assert!(with("true").followed_differences(&followed).into_iter().eq(["standard_scaler"]));
        assert!(with("true").followed_differences(&with("true")).is_empty());
        assert_eq!(with("false").differences(&fixed), ["subtask.0.params"]);
        assert!(with("false").followed_differences(&fixed).is_empty());
    }

    /// Regression: a run resumed with other params as if they were the same.
    #[cfg(feature = "postgres")]
    #[test]
    fn the_key_of_a_table_counts_though_that_of_a_client_does_not() {
        let with = |key: &str| {
            let sink = format!("postgresql://one/results\"\ntable = \"rows\"\nkey = [\"{key}\"]");
            contents(&TEXT.replace("mqtt://one/results\"", &sink), &[]).of_results().unwrap()
        };
        assert_eq!(with("station").differences(&with("dateTime")), ["sink.key"]);
    }

    #[test]
    fn what_params_hold_counts_wherever_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one.json"), directory.path().join("other.json"));
        let with = |path: &Path| {
            let params = format!("fit = \"frozen\"\nparams = '{}'\n", path.display());
            contents(&TEXT.replacen("fit = \"stream\"\n", &params, 1), &[]).of_results()
        };
        assert!(with(&one).unwrap_err().contains("one.json"));
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&other, "1").unwrap();
        let before = with(&one).unwrap();
        assert_eq!(with(&other).unwrap(), before);
        std::fs::write(&one, "2").unwrap();
        assert_eq!(with(&one).unwrap().differences(&before), ["subtask.0.params"]);
    }

    /// Regression: the contents of all tables were written to a new sink of one of them.
    #[test]
    fn tables_stay_where_only_a_sink_has_changed() {
        let second = "[[table]]\nname = \"daily\"\nwindow = \"1d\"\nsink = { url = \"daily.ndjson\" }\n";
        let text = format!("{TEXT}{second}");
        let before = contents(&text, &[]);
        let unchanged = |from: &str, to: &str| contents(&text.replace(from, to), &[]).unchanged(&before);
        let moved = unchanged("daily.ndjson", "others.ndjson");
        assert_eq!((moved.tables, moved.sinks), (true, [0].into()));
        let added = unchanged("one/hourly\" }", "one/hourly\", qos = 1 }");
        assert_eq!((added.tables, added.sinks), (true, [1].into()));
        assert!(!unchanged("\"1d\"", "\"2d\"").tables);
    }

    #[test]
    fn processes_must_agree_on_more() {
        let (one, other) = (contents(TEXT, &[]), contents(TEXT, &["source.url=mqtt://two/rows", "buffer.delay=2s"]));
        assert_eq!(one.differences(&other), ["buffer.delay", "source.url"]);
    }

    #[test]
    fn unchanged_steps_are_found_in_their_order() {
        let chain = |steps: &[&str]| {
            let steps: String = steps.iter().map(|step| format!("[[subtask]]\nuse = {step}\n")).collect();
            contents(&format!("source.url = \"-\"\nsink.url = \"null\"\n{steps}"), &[])
        };
        let (scale, diff, fill) =
            ("\"standard_scaler\"\nfit = \"stream\"", "\"diff\"\nfit = \"stream\"", "\"fillna\"\nvalue = 0");
        let steps =
            |now: &[&str], before: &[&str]| chain(now).unchanged(&chain(before)).steps.into_iter().collect::<Vec<_>>();
        assert_eq!(steps(&[fill, scale, diff], &[scale, diff]), [(1, 2), (2, 3)]);
        assert_eq!(steps(&[diff], &[scale, diff]), [(2, 1)]);
        assert_eq!(steps(&[diff, scale, fill], &[scale, fill, diff]), [(1, 2), (2, 3)]);
        assert_eq!(
            steps(&["\"standard_scaler\"\nfit = \"stream\"\nwith_mean = false", diff], &[scale, diff]),
            [(2, 2)]
        );
        // Steps behind new columns may take others.
        let more = "\"polynomial_features\"\ncolumns = [\"outTemp\"]";
        assert_eq!(steps(&[scale, more, diff], &[scale, diff]), [(1, 1)]);
        let of_source = |key: &str| {
            TEXT.replace("[source]", &format!("[[source]]\nschema = {{ base = \"davis\", number = [\"{key}\"] }}"))
        };
        let other = contents(&of_source("a"), &[]).unchanged(&contents(&of_source("b"), &[]));
        assert!(!other.schema && other.steps.is_empty(), "the schema may stand with its source");
        let schema = contents(&format!("schema = \"infer\"\n{TEXT}"), &[]).unchanged(&contents(TEXT, &[]));
        assert!(schema.steps.is_empty() && !schema.tables && !schema.schema);
        let window = contents(&TEXT.replace("1h", "2h"), &[]).unchanged(&contents(TEXT, &[]));
        assert_eq!((window.steps.len(), window.tables, window.schema), (2, false, true));
    }

    /// Regression: a table kept the rows of another step of the same name.
    #[test]
    fn tables_stay_with_the_step_that_they_stand_behind() {
        let with = |input: &str, steps: &[&str]| {
            let steps: String = steps.iter().map(|step| format!("[[subtask]]\nuse = {step}\n")).collect();
            let table = format!(
                "[[table]]\nname = \"t\"\nkey = [\"station\"]\ninput = \"{input}\"\naggregates = [\"count\"]\n"
            );
            let schema = "schema = { number = [\"x\"], text = [\"station\"] }\n";
            contents(&format!("{schema}source.url = \"-\"\nsink.url = \"null\"\n{steps}{table}"), &[])
        };
        let (zero, one, clip) = ("\"fillna\"\nvalue = 0", "\"fillna\"\nvalue = 1", "\"clip\"\nlower = 0");
        for (input, before, now, stays) in [
            ("fillna", &[zero][..], &[clip, zero][..], true),
            ("fillna", &[zero], &[one, zero], false),
            ("fillna_2", &[one, zero], &[zero, one], false),
            ("fillna_2", &[one, zero], &[one, clip, zero], true),
            ("fillna", &[zero, clip], &[zero], true),
            ("raw", &[zero], &[one, zero], true),
        ] {
            let unchanged = with(input, now).unchanged(&with(input, before));
            assert_eq!(unchanged.tables, stays, "{input} {before:?} {now:?}");
        }
    }
}
