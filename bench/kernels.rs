//! Each subtask of dataflows/weather.toml beside the least it could cost, on what the steps before made of the rows.
//!
//! `cargo bench --bench kernels` prints the table of bench/README.md. The floor is measured in the same run, with the
//! same vector instructions: one pass that reads and writes every number; before it one that reads, where a step learns
//! from the column or the row that it changes; a division a number where a step divides; for the power transformer one
//! log1p and one expm1 a number; for the quantile transformer one sort a column; for steps that need a quantile one
//! selection a column; for duplicates a look at each text, and one lookup a row in the standard library's hash table.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rowmill::bench::Chain;
use rowmill::data::{Bucket, Format, Message, Origin, Row, Schema};
use rowmill::dataflow::{Dataflow, Step};
use rowmill::kernels::{expm1::expm1, log1p::log1p, moments, order};
use rowmill::source::Generator;
use rowmill::subtasks::prepare::Prepare;

/// Counts what the chain allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers that one measurement goes through, so that the clock's own cost vanishes.
const WORK: usize = 2_000_000;
const ROUNDS: usize = 7;

fn main() {
    let dataflow = std::fs::read_to_string("dataflows/weather.toml").expect("run it from the project's root");
    let dataflow = Dataflow::from_text("weather.toml", &dataflow, &[]).expect("a valid dataflow");
    let (steps, _) = dataflow.steps(&Schema::davis()).expect("it fits the schema");
    let mut seen = Seen::default();
    println!("| subtask | rows a message | ns a number | floor, ns a number | ratio | allocations |");
    println!("|---|---|---|---|---|---|");
    for rows in [1, 100, 1000, 10_000] {
        let mut message = generated(rows);
        for step in &steps {
            let (time, allocations) = measure(&message, |message| {
                step.subtask.apply(message, &step.scope).expect("generated rows pass the chain");
            });
            let (floor, _) = measure(&message, |message| floor(step, message, &mut seen));
            println!("| {} | {rows} | {time:.2} | {floor:.2} | {:.1} | {allocations} |", step.label, time / floor);
            step.subtask.apply(&mut message, &step.scope).expect("generated rows pass the chain");
        }
    }
    let allocations = [1, 100, 1000, 10_000].map(|rows| format!("{} at {rows}", of_the_chain(&dataflow, rows)));
    println!("\nAllocations a message from prepare to result: {} rows.", allocations.join(", "));
}

/// Allocations a message in the whole chain, when it has run for a while.
fn of_the_chain(dataflow: &Dataflow, rows: usize) -> u64 {
    const MESSAGES: u64 = 20;
    let mut chain = Chain::new(dataflow, &Schema::davis()).expect("it fits the schema");
    let bucket = bucket(rows);
    let mut serve = || (0..MESSAGES).for_each(|_| chain.serve(&bucket));
    serve();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    serve();
    (ALLOCATIONS.load(Ordering::Relaxed) - before) / MESSAGES
}

/// A message of generated rows, as prepare makes it.
fn generated(rows: usize) -> Message {
    Prepare::new(Arc::new(Schema::davis())).apply(&bucket(rows)).0
}

fn bucket(rows: usize) -> Bucket {
    let mut bucket = Bucket::new(0, 0);
    for record in Generator::new(1).take(rows) {
        let mut line = Vec::new();
        record.write_json(&mut line);
        let row = Row { bytes: &line, format: Format::Json, header: None };
        bucket.push(row, 0, Origin { topic: "bench".into(), position: 1 });
    }
    bucket
}

/// Median nanoseconds a number, and allocations a message.
fn measure(message: &Message, mut act: impl FnMut(&mut Message)) -> (f64, u64) {
    let numbers = message.flat().len().max(1);
    let copies = (WORK / numbers).clamp(1, 20_000);
    let mut times = Vec::new();
    let mut allocations = 0;
    for _ in 0..ROUNDS {
        let mut messages = vec![message.clone(); copies];
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let start = Instant::now();
        messages.iter_mut().for_each(&mut act);
        times.push(start.elapsed().as_nanos() as f64 / (copies * numbers) as f64);
        allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) / copies as u64;
        black_box(&messages);
    }
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], allocations)
}

/// One log1p and one expm1 a number, with the same vector instructions as the kernel.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn logarithms_and_powers(column: &mut [f64]) {
    column.iter_mut().for_each(|x| *x = expm1(0.7 * log1p(x.abs())));
}

/// A pass that reads and writes, and one that divides.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn pass(column: &mut [f64], divide: bool) {
    if divide {
        column.iter_mut().for_each(|x| *x /= 1.5);
    } else {
        column.iter_mut().for_each(|x| *x = *x * 0.5 + 1.0);
    }
}

/// The standard library's hash table.
type Seen = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// Looks at each text, and looks each row up by a word.
fn texts_and_lookups(message: &Message, seen: &mut Seen) {
    for text in &message.texts {
        let ends_in_zero = |row: &usize| text.get(*row).is_some_and(|text| text.ends_with('0'));
        black_box((0..message.rows()).filter(ends_in_zero).count());
    }
    seen.clear();
    seen.extend((0..message.rows() as u64).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    black_box(seen.len());
}

/// Takes a word for its own hash.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only words are hashed")
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// The least that a step could do.
fn floor(step: &Step, message: &mut Message, seen: &mut Seen) {
    if step.label == "drop_duplicates" {
        texts_and_lookups(message, seen);
    }
    for slot in &step.scope.numbers {
        let column = message.column_mut(*slot);
        match step.label.as_str() {
            "power_transformer" => logarithms_and_powers(column),
            "quantile_transformer" => drop(black_box(order::sorted(column))),
            step @ ("robust_scaler" | "clip") => {
                black_box(order::Selector::new(column).median());
                pass(column, step == "robust_scaler");
            }
            step @ ("standard_scaler" | "max_abs_scaler" | "min_max_scaler" | "normalizer") => {
                black_box(moments::extent(column));
                pass(column, step != "min_max_scaler");
            }
            _ => pass(column, false),
        }
    }
}
