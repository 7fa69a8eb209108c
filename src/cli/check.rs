//! `rowmill check`: validates a dataflow file and shows its graph.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, print};
use crate::config::{Dataflow, TablePlan};
use crate::registry::Registry;

/// Validate a dataflow file and print its graph.
#[derive(clap::Args)]
pub struct CheckArguments {
    /// The dataflow file.
    file: PathBuf,
    /// As DOT, for Graphviz.
    #[arg(long)]
    dot: bool,
}

pub fn run(arguments: &CheckArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let dataflow = Dataflow::read(&arguments.file, &[], registry)?;
    dataflow.check_files(dataflow.processes.unwrap_or(1).into(), &[])?;
    let branches = branches(&dataflow)?;
    print(&if arguments.dot { dot(&dataflow, &branches) } else { text(&dataflow, &branches) });
    Ok(ExitCode::SUCCESS)
}

/// All nodes, from source to sink.
fn nodes(dataflow: &Dataflow) -> Vec<String> {
    let source = format!("source {}", dataflow.source);
    let limits = dataflow.source_settings.limits;
    let buffer = format!("buffer {} rows, {}", limits.bucket_size, humantime::format_duration(limits.delay));
    let sink = format!("sink {}", dataflow.sink.url);
    [source, buffer].into_iter().chain(dataflow.labels()).chain([sink]).collect()
}

/// A table beside the chain.
struct Branch {
    /// The node it takes its rows after.
    from: usize,
    /// The table, and its sink if it has one.
    nodes: Vec<String>,
}

fn branches(dataflow: &Dataflow) -> Result<Vec<Branch>, Failure> {
    let branch = |table: &TablePlan| {
        let sink = table.sink().map(|sink| format!("sink {}", sink.url));
        let nodes = [format!("table {}", table.name())].into_iter().chain(sink).collect();
        // Prepare is node 2.
        Ok(Branch { from: dataflow.table_input(table)? + 2, nodes })
    };
    dataflow.tables.iter().map(branch).collect()
}

/// For each node, whether rows may come to it from another worker.
fn exchanges(dataflow: &Dataflow) -> Vec<bool> {
    [false, false].into_iter().chain(dataflow.exchanges()).chain([true]).collect()
}

fn text(dataflow: &Dataflow, branches: &[Branch]) -> String {
    let nodes = nodes(dataflow);
    let mut text = format!("{}: ok\n\n", dataflow.name);
    for (index, (node, exchange)) in nodes.iter().zip(exchanges(dataflow)).enumerate() {
        let arrow = match index {
            0 => "      ",
            _ if exchange => "  =>  ",
            _ => "  ->  ",
        };
        text.push_str(&format!("{arrow}{node}\n"));
    }
    for branch in branches {
        text.push_str(&format!("\n  after {}  =>  {}\n", nodes[branch.from], branch.nodes.join("  =>  ")));
    }
    text + "\n  => is an exchange between workers\n"
}

fn dot(dataflow: &Dataflow, branches: &[Branch]) -> String {
    const EXCHANGE: &str = " [label=exchange, style=bold]";
    let nodes = nodes(dataflow);
    let mut text = format!("digraph {:?} {{\n  rankdir=LR; node [shape=box];\n", dataflow.name);
    for (index, node) in nodes.iter().enumerate() {
        text.push_str(&format!("  n{index} [label={node:?}];\n"));
    }
    for (index, exchange) in exchanges(dataflow).into_iter().enumerate().skip(1) {
        let style = if exchange { EXCHANGE } else { "" };
        text.push_str(&format!("  n{} -> n{index}{style};\n", index - 1));
    }
    for (number, branch) in branches.iter().enumerate() {
        let mut from = format!("n{}", branch.from);
        for (place, node) in branch.nodes.iter().enumerate() {
            let to = format!("t{number}_{place}");
            text.push_str(&format!("  {to} [label={node:?}];\n  {from} -> {to}{EXCHANGE};\n"));
            from = to;
        }
    }
    text + "}\n"
}
