//! The results of a directory of measurements: medians, and the plots of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::bars::Bars;
use super::case::{Measurement, RAW, Transport};
use super::dots::Dots;
use super::latency::LoadPoint;
use super::peer::{Comparison, PEERS};
use super::plot::Plot;
use super::{Part, lines};
use crate::config::Placement;
use crate::measure::{WrittenReport, median};

/// The repeats of each case, by setting and bucket size.
type Cases = BTreeMap<(String, usize), Vec<Measurement>>;
type Curve = (String, Vec<(f64, f64)>);
/// The time of a row by operator, in nanoseconds.
type RowCosts = BTreeMap<String, f64>;

/// All measurements of a directory.
pub struct Findings {
    pub cases: Cases,
    /// The repeats of each peer, by name and bucket size.
    pub peers: BTreeMap<(String, usize), Vec<Comparison>>,
    /// The points of each load sweep.
    pub ladders: Vec<Vec<LoadPoint>>,
    /// The time of a row in the first setting, by bucket size.
    parts: Vec<(usize, RowCosts)>,
}

/// A plot and its caption.
pub struct Figure {
    pub name: String,
    pub caption: &'static str,
    pub svg: String,
}

impl Findings {
    /// # Errors
    /// Files that this version's benchmarks have not written.
    pub fn read(directory: &Path) -> Result<Findings, String> {
        let mut cases = Cases::new();
        for line in lines::read::<Measurement>(&directory.join(RAW))? {
            cases.entry((line.case().setting(), line.bucket_size)).or_default().push(line);
        }
        let mut peers: BTreeMap<(String, usize), Vec<Comparison>> = BTreeMap::new();
        for line in lines::read::<Comparison>(&directory.join(PEERS))? {
            peers.entry((line.peer.clone(), line.bucket_size)).or_default().push(line);
        }
        let parts = parts(directory, &cases)?;
        Ok(Findings { cases, peers, ladders: ladders(directory)?, parts })
    }

    /// All plots for which there are measurements.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn figures(&self) -> Result<Vec<Figure>, String> {
        let mut figures = Vec::new();
        let mut add = |name: &str, caption, svg: Option<String>| {
            figures.extend(svg.map(|svg| Figure { name: name.into(), caption, svg }));
        };
        let file = |title: &str, y: &str, of| self.over_bucket_sizes(Transport::File, title, y, of).svg();
        let busy = "Workers never rest: this is the latency of a full queue, not of a rate.";
        let service = "The shape of the published figures: what a message, and a row of it, is worked on.";
        add("service-message", service, file("Mean service time per message", "ms", |l| l.service_message_mean / 1e6)?);
        add("service-row", service, file("Mean service time per row", "us", |line| line.service_row_mean / 1e3)?);
        add("rows-per-second", "Rows from a file.", file("Throughput", "rows/s", |line| line.rows_per_second)?);
        let mqtt =
            self.over_bucket_sizes(Transport::Mqtt, "Throughput over MQTT", "rows/s", |line| line.rows_per_second);
        add("rows-per-second-mqtt", "A publish a row; publisher and broker run on the same cores.", mqtt.svg()?);
        add("where-time-goes", PARTS, self.time_of_a_row().svg()?);
        add("speed-up", "Multiples of one worker's throughput, rows from a file.", self.speed_up().svg()?);
        add("efficiency", "Speed-up a worker; 1 is linear.", self.efficiency().svg()?);
        add("latency", busy, file("p99 latency per message", "ms", |line| line.latency_message_p99 / 1e6)?);
        add("memory", "All processes.", file("Peak memory", "MiB", |line| mebibytes(line.peak_memory_bytes))?);
        for load_sweep in &self.ladders {
            let LoadPoint { workers, bucket_size, .. } = load_sweep[0];
            let name = |what: &str| format!("{what}-w{workers}-b{bucket_size}");
            add(&name("latency-against-load"), LADDER, against_load(load_sweep).svg()?);
            add(&name("latency-quantiles"), LADDER, quantiles(load_sweep).svg()?);
        }
        add("peers", "Farther right is better; medians of the repeats.", self.side_by_side().svg()?);
        Ok(figures)
    }

    /// A curve over bucket sizes for each setting.
    fn over_bucket_sizes(&self, over: Transport, title: &str, y: &str, of: fn(&Measurement) -> f64) -> Plot {
        let mut curves: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for ((setting, bucket_size), lines) in self.cases.iter().filter(|(_, lines)| lines[0].over == over) {
            curves.entry(setting).or_default().push((*bucket_size as f64, median_of(lines, of)));
        }
        Plot {
            title: title.into(),
            x: "rows a message".into(),
            y: y.into(),
            log: true,
            x_labels: None,
            curves: curves.into_iter().map(|(setting, points)| (setting.to_owned(), points)).collect(),
        }
    }

    /// Throughput by the number of workers, as a multiple of one worker's, for threads and for processes: at the
    /// smallest, the middle and the largest bucket size, so that each curve has a colour of its own.
    fn multiples(&self) -> Vec<Curve> {
        let file = || self.cases.iter().filter(|(_, lines)| lines[0].over == Transport::File);
        let rate = |lines: &[Measurement]| median_of(lines, |line| line.rows_per_second);
        let one = |bucket_size: usize| {
            let alone = file().find(|((_, size), lines)| *size == bucket_size && workers(&lines[0]) == 1);
            alone.map(|(_, lines)| rate(lines))
        };
        let sizes: BTreeSet<usize> = file().map(|((_, size), _)| *size).collect();
        let sizes: Vec<usize> = sizes.into_iter().collect();
        let shown = [0, sizes.len() / 2, sizes.len().saturating_sub(1)].map(|place| sizes.get(place).copied());
        let mut curves: BTreeMap<(usize, String), Vec<(f64, f64)>> = BTreeMap::new();
        for ((_, bucket_size), lines) in file().filter(|((_, size), _)| shown.contains(&Some(*size))) {
            let Some(alone) = one(*bucket_size) else { continue };
            let Measurement { processes, workers: threads, placement, .. } = lines[0];
            let ways: &[&str] = match (processes, threads) {
                (1, 1) => &["threads", "processes"],
                (1, _) => &["threads"],
                (_, 1) => &["processes"],
                _ => &[],
            };
            let of_threads = format!("processes of {threads} threads");
            let both = [&*of_threads];
            for way in if ways.is_empty() { &both[..] } else { ways } {
                let point = (workers(&lines[0]) as f64, rate(lines) / alone);
                curves.entry((*bucket_size, format!("{way}, {placement}"))).or_default().push(point);
            }
        }
        let named = |((size, way), mut points): ((usize, String), Vec<(f64, f64)>)| {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            (format!("{way}, {}", rows_a_message(size)), points)
        };
        curves.into_iter().map(named).filter(|(_, points)| points.len() > 1).collect()
    }

    fn speed_up(&self) -> Plot {
        Plot {
            title: "Speed-up against workers".into(),
            x: "workers in all processes".into(),
            y: "rows/s as a multiple of one worker's".into(),
            log: false,
            x_labels: Some(whole),
            curves: self.multiples(),
        }
    }

    fn efficiency(&self) -> Plot {
        let a_worker = |(name, points): Curve| (name, points.into_iter().map(|(x, y)| (x, y / x)).collect());
        Plot {
            title: "Efficiency against workers".into(),
            y: "speed-up a worker".into(),
            curves: self.multiples().into_iter().map(a_worker).collect(),
            ..self.speed_up()
        }
    }

    /// The time of a row by operator: a bar for each bucket size.
    fn time_of_a_row(&self) -> Bars {
        /// As many as there are colours.
        const SHOWN: usize = 6;
        let mut sums: BTreeMap<&String, f64> = BTreeMap::new();
        for (name, time) in self.parts.iter().flat_map(|(_, parts)| parts) {
            *sums.entry(name).or_default() += time;
        }
        let mut names: Vec<&String> = sums.keys().copied().collect();
        names.sort_by(|a, b| sums[b].total_cmp(&sums[a]));
        let rest = names.split_off(names.len().min(SHOWN));
        let heights = |names: &[&String]| -> Vec<f64> {
            let of = |parts: &RowCosts| names.iter().filter_map(|name| parts.get(*name)).sum::<f64>();
            self.parts.iter().map(|(_, parts)| of(parts) / 1e3).collect()
        };
        let mut parts: Vec<(String, Vec<f64>)> =
            names.iter().map(|name| ((*name).clone(), heights(std::slice::from_ref(name)))).collect();
        if !rest.is_empty() {
            parts.push((format!("{} more", rest.len()), heights(&rest)));
        }
        Bars {
            title: "Where a row's time goes".into(),
            x: "rows a message".into(),
            y: "us a row of a worker's time".into(),
            names: self.parts.iter().map(|(size, _)| size.to_string()).collect(),
            parts,
        }
    }

    /// Rows a second of every peer and every setting, by name and bucket size.
    pub fn rates(&self) -> BTreeMap<(String, usize), f64> {
        if self.peers.is_empty() {
            return BTreeMap::new();
        }
        let rowmill = self.cases.iter().filter(|(_, lines)| lines[0].placement == Placement::Message).map(
            |((setting, size), lines)| {
                ((format!("rowmill {setting}"), *size), median_of(lines, |line| line.rows_per_second))
            },
        );
        let peer = |((name, size), lines): (&(String, usize), &Vec<Comparison>)| {
            ((name.clone(), *size), median(lines.iter().map(|line| line.rows_per_second).collect()))
        };
        rowmill.chain(self.peers.iter().map(peer)).collect()
    }

    fn side_by_side(&self) -> Dots {
        let rates = self.rates();
        let sizes: BTreeSet<usize> = rates.keys().map(|(_, size)| *size).collect();
        let mut names: Vec<&String> = rates.keys().map(|(name, _)| name).collect();
        names.dedup();
        let best = |name: &String| {
            sizes.iter().filter_map(|size| rates.get(&(name.clone(), *size))).copied().fold(0.0, f64::max)
        };
        names.sort_by(|a, b| best(a).total_cmp(&best(b)));
        let dots = |size: &usize| {
            let of_size = names.iter().enumerate();
            let dots = of_size.filter_map(|(place, name)| Some((place, *rates.get(&((*name).clone(), *size))?)));
            (rows_a_message(*size), dots.collect())
        };
        Dots {
            title: "Throughput, side by side".into(),
            x: "rows/s".into(),
            dots: sizes.iter().map(dots).collect(),
            names: names.into_iter().cloned().collect(),
        }
    }

    /// Rows a second of a part alone at a bucket size, if it was measured.
    pub fn alone(&self, part: Part, bucket_size: usize) -> Option<f64> {
        let lines = self.peers.get(&(part.name().to_owned(), bucket_size))?;
        Some(median(lines.iter().map(|line| line.rows_per_second).collect()))
    }

    /// By bucket size: rows a second of the plain Rust loop, and the fewest threads with which the dataflow beats it.
    pub fn cost(&self) -> Vec<(usize, f64, Option<usize>)> {
        let loops = self.peers.iter().filter(|((name, _), _)| name == Part::Loop.name());
        let cost = |((_, size), lines): (&(String, usize), &Vec<Comparison>)| {
            let alone = median(lines.iter().map(|line| line.rows_per_second).collect());
            let threads = self.cases.iter().filter(|((_, of), lines)| {
                let Measurement { over, placement, processes, .. } = lines[0];
                of == size && (over, placement, processes) == (Transport::File, Placement::Message, 1)
            });
            let faster = threads.filter(|(_, lines)| median_of(lines, |line| line.rows_per_second) > alone);
            (*size, alone, faster.map(|(_, lines)| workers(&lines[0])).min())
        };
        loops.map(cost).collect()
    }
}

const PARTS: &str = "One worker, rows from a file, an operator a subtask: mean service time, and what is left of the \
                     worker's time: the dataflow itself, and waiting for rows.";
const LADDER: &str = "Rows come in bursts on a schedule, whatever becomes of the ones before; latency counts from when a \
                      row was due.";

/// The median over the repeats.
pub fn median_of(lines: &[Measurement], of: fn(&Measurement) -> f64) -> f64 {
    median(lines.iter().map(of).collect())
}

pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Workers of all processes.
pub fn workers(line: &Measurement) -> usize {
    line.processes * line.workers
}

fn rows_a_message(size: usize) -> String {
    if size == 1 { "1 row a message".into() } else { format!("{size} rows a message") }
}

fn whole(x: f64) -> String {
    if x.fract() == 0.0 { format!("{x}") } else { String::new() }
}

/// The time of a row by operator, from the reports of the first setting.
fn parts(directory: &Path, cases: &Cases) -> Result<Vec<(usize, RowCosts)>, String> {
    let first =
        cases.iter().filter(|(_, lines)| lines[0].over == Transport::File).min_by_key(|(_, lines)| workers(&lines[0]));
    let Some(((first, _), _)) = first else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for ((_, size), lines) in cases.iter().filter(|((setting, _), _)| setting == first) {
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in lines {
            let report = WrittenReport::read(&directory.join("reports").join(line.case().directory(line.repeat)))?;
            let (rows, mut left) = (line.rows as f64, workers(line) as f64 * 1e9 / line.rows_per_second);
            for name in report.names("/service_ns/subtask") {
                let number = |what| report.number(&format!("/service_ns/subtask/{name}/{what}"));
                let time = number("mean")? * number("count")? / rows;
                times.entry(name.into()).or_default().push(time);
                left -= time;
            }
            times.entry("dataflow, waiting".into()).or_default().push(left.max(0.0));
        }
        all.push((*size, times.into_iter().map(|(name, times)| (name, median(times))).collect()));
    }
    Ok(all)
}

/// The load sweeps in a directory.
fn ladders(directory: &Path) -> Result<Vec<Vec<LoadPoint>>, String> {
    let named = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut ladders = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("latency-w") && name.ends_with(".csv") {
            ladders.push(lines::read::<LoadPoint>(&path)?);
        }
    }
    ladders.retain(|load_sweep| !load_sweep.is_empty());
    ladders.sort_by_key(|load_sweep| (load_sweep[0].workers, load_sweep[0].bucket_size));
    Ok(ladders)
}

fn against_load(points: &[LoadPoint]) -> Plot {
    let curve = |name: &str, of: &dyn Fn(&LoadPoint) -> Option<f64>| -> Curve {
        (name.to_owned(), points.iter().filter_map(|point| Some((point.rate, of(point)? / 1e6))).collect())
    };
    let LoadPoint { workers, bucket_size, .. } = points[0];
    Plot {
        title: format!("Latency of rows against offered load, -w {workers}, {bucket_size} rows a message"),
        x: "rows/s offered".into(),
        y: "ms from when a row was due".into(),
        log: true,
        x_labels: None,
        curves: vec![
            curve("p50", &|point| Some(point.latency_row_p50 as f64)),
            curve("p99", &|point| Some(point.latency_row_p99 as f64)),
            curve("p99.9", &|point| Some(point.latency_row_p999 as f64)),
            curve("p50 of the model", &|point| point.predicted_row_p50),
            curve("p99 of the model", &|point| point.predicted_row_p99),
        ],
    }
}

/// A curve for each rate: latency over 1 / (1 - quantile), so that each nine is equally wide.
fn quantiles(points: &[LoadPoint]) -> Plot {
    const CURVES: usize = 7;
    let every = points.len().div_ceil(CURVES);
    let curve = |point: &LoadPoint| {
        let latencies = [
            (2.0, point.latency_row_p50),
            (10.0, point.latency_row_p90),
            (100.0, point.latency_row_p99),
            (1000.0, point.latency_row_p999),
            (10_000.0, point.latency_row_p9999),
        ];
        let points = latencies.map(|(nines, latency)| (nines, latency as f64 / 1e6)).to_vec();
        (format!("{:.0} rows/s, rho {:.2}", point.rate, point.rho), points)
    };
    let LoadPoint { workers, bucket_size, .. } = points[0];
    let percent = |nines: f64| format!("{} %", ((100.0 - 100.0 / nines) * 1e6).round() / 1e6);
    Plot {
        title: format!("Latency of rows by quantile, -w {workers}, {bucket_size} rows a message"),
        x: "share of rows".into(),
        y: "ms from when a row was due".into(),
        log: true,
        x_labels: Some(percent),
        curves: points.iter().step_by(every).map(curve).collect(),
    }
}
