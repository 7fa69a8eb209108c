//! What more machines would bring: a model of costs a row and a message that are measured here, beside a measurement of
//! 1 to 4 processes on this machine.

use std::path::Path;

use super::case::{Case, Transport};
use super::findings::{Findings, median_of};
use super::{Part, page};
use crate::config::Placement;
use crate::planner::cores;
use crate::source::Generator;

/// The numbers of machines that the model tells of.
const MACHINES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// What rows and messages cost, in seconds, and what carries them.
#[derive(Clone, Copy, Debug)]
pub struct ScaleModel {
    /// Rows a message.
    pub bucket_size: usize,
    /// A row's work alone: parsing, the chain, encoding.
    work: f64,
    /// What the first worker does for a row beside its work: epochs, outcomes, the sink.
    first: f64,
    /// What other threads of the first process do for a row: reading.
    read: f64,
    /// What a message costs that goes to another process, at both ends together.
    travel: f64,
    /// Bytes of a row, as it is sent where rows travel.
    row_bytes: f64,
    /// Bytes a second of the first machine's link.
    link: f64,
    /// Rows a second of a broker and a client, if they were measured.
    broker: Option<f64>,
}

/// What holds back a number of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// All workers are busy with rows.
    Workers,
    /// The first worker, which numbers messages and counts their outcomes.
    FirstWorker,
    /// The thread that reads the source.
    Reader,
    /// The cores of the one machine that all processes share.
    Cores,
    /// The link of the first machine, where rows travel.
    Network,
    /// The broker, and the client that takes its publishes.
    Broker,
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Limit::Workers => "the workers",
            Limit::FirstWorker => "the first worker",
            Limit::Reader => "the reader",
            Limit::Cores => "the cores",
            Limit::Network => "the network",
            Limit::Broker => "the broker",
        }
    }
}

/// A rate and what bounds it.
type RateBound = (f64, Limit);

impl ScaleModel {
    /// Of measurements of one and of two processes: each the rows a second, and the CPU seconds of a row.
    pub fn new(
        bucket_size: usize,
        work: f64,
        one: (f64, f64),
        two: (f64, f64),
        row_bytes: f64,
        link: f64,
        broker: Option<f64>,
    ) -> ScaleModel {
        let on_worker = (1.0 / one.0).min(one.1);
        let travelling = 0.5 / bucket_size as f64;
        ScaleModel {
            bucket_size,
            work: work.min(on_worker),
            first: (on_worker - work).max(0.0),
            read: (one.1 - on_worker).max(0.0),
            travel: ((two.1 - one.1) / travelling).max(0.0),
            row_bytes,
            link,
            broker,
        }
    }

    /// Messages a row that go to another process than the first.
    fn travelling(&self, processes: usize) -> f64 {
        (processes - 1) as f64 / processes as f64 / self.bucket_size as f64
    }

    /// CPU seconds of a row in so many processes.
    pub fn cpu(&self, processes: usize) -> f64 {
        self.work + self.first + self.read + self.travel * self.travelling(processes)
    }

    fn bounds(&self, processes: usize) -> Vec<RateBound> {
        let (share, half) = (1.0 / processes as f64, self.travel * self.travelling(processes) / 2.0);
        let busy = if processes == 1 { Limit::Workers } else { Limit::FirstWorker };
        let first = self.first + half;
        // The first worker takes its share of the rows; that it is slower than the others is its own work.
        let busy = if first < self.work * share { Limit::Workers } else { busy };
        let mut bounds = vec![(1.0 / (first + self.work * share), busy)];
        if self.read > 0.0 {
            bounds.push((1.0 / self.read, Limit::Reader));
        }
        bounds
    }

    /// Rows a second of processes with a worker each that share `cores` cores.
    pub fn on_one_machine(&self, processes: usize, cores: usize) -> RateBound {
        let mut bounds = self.bounds(processes);
        bounds.push((cores as f64 / self.cpu(processes), Limit::Cores));
        least(bounds)
    }

    /// Rows a second of machines with a worker each; with `travels`, all rows go out from the first one.
    pub fn on_machines(&self, machines: usize, travels: bool) -> RateBound {
        let mut bounds = self.bounds(machines);
        let away = self.row_bytes * (machines - 1) as f64 / machines as f64;
        if travels && away > 0.0 {
            bounds.push((self.link / away, Limit::Network));
        }
        bounds.extend(self.broker.map(|rate| (rate, Limit::Broker)));
        least(bounds)
    }
}

fn least(bounds: Vec<RateBound>) -> RateBound {
    bounds.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("there is a bound")
}

/// The cases that the model is made from and compared with: 1 to 4 processes with a worker each.
pub fn cases(bucket_size: usize) -> Vec<Case> {
    Case::all(&[Transport::File], &[Placement::Message], &[1, 2, 3, 4], &[1], &[bucket_size])
}

/// The mean bytes of a generated row.
fn row_bytes() -> f64 {
    const ROWS: usize = 1000;
    let mut bytes = Vec::new();
    Generator::new(1).take(ROWS).for_each(|row| row.write_json(&mut bytes));
    bytes.len() as f64 / ROWS as f64
}

/// The model of the measurements in a directory, over generated rows, beside them, as Markdown; also written to
/// `scale.md` there. `link` is in bytes a second.
///
/// # Errors
/// Measurements that are missing, and files that can't be written.
pub fn report(directory: &Path, bucket_size: usize, link: f64) -> Result<String, String> {
    let findings = Findings::read(directory)?;
    let measured = |case: &Case| {
        let lines = findings.cases.get(&(case.setting(), bucket_size));
        let lines = lines.ok_or_else(|| format!("{} was not measured", case.setting()))?;
        let cpu = median_of(lines, |line| line.cpu_seconds / line.rows.max(1) as f64);
        Ok::<_, String>((median_of(lines, |line| line.rows_per_second), cpu))
    };
    let measured = cases(bucket_size).iter().map(measured).collect::<Result<Vec<_>, _>>()?;
    let alone =
        findings.alone(Part::Loop, bucket_size).ok_or_else(|| format!("{} was not measured", Part::Loop.name()))?;
    let [one, two, ..] = measured[..] else { return Err("one and two processes were not measured".into()) };
    let model = ScaleModel::new(
        bucket_size,
        1.0 / alone,
        one,
        two,
        row_bytes(),
        link,
        findings.alone(Part::Broker, bucket_size),
    );
    let text = shown(&model, &measured, alone);
    let path = directory.join("scale.md");
    std::fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    page::write(directory)?;
    Ok(text)
}

fn shown(model: &ScaleModel, measured: &[(f64, f64)], alone: f64) -> String {
    let us = |seconds: f64| seconds * 1e6;
    let mut text = format!(
        "# Scale, {} rows a message\n\nA row costs {:.2} us of work, {:.2} us on the first worker beside it, {:.2} us of \
         reading; a message to another process {:.1} us. A single-threaded loop takes {alone:.0} rows/s.\n\n\
         ## This machine, {} cores\n\nThe costs are from 1 and 2 processes; 3 and 4 are predicted from them.\n\n\
         | processes | rows/s predicted | measured | held by | CPU predicted, us a row | measured |\n|---|---|---|---|---|---|\n",
        model.bucket_size,
        us(model.work),
        us(model.first),
        us(model.read),
        us(model.travel),
        cores(),
    );
    for (place, (rate, cpu)) in measured.iter().enumerate() {
        let (predicted, limit) = model.on_one_machine(place + 1, cores());
        text += &format!(
            "| {} | {predicted:.0} | {rate:.0} | {} | {:.2} | {:.2} |\n",
            place + 1,
            limit.name(),
            us(model.cpu(place + 1)),
            us(*cpu)
        );
    }
    text += "\n## More machines of this kind, a worker each\n\nRead by all: a file that every machine has, or a connection \
             each. Sent out: rows that the first machine reads, and sends over its link. Efficiency: rows/s over machines \
             times the loop's.\n\n\
             | machines | read by all, rows/s | efficiency | held by | sent out, rows/s | efficiency | held by |\n\
             |---|---|---|---|---|---|---|\n";
    for machines in MACHINES {
        let of = |travels| {
            let (rate, limit) = model.on_machines(machines, travels);
            format!("{rate:.0} | {:.2} | {}", rate / alone / machines as f64, limit.name())
        };
        text += &format!("| {machines} | {} | {} |\n", of(false), of(true));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 us of work, 1 us on the first worker, 1 us of reading, 20 us a message of 100 rows that travels.
    fn model(broker: Option<f64>) -> ScaleModel {
        let cpu = |processes: f64| 12e-6 + 20e-6 / 100.0 * (processes - 1.0) / processes;
        ScaleModel::new(100, 10e-6, (1.0 / 11e-6, cpu(1.0)), (0.0, cpu(2.0)), 600.0, 125e6, broker)
    }

    fn assert_close(rate: f64, expected: f64) {
        assert!((rate / expected - 1.0).abs() < 1e-9, "{rate} {expected}");
    }

    #[test]
    fn costs_are_those_that_make_up_the_measurements() {
        let model = model(None);
        assert_close(model.work, 10e-6);
        assert_close(model.first, 1e-6);
        assert_close(model.read, 1e-6);
        assert_close(model.travel, 20e-6);
        assert_close(model.cpu(4), 12e-6 + 0.15e-6);
    }

    #[test]
    fn cores_hold_one_machine_and_the_first_worker_many() {
        let model = model(None);
        let (rate, limit) = model.on_one_machine(2, 3);
        assert_close(rate, 1.0 / (1e-6 + 0.05e-6 + 5e-6));
        assert_eq!(limit, Limit::Workers);
        let (rate, limit) = model.on_one_machine(4, 2);
        assert_close(rate, 2.0 / 12.15e-6);
        assert_eq!(limit, Limit::Cores);
        let (rate, limit) = model.on_machines(64, false);
        assert_close(rate, 1.0 / (1e-6 + 0.1e-6 * 63.0 / 64.0 + 10e-6 / 64.0));
        assert_eq!(limit, Limit::FirstWorker);
        // 600 bytes a row over a gigabit.
        let (rate, limit) = model.on_machines(64, true);
        assert_close(rate, 125e6 / (600.0 * 63.0 / 64.0));
        assert_eq!(limit, Limit::Network);
    }

    #[test]
    fn a_broker_holds_what_is_faster() {
        let model = model(Some(50_000.0));
        assert_eq!(model.on_machines(1, true), (50_000.0, Limit::Broker));
    }
}
