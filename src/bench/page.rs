//! The pages of a sweep: `summary.md`, `report.html` and the plots.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Part;
use super::case::{Measurement, Transport};
use super::findings::{Figure, Findings, mebibytes, median_of, workers};
use crate::measure::median;

/// Writes all of them into the directory of the measurements.
///
/// # Errors
/// Files that can't be read or written.
pub fn write(directory: &Path) -> Result<(), String> {
    let findings = Findings::read(directory)?;
    let put = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let figures = findings.figures()?;
    figures.iter().try_for_each(|Figure { name, svg, .. }| put(&format!("{name}.svg"), svg))?;
    let tables: Vec<HtmlTable> = [medians(&findings), side_by_side(&findings), service(&findings), cost(&findings)]
        .into_iter()
        .flatten()
        .collect();
    put("summary.md", &summary(&findings, &tables))?;
    put("report.html", &html(&findings, &tables, &figures))
}

/// A table of texts, for Markdown and HTML.
struct HtmlTable {
    title: &'static str,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The medians of each case over its repeats.
fn medians(findings: &Findings) -> Option<HtmlTable> {
    let header = [
        "setting",
        "rows a message",
        "repeats",
        "rows",
        "rows/s",
        "service a message, us",
        "service a row, us",
        "p99 latency a message, ms",
        "rho",
        "peak memory, MiB",
        "CPU, us a row",
        "efficiency",
    ];
    let efficiency = |bucket_size: usize, lines: &[Measurement]| {
        // Rows over MQTT come no faster than a broker hands them out.
        let alone = findings.alone(Part::Loop, bucket_size).filter(|_| lines[0].over == Transport::File)?;
        Some(median_of(lines, |line| line.rows_per_second) / (alone * workers(&lines[0]) as f64))
    };
    let row = |((setting, bucket_size), lines): (&(String, usize), &Vec<Measurement>)| {
        let of = |digits: usize, of: fn(&Measurement) -> f64| spread(lines.iter().map(of).collect(), digits);
        vec![
            setting.clone(),
            bucket_size.to_string(),
            lines.len().to_string(),
            format!("{:.0}", median_of(lines, |line| line.rows as f64)),
            of(0, |line| line.rows_per_second),
            of(1, |line| line.service_message_mean / 1e3),
            of(2, |line| line.service_row_mean / 1e3),
            of(2, |line| line.latency_message_p99 / 1e6),
            of(3, |line| line.rho),
            of(0, |line| mebibytes(line.peak_memory_bytes)),
            of(2, |line| line.cpu_seconds * 1e6 / line.rows.max(1) as f64),
            efficiency(*bucket_size, lines).map_or(String::new(), |share| format!("{share:.2}")),
        ]
    };
    let rows: Vec<Vec<String>> = findings.cases.iter().map(row).collect();
    let header = header.map(str::to_owned).to_vec();
    (!rows.is_empty()).then_some(HtmlTable { title: "Medians", header, rows })
}

/// The median of the repeats, with the least and the greatest value.
fn spread(values: Vec<f64>, digits: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = median(values);
    if least == most {
        format!("{median:.digits$}")
    } else {
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

/// The throughput of peers and settings: a column for each bucket size.
fn side_by_side(findings: &Findings) -> Option<HtmlTable> {
    let rates = findings.rates();
    let sizes: BTreeSet<usize> = rates.keys().map(|(_, size)| *size).collect();
    let names: BTreeSet<&String> = rates.keys().map(|(name, _)| name).collect();
    let cell =
        |name: &String, size: usize| rates.get(&(name.clone(), size)).map_or("".into(), |rate| format!("{rate:.0}"));
    let row = |name: &String| [name.clone()].into_iter().chain(sizes.iter().map(|size| cell(name, *size))).collect();
    let header = sizes.iter().map(|size| format!("{size} rows a message"));
    let header = ["rows/s".to_owned()].into_iter().chain(header).collect();
    (!names.is_empty()).then(|| HtmlTable { title: "Side by side", header, rows: names.into_iter().map(row).collect() })
}

/// The throughput and the service time of peers.
fn service(findings: &Findings) -> Option<HtmlTable> {
    let header =
        ["peer", "rows a message", "repeats", "rows", "rows/s", "mean service a message, ms", "mean service a row, us"];
    let rows = findings.peers.iter().map(|((name, size), lines)| {
        let of = |of: &dyn Fn(&super::peer::Comparison) -> f64| median(lines.iter().map(of).collect());
        // A part without service reports a time of 0.
        let shown = |time: f64| if time > 0.0 { format!("{time:.2}") } else { String::new() };
        vec![
            name.clone(),
            size.to_string(),
            lines.len().to_string(),
            format!("{:.0}", of(&|line| line.rows as f64)),
            spread(lines.iter().map(|line| line.rows_per_second).collect(), 1),
            shown(of(&|line| line.service_message_mean / 1e6)),
            shown(of(&|line| line.service_message_mean * line.messages as f64 / line.rows as f64 / 1e3)),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = header.map(str::to_owned).to_vec();
    (!rows.is_empty()).then_some(HtmlTable { title: "Peers", header, rows })
}

/// The number of workers from which on the dataflow is faster than a single-threaded loop (COST).
fn cost(findings: &Findings) -> Option<HtmlTable> {
    let header = ["rows a message", "Rust loop, 1 thread, rows/s", "threads with which the dataflow is faster"];
    let row = |(size, alone, threads): (usize, f64, Option<usize>)| {
        let threads = threads.map_or("none of those measured".into(), |threads| format!("-w {threads}"));
        vec![size.to_string(), format!("{alone:.0}"), threads]
    };
    let rows: Vec<Vec<String>> = findings.cost().into_iter().map(row).collect();
    let header = header.map(str::to_owned).to_vec();
    (!rows.is_empty()).then_some(HtmlTable { title: "COST", header, rows })
}

fn about(findings: &Findings) -> String {
    let Some(first) = findings.cases.values().flatten().next() else {
        return format!("rowmill {}.", env!("CARGO_PKG_VERSION"));
    };
    let said = |of: fn(&Measurement) -> &String| {
        let all: BTreeSet<&str> = findings.cases.values().flatten().map(|line| of(line).as_str()).collect();
        let all: Vec<&str> = all.into_iter().map(|said| if said.is_empty() { "unknown" } else { said }).collect();
        all.join(", ")
    };
    format!(
        "rowmill {}, commit {}, {}; {} with {} cores; rows from {}; medians of the repeats, in brackets the least and the \
         greatest. Every run writes a report, for which prepare, each subtask and result are operators of their own, not \
         fused. Workers never rest: latency is that of a full queue, not of a rate. Efficiency: rows/s over workers times \
         the single-threaded loop (--baselines).",
        first.version,
        said(|line| &line.commit),
        said(|line| &line.date),
        first.cpu,
        first.cores,
        first.source
    )
}

fn summary(findings: &Findings, tables: &[HtmlTable]) -> String {
    let mut text = format!("# Sweep\n\n{}\n", about(findings));
    for HtmlTable { title, header, rows } in tables {
        text += &format!("\n## {title}\n\n| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
        rows.iter().for_each(|row| text += &format!("| {} |\n", row.join(" | ")));
    }
    text
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
figure { margin: 1.5rem 0; } figcaption { color: #888; } figure svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #8884; text-align: right; } th:first-child, td:first-child { text-align: left; white-space: nowrap; }
.wide { overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  svg text { fill: #ddd; } svg [stroke='#000000'] { stroke: #ddd; } svg rect[fill='#FFFFFF'] { fill: none; }
}
@media print { body { max-width: none; margin: 0; } figure { break-inside: avoid; } }
";

fn html(findings: &Findings, tables: &[HtmlTable], figures: &[Figure]) -> String {
    let figure =
        |Figure { caption, svg, .. }: &Figure| format!("<figure>{svg}<figcaption>{caption}</figcaption></figure>\n");
    let figures: String = figures.iter().map(figure).collect();
    let tables: String = tables.iter().map(HtmlTable::html).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Rowmill sweep</title>\n<style>{STYLE}</style>\n\
         <h1>Rowmill sweep</h1>\n<p>{}</p>\n{figures}{tables}</html>\n",
        escape(&about(findings)),
    )
}

impl HtmlTable {
    fn html(&self) -> String {
        let line = |cells: &[String], tag: &str| {
            let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let body: String = self.rows.iter().map(|row| line(row, "td")).collect();
        format!(
            "<h2>{}</h2>\n<div class=\"wide\"><table>\n<thead>{}</thead>\n<tbody>{body}</tbody>\n</table></div>\n",
            self.title,
            line(&self.header, "th"),
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
