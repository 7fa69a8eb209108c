//! `rowmill check`: validates a dataflow file and shows its graph.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, print};
use crate::dataflow::{Dataflow, Placement, TablePlan};

/// Validate a dataflow file and print its graph.
#[derive(clap::Args)]
pub struct Arguments {
    /// The dataflow file.
    file: PathBuf,
    /// As DOT, for Graphviz.
    #[arg(long)]
    dot: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let dataflow = Dataflow::read(&arguments.file, &[])?;
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

/// Whether the edge to node `index` may lead to another worker.
fn is_exchange(dataflow: &Dataflow, index: usize, last: usize) -> bool {
    let remember = dataflow.remember();
    // The first step is node 3. Rows go to the owners of their keys, and back.
    let remembers = |node: usize| node.checked_sub(3).and_then(|step| remember.get(step)) == Some(&true);
    let each = dataflow.placement == Placement::Subtask && index > 2 && index < last - 1;
    index == 2 || index == last || each || remembers(index) || remembers(index - 1)
}

fn text(dataflow: &Dataflow, branches: &[Branch]) -> String {
    let nodes = nodes(dataflow);
    let mut text = format!("{}: ok\n\n", dataflow.name);
    for (index, node) in nodes.iter().enumerate() {
        let arrow = match index {
            0 => "      ",
            _ if is_exchange(dataflow, index, nodes.len() - 1) => "  =>  ",
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
    for index in 1..nodes.len() {
        let style = if is_exchange(dataflow, index, nodes.len() - 1) { EXCHANGE } else { "" };
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
