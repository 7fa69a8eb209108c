//! The oracle: it knows only what was published and acknowledged, and checks the files on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rumqttc::v5::mqttbytes::QoS;

use crate::disk::simulated::SimulatedDisk;
use crate::runtime::simulation::publish::{NumberedRow, SimulatedPublish};
use crate::runtime::simulation::{CHANGES, DEAD_LETTERS, ODD, OF_CONNECTION, RESULTS, StatefulPart, TABLE};

/// What was published, and how often each row must occur.
pub struct Oracle {
    state: StatefulPart,
    /// Whether a second sink has the rows with odd numbers.
    branches: bool,
    results: BTreeMap<u64, Occurrences>,
    dead: BTreeMap<u64, Occurrences>,
    /// The durable results as of the last commit.
    safe: Vec<u8>,
    /// The results as a process left them when it died: only a loss of power may shorten them.
    written: Vec<u8>,
}

#[derive(Default)]
struct Occurrences {
    least: u64,
    most: u64,
    acknowledged: u64,
}

/// A line of the file of results.
struct ResultLine {
    row: u64,
    number: u64,
    difference: Option<f64>,
    key: String,
}

impl Oracle {
    pub fn new(state: StatefulPart, branches: bool) -> Oracle {
        Oracle {
            state,
            branches,
            results: BTreeMap::new(),
            dead: BTreeMap::new(),
            safe: Vec::new(),
            written: Vec::new(),
        }
    }

    fn count(&mut self, row: &NumberedRow) -> &mut Occurrences {
        if row.dead { &mut self.dead } else { &mut self.results }.entry(row.number).or_default()
    }

    /// Counts a publish.
    pub fn published(&mut self, simulated: &SimulatedPublish) {
        for row in &simulated.rows {
            let count = self.count(row);
            count.most += 1;
            count.least += u64::from(simulated.qos != QoS::AtMostOnce);
        }
    }

    /// A broker has lost this publish with its session.
    pub fn lost(&mut self, simulated: &SimulatedPublish) {
        if simulated.qos != QoS::AtMostOnce {
            simulated.rows.iter().for_each(|row| self.count(row).least = self.count(row).least.saturating_sub(1));
        }
    }

    /// A publish was acknowledged: all of its rows must be durable.
    pub fn acknowledged(&mut self, simulated: &SimulatedPublish, disk: &SimulatedDisk) {
        let found = numbers(&lines(&disk.durable(Path::new(RESULTS))));
        let odd = numbers(&lines(&disk.durable(Path::new(ODD))));
        let dead = dead_numbers(&disk.durable(Path::new(DEAD_LETTERS)));
        for row in &simulated.rows {
            let branches = self.branches && row.number % 2 == 1 && !row.dead;
            let count = self.count(row);
            count.acknowledged += 1;
            let there = !branches || odd.get(&row.number).is_some_and(|found| *found >= count.acknowledged);
            assert!(there, "acknowledged before the second sink had it: {row:?}");
            let found = if row.dead { &dead } else { &found }.get(&row.number).copied().unwrap_or(0);
            let enough = if row.dead { found > 0 } else { found >= count.acknowledged };
            assert!(enough, "acknowledged before it was safe: {row:?}, {found} times on the disk");
        }
    }

    /// The first `length` bytes of results are durable: a checkpoint covers them.
    pub fn safe(&mut self, disk: &SimulatedDisk, length: u64) {
        let mut now = disk.contents(Path::new(RESULTS));
        now.truncate(length as usize);
        assert!(now.len() as u64 == length && now.starts_with(&self.safe), "the file has lost what was safe");
        self.written.clone_from(&now);
        self.safe = now;
    }

    /// Results that are not redelivered must stay, up to the last whole line.
    pub fn written(&mut self, disk: &SimulatedDisk) {
        let now = disk.contents(Path::new(RESULTS));
        let whole = now.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        assert!(now.starts_with(&self.written), "the file has lost what was written");
        self.written = now[..whole].to_vec();
    }

    /// The power was lost: only what was durable must be left.
    pub fn lost_power(&mut self) {
        self.written.clone_from(&self.safe);
    }

    /// A process has started: what was durable must be left.
    pub fn started(&self, disk: &SimulatedDisk) {
        let now = disk.contents(Path::new(RESULTS));
        assert!(now.starts_with(&self.safe), "a start has destroyed what was safe");
        assert!(now.starts_with(&self.written), "a start has destroyed what was written");
    }

    /// The final check: all was published and acknowledged, and the process has ended.
    pub fn ended(&self, disk: &SimulatedDisk) {
        let results = lines(&disk.contents(Path::new(RESULTS)));
        self.each_once(&results, |_| true);
        if self.branches {
            self.each_once(&lines(&disk.contents(Path::new(ODD))), |number| number % 2 == 1);
        }
        let dead = dead_numbers(&disk.contents(Path::new(DEAD_LETTERS)));
        for (number, Occurrences { least, .. }) in &self.dead {
            assert!(*least == 0 || dead.contains_key(number), "dead letter {number} is missing");
        }
        assert!(dead.keys().all(|number| self.dead.contains_key(number)), "a dead letter nobody published");
        if self.state != StatefulPart::Nothing {
            differences(&results);
        }
        if self.state == StatefulPart::Table {
            table(&results, &disk.contents(Path::new(TABLE)));
            changes(&results, &disk.contents(Path::new(CHANGES)));
        }
    }

    /// The rows with such numbers occur as often as they must, each under a number of its own, in order.
    fn each_once(&self, results: &[ResultLine], takes: impl Fn(u64) -> bool) {
        let found = numbers(results);
        for (number, Occurrences { least, most, .. }) in self.results.iter().filter(|(number, _)| takes(**number)) {
            let times = found.get(number).copied().unwrap_or(0);
            assert!((*least..=*most).contains(&times), "row {number}: {times} times, not {least} to {most}");
        }
        let unknown = found.keys().find(|number| !self.results.contains_key(number) || !takes(**number));
        assert!(unknown.is_none(), "a row nobody published: {unknown:?}");
        let mut rows = BTreeSet::new();
        let twice = results.iter().find(|line| !rows.insert(line.row));
        assert!(twice.is_none(), "two rows have one number: {:?}", twice.map(|line| line.row));
        self.in_order(results);
    }

    /// Rows that must occur exactly once are in the order of their connection.
    fn in_order(&self, results: &[ResultLine]) {
        let mut last = BTreeMap::new();
        let own = |number: &u64| {
            let once = self.results.get(number).is_some_and(|count| count.most == 1 && count.least == 1);
            once && *number >= OF_CONNECTION && number % OF_CONNECTION != OF_CONNECTION - 1
        };
        for number in results.iter().map(|line| line.number).filter(own) {
            let before = last.insert(number / OF_CONNECTION, number);
            assert!(before.is_none_or(|before| before < number), "row {number} stands behind {before:?}");
        }
    }
}

/// The lines of a CSV file without the header and an unfinished last line.
fn lines(file: &[u8]) -> Vec<ResultLine> {
    let text = std::str::from_utf8(file).expect("results are text");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let &[_, row, number, difference, key] = &cells[..] else { panic!("a line that is not whole: {line:?}") };
        ResultLine {
            row: row.parse().unwrap_or_else(|_| panic!("not a row: {line:?}")),
            number: number.parse::<f64>().unwrap_or_else(|_| panic!("not a number: {line:?}")) as u64,
            difference: difference.parse().ok(),
            key: key.to_owned(),
        }
    };
    whole.lines().skip(1).map(parse).collect()
}

fn numbers(lines: &[ResultLine]) -> BTreeMap<u64, u64> {
    let mut numbers = BTreeMap::new();
    lines.iter().for_each(|line| *numbers.entry(line.number).or_default() += 1);
    numbers
}

/// How often each number occurs in the dead letters: after `#` in their raw bytes.
fn dead_numbers(file: &[u8]) -> BTreeMap<u64, u64> {
    let mut numbers = BTreeMap::new();
    let whole = file.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &file[..end]);
    // A loss of power may leave zeros in place of lines that were not synced.
    for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.contains(&0)) {
        let shown = || String::from_utf8_lossy(line).into_owned();
        let simulated: serde_json::Value =
            serde_json::from_slice(line).unwrap_or_else(|_| panic!("a dead letter that is not whole: {}", shown()));
        let raw = simulated["raw"].as_str().unwrap_or_else(|| panic!("without its bytes: {}", shown()));
        let behind = raw.split('#').nth(1).unwrap_or_else(|| panic!("not a dead row: {}", shown()));
        let digits = behind.split(|digit: char| !digit.is_ascii_digit()).next().unwrap_or_default();
        *numbers.entry(digits.parse().expect("digits")).or_default() += 1;
    }
    numbers
}

/// The differences of the stateful step must follow from the rows before, in the order of the file.
fn differences(results: &[ResultLine]) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for ResultLine { number, difference, key, .. } in results {
        let expected = last.insert(key, *number).map(|before| *number as f64 - before as f64);
        assert_eq!(*difference, expected, "what a step remembers of {key} is not what the file says, at row {number}");
    }
}

/// By key, how many rows of the file there are, and the sum of their numbers.
fn by_key(results: &[ResultLine]) -> BTreeMap<String, (u64, u64)> {
    let mut of: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for ResultLine { number, key, .. } in results {
        let (count, sum) = of.entry(key.clone()).or_default();
        (*count, *sum) = (*count + 1, *sum + number);
    }
    of
}

/// The changes of a table must add up to what follows from the rows of the file, each published once.
fn changes(results: &[ResultLine], file: &[u8]) {
    let mut lines: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in std::str::from_utf8(file).expect("changes are text").lines() {
        let change: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not a change: {line:?}"));
        let key = change["k"].as_str().unwrap_or_default().to_owned();
        let of = |name: &str| change[name].as_f64().unwrap_or_else(|| panic!("without {name}: {line}")) as u64;
        let figures = (of("n_count"), of("n_sum"));
        match change["change"].as_str() {
            Some("-") => assert_eq!(lines.remove(&key), Some(figures), "taken away, and was not there: {line}"),
            _ => assert_eq!(lines.insert(key, figures), None, "told twice: {line}"),
        }
    }
    assert_eq!(lines, by_key(results), "the changes of a table do not add up to what the file says");
}

/// The table must follow from the rows of the file.
fn table(results: &[ResultLine], file: &[u8]) {
    let text = std::str::from_utf8(file).expect("a table is text");
    let expected = by_key(results);
    let header: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    let place = |name: &str| {
        let place = header.iter().position(|column| *column == name || column.ends_with(&format!("_{name}")));
        place.unwrap_or_else(|| panic!("the table has no {name}: {header:?}"))
    };
    let (key, count, sum) = (place("k"), place("count"), place("sum"));
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |place: usize| cells[place].parse::<f64>().expect("a number") as u64;
        (cells[key].to_owned(), (number(count), number(sum)))
    };
    let found: BTreeMap<String, (u64, u64)> = text.lines().skip(1).map(line).collect();
    assert_eq!(found, expected, "a table is not what the file says");
}
