//! All connections of the source, on the first worker: its own, and those that other processes read for it. Buckets get
//! their epochs here, and rows their numbers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossbeam_channel::TryRecvError;
use timely::worker::Worker;

use crate::config::Dataflow;
use crate::data::{Bucket, Route};
use crate::measure::{BrokerLink, Clock};
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::error::Error;
use crate::runtime::ingest::arrival::{Arrival, Backlog};
use crate::runtime::ingest::channel::IngestChannel;
use crate::runtime::ingest::protocol::{IngestMessage, ReadBucket, ReaderCommand, ReaderEvent};
use crate::runtime::ingest::remote;
use crate::runtime::options::{Options, PARK_TIMEOUT};
use crate::source::{self, DeliveryRange, MAX_WAITING, Readiness, Source, SourcePosition, Stop};

/// How often other processes are asked for the time of their clocks.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// All connections, by number.
pub struct SourceConnections {
    connections: Vec<IngestConnection>,
    peers: Option<ReaderProcesses>,
    stop: Stop,
    /// The connection that is asked first for the next bucket (round-robin).
    turn: usize,
    next_epoch: u64,
    next_row: u64,
    numbering: Numbering,
    routes: Routes,
    /// By connection, the number of its source.
    sources: Vec<usize>,
    /// Whether a message is taken of each connection in turn, whichever is ready.
    in_turn: bool,
}

/// Which workers buckets go to.
enum Routes {
    /// All of so many.
    All(usize),
    /// Those of the process that reads the connection: so many each, by connection the process, and by process the turns
    /// so far.
    OfReader { workers: usize, readers: Vec<usize>, turns: Vec<u64> },
}

impl Routes {
    fn next(&mut self, connection: usize, epoch: u64) -> Route {
        match self {
            Routes::All(workers) => Route::over(0, *workers, epoch),
            Routes::OfReader { workers, readers, turns } => {
                let process = readers[connection];
                turns[process] += 1;
                Route::over(process * *workers, *workers, turns[process] - 1)
            }
        }
    }
}

enum IngestConnection {
    Own(Source),
    Other(RemoteConnection),
}

/// A connection that another process reads.
#[derive(Default)]
struct RemoteConnection {
    process: usize,
    ready: bool,
    ended: bool,
    broker: BrokerLink,
    buckets: VecDeque<(Bucket, DeliveryRange)>,
    /// Buckets taken since it was last granted room, and their bytes.
    taken: usize,
    taken_bytes: usize,
}

/// The other processes that read connections.
struct ReaderProcesses {
    channel: IngestChannel<IngestMessage>,
    clock: Clock,
    workers: usize,
    /// The most buckets of a connection that may be queued here or on the way.
    window: usize,
    /// By process; only the first processes read.
    clocks: Vec<PeerClock>,
    asked: Option<Instant>,
}

/// How far this process' clock is ahead of another's: by the answer with the shortest round trip among the last ones.
#[derive(Clone, Debug, Default)]
struct PeerClock {
    /// Round-trip time, and how far ahead this clock was if the other was read halfway; both in nanoseconds.
    answers: VecDeque<(u64, i64)>,
}

impl PeerClock {
    const ANSWERS: usize = 30;

    fn answered(&mut self, asked: u64, there: u64, now: u64) {
        if self.answers.len() == PeerClock::ANSWERS {
            self.answers.pop_front();
        }
        let took = now - asked;
        self.answers.push_back((took, (asked + took / 2) as i64 - there as i64));
    }

    fn ahead(&self) -> i64 {
        self.answers.iter().min_by_key(|(took, _)| *took).map_or(0, |(_, ahead)| *ahead)
    }
}

impl SourceConnections {
    /// Starts this process' connections, each at its position of an earlier run. `channel` reaches the processes that
    /// read the others; whether their rows `stay` there.
    pub fn start(
        channel: Option<IngestChannel<IngestMessage>>,
        dataflow: &Dataflow,
        options: &Options,
        clock: Clock,
        positions: &[SourcePosition],
        stay: bool,
    ) -> SourceConnections {
        let processes = options.cluster.processes();
        let readers = dataflow.readers(processes);
        let other = |process: &usize| {
            IngestConnection::Other(RemoteConnection { process: *process, ..RemoteConnection::default() })
        };
        let mut connections: Vec<_> = readers.iter().map(other).collect();
        for number in remote::own(dataflow, options) {
            connections[number] = IngestConnection::Own(remote::start(dataflow, options, clock, positions, number));
        }
        let peers = channel.map(|channel| ReaderProcesses {
            channel,
            clock,
            workers: options.cluster.workers,
            window: source::queue_capacity(dataflow.limits().bucket_size),
            clocks: vec![PeerClock::default(); readers.iter().max().map_or(1, |last| last + 1)],
            asked: None,
        });
        let (workers, count) = (options.cluster.workers, connections.len());
        if stay && count < processes {
            tracing::warn!(
                "{processes} processes share {count} connections: rows are worked on in the process that reads them; the \
                 others have only keyed steps and tables to do"
            );
        }
        let routes = match stay {
            true => Routes::OfReader { workers, readers, turns: vec![0; processes] },
            false => Routes::All(workers * processes),
        };
        SourceConnections {
            connections,
            peers,
            stop: options.stop.clone(),
            turn: 0,
            next_epoch: 0,
            next_row: 0,
            numbering: Numbering::default(),
            routes,
            sources: dataflow.sources_of_connections(),
            in_turn: dataflow.is_read_in_turn(),
        }
    }

    /// Connections of one process that a test provides.
    #[cfg(test)]
    pub fn simulated(connections: Vec<Source>, stop: Stop) -> SourceConnections {
        let connections: Vec<_> = connections.into_iter().map(IngestConnection::Own).collect();
        let (numbering, routes, sources) = (Numbering::default(), Routes::All(1), vec![0; connections.len()]);
        let (turn, next_epoch, next_row, in_turn) = (0, 0, 0, false);
        SourceConnections {
            connections,
            peers: None,
            stop,
            turn,
            next_epoch,
            next_row,
            numbering,
            routes,
            sources,
            in_turn,
        }
    }

    /// Continues with these numbers.
    pub fn starting_at(mut self, next_epoch: u64, next_row: u64) -> SourceConnections {
        (self.next_epoch, self.next_row) = (next_epoch, next_row);
        self
    }

    /// Sets the numbers that rows get in the results.
    pub fn number_from(&mut self, numbering: Numbering) {
        self.numbering = numbering;
    }

    pub fn next_epoch(&self) -> u64 {
        self.next_epoch
    }

    pub fn next_row(&self) -> u64 {
        self.next_row
    }

    /// The readiness of all connections together.
    pub fn readiness(&mut self) -> Readiness {
        self.hear();
        let each = self.connections.iter().map(|connection| match connection {
            IngestConnection::Own(source) => source.readiness(),
            IngestConnection::Other(RemoteConnection { ready: true, .. }) => Readiness::Ready,
            IngestConnection::Other(RemoteConnection { ended: true, .. }) => Readiness::Over,
            IngestConnection::Other(_) => Readiness::Waits,
        });
        each.max().unwrap_or(Readiness::Ready)
    }

    /// Waits for the first bucket of a single connection.
    pub fn first(&mut self) -> Option<Arrival> {
        let [IngestConnection::Own(source)] = &self.connections[..] else { return None };
        let mut covered = DeliveryRange::default();
        let bucket = loop {
            let (bucket, delivery_range) = source.next().ok()?;
            let delivered = delivery_range.delivered;
            covered.extend(delivery_range);
            // A bucket without rows only carries deliveries: the next one can carry them, too.
            if !bucket.is_empty() {
                break bucket;
            }
            // A broker sends no more than its ack window before deliveries are acknowledged. Those of rows that lack
            // values still wait until these are durable: a row closes after its time.
            if covered.partial.as_ref().is_none_or(Vec::is_empty) {
                source.complete(delivered);
            }
        };
        Some(self.number(bucket, 0, covered))
    }

    /// The next bucket, round-robin over the connections; where they are read in turn, of the one whose turn it is.
    ///
    /// # Errors
    /// `Empty` if none is queued, `Disconnected` if all connections have ended.
    pub fn try_next(&mut self) -> Result<Arrival, TryRecvError> {
        self.hear();
        let (mut ended, count, first) = (0, self.connections.len(), self.turn);
        for number in (first..first + count).map(|turn| turn % count) {
            match self.try_next_of(number) {
                Ok((bucket, delivery_range)) => {
                    self.turn = number + 1;
                    return Ok(self.number(bucket, number, delivery_range));
                }
                Err(TryRecvError::Disconnected) if count > 1 => match self.has_come_to_its_end(number) {
                    Some(true) => ended += 1,
                    Some(false) => {
                        ended += 1;
                        // A connection that has failed stops the others: its rows would be missed.
                        self.stop.now();
                    }
                    None => break,
                },
                Err(TryRecvError::Disconnected) => ended += 1,
                Err(TryRecvError::Empty) if self.in_turn => break,
                Err(TryRecvError::Empty) => {}
            }
        }
        Err(if ended == count { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    fn has_come_to_its_end(&self, number: usize) -> Option<bool> {
        match &self.connections[number] {
            IngestConnection::Own(source) => source.has_come_to_its_end(),
            // Other processes read brokers only.
            IngestConnection::Other(_) => Some(false),
        }
    }

    fn try_next_of(&mut self, number: usize) -> Result<(Bucket, DeliveryRange), TryRecvError> {
        let other = match &mut self.connections[number] {
            IngestConnection::Own(source) => return source.try_next(),
            IngestConnection::Other(other) => other,
        };
        let next = other.buckets.pop_front();
        if let (Some(peers), Some((bucket, _))) = (&mut self.peers, &next) {
            other.taken += 1;
            other.taken_bytes += bucket.byte_len();
            if other.taken > peers.window / 2 || other.taken_bytes > MAX_WAITING / 2 {
                let (buckets, bytes) = (std::mem::take(&mut other.taken), std::mem::take(&mut other.taken_bytes));
                peers.tell(other.process, ReaderCommand::Room { connection: number, buckets, bytes });
            }
        }
        next.ok_or(if other.ended { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    /// Gives a bucket its epoch, and its rows their numbers.
    fn number(&mut self, mut bucket: Bucket, connection: usize, delivery_range: DeliveryRange) -> Arrival {
        (bucket.metadata.epoch, bucket.metadata.first_row) = (self.next_epoch, self.next_row);
        bucket.metadata.source = self.sources[connection];
        // In turn, rows come in the same order in each run.
        let sequence = if self.in_turn { 0 } else { connection };
        bucket.metadata.numbers = self.numbering.take(sequence, bucket.metadata.first_row, &bucket.deliveries());
        bucket.metadata.route = self.routes.next(connection, self.next_epoch);
        self.next_epoch += 1;
        self.next_row += bucket.len() as u64;
        Arrival { bucket, connection, delivery_range }
    }

    pub fn backlog(&self) -> Backlog {
        let window = self.peers.as_ref().map_or(0, |peers| peers.window);
        let waiting = self.connections.iter().map(|connection| match connection {
            IngestConnection::Own(source) => source.backlog(),
            IngestConnection::Other(other) => (other.buckets.len(), window, other.buckets.len() >= window),
        });
        let broker = |connection: &IngestConnection| match connection {
            IngestConnection::Own(source) => source.broker(),
            IngestConnection::Other(other) => other.broker,
        };
        let broker = self.connections.iter().map(broker).max().unwrap_or_default();
        let none = Backlog { buckets: 0, capacity: 0, full: false, broker };
        waiting.fold(none, |all, (buckets, capacity, full)| Backlog {
            buckets: all.buckets + buckets,
            capacity: all.capacity + capacity,
            full: all.full || full,
            broker,
        })
    }

    /// The rows of all deliveries of a connection up to this one are durable.
    pub fn complete(&mut self, number: usize, delivered: u64) {
        match (&self.connections[number], &mut self.peers) {
            (IngestConnection::Own(source), _) => source.complete(delivered),
            (IngestConnection::Other(other), Some(peers)) => {
                peers.tell(other.process, ReaderCommand::Complete { connection: number, delivered });
            }
            (IngestConnection::Other(_), None) => unreachable!("other processes have a channel"),
        }
    }

    /// Closes all connections, here and in other processes.
    ///
    /// # Errors
    /// The first failure of one.
    pub fn end(self, worker: &mut Worker) -> Result<(), Error> {
        let SourceConnections { connections, mut peers, .. } = self;
        if let Some(peers) = &mut peers {
            peers.tell_all(&ReaderCommand::Over);
        }
        let (mut result, mut others) = (Ok(()), 0);
        for connection in connections {
            match connection {
                IngestConnection::Own(source) => result = result.and(source.join()),
                IngestConnection::Other(_) => others += 1,
            }
        }
        if let Some(peers) = peers {
            result = result.and(peers.wait(worker, others));
        }
        Ok(result?)
    }

    /// Processes the messages of other processes, and asks for their clocks when it is time.
    fn hear(&mut self) {
        let Some(peers) = &mut self.peers else { return };
        while let Some(message) = peers.channel.take() {
            let IngestMessage::FromReader(message) = message else { continue };
            peers.hear(message, &mut self.connections);
        }
        if peers.asked.is_none_or(|asked| asked.elapsed() >= CLOCK_INTERVAL) {
            peers.asked = Some(Instant::now());
            peers.tell_all(&ReaderCommand::Ask { now: peers.clock.now() });
        }
    }
}

impl ReaderProcesses {
    fn hear(&mut self, message: ReaderEvent, connections: &mut [IngestConnection]) {
        match message {
            ReaderEvent::Time { process, asked, here } => {
                let first = self.clocks[process].answers.is_empty();
                self.clocks[process].answered(asked, here, self.clock.now());
                if first {
                    self.begin(process, connections);
                }
            }
            ReaderEvent::Ready { connection } => connections[connection].other().ready = true,
            ReaderEvent::Link { connection, connected, lost_ms } => {
                let lost = lost_ms.map_or(BrokerLink::Connecting, |since_ms| BrokerLink::Lost { since_ms });
                connections[connection].other().broker = if connected { BrokerLink::Up } else { lost };
            }
            ReaderEvent::Read(read) => {
                let ReadBucket { connection, mut bucket, stamps, delivery_range } = *read;
                let other = connections[connection].other();
                bucket.metadata.stamp(stamps, self.clocks[other.process].ahead());
                other.buckets.push_back((bucket, delivery_range));
            }
            ReaderEvent::Ended { connection } => connections[connection].other().ended = true,
            // Only `wait` handles this: connections are closed after the run is over.
            ReaderEvent::Left { .. } => {}
        }
    }

    /// Waits until this many connections of other processes are closed.
    fn wait(self, worker: &mut Worker, mut connections: usize) -> Result<(), source::Error> {
        let mut result = Ok(());
        while connections > 0 {
            worker.step_or_park(Some(PARK_TIMEOUT));
            while let Some(message) = self.channel.take() {
                if let IngestMessage::FromReader(ReaderEvent::Left { failure }) = message {
                    connections -= 1;
                    result = result.and(failure.map_or(Ok(()), |reason| Err(source::Error::Broker(reason))));
                }
            }
        }
        result
    }

    /// Grants a process room to send buckets, now that its timestamps can be converted.
    fn begin(&mut self, process: usize, connections: &[IngestConnection]) {
        let buckets = self.window;
        for (connection, other) in connections.iter().enumerate() {
            if matches!(other, IngestConnection::Other(other) if other.process == process) {
                self.tell(process, ReaderCommand::Room { connection, buckets, bytes: MAX_WAITING });
            }
        }
    }

    /// Sends a command to the first worker of a process.
    fn tell(&mut self, process: usize, message: ReaderCommand) {
        self.channel.send((process * self.workers) as u64, IngestMessage::ToReader(message));
    }

    fn tell_all(&mut self, message: &ReaderCommand) {
        for process in 1..self.clocks.len() {
            self.tell(process, message.clone());
        }
    }
}

impl IngestConnection {
    /// # Panics
    /// If the connection is this process' own: no other process may send events of it.
    fn other(&mut self) -> &mut RemoteConnection {
        match self {
            IngestConnection::Other(other) => other,
            IngestConnection::Own(_) => panic!("another process speaks of a connection of this one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_feeds_all_workers_of_the_process_that_reads_it_in_turn() {
        let mut routes = Routes::OfReader { workers: 2, readers: vec![0, 1, 0, 1], turns: vec![0; 2] };
        let homes: Vec<u64> = [0, 1, 0, 1, 2, 3].iter().map(|connection| routes.next(*connection, 0).home()).collect();
        assert_eq!(homes, [0, 2, 1, 3, 0, 2]);
        let mut all = Routes::All(4);
        assert!((0..8).all(|epoch| all.next(0, epoch).home() == epoch % 4));
    }

    #[test]
    fn clocks_are_compared_by_the_fastest_answer() {
        let mut clock = PeerClock::default();
        // The other clock is 1000 behind; only the sum of both ways is known.
        for (asked, there_after, back_after) in [(10_000, 400, 100), (20_000, 30, 34), (30_000, 10, 900)] {
            clock.answered(asked, asked + there_after - 1000, asked + there_after + back_after);
        }
        assert_eq!(clock.ahead(), 1002);
        (0..40).for_each(|_| clock.answered(50_000, 48_990, 50_200));
        assert_eq!((clock.ahead(), clock.answers.len()), (1110, PeerClock::ANSWERS));
    }
}
