//! The files that a dataflow reads and writes: one that is written must have no other use, under whatever name.

use std::collections::HashMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::Diagnostic;
use crate::config::error::Wrong;
use crate::config::model::Dataflow;
use crate::sink;
use crate::source::SourceUrl;

/// A file and what it is for.
struct UsedFile {
    what: String,
    /// The key that names it, such as `["sink", "0", "url"]`; empty if none does.
    key: Vec<String>,
    path: PathBuf,
    written: bool,
}

/// What identifies a file: device and inode, or the path where it will be created.
#[derive(Debug, PartialEq, Eq, Hash)]
enum FileIdentity {
    There { device: u64, inode: u64 },
    ToBeMade { directory: PathBuf, name: PathBuf },
}

impl FileIdentity {
    /// `None` for what is no regular file.
    fn of(path: &Path) -> Option<FileIdentity> {
        match std::fs::metadata(path) {
            Ok(found) => found.is_file().then(|| FileIdentity::There { device: found.dev(), inode: found.ino() }),
            Err(_) => {
                let path = end_of_links(path.to_owned());
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let directory = std::fs::canonicalize(directory).or_else(|_| std::path::absolute(directory)).ok()?;
                Some(FileIdentity::ToBeMade { directory, name: path.file_name()?.into() })
            }
        }
    }
}

/// The target of a dangling link.
fn end_of_links(mut path: PathBuf) -> PathBuf {
    const MOST: usize = 40;
    for _ in 0..MOST {
        let Ok(to) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(to);
    }
    path
}

impl Dataflow {
    /// Refuses a file that is written, by so many processes and as the files of `more`, and used otherwise too. Links
    /// are followed.
    ///
    /// # Errors
    /// The first two that are one file.
    pub fn check_files(&self, processes: usize, more: &[(&str, PathBuf)]) -> Result<(), Diagnostic> {
        let mut used = self.used_files(processes);
        used.extend(more.iter().map(|(what, path)| UsedFile {
            what: (*what).into(),
            key: Vec::new(),
            path: path.clone(),
            written: true,
        }));
        let mut known: HashMap<FileIdentity, UsedFile> = HashMap::new();
        for file in used {
            let Some(identity) = FileIdentity::of(&file.path) else { continue };
            if let Some(other) = known.get(&identity).filter(|other| other.written || file.written) {
                // An override stands in no file.
                let places = self.document.overrides.is_empty().then_some([&file.key, &other.key]);
                let place = places.into_iter().flatten().find_map(|key| span_of(&self.document.text, key));
                let wrong = Wrong::FileTwice { one: shown(other), other: shown(&file) };
                return Err(self.document.diagnostic(match place {
                    Some(span) => wrong.at(span),
                    None => wrong.in_file(),
                }));
            }
            known.entry(identity).or_insert(file);
        }
        Ok(())
    }

    fn used_files(&self, processes: usize) -> Vec<UsedFile> {
        let key = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let read = |what: &str, parts: &[&str], path: &Path| UsedFile {
            what: what.into(),
            key: key(parts),
            path: path.to_owned(),
            written: false,
        };
        let written = |what: &str, parts: &[&str], path: PathBuf| UsedFile {
            what: what.into(),
            key: key(parts),
            path,
            written: true,
        };
        let mut files = vec![read("the dataflow", &[], Path::new(&self.document.path))];
        for (number, source) in self.sources.iter().enumerate() {
            if let SourceUrl::File { path, .. } = &source.url {
                files.push(read(&source.role(), &["source", &number.to_string(), "url"], path));
            }
        }
        for step in &self.steps {
            let params = step.fitting.params().into_iter().flat_map(|file| file.paths());
            files.extend(params.map(|path| read(&format!("the params of {}", step.label), &[], Path::new(path))));
        }
        for table in &self.tables {
            files.extend(table.reference().map(|path| read(&format!("the reference of {}", table.name()), &[], path)));
        }
        let of_sink = |sink: &sink::SinkSettings| {
            (0..if sink.parts { processes } else { 1 }).filter_map(|n| sink.file(n)).collect::<Vec<_>>()
        };
        for (number, plan) in self.sinks.iter().enumerate() {
            let parts = ["sink", &number.to_string(), "url"];
            files.extend(of_sink(&plan.settings).into_iter().map(|path| written(&plan.role(), &parts, path)));
        }
        files.extend(self.checkpoint().map(|path| written("the checkpoint", &["checkpoint", "path"], path)));
        let letters = self.dead_letter.iter().flat_map(of_sink);
        files.extend(letters.map(|path| written("the dead letters", &["dead_letter", "url"], path)));
        for (number, table) in self.tables.iter().enumerate() {
            let parts = ["table", &number.to_string(), "sink", "url"];
            let sinks = table.sink().into_iter().flat_map(of_sink);
            files.extend(sinks.map(|path| written(&format!("the sink of table {}", table.name()), &parts, path)));
        }
        files
    }
}

/// Where a text gives the value of a key. A section may stand alone instead of in a list of one, and a text instead of
/// a section of one key.
fn span_of(text: &str, key: &[String]) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let (first, rest) = key.split_first()?;
    span_in(table.get_ref().get(first.as_str())?, rest)
}

fn span_in(value: &Spanned<DeValue<'_>>, key: &[String]) -> Option<Range<usize>> {
    let Some((first, rest)) = key.split_first() else { return Some(value.span()) };
    match value.get_ref() {
        DeValue::String(_) => Some(value.span()),
        DeValue::Array(items) => span_in(items.get(first.parse::<usize>().ok()?)?, rest),
        DeValue::Table(table) => match table.get(first.as_str()) {
            Some(inner) => span_in(inner, rest),
            None if first == "0" => span_in(value, rest),
            None => None,
        },
        _ => None,
    }
}

fn shown(used: &UsedFile) -> String {
    format!("{} ({})", used.what, used.path.display())
}
