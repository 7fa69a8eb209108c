//! What `eval` costs: 26 expressions of five terms, beside the same loops written in Rust and `DataFrame.eval`.
//!
//! `cargo bench --bench expressions` prints nanoseconds a number, medians of rounds in turn. With `ROWMILL_PYTHON`, the
//! Python of `scripts/requirements.txt`, pandas evaluates the same text in the same run.

use std::process::Command;
use std::time::Instant;

use rowmill::config::Dataflow;
use rowmill::data::{Kind, Message, Schema};
use rowmill::measure::median;

const COLUMNS: usize = 26;
const ROWS: [usize; 5] = [1, 10, 100, 1000, 10_000];
const ROUNDS: usize = 31;
/// Numbers that are worked on in a round.
const WORK: usize = 2_000_000;

fn main() {
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("a{column}")).collect();
    let schema = Schema::new(names.iter().map(|name| (name.as_str(), Kind::Number)));
    let expr: Vec<String> = (0..COLUMNS)
        .map(|to| {
            let [j, k, l, m] = others(to);
            format!("a{to} = a{to} * 0.5 + a{j} / 3 - a{k} * a{l} + a{m} - 2")
        })
        .collect();
    let expr = expr.join("\n");
    let text = format!(
        "schema = {{ number = {names:?} }}\nsource.url = \"-\"\nsink.url = \"null\"\n[[subtask]]\nuse = \"eval\"\nexpr \
         = '''\n{expr}\n'''\n"
    );
    let dataflow = Dataflow::from_text("bench.toml", &text, &[], &rowmill::Registry::builtin()).expect("a dataflow");
    let (steps, _) = dataflow.steps(&schema).expect("it fits the schema");
    let step = steps.iter().find(|step| step.label == "eval").expect("it has the step");
    println!("| rows a message | eval | loops | ratio |\n|---|---|---|---|");
    let mut at_thousand = 0.0;
    for rows in ROWS {
        let message = Message::from_columns(&values(rows));
        let messages = (WORK / (COLUMNS * rows)).max(1);
        let (mut evals, mut loops, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (eval, ours) = timed(&message, messages, |message| {
                step.subtask.apply(message, &step.scope).expect("numbers are evaluated");
            });
            let mut scratch = vec![0.0; rows];
            let (plain, theirs) = timed(&message, messages, |message| by_hand(message.flat_mut(), &mut scratch));
            assert_eq!(ours.flat(), theirs.flat(), "the same numbers");
            evals.push(eval);
            loops.push(plain);
            ratios.push(eval / plain);
        }
        let (eval, plain) = (median(evals), median(loops));
        println!("| {rows} | {eval:.2} | {plain:.2} | {:.2} |", median(ratios));
        if rows == 1000 {
            at_thousand = eval;
        }
    }
    if let Ok(python) = std::env::var("ROWMILL_PYTHON") {
        let pandas = pandas(&python, &expr);
        println!(
            "\n`DataFrame.eval` at 1000 rows: {pandas:.1} ns a number, {:.0} times that of eval.",
            pandas / at_thousand
        );
    }
}

/// The other columns of an expression.
fn others(to: usize) -> [usize; 4] {
    [1, 5, 11, 17].map(|step| (to + step) % COLUMNS)
}

fn values(rows: usize) -> Vec<Vec<f64>> {
    let value = |column: usize, row: usize| ((column * 7 + row * 13) % 101) as f64 / 8.0;
    (0..COLUMNS).map(|column| (0..rows).map(|row| value(column, row)).collect()).collect()
}

/// Nanoseconds a number, and the last message.
fn timed(message: &Message, messages: usize, mut act: impl FnMut(&mut Message)) -> (f64, Message) {
    let mut copies = vec![message.clone(); messages];
    let start = Instant::now();
    copies.iter_mut().for_each(&mut act);
    let seconds = start.elapsed().as_secs_f64();
    let numbers = messages * message.flat().len();
    (seconds * 1e9 / numbers as f64, copies.pop().expect("there is one"))
}

/// The same expressions as loops over columns that lie one behind the other.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn by_hand(flat: &mut [f64], scratch: &mut [f64]) {
    let rows = scratch.len();
    for to in 0..COLUMNS {
        let column = |column: usize| &flat[column * rows..(column + 1) * rows];
        let [j, k, l, m] = others(to).map(column);
        let own = column(to);
        for row in 0..rows {
            scratch[row] = own[row] * 0.5 + j[row] / 3.0 - k[row] * l[row] + m[row] - 2.0;
        }
        flat[to * rows..(to + 1) * rows].copy_from_slice(scratch);
    }
}

/// Nanoseconds a number that pandas needs for the same at 1000 rows, the median of its rounds.
fn pandas(python: &str, expr: &str) -> f64 {
    let program = format!(
        "import time, statistics, pandas as pd\nframe = pd.DataFrame({{f'a{{c}}': [((c * 7 + r * 13) % 101) / 8 for r in \
         range(1000)] for c in range({COLUMNS})}})\nexpr = {expr:?}\ntimes = []\nfor _ in range({ROUNDS}):\n    begin = \
         time.perf_counter()\n    frame.eval(expr, engine='python')\n    times.append(time.perf_counter() - begin)\n\
         print(statistics.median(times) * 1e9 / frame.size)\n"
    );
    let output = Command::new(python).args(["-c", &program]).output().expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}
