//! What the dataflow itself costs: the chain through timely on one worker, less the same kernels called in a loop.
//!
//! `cargo bench --bench dataflow` prints the table of bench/README.md. Both go over the same rows of one file, in
//! turn; medians of seven.

use std::io::Write;
use std::time::Instant;

use rowmill::bench::{Chain, median};
use rowmill::data::{Bucket, Format, Origin, Row, Schema};
use rowmill::dataflow::{Dataflow, Override};
use rowmill::engine::{self, Cluster, Options};
use rowmill::source::Generator;

const ROUNDS: usize = 7;

fn main() {
    println!("| rows a message | kernels, us a message | sixteen operators | difference | fused | difference |");
    println!("|---|---|---|---|---|---|");
    for (rows, messages) in [(1, 50_000), (100, 2_000), (1000, 200)] {
        let lines = lines(rows * messages);
        let mut file = tempfile::Builder::new().suffix(".ndjson").tempfile().expect("a file to write to");
        lines.iter().for_each(|line| file.write_all(&[line, &b"\n"[..]].concat()).expect("space for the rows"));
        let source = file.path().to_str().expect("a path in UTF-8");
        let buckets: Vec<Bucket> =
            lines.chunks(rows).enumerate().map(|(epoch, lines)| bucket(epoch * rows, epoch, lines)).collect();
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            let run = |fuse| through_timely(dataflow(source, rows), fuse);
            let round = [in_a_loop(&dataflow(source, rows), &buckets), run(false), run(true)];
            times.iter_mut().zip(round).for_each(|(times, seconds)| times.push(seconds * 1e6 / messages as f64));
        }
        let [bare, apart, fused] = times.map(median);
        let beside = |time: f64| format!("{time:.2} | {:.2} ({:.1} %)", time - bare, 100.0 * (time - bare) / bare);
        println!("| {rows} | {bare:.2} | {} | {} |", beside(apart), beside(fused));
    }
}

fn lines(rows: usize) -> Vec<Vec<u8>> {
    let line = |record: rowmill::source::Record| {
        let mut line = Vec::new();
        record.write_json(&mut line);
        line
    };
    Generator::new(1).take(rows).map(line).collect()
}

fn bucket(first_row: usize, epoch: usize, lines: &[Vec<u8>]) -> Bucket {
    let mut bucket = Bucket::new(epoch as u64, first_row as u64);
    for line in lines {
        let row = Row { bytes: line, format: Format::Json, header: None };
        bucket.push(row, 0, Origin { topic: "bench".into(), position: 1 });
    }
    bucket
}

fn dataflow(source: &str, rows: usize) -> Dataflow {
    let overrides = [
        Override::text("bench", "source.url", source),
        Override::text("bench", "sink.url", "null"),
        Override::number("bench", "buffer.bucket_size", rows as u64),
    ];
    let path = std::path::Path::new("dataflows/weather.toml");
    Dataflow::read(path, &overrides).expect("run it from the project's root")
}

/// Seconds for prepare, the steps and result, called one after the other.
fn in_a_loop(dataflow: &Dataflow, buckets: &[Bucket]) -> f64 {
    let mut chain = Chain::new(dataflow, &Schema::davis()).expect("it fits the schema");
    let start = Instant::now();
    buckets.iter().for_each(|bucket| chain.serve(bucket));
    start.elapsed().as_secs_f64()
}

/// Seconds for the whole run, the source's thread beside it.
fn through_timely(dataflow: Dataflow, fuse: bool) -> f64 {
    let options = Options { fuse, ..Options::new(Cluster::threads(1)) };
    engine::run(dataflow, options).expect("generated rows pass the chain").expect("process 0 has the report").seconds
}
