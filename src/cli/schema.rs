//! `rowmill schema`: what a dataflow file can say.

use std::process::ExitCode;

use super::{Failure, print};
use crate::config;
use crate::registry::Registry;

/// Print the JSON schema of a dataflow file: every key of every section, and the parameters of all subtasks.
#[derive(clap::Args)]
pub struct SchemaArguments {
    /// As the reference page of the documents.
    #[arg(long)]
    markdown: bool,
}

pub fn run(arguments: &SchemaArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    if arguments.markdown {
        print(config::reference(registry).trim_end());
    } else {
        print(&serde_json::to_string_pretty(&config::json_schema(registry)).expect("a schema is JSON"));
    }
    Ok(ExitCode::SUCCESS)
}
