//! Summaries of dataflow files, read again when a file has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde::Serialize;
use utoipa::ToSchema;

use super::document;
use super::folder::{Folder, ProjectName};
use super::problem::FileProblem;
use crate::config::{Dataflow, SinkPlan};
use crate::mqtt::{is_secret, masked};
use crate::registry::Registry;
use crate::source;

/// What a dataflow file says; mostly empty where it has a problem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct FileSummary {
    /// The dataflow's own name.
    pub title: String,
    pub description: String,
    /// Host and port, if rows come from a broker.
    pub broker: Option<String>,
    pub topic: Option<String>,
    pub client_id: Option<String>,
    pub source: String,
    pub sink: String,
    /// Operators in their order.
    pub methods: Vec<String>,
    /// Rows a message.
    pub bucket_size: usize,
    pub delay_ms: u64,
    /// Worker threads a process.
    pub workers: u16,
    pub processes: u16,
    pub problem: Option<FileProblem>,
}

/// The summaries of dataflow files, as of their last change.
#[derive(Debug, Default)]
pub struct FileCache(Mutex<HashMap<ProjectName, CachedFile>>);

/// A summary, with the time of the file's last change and its length then.
#[derive(Debug)]
struct CachedFile {
    changed: SystemTime,
    length: u64,
    about: Arc<FileSummary>,
}

impl FileCache {
    /// The summary of a file, read again if the file has changed.
    pub(super) fn about(&self, folder: &Folder, name: &ProjectName, registry: &Registry) -> Option<Arc<FileSummary>> {
        let metadata = std::fs::metadata(folder.file(name)).ok()?;
        let (changed, length) = (metadata.modified().ok()?, metadata.len());
        let known = || self.0.lock().expect("no holder panics");
        if let Some(seen) = known().get(name)
            && (seen.changed, seen.length) == (changed, length)
        {
            return Some(seen.about.clone());
        }
        // Nobody waits for the lock while a file is read.
        let about = match folder.read(name) {
            Ok(text) => FileSummary::of(name, &text, registry),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => FileSummary::unreadable(name, &error),
        };
        let about = Arc::new(about);
        // Not cached: the cause may be in a file that it names, whose change does not show here.
        if about.problem.is_some() {
            known().remove(name);
            return Some(about);
        }
        known().insert(name.clone(), CachedFile { changed, length, about: about.clone() });
        Some(about)
    }
}

impl FileSummary {
    fn unreadable(name: &ProjectName, error: &std::io::Error) -> FileSummary {
        let problem = FileProblem {
            message: format!("{name}.toml cannot be read: {error}"),
            help: Some("a project is a file of text that this server may read".into()),
            line: 0,
            column: 0,
            field: None,
        };
        FileSummary { title: name.to_string(), problem: Some(problem), ..FileSummary::default() }
    }

    pub(super) fn of(name: &ProjectName, text: &str, registry: &Registry) -> FileSummary {
        match document::checked(&name.to_string(), text, registry) {
            Ok(dataflow) => FileSummary::from(&dataflow),
            Err(mut problem) => {
                // It cites what stands at its place; viewers see it, too.
                problem.message =
                    if names_secret(&problem) { "the password is no text".into() } else { masked(&problem.message) };
                problem.help = problem.help.map(|help| masked(&help));
                FileSummary { title: name.to_string(), problem: Some(problem), ..FileSummary::default() }
            }
        }
    }
}

/// Whether a problem is about a password.
fn names_secret(problem: &FileProblem) -> bool {
    problem.field.as_deref().is_some_and(|field| field.split('.').any(is_secret))
}

impl From<&Dataflow> for FileSummary {
    fn from(dataflow: &Dataflow) -> FileSummary {
        let mqtt = match &dataflow.source().url {
            source::SourceUrl::Mqtt(url) => Some(url),
            _ => None,
        };
        let settings = &dataflow.source().settings;
        FileSummary {
            title: document::masked_text(&dataflow.name),
            description: document::masked_text(&dataflow.description),
            broker: mqtt.map(|url| format!("{}:{}", url.host, url.port)),
            topic: mqtt.map(|url| url.topic.clone()),
            client_id: settings.endpoint.as_ref().and_then(|endpoint| endpoint.client_id.clone()),
            source: dataflow.shown_sources(),
            sink: dataflow.sinks.iter().map(SinkPlan::shown).collect::<Vec<_>>().join(", "),
            methods: dataflow.labels(),
            bucket_size: settings.limits.bucket_size,
            delay_ms: settings.limits.delay.as_millis() as u64,
            workers: dataflow.workers.unwrap_or(1),
            processes: dataflow.processes.unwrap_or(1),
            problem: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::projects::EXAMPLE;

    #[test]
    fn a_new_project_begins_with_a_dataflow_that_can_run() {
        let dataflow =
            document::checked("new", EXAMPLE, &Registry::builtin()).map_err(|problem| problem.message).unwrap();
        let about = FileSummary::from(&dataflow);
        assert_eq!((about.broker.as_deref(), about.topic.as_deref()), (Some("127.0.0.1:1883"), Some("weather/davis")));
        assert_eq!(about.methods, ["prepare", "interpolate", "standard_scaler", "result"]);
    }

    #[test]
    fn a_file_that_was_changed_by_hand_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        let (known, name): (FileCache, ProjectName) = (FileCache::default(), "w".parse().unwrap());
        assert!(known.about(&folder, &name, &Registry::builtin()).is_none());
        folder.create(&name, EXAMPLE).unwrap();
        assert_eq!(known.about(&folder, &name, &Registry::builtin()).unwrap().bucket_size, 100);
        std::fs::write(folder.file(&name), EXAMPLE.replace("= 100", "= 1000")).unwrap();
        assert_eq!(known.about(&folder, &name, &Registry::builtin()).unwrap().bucket_size, 1000);
        std::fs::write(folder.file(&name), "nonsense").unwrap();
        assert!(known.about(&folder, &name, &Registry::builtin()).unwrap().problem.is_some());
    }
}
