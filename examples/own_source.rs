//! A source of one's own that loses nothing: the files of a folder, each moved away when its rows are durable.
//!
//!     cargo run --example own_source -- run FILE.toml --source folder://inbox --sink out.ndjson
//!
//! A file is a delivery, known by its name: one whose rows are in the results, but that was not moved before the
//! process died, is recognised and only moved. Write a file elsewhere and rename it into the folder, so that it is whole.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rowmill::Registry;
use rowmill::source::{Delivers, Payload, Polled, PolledSource, SourceConfig};
use schemars::JsonSchema;
use serde::Deserialize;

/// The .csv and .json files of a folder, in the order of their names.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Folder {
    /// Where files go when their rows are durable; `done` inside the folder if not given.
    done: Option<PathBuf>,
    /// End when the folder is empty, in place of waiting for more.
    once: bool,
}

impl SourceConfig for Folder {
    const DELIVERS: Delivers = Delivers::AtLeastOnce;

    fn build(&self, url: &str) -> Result<Box<dyn PolledSource>, String> {
        let folder = PathBuf::from(url.trim_start_matches("folder://"));
        let done = self.done.clone().unwrap_or_else(|| folder.join("done"));
        std::fs::create_dir_all(&done).map_err(|error| format!("{}: {error}", done.display()))?;
        Ok(Box::new(Files { folder, done, once: self.once, delivered: HashSet::new() }))
    }
}

struct Files {
    folder: PathBuf,
    done: PathBuf,
    once: bool,
    /// Those that wait for their acknowledgement.
    delivered: HashSet<String>,
}

impl Files {
    /// The first file, by its name, that has not been delivered.
    fn next(&self) -> std::io::Result<Option<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_wanted = name.ends_with(".csv") || name.ends_with(".json");
            names.extend(Some(name).filter(|name| is_wanted && !self.delivered.contains(name)));
        }
        Ok(names.into_iter().min())
    }
}

impl PolledSource for Files {
    fn poll(&mut self, timeout: Duration) -> Result<Polled, String> {
        let Some(id) = self.next().map_err(|error| error.to_string())? else {
            if self.once {
                return Ok(Polled::End);
            }
            std::thread::sleep(timeout);
            return Ok(Polled::Nothing);
        };
        let bytes = std::fs::read(self.folder.join(&id)).map_err(|error| format!("{id}: {error}"))?;
        self.delivered.insert(id.clone());
        Ok(Polled::Delivery(Payload { id, bytes }))
    }

    fn acknowledge(&mut self, id: &str) -> Result<(), String> {
        self.delivered.remove(id);
        std::fs::rename(self.folder.join(id), self.done.join(id)).map_err(|error| format!("{id}: {error}"))
    }
}

fn main() -> ExitCode {
    rowmill::cli::main_with(Registry::builtin().source::<Folder>("folder"))
}
