//! The files that a dataflow reads and writes: one that is written must have no other use, under whatever name.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Diagnostic;
use crate::config::error::Wrong;
use crate::config::model::{Dataflow, Fitting};
use crate::config::model_file::ModelFile;
use crate::sink;
use crate::source::SourceUrl;

/// A file and what it is for.
struct UsedFile {
    what: String,
    path: PathBuf,
    written: bool,
}

/// What identifies a file: device and inode, or the path where it will be created.
#[derive(Debug, PartialEq, Eq)]
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
            path: path.clone(),
            written: true,
        }));
        let mut known: Vec<(FileIdentity, UsedFile)> = Vec::new();
        for file in used {
            let Some(identity) = FileIdentity::of(&file.path) else { continue };
            let same = known.iter().find(|(other, used)| *other == identity && (used.written || file.written));
            if let Some((_, other)) = same {
                let (one, other) = (shown(other), shown(&file));
                return Err(self.document.diagnostic(Wrong::FileTwice { one, other }.in_file()));
            }
            known.push((identity, file));
        }
        Ok(())
    }

    fn used_files(&self, processes: usize) -> Vec<UsedFile> {
        let read = |what: &str, path: &Path| UsedFile { what: what.into(), path: path.to_owned(), written: false };
        let written = |what: &str, path: PathBuf| UsedFile { what: what.into(), path, written: true };
        let mut files = vec![read("the dataflow", Path::new(&self.document.path))];
        if let SourceUrl::File { path, .. } = &self.source {
            files.push(read("the source", path));
        }
        for step in &self.steps {
            if let Fitting::Frozen(path) | Fitting::Model(ModelFile { path, .. }) = &step.fitting {
                files.push(read(&format!("the params of {}", step.label), Path::new(path.get_ref())));
            }
        }
        for table in &self.tables {
            files.extend(table.reference().map(|path| read(&format!("the reference of {}", table.name()), path)));
        }
        let of_sink = |sink: &sink::SinkSettings| {
            (0..if sink.parts { processes } else { 1 }).filter_map(|n| sink.file(n)).collect::<Vec<_>>()
        };
        for plan in &self.sinks {
            files.extend(of_sink(&plan.settings).into_iter().map(|path| written(&plan.role(), path)));
        }
        files.extend(self.checkpoint().map(|path| written("the checkpoint", path)));
        files.extend(self.dead_letter.iter().flat_map(of_sink).map(|path| written("the dead letters", path)));
        for table in &self.tables {
            let sinks = table.sink().into_iter().flat_map(of_sink);
            files.extend(sinks.map(|path| written(&format!("the sink of table {}", table.name()), path)));
        }
        files
    }
}

fn shown(used: &UsedFile) -> String {
    format!("{} ({})", used.what, used.path.display())
}
