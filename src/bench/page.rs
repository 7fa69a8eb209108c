//! What a sweep found, for people: `summary.md`, `report.html` and a picture a plot.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::case::Measurement;
use super::median;
use super::plot::Plot;

/// Medians over the repeats of each case.
type Medians<'a> = BTreeMap<(String, usize), Vec<&'a Measurement>>;

/// Writes all of them into a directory.
///
/// # Errors
/// Files that can't be written.
pub fn write(directory: &Path, measurements: &[Measurement]) -> Result<(), String> {
    let Some(first) = measurements.first() else { return Err("nothing was measured".into()) };
    let mut cases: Medians<'_> = BTreeMap::new();
    for line in measurements {
        cases.entry((line.case().setting(), line.bucket_size)).or_default().push(line);
    }
    let put = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut pictures = String::new();
    for (name, plot) in plots(&cases) {
        if let Some(svg) = plot.svg()? {
            put(&format!("{name}.svg"), &svg)?;
            pictures += &format!("<figure>{svg}</figure>\n");
        }
    }
    put("summary.md", &summary(first, &cases))?;
    put("report.html", &html(first, &cases, &pictures))
}

fn median_of(lines: &[&Measurement], of: fn(&Measurement) -> f64) -> f64 {
    median(lines.iter().map(|line| of(line)).collect())
}

/// A curve over bucket sizes for every setting.
fn over_bucket_sizes(cases: &Medians<'_>, of: fn(&Measurement) -> f64) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut curves: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for ((setting, bucket_size), lines) in cases {
        curves.entry(setting).or_default().push((*bucket_size as f64, median_of(lines, of)));
    }
    curves.into_iter().map(|(setting, points)| (setting.to_owned(), points)).collect()
}

/// Rows a second of each kind of cluster and bucket size over its workers in all, as a multiple of one worker's.
fn speed_up(cases: &Medians<'_>) -> Vec<(String, Vec<(f64, f64)>)> {
    let one = |bucket_size: usize| {
        let alone =
            cases.iter().find(|((_, size), lines)| *size == bucket_size && lines[0].processes * lines[0].workers == 1);
        alone.map(|(_, lines)| median_of(lines, |line| line.rows_per_second))
    };
    let mut curves: BTreeMap<(String, usize), Vec<(f64, f64)>> = BTreeMap::new();
    for ((_, bucket_size), lines) in cases {
        let Some(alone) = one(*bucket_size) else { continue };
        let Measurement { processes, workers, placement, .. } = lines[0];
        let ways: &[&str] = match (processes, workers) {
            (1, 1) => &["threads", "processes"],
            (1, _) => &["threads"],
            (_, 1) => &["processes"],
            _ => continue,
        };
        for way in ways {
            let point = ((processes * workers) as f64, median_of(lines, |line| line.rows_per_second) / alone);
            curves.entry((format!("{way}, {placement}"), *bucket_size)).or_default().push(point);
        }
    }
    let named = |((way, size), mut points): ((String, usize), Vec<(f64, f64)>)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        (format!("{way}, {size} rows a message"), points)
    };
    curves.into_iter().map(named).filter(|(_, points)| points.len() > 1).collect()
}

fn plots(cases: &Medians<'_>) -> Vec<(&'static str, Plot)> {
    let over = |title: &str, y: &str, of| Plot {
        title: title.into(),
        x: "rows a message".into(),
        y: y.into(),
        log: true,
        curves: over_bucket_sizes(cases, of),
    };
    let speed_up = Plot {
        title: "Speed-up against workers".into(),
        x: "workers in all processes".into(),
        y: "rows/s as a multiple of one worker's".into(),
        log: false,
        curves: speed_up(cases),
    };
    vec![
        ("service-message", over("Mean service time per message", "ms", |line| line.service_message_mean / 1e6)),
        ("service-row", over("Mean service time per row", "us", |line| line.service_row_mean / 1e3)),
        ("rows-per-second", over("Throughput", "rows/s", |line| line.rows_per_second)),
        (
            "latency",
            over("p99 latency per message, workers never resting", "ms", |line| line.latency_message_p99 / 1e6),
        ),
        ("memory", over("Peak memory", "MiB", |line| line.peak_memory_bytes as f64 / f64::from(1 << 20))),
        ("speed-up", speed_up),
    ]
}

/// Of each case: its repeats and its medians, as texts.
fn table(cases: &Medians<'_>) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let header = vec![
        "setting",
        "rows a message",
        "repeats",
        "rows/s",
        "service a message, us",
        "service a row, us",
        "p99 latency a message, ms",
        "rho",
        "peak memory, MiB",
        "CPU, us a row",
    ];
    let row = |((setting, bucket_size), lines): (&(String, usize), &Vec<&Measurement>)| {
        let of = |of| median_of(lines, of);
        vec![
            setting.clone(),
            bucket_size.to_string(),
            lines.len().to_string(),
            format!("{:.0}", of(|line| line.rows_per_second)),
            format!("{:.1}", of(|line| line.service_message_mean / 1e3)),
            format!("{:.2}", of(|line| line.service_row_mean / 1e3)),
            format!("{:.2}", of(|line| line.latency_message_p99 / 1e6)),
            format!("{:.3}", of(|line| line.rho)),
            format!("{:.0}", of(|line| line.peak_memory_bytes as f64 / f64::from(1 << 20))),
            format!("{:.2}", of(|line| line.cpu_seconds * 1e6 / line.rows.max(1) as f64)),
        ]
    };
    (header, cases.iter().map(row).collect())
}

fn about(first: &Measurement) -> String {
    let commit = if first.commit.is_empty() { "unknown" } else { &first.commit };
    format!(
        "rowmill {}, commit {commit}; {} with {} cores; rows from {}; medians of the repeats. Workers never rest: latency \
         is that of a full queue, not of a rate.",
        first.version, first.cpu, first.cores, first.source
    )
}

fn summary(first: &Measurement, cases: &Medians<'_>) -> String {
    let (header, rows) = table(cases);
    let mut text =
        format!("# Sweep\n\n{}\n\n| {} |\n|{}\n", about(first), header.join(" | "), "---|".repeat(header.len()));
    rows.iter().for_each(|row| text += &format!("| {} |\n", row.join(" | ")));
    text
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #8884; text-align: right; } th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  svg text { fill: #ddd; } svg [stroke='#000000'] { stroke: #ddd; }
}
@media print { body { max-width: none; margin: 0; } figure { break-inside: avoid; } }
";

fn html(first: &Measurement, cases: &Medians<'_>, pictures: &str) -> String {
    let (header, rows) = table(cases);
    let line = |cells: &[String], tag: &str| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row, "td")).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Rowmill sweep</title>\n<style>{STYLE}</style>\n\
         <h1>Rowmill sweep</h1>\n<p>{}</p>\n{pictures}<h2>Medians</h2>\n<div class=\"wide\"><table>\n<thead>{}</thead>\n\
         <tbody>{body}</tbody>\n</table></div>\n</html>\n",
        escape(&about(first)),
        line(&header, "th"),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
