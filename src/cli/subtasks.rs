//! `rowmill subtasks`: the registry.

use std::process::ExitCode;

use super::{Failure, print};
use crate::registry::Registry;
use crate::subtasks::Entry;

/// List the subtasks, or the parameters of one.
#[derive(clap::Args)]
pub struct SubtasksArguments {
    /// The subtask to describe.
    name: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &SubtasksArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let entries: Vec<&Entry> = match &arguments.name {
        None => registry.subtasks().iter().collect(),
        Some(name) => vec![
            registry
                .subtasks()
                .find(name)
                .ok_or_else(|| Failure::Wrong(format!("error: no subtask {name}; `rowmill subtasks` lists them")))?,
        ],
    };
    if arguments.json {
        let all: Vec<_> = entries.iter().map(|entry| entry.describe()).collect();
        print(&serde_json::to_string_pretty(&all).expect("texts and numbers"));
    } else if arguments.name.is_some() {
        entries.iter().for_each(|entry| describe(entry));
    } else {
        entries.iter().for_each(|entry| print(&format!("{:<22}{}", entry.name, entry.summary())));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(entry: &Entry) {
    print(&format!("{}\n  {}\n  equals {}\n", entry.name, entry.summary(), entry.equals));
    for parameter in entry.parameters() {
        print(&format!(
            "  {} ({}; default {})\n      {}",
            parameter.name, parameter.r#type, parameter.default, parameter.help
        ));
    }
}
