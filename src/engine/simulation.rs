//! The core under a simulated clock, broker, sink and disk: publishes come over several connections, buckets close, the
//! sink writes epochs, results are brought to safety and deliveries acknowledged, connections break and the process
//! dies, all in an order that a seed gives. In the end every row stands on the disk once, in the order of its
//! connection.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::ledger::Ledger;
use super::parcel::Receipt;
use super::sources::Arrival;
use crate::data::{Bucket, Clock, Format, Origin, Row};
use crate::source::deliveries::{Deliveries, Delivery, New};
use crate::source::{Buffer, Coverage, Limits, Position};

const CONNECTIONS: usize = 2;
/// Rows of each connection; those of the second begin at a thousand.
const ROWS: u64 = 60;
const BUCKET_SIZE: usize = 3;

/// What the broker keeps for a connection.
struct Session {
    unsent: VecDeque<Range<u64>>,
    in_flight: VecDeque<(u16, Range<u64>)>,
    next_id: u16,
    connected: bool,
    /// Acknowledgements that have not arrived.
    on_the_way: VecDeque<u16>,
}

impl Session {
    const WINDOW: usize = 5;
    const IDS: u16 = 9;

    fn new(connection: usize, random: &mut ChaCha8Rng) -> Session {
        let (mut next, end) = (1000 * connection as u64, 1000 * connection as u64 + ROWS);
        let mut unsent = VecDeque::new();
        while next < end {
            let rows = random.random_range(1..=7).min(end - next);
            unsent.push_back(next..next + rows);
            next += rows;
        }
        Session { unsent, in_flight: VecDeque::new(), next_id: 1, connected: false, on_the_way: VecDeque::new() }
    }

    fn send(&mut self) -> Option<(u16, Range<u64>)> {
        if !self.connected || self.in_flight.len() == Session::WINDOW {
            return None;
        }
        let publish = self.unsent.pop_front()?;
        while self.in_flight.iter().any(|(id, _)| *id == self.next_id) {
            self.next_id = self.next_id % Session::IDS + 1;
        }
        self.in_flight.push_back((self.next_id, publish.clone()));
        Some((self.next_id, publish))
    }

    /// Acknowledgements that are due go on their way.
    fn take(&mut self, deliveries: &mut Deliveries<u16>) {
        deliveries.acknowledge(|id| {
            assert!(self.connected, "an acknowledgement would come before its publish comes again");
            self.on_the_way.push_back(*id);
            true
        });
    }

    /// An acknowledgement arrives: it must be that of the oldest publish, and its rows must be safe.
    fn acknowledged(&mut self, disk: &Disk) {
        let Some(id) = self.on_the_way.pop_front() else { return };
        let (oldest, mut rows) = self.in_flight.pop_front().expect("an acknowledgement has its publish");
        assert_eq!(id, oldest, "acknowledgements come in the order of arrival");
        let safe = &disk.file[..disk.synced];
        assert!(rows.all(|row| safe.contains(&row)), "acknowledged before it was safe");
    }
}

/// The sink's file, a row a number, and the checkpoint beside it.
#[derive(Default)]
struct Disk {
    file: Vec<u64>,
    synced: usize,
    length: usize,
    next_epoch: u64,
    next_row: u64,
    positions: [Position; CONNECTIONS],
}

/// One connection of the process.
struct Reading {
    deliveries: Deliveries<u16>,
    connection: u64,
    buffer: Buffer,
    read: VecDeque<Bucket>,
}

/// What dies with the process.
struct Process {
    clock: Clock,
    readings: Vec<Reading>,
    ledger: Ledger,
    next_epoch: u64,
    next_row: u64,
    /// Epochs in the dataflow that the sink has not written.
    unwritten: VecDeque<u64>,
}

impl Process {
    /// Starts where the checkpoint says, as a run does.
    fn start(disk: &mut Disk) -> Process {
        disk.file.truncate(disk.length);
        assert_eq!(disk.file.len(), disk.length, "the checkpoint knows of results that are not there");
        disk.synced = disk.length;
        let limits = Limits { bucket_size: BUCKET_SIZE, delay: Duration::ZERO };
        let reading = |position: &Position| Reading {
            deliveries: Deliveries::after(position, Session::WINDOW as u16),
            connection: 0,
            buffer: Buffer::new(limits, None),
            read: VecDeque::new(),
        };
        Process {
            clock: Clock::start(),
            readings: disk.positions.iter().map(reading).collect(),
            ledger: Ledger::new(Vec::new(), 0, false),
            next_epoch: disk.next_epoch,
            next_row: disk.next_row,
            unwritten: VecDeque::new(),
        }
    }

    /// A connection is lost, and what was on its way on it.
    fn lose(&mut self, number: usize, session: &mut Session) {
        session.connected = false;
        session.on_the_way.clear();
        self.readings[number].deliveries.lost();
    }

    /// A connection begins, and the broker sends again what was not acknowledged, or its first part.
    fn connect(&mut self, number: usize, session: &mut Session, random: &mut ChaCha8Rng) {
        let heard = random.random_range(0..=session.in_flight.len());
        for heard in [heard, session.in_flight.len()] {
            self.lose(number, session);
            session.connected = true;
            self.readings[number].connection = self.readings[number].deliveries.connected(true);
            let again: Vec<_> = session.in_flight.range(..heard).cloned().collect();
            again.into_iter().for_each(|(id, rows)| self.receive(number, session, id, rows, true));
        }
    }

    /// Takes in a publish as the source's thread does.
    fn receive(&mut self, number: usize, session: &mut Session, packet_id: u16, rows: Range<u64>, again: bool) {
        let Reading { deliveries, connection, buffer, read } = &mut self.readings[number];
        let delivery = Delivery { connection: *connection, packet_id, again, hash: rows.start, packet: packet_id };
        let new = deliveries.arrive(delivery);
        session.take(deliveries);
        let Some(New { number: delivery, begun: skip }) = new else { return };
        buffer.begin_delivery(skip);
        let mut full = Vec::new();
        for row in rows.skip(skip as usize) {
            let text = row.to_string();
            let row = Row { bytes: text.as_bytes(), format: Format::Json, header: None };
            full.extend(buffer.push(row, 0, Origin { topic: "t".into(), position: 1 }, self.clock));
        }
        buffer.delivered(delivery, 0, &mut full);
        read.extend(full);
    }

    /// The delay of the open bucket is over.
    fn close(&mut self, number: usize) {
        let Reading { buffer, read, .. } = &mut self.readings[number];
        read.extend(buffer.close(self.clock));
    }

    /// A bucket goes into the dataflow.
    fn enter(&mut self, connection: usize) {
        let Reading { deliveries, read, .. } = &mut self.readings[connection];
        let Some(mut bucket) = read.pop_front() else { return };
        let coverage = deliveries.cover(bucket.delivered, bucket.begun);
        (bucket.epoch, bucket.first_row) = (self.next_epoch, self.next_row);
        self.next_epoch += 1;
        self.next_row += bucket.len() as u64;
        self.unwritten.push_back(bucket.epoch);
        self.ledger.enter(Arrival { bucket, connection, coverage });
    }

    /// The sink writes the next epoch; the probe may pass it at once or later.
    fn write(&mut self, disk: &mut Disk, passes: bool) {
        if let Some(epoch) = self.unwritten.pop_front() {
            let bucket = self.ledger.bucket(epoch).expect("it is in flight");
            let number = |row: Row<'_>| std::str::from_utf8(row.bytes).unwrap().parse::<u64>().unwrap();
            disk.file.extend(bucket.rows().map(number));
            let mut receipt = Receipt { epoch, written: Some(disk.file.len() as u64), ..Receipt::default() };
            self.ledger.settle(&mut receipt, bucket.len() as u64);
        }
        if passes {
            let frontier = self.unwritten.front().copied().unwrap_or(self.next_epoch);
            self.ledger.record_complete(0, |epoch| epoch < frontier);
        }
    }

    /// What is complete is brought to safety; `dies` says after which step the process does.
    fn give(&mut self, disk: &mut Disk, sessions: &mut [Session], dies: Option<u8>) {
        let Some(complete) = self.ledger.complete else { return };
        disk.synced = disk.file.len();
        if dies == Some(0) {
            return;
        }
        (disk.length, disk.next_epoch, disk.next_row) =
            (complete.length as usize, complete.next_epoch, complete.next_row);
        let covered = std::mem::take(&mut self.ledger.covered);
        for (connection, Coverage { taken, begun, first, .. }) in &covered {
            let position = &mut disk.positions[*connection];
            position.taken.extend(taken);
            position.taken.retain(|(place, _)| place >= first);
            position.begun = *begun;
        }
        if dies == Some(1) {
            return;
        }
        for (connection, Coverage { delivered, .. }) in covered {
            let deliveries = &mut self.readings[connection].deliveries;
            deliveries.complete(delivered);
            sessions[connection].take(deliveries);
        }
    }
}

/// Some of what was not brought to safety is lost.
fn crash(disk: &mut Disk, random: &mut ChaCha8Rng) {
    let left = random.random_range(disk.synced..=disk.file.len());
    disk.file.truncate(left);
}

fn play(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sessions: Vec<Session> = (0..CONNECTIONS).map(|number| Session::new(number, &mut random)).collect();
    let mut disk = Disk::default();
    let mut process = Process::start(&mut disk);
    (0..CONNECTIONS).for_each(|number| process.connect(number, &mut sessions[number], &mut random));
    let mut steps = 0;
    while sessions.iter().any(|session| !session.unsent.is_empty() || !session.in_flight.is_empty()) {
        steps += 1;
        assert!(steps < 1_000_000, "it hangs");
        let number = random.random_range(0..CONNECTIONS);
        let mut dies = false;
        match random.random_range(0..40) {
            0..10 => {
                if let Some((id, rows)) = sessions[number].send() {
                    process.receive(number, &mut sessions[number], id, rows, false);
                }
            }
            10..13 => process.close(number),
            13..20 => process.enter(number),
            20..27 => process.write(&mut disk, random.random_bool(0.6)),
            27..31 => {
                let at = random.random_range(0..12_u8);
                dies = at < 2;
                process.give(&mut disk, &mut sessions, dies.then_some(at));
            }
            31..37 => sessions[number].acknowledged(&disk),
            37..39 if sessions[number].connected => process.lose(number, &mut sessions[number]),
            37..39 => process.connect(number, &mut sessions[number], &mut random),
            _ => dies = true,
        }
        if dies {
            crash(&mut disk, &mut random);
            process = Process::start(&mut disk);
            (0..CONNECTIONS).for_each(|number| process.connect(number, &mut sessions[number], &mut random));
        }
    }
    for first in (0..CONNECTIONS as u64).map(|number| 1000 * number) {
        let rows = disk.file.iter().copied().filter(|row| (first..first + ROWS).contains(row));
        assert!(rows.eq(first..first + ROWS), "each row once, in the order of its connection: {:?}", disk.file);
    }
}

#[test]
fn every_row_is_on_the_disk_once_whatever_breaks_and_dies() {
    for seed in 0..3000 {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed}");
    }
}
