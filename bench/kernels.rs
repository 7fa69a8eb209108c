//! Each subtask of dataflows/weather.toml beside the least it could cost, on what the steps before made of the rows.
//!
//! `cargo bench --bench kernels` measures with criterion and prints a table; a name measures what
//! it is part of (`-- 'power_transformer at 10000'`). The floor is measured in the same run, with the same vector
//! instructions: one pass that reads and writes every number; before it one that reads, where a step learns
//! from the column or the row that it changes; a division a number where a step divides; for the power transformer one
//! log1p and one expm1 a number; for the quantile transformer one sort a column; for steps that need a quantile one
//! selection a column; for duplicates a look at each text, and one lookup a row in the standard library's hash table.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion};
use rowmill::bench::BareLoop;
use rowmill::config::Dataflow;
use rowmill::data::{Message, Schema};
use rowmill::kernels::{expm1::expm1, log1p::log1p, moments, order};
use rowmill::source::Generator;
use rowmill::subtasks::Step;
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

const ROWS: [usize; 5] = [1, 10, 100, 1000, 10_000];

fn main() {
    let dataflow = std::fs::read_to_string("dataflows/weather.toml").expect("run it from the project's root");
    let dataflow =
        Dataflow::from_text("weather.toml", &dataflow, &[], &rowmill::Registry::builtin()).expect("a valid dataflow");
    let (steps, _) = dataflow.steps(&Schema::davis()).expect("it fits the schema");
    let measured = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let _ = std::fs::remove_dir_all(&measured);
    let mut criterion = Criterion::default()
        .output_directory(&measured)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .nresamples(1000)
        .configure_from_args();
    let (mut table, mut seen) = (Vec::new(), Seen::default());
    for rows in ROWS {
        let mut message = generated(rows);
        for step in &steps {
            table.extend(beside_its_floor(&mut criterion, &measured, step, rows, &message, &mut seen));
            step.subtask.apply(&mut message, &step.scope).expect("generated rows pass the chain");
        }
    }
    println!("| subtask | rows a message | ns a number | floor, ns a number | ratio | allocations |");
    println!("|---|---|---|---|---|---|\n{}", table.join("\n"));
    let allocations = ROWS.map(|rows| format!("{} at {rows}", of_the_chain(&dataflow, rows)));
    println!("\nAllocations a message from prepare to result: {} rows.", allocations.join(", "));
}

/// Measures a step and its floor: a line of the table, unless they were not asked for.
fn beside_its_floor(
    criterion: &mut Criterion,
    measured: &Path,
    step: &Step,
    rows: usize,
    message: &Message,
    seen: &mut Seen,
) -> Option<String> {
    let label = &step.label;
    let name = format!("{label} at {rows}");
    let apply = |message: &mut Message| {
        step.subtask.apply(message, &step.scope).expect("generated rows pass the chain");
    };
    let mut group = criterion.benchmark_group(&name);
    measure(&mut group, "kernel", message, apply);
    measure(&mut group, "floor", message, |message| floor(step, message, seen));
    group.finish();
    let numbers = message.flat().len().max(1) as f64;
    let of = |what| median(&measured.join(&name).join(what)).map(|time| time / numbers);
    let (kernel, floor) = of("kernel").zip(of("floor"))?;
    let (ratio, allocations) = (kernel / floor, allocations(message, apply));
    Some(format!("| {label} | {rows} | {kernel:.2} | {floor:.2} | {ratio:.1} | {allocations} |"))
}

/// Allocations a message in the whole chain, when it has run for a while.
fn of_the_chain(dataflow: &Dataflow, rows: usize) -> u64 {
    const MESSAGES: u64 = 20;
    let mut bare = BareLoop::new(dataflow, &Schema::davis()).expect("it fits the schema");
    let bucket = Generator::new(1).bucket(0, rows);
    let mut serve = || (0..MESSAGES).for_each(|_| bare.serve(&bucket));
    serve();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    serve();
    (ALLOCATIONS.load(Ordering::Relaxed) - before).div_ceil(MESSAGES)
}

/// A message of generated rows, as prepare makes it.
fn generated(rows: usize) -> Message {
    Prepare::new(Arc::new(Schema::davis()), Arc::default()).apply(&Generator::new(1).bucket(0, rows)).0
}

/// Numbers of the messages that are made ready together, so that the clock's own cost vanishes.
const WORK: usize = 2_000_000;

/// How many of these messages are made ready together.
fn copies(message: &Message) -> usize {
    (WORK / message.flat().len().max(1)).clamp(1, 20_000)
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, message: &Message, mut act: impl FnMut(&mut Message)) {
    let batch = BatchSize::NumIterations(copies(message) as u64);
    group.bench_function(name, |bencher| bencher.iter_batched_ref(|| message.clone(), &mut act, batch));
}

/// The median that criterion has left in a directory, in nanoseconds a message; none of what was not asked for.
fn median(directory: &Path) -> Option<f64> {
    let estimates = std::fs::read_to_string(directory.join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&estimates).expect("criterion writes JSON");
    estimates["median"]["point_estimate"].as_f64()
}

/// Allocations a message, when a few have gone before.
fn allocations(message: &Message, mut act: impl FnMut(&mut Message)) -> u64 {
    let copies = copies(message);
    let mut messages = vec![message.clone(); 2 * copies];
    let (first, others) = messages.split_at_mut(copies);
    first.iter_mut().for_each(&mut act);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    others.iter_mut().for_each(&mut act);
    (ALLOCATIONS.load(Ordering::Relaxed) - before).div_ceil(copies as u64)
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
