//! `rowmill new`: a first dataflow file for a source.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, peek, print};
use crate::registry::Registry;
use crate::runtime::propose;
use crate::source::SourceUrl;

/// Look at rows of a topic or file, and write a dataflow file that reads them.
#[derive(clap::Args)]
pub struct NewArguments {
    /// Where rows come from, as `url` of a dataflow file: mqtt://HOST/TOPIC or a file.
    #[arg(long, value_name = "URL")]
    source: String,
    /// Where the dataflow file goes; standard output if not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many rows to look at.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rows: u32,
    /// How long to wait for them.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "10s")]
    wait: Duration,
}

pub fn run(arguments: &NewArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let dataflow = peek::dataflow(&arguments.source, &[], registry)?;
    let sample = peek::sample(dataflow.source(), arguments.rows, arguments.wait)?;
    let name = name(arguments, &dataflow.source().url);
    let proposed = propose(&name, &dataflow.source().url, &sample, arguments.rows as usize, registry);
    let proposal = proposed.map_err(Failure::Failed)?.writing_to(&results(&name));
    let text = proposal.text();
    let Some(path) = &arguments.output else {
        print(&text);
        return Ok(ExitCode::SUCCESS);
    };
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Failure::Wrong(format!("error: {} exists: name another file with -o", path.display())));
        }
        Err(error) => return Err(Failure::Failed(format!("{}: {error}", path.display()))),
    }
    eprintln!("{} from {} rows; `rowmill run {}` runs it", path.display(), proposal.rows(), path.display());
    Ok(ExitCode::SUCCESS)
}

/// The name of the files of results: no file has it, be it the source itself or the rows of somebody else.
fn results(name: &str) -> String {
    let is_free = |stem: &String| {
        let is_there = |end: &str| Path::new(&format!("{stem}{end}")).symlink_metadata().is_ok();
        !is_there(".ndjson") && !is_there("-dead.ndjson")
    };
    let numbered = (2..).map(|number| format!("{name}-out-{number}"));
    let mut names = [name.to_owned(), format!("{name}-out")].into_iter().chain(numbered);
    names.find(is_free).unwrap_or_else(|| name.to_owned())
}

/// The name of the dataflow: that of its file, or of what it reads.
fn name(arguments: &NewArguments, source: &SourceUrl) -> String {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let read = || match source {
        SourceUrl::File { path, .. } => stem(path),
        SourceUrl::Mqtt(url) => Some(url.topic.clone()),
        _ => None,
    };
    let name = arguments.output.as_ref().and_then(stem).or_else(read).unwrap_or_default();
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(50).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "station".into() } else { plain.into() }
}
