//! What decoding a JSON row takes: flat, nested, and as one of the rows inside of a payload.
//!
//! `cargo bench --bench json` prints a table. All go over the same values in memory, in turn: medians of nanoseconds a
//! row, with the size of a row beside them.

use std::sync::Arc;
use std::time::Instant;

use rowmill::data::{Bucket, Format, Header, Origin, Row, Schema};
use rowmill::format::{ColumnKeys, Decoding};
use rowmill::measure::median;
use rowmill::source::Generator;
use rowmill::subtasks::prepare::Prepare;

const ROUNDS: usize = 31;
const ROWS: usize = 1000;
const BUCKETS: usize = 20;
/// Members of each object that the nested rows are made of.
const GROUP: usize = 9;

fn main() {
    let flat: Vec<Vec<u8>> = Generator::new(1).take(ROWS * BUCKETS).map(|row| row.json()).collect();
    let (nested, keys): (Vec<Vec<u8>>, ColumnKeys) = (flat.iter().map(|row| nest(row)).collect(), paths(&flat[0]));
    let flat_decoding = Decoding::davis();
    let nested_decoding = Arc::new(Decoding { keys, ..Decoding::default() });
    let around = br#"{"data": {"did": "001D0A700002", "ts": 1531754005, "conditions": []}, "error": null}"#;
    let ways = [
        ("flat", buckets(&flat, None), flat_decoding.clone()),
        ("nested", buckets(&nested, None), nested_decoding),
        ("inside of a payload", buckets(&flat, Some(around)), flat_decoding),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (times, (_, buckets, decoding)) in times.iter_mut().zip(&ways) {
            let mut prepare = Prepare::new(Arc::new(Schema::davis()), decoding.clone());
            let start = Instant::now();
            for bucket in buckets {
                let (message, bad) = std::hint::black_box(prepare.apply(bucket));
                assert_eq!((message.rows(), bad.len()), (ROWS, 0));
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / flat.len() as f64);
        }
    }
    println!("| rows | bytes | ns |\n|---|---|---|");
    for (times, (name, buckets, _)) in times.into_iter().zip(&ways) {
        let bytes: usize = buckets.iter().flat_map(|bucket| bucket.raw.rows()).map(|row| row.bytes.len()).sum();
        println!("| {name} | {} | {:.0} |", bytes / flat.len(), median(times));
    }
}

fn buckets(rows: &[Vec<u8>], around: Option<&[u8]>) -> Vec<Bucket> {
    let header = around.map(Header::read);
    let bucket = |rows: &[Vec<u8>]| {
        let mut bucket = Bucket::new(0, 0);
        for bytes in rows {
            bucket.push(Row { bytes, format: Format::Json, header }, 0, Origin { topic: "t".into(), position: 1 });
        }
        bucket
    };
    rows.chunks(ROWS).map(bucket).collect()
}

/// The members of a flat object, as they are written.
fn members(row: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(row).expect("generated rows are text");
    text.trim_matches(['{', '}']).split(", ").collect()
}

/// The same values in objects inside of the object.
fn nest(row: &[u8]) -> Vec<u8> {
    let members = members(row);
    let groups = members.chunks(GROUP).enumerate();
    let groups: Vec<String> = groups.map(|(at, group)| format!("\"g{at}\": {{{}}}", group.join(", "))).collect();
    format!("{{\"data\": {{{}}}}}", groups.join(", ")).into_bytes()
}

/// Where the values of each column are in a nested row.
fn paths(row: &[u8]) -> ColumnKeys {
    let mut keys = ColumnKeys::default();
    for (at, member) in members(row).iter().enumerate() {
        let name = member.split('"').nth(1).expect("a key is quoted");
        keys.insert(name, &format!("data.g{}.{name}", at / GROUP)).expect("they are paths");
    }
    keys
}
