//! What all processes of a run must have in common: two that differ would hang, or give two results.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::{Dataflow, NamedFile, ParsedSettings, read_params};
use crate::data::fingerprint;
use crate::runtime::cluster::build_identity::build_identity;
use crate::runtime::error::Error;
use crate::runtime::options::Options;
use crate::source::FileFingerprint;

/// What a process tells the others about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    version: String,
    /// What tells the program's file from others: one version may have many builds.
    build: Vec<u8>,
    processes: usize,
    workers: usize,
    /// Whether it would fuse adjacent steps.
    pub fuse: bool,
    /// The source's file, if it is one that this process can read.
    pub source_file: Option<FileFingerprint>,
    /// A hash of each setting of the dataflow, by its key.
    dataflow: BTreeMap<String, u64>,
    /// A hash of each file that the dataflow names; `None` for one that this process can't read, or is told what it holds.
    files: Vec<Option<u64>>,
}

/// This process' identity, and the names of its files.
pub struct OwnIdentity {
    pub identity: ProcessIdentity,
    files: Vec<NamedFile>,
}

impl OwnIdentity {
    /// # Errors
    /// If the program's own file can't be read.
    pub fn of(dataflow: &Dataflow, options: &Options) -> Result<OwnIdentity, Error> {
        let build =
            build_identity().map_err(|error| Error::Cluster(format!("this program's file cannot be read: {error}")))?;
        let files = dataflow.files();
        let read = |file: &NamedFile| if file.told { None } else { read_params(&file.path).ok() };
        let hash = |file: &NamedFile| read(file).map(|bytes| fingerprint(&bytes) as u64);
        let identity = ProcessIdentity {
            version: env!("CARGO_PKG_VERSION").into(),
            build,
            processes: options.cluster.processes(),
            workers: options.cluster.workers,
            fuse: options.fuse,
            source_file: shared_file(dataflow),
            dataflow: hashes(dataflow.contents()),
            files: files.iter().map(hash).collect(),
        };
        Ok(OwnIdentity { identity, files })
    }

    /// Why another process can't run with this one, in words; `None` if it can.
    pub fn difference(&self, process: usize, theirs: &ProcessIdentity) -> Option<String> {
        let own = &self.identity;
        if theirs.version != own.version {
            let (theirs, own) = (&theirs.version, &own.version);
            return Some(format!("process {process} runs rowmill {theirs}, this one {own}: start the same version"));
        }
        if theirs.build != own.build {
            let version = &own.version;
            return Some(format!(
                "process {process} runs another build of rowmill {version}: start the same program file everywhere"
            ));
        }
        if theirs.dataflow != own.dataflow {
            let mut keys = own.dataflow.keys().chain(theirs.dataflow.keys()).collect::<BTreeSet<_>>().into_iter();
            let place = keys.find(|key| own.dataflow.get(*key) != theirs.dataflow.get(*key)).map_or("", String::as_str);
            return Some(format!(
                "process {process} runs another dataflow ({place}): start all processes with the same file and flags"
            ));
        }
        for (flag, theirs, own) in [("-n", theirs.processes, own.processes), ("-w", theirs.workers, own.workers)] {
            if theirs != own {
                return Some(format!(
                    "process {process} was started with {flag} {theirs}, this one with {flag} {own}: give all the same"
                ));
            }
        }
        let differs = |(theirs, own): (&Option<u64>, &Option<u64>)| theirs.zip(*own).is_some_and(|(a, b)| a != b);
        let file = theirs.files.iter().zip(&own.files).position(differs).map(|place| &self.files[place])?;
        let (path, what) = (file.path.display(), &file.what);
        Some(format!("process {process} has another {path} ({what}): give all processes the same file"))
    }
}

fn hashes(contents: &ParsedSettings) -> BTreeMap<String, u64> {
    contents.iter().map(|(key, value)| (key.to_owned(), fingerprint(value.as_bytes()) as u64)).collect()
}

/// The file that all rows are from, if there is one.
fn shared_file(dataflow: &Dataflow) -> Option<FileFingerprint> {
    let [source] = &dataflow.sources[..] else { return None };
    FileFingerprint::of(&source.url, source.settings.framing.compression)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Cluster;

    fn own(text: &str, workers: usize) -> OwnIdentity {
        let dataflow = Dataflow::from_text("t", text, &[], &crate::registry::Registry::builtin()).unwrap();
        OwnIdentity::of(&dataflow, &Options::new(Cluster::threads(workers))).unwrap()
    }

    #[test]
    fn what_differs_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let params = directory.path().join("fit.json");
        std::fs::write(&params, "one").unwrap();
        let text = format!(
            "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"null\"\n[[subtask]]\nuse = \"standard_scaler\"\n\
             fit = \"frozen\"\nparams = \"{}\"\n",
            params.display()
        );
        let this = own(&text, 2);
        assert_eq!(this.difference(1, &own(&text, 2).identity), None);
        let said = |theirs: &ProcessIdentity| this.difference(1, theirs).unwrap();
        assert!(said(&own(&text, 3).identity).contains("-w 3, this one with -w 2"));
        assert!(said(&own(&text.replace("null", "out.csv"), 2).identity).contains("another dataflow (sink.url"));
        assert!(said(&ProcessIdentity { build: vec![1], ..this.identity.clone() }).contains("another build"));
        assert!(said(&ProcessIdentity { version: "9".into(), ..this.identity.clone() }).contains("rowmill 9"));
        std::fs::write(&params, "two").unwrap();
        let other = said(&own(&text, 2).identity);
        assert!(other.contains("fit.json (params of standard_scaler)"), "{other}");
        std::fs::remove_file(&params).unwrap();
        assert_eq!(this.difference(1, &own(&text, 2).identity), None, "it says so itself");
    }
}
