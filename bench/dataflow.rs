//! What the dataflow itself costs: the chain through timely on one worker, less the same kernels called in a loop.
//!
//! `cargo bench --bench dataflow` prints a table. All go over the same buckets in memory, in turn:
//! medians of each round's differences. In lock step the next message is sent when the one before is complete. Then what
//! a byte costs that travels between processes, written and read again; with `-- bytes` that alone.

use std::sync::Arc;
use std::time::Instant;

use rowmill::bench::BareLoop;
use rowmill::config::{Dataflow, Override};
use rowmill::data::{Bucket, Message, Schema};
use rowmill::format::{Decoder, Encoder, Encoding, Output};
use rowmill::measure::median;
use rowmill::runtime::{through_graph, time_to_completion};
use rowmill::source::Generator;
use timely::bytes::arc::BytesMut;
use timely::dataflow::channels::ContainerBytes;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Input, Probe};

const ROUNDS: usize = 31;
/// Epochs in flight, and whether neighbours are fused.
const WAYS: [(u64, bool); 4] = [(1, false), (1, true), (32, false), (32, true)];

fn main() {
    if std::env::args().any(|argument| argument == "bytes") {
        return bytes();
    }
    println!(
        "| rows a message | kernels | lock step, sixteen operators | fused | 32 in flight, sixteen operators | fused |"
    );
    println!("|---|---|---|---|---|---|");
    for (rows, messages) in [(1, 4_000), (100, 200), (1000, 20)] {
        let mut generator = Generator::new(1);
        let buckets: Vec<Arc<Bucket>> = (0..messages).map(|epoch| Arc::new(generator.bucket(epoch, rows))).collect();
        let (mut bare, mut beyond) = (Vec::new(), [const { Vec::new() }; WAYS.len()]);
        for _ in 0..ROUNDS {
            let kernels = in_a_loop(&buckets);
            bare.push(kernels);
            for (beyond, (in_flight, fuse)) in beyond.iter_mut().zip(WAYS) {
                beyond.push(through_timely(&buckets, in_flight, fuse) - kernels);
            }
        }
        let bare = median(bare);
        let shown = beyond.map(median).map(|beyond| format!("{beyond:+.2} ({:+.1} %)", 100.0 * beyond / bare));
        println!("| {rows} | {bare:.2} | {} |", shown.join(" | "));
    }
    let floor = |in_flight| median((0..ROUNDS).map(|_| bare_operators(in_flight, 4_000)).collect());
    println!("\nSixteen bare operators: {:.2} in lock step, {:.2} with 32 in flight.\n", floor(1), floor(32));
    bytes();
}

/// What messages of some rows cost between processes as rows, as columns and as lines.
fn bytes() {
    println!("| rows a message | ns a byte of rows | of columns | of lines |\n|---|---|---|---|");
    let (schema, mut generator) = (Arc::new(Schema::davis()), Generator::new(1));
    let mut decoder = Decoder::new(schema.clone(), Arc::default());
    let encoder = Encoder::new(schema, Encoding::JsonLines);
    for (rows, messages) in [(1, 1000), (100, 20), (1000, 4)] {
        let buckets: Vec<Arc<Bucket>> = (0..messages).map(|epoch| Arc::new(generator.bucket(epoch, rows))).collect();
        let columns: Vec<Message> = buckets.iter().map(|bucket| decoder.decode(bucket).0).collect();
        let lines = columns.iter().map(|message| encoder.encode(message.clone())).collect();
        let columns = columns.into_iter().map(Output::Columns).collect();
        let (columns, lines) = (both_ends(columns, Output::recycle), both_ends(lines, Output::recycle));
        println!("| {rows} | {:.2} | {columns:.2} | {lines:.2} |", both_ends(buckets, drop));
    }
}

/// Nanoseconds a byte for containers of one item each: into bytes, as timely writes them to a socket's buffer, and back.
fn both_ends<T>(items: Vec<T>, free: impl Fn(T)) -> f64
where
    Vec<T>: ContainerBytes,
{
    let containers: Vec<Vec<T>> = items.into_iter().map(|item| vec![item]).collect();
    let length: usize = containers.iter().map(ContainerBytes::length_in_bytes).sum();
    let round = |_| {
        let start = Instant::now();
        for container in &containers {
            let mut wire = Vec::with_capacity(container.length_in_bytes());
            container.into_bytes(&mut wire);
            let there = Vec::<T>::from_bytes(BytesMut::from(wire).freeze());
            there.into_iter().for_each(&free);
        }
        start.elapsed().as_secs_f64() * 1e9 / length as f64
    };
    median((0..10 * ROUNDS).map(round).collect())
}

fn dataflow() -> Dataflow {
    let path = std::path::Path::new("dataflows/weather.toml");
    Dataflow::read(path, &[Override::text("bench", "sink.url", "null")], &rowmill::Registry::builtin())
        .expect("run it from the project's root")
}

/// Microseconds a message for prepare, the steps and result, called one after the other.
fn in_a_loop(buckets: &[Arc<Bucket>]) -> f64 {
    let mut bare = BareLoop::new(&dataflow(), &Schema::davis()).expect("it fits the schema");
    let start = Instant::now();
    buckets.iter().for_each(|bucket| bare.serve(bucket));
    start.elapsed().as_secs_f64() * 1e6 / buckets.len() as f64
}

/// Microseconds a message through the graph.
fn through_timely(buckets: &[Arc<Bucket>], in_flight: u64, fuse: bool) -> f64 {
    let time = through_graph(dataflow(), Schema::davis(), buckets.to_vec(), in_flight, fuse);
    time.expect("it fits the schema").as_secs_f64() * 1e6 / buckets.len() as f64
}

/// Microseconds a message through sixteen operators that hand a number on: what timely itself takes.
fn bare_operators(in_flight: u64, messages: u64) -> f64 {
    timely::execute_directly(move |worker| {
        let (mut input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, mut numbers) = scope.new_input::<Vec<u64>>();
            for _ in 0..16 {
                numbers = numbers.unary(Pipeline, "bare", |_, _| {
                    |input, output| {
                        input.for_each_stamp(|capability, numbers| {
                            let mut session = output.session(&capability);
                            numbers.for_each(|numbers| session.give_container(numbers));
                        });
                    }
                });
            }
            (input, numbers.probe().0)
        });
        let time = time_to_completion(worker, &probe, in_flight, 0..messages, move |epoch, number| {
            input.advance_to(epoch);
            input.send(number);
            input.advance_to(epoch + 1);
        });
        time.as_secs_f64() * 1e6 / messages as f64
    })
}
