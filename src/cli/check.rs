//! `rowmill check`: validates a dataflow file and shows its graph.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, print};
use crate::config::{Dataflow, SinkPlan, SourcePlan, TablePlan};
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
    dataflow.possible_loops().iter().for_each(|told| tracing::warn!("{told}"));
    let at_risk = dataflow.source().known().map(|schema| dataflow.predictions_at_risk(schema));
    at_risk.iter().flatten().for_each(|told| tracing::warn!("{told}"));
    let beside = beside_chain(&dataflow)?;
    print(&if arguments.dot { dot(&dataflow, &beside) } else { text(&dataflow, &beside) });
    Ok(ExitCode::SUCCESS)
}

/// All nodes, from source to sink.
fn nodes(dataflow: &Dataflow) -> Vec<String> {
    let named = |source: &SourcePlan| match &source.name {
        Some(name) => format!("{name}, {}", source.url),
        None => source.url.to_string(),
    };
    let source = format!("source {}", dataflow.sources.iter().map(named).collect::<Vec<_>>().join("; "));
    let limits = dataflow.limits();
    let buffer = format!("buffer {} rows, {}", limits.bucket_size, humantime::format_duration(limits.delay));
    [source, buffer].into_iter().chain(dataflow.labels()).chain(end(dataflow).map(sink)).collect()
}

/// The sink at the end of the chain, if there is one.
fn end(dataflow: &Dataflow) -> Option<&SinkPlan> {
    let is_end = |plan: &&SinkPlan| dataflow.sink_input(plan).is_ok_and(|from| from + 2 == dataflow.labels().len());
    dataflow.sinks.iter().rfind(is_end)
}

fn sink(plan: &SinkPlan) -> String {
    let name = if plan.is_named() { plan.shown() + ", " } else { String::new() };
    format!("sink {name}{}{}", plan.settings.url, plan.taken())
}

/// A table or a sink beside the chain.
struct BesideChain {
    /// The node it takes its rows after.
    from: usize,
    /// The table, and its sink if it has one; or a sink.
    nodes: Vec<String>,
}

fn beside_chain(dataflow: &Dataflow) -> Result<Vec<BesideChain>, Failure> {
    // Prepare is node 2.
    const PREPARE: usize = 2;
    let table = |table: &TablePlan| {
        let sink = table.sink().map(|sink| format!("sink {}", sink.url));
        let nodes = [format!("table {}", table.name())].into_iter().chain(sink).collect();
        Ok(BesideChain { from: dataflow.table_input(table)? + PREPARE, nodes })
    };
    let at_the_end = end(dataflow).map(std::ptr::from_ref);
    let others = dataflow.sinks.iter().filter(|plan| Some(std::ptr::from_ref(*plan)) != at_the_end);
    let of_sink = |plan: &SinkPlan| {
        let from = dataflow.sink_input(plan)?;
        // Results stand behind the last step.
        let result = usize::from(from + 2 == dataflow.labels().len());
        Ok(BesideChain { from: from + PREPARE + result, nodes: vec![sink(plan)] })
    };
    dataflow.tables.iter().map(table).chain(others.map(of_sink)).collect()
}

/// For each node, whether rows may come to it from another worker.
fn exchanges(dataflow: &Dataflow) -> Vec<bool> {
    let exchanges = [false, false].into_iter().chain(dataflow.exchanges());
    exchanges.chain(end(dataflow).map(|_| true)).collect()
}

fn text(dataflow: &Dataflow, beside: &[BesideChain]) -> String {
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
    for branch in beside {
        text.push_str(&format!("\n  after {}  =>  {}\n", nodes[branch.from], branch.nodes.join("  =>  ")));
    }
    text + "\n  => is an exchange between workers\n"
}

fn dot(dataflow: &Dataflow, beside: &[BesideChain]) -> String {
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
    for (number, branch) in beside.iter().enumerate() {
        let mut from = format!("n{}", branch.from);
        for (place, node) in branch.nodes.iter().enumerate() {
            let to = format!("t{number}_{place}");
            text.push_str(&format!("  {to} [label={node:?}];\n  {from} -> {to}{EXCHANGE};\n"));
            from = to;
        }
    }
    text + "}\n"
}
