//! The connections that a process reads: buckets go to the first worker, by their counts and positions where the rows
//! stay here; epochs and acknowledgements return.

use crossbeam_channel::TryRecvError;
use timely::worker::Worker;

use crate::config::Dataflow;
use crate::measure::{BrokerLink, Clock};
use crate::runtime::error::Error;
use crate::runtime::ingest::channel::IngestChannel;
use crate::runtime::ingest::held_buckets::HeldBuckets;
use crate::runtime::ingest::protocol::{IngestMessage, ReadBucket, ReaderCommand, ReaderEvent};
use crate::runtime::options::{Options, PARK_TIMEOUT};
use crate::source::{Readiness, Source, SourcePosition};

/// The connections of this process, on its first worker.
pub struct LocalReaders {
    channel: IngestChannel<IngestMessage>,
    process: usize,
    clock: Clock,
    connections: Vec<LocalConnection>,
    /// Holds the rows, where they stay in this process.
    held: Option<HeldBuckets>,
    over: bool,
}

struct LocalConnection {
    number: usize,
    source: Source,
    /// Buckets that it may still send.
    room: usize,
    /// Bytes that it may still send; negative when the last bucket exceeded them.
    bytes_left: i64,
    ready: bool,
    ended: bool,
    /// How it stands to its broker, as the first worker knows it.
    link: BrokerLink,
}

impl LocalReaders {
    /// Starts the connections of this process, each at its position of an earlier run.
    pub fn start(
        channel: IngestChannel<IngestMessage>,
        dataflow: &Dataflow,
        options: &Options,
        clock: Clock,
        positions: &[SourcePosition],
        held: Option<HeldBuckets>,
    ) -> LocalReaders {
        let connections = own(dataflow, options).map(|number| LocalConnection {
            number,
            source: start(dataflow, options, clock, positions, number),
            room: 0,
            bytes_left: 0,
            ready: false,
            ended: false,
            link: BrokerLink::default(),
        });
        let connections = connections.collect();
        LocalReaders { channel, process: options.cluster.process, clock, connections, held, over: false }
    }

    /// Reads until the first worker says that all is complete, calling `look_up` in each round; then closes the
    /// connections.
    ///
    /// # Errors
    /// The first failure of a connection.
    pub fn run(mut self, worker: &mut Worker, look_up: impl Fn()) -> Result<(), Error> {
        while !self.over {
            self.hear();
            for connection in &mut self.connections {
                connection.forward(&mut self.channel, self.held.as_ref());
            }
            worker.step_or_park(Some(PARK_TIMEOUT));
            look_up();
        }
        let mut result = Ok(());
        for LocalConnection { source, .. } in self.connections {
            let closed = source.join();
            let failure = closed.as_ref().err().map(ToString::to_string);
            self.channel.send(0, IngestMessage::FromReader(ReaderEvent::Left { failure }));
            result = result.and(closed);
        }
        Ok(result?)
    }

    fn hear(&mut self) {
        while let Some(message) = self.channel.take() {
            let IngestMessage::ToReader(message) = message else { continue };
            match message {
                ReaderCommand::Ask { now: asked } => {
                    let here = self.clock.now();
                    self.channel
                        .send(0, IngestMessage::FromReader(ReaderEvent::Time { process: self.process, asked, here }));
                }
                ReaderCommand::Room { connection, buckets, bytes } => self.with(connection, |connection| {
                    connection.room += buckets;
                    connection.bytes_left += bytes as i64;
                }),
                ReaderCommand::Complete { connection, delivered } => {
                    self.with(connection, |connection| connection.source.complete(delivered));
                }
                ReaderCommand::Over => self.over = true,
            }
        }
    }

    fn with(&mut self, number: usize, act: impl FnOnce(&mut LocalConnection)) {
        self.connections.iter_mut().find(|connection| connection.number == number).map(act);
    }
}

impl LocalConnection {
    /// Forwards the buckets that have been read, as far as there is room.
    fn forward(&mut self, channel: &mut IngestChannel<IngestMessage>, held: Option<&HeldBuckets>) {
        let connection = self.number;
        let mut tell = |message| channel.send(0, IngestMessage::FromReader(message));
        if !self.ready && self.source.readiness() == Readiness::Ready {
            self.ready = true;
            tell(ReaderEvent::Ready { connection });
        }
        let link = self.source.broker();
        if std::mem::replace(&mut self.link, link) != link {
            let lost_ms = if let BrokerLink::Lost { since_ms } = link { Some(since_ms) } else { None };
            tell(ReaderEvent::Link { connection, connected: link == BrokerLink::Up, lost_ms });
        }
        while self.room > 0 && self.bytes_left > 0 && !self.ended {
            match self.source.try_next() {
                Ok((bucket, delivery_range)) => {
                    self.room -= 1;
                    self.bytes_left -= bucket.byte_len() as i64;
                    let (bucket, stamps) = match held {
                        Some(held) => held.hold(bucket),
                        None => {
                            let stamps = bucket.metadata.stamps();
                            (bucket, stamps)
                        }
                    };
                    tell(ReaderEvent::Read(Box::new(ReadBucket { connection, bucket, stamps, delivery_range })));
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    tell(ReaderEvent::Ended { connection });
                }
            }
        }
    }
}

/// The numbers of the connections that this process reads.
pub fn own(dataflow: &Dataflow, options: &Options) -> impl Iterator<Item = usize> + use<> {
    let (process, processes) = (options.cluster.process, options.cluster.processes());
    let readers = (0..).zip(dataflow.readers(processes));
    readers.filter_map(move |(number, reader)| (reader == process).then_some(number))
}

/// Starts a connection; the calling thread is unparked at every bucket.
pub fn start(
    dataflow: &Dataflow,
    options: &Options,
    clock: Clock,
    positions: &[SourcePosition],
    number: usize,
) -> Source {
    let (source, mut settings) = dataflow.connection(number);
    settings.clean_start = options.fresh;
    settings.shared_file = options.shared_file;
    let beginning = SourcePosition::default();
    let position = positions.get(number).unwrap_or(&beginning);
    Source::start(
        &dataflow.sources[source].url,
        settings,
        position,
        clock,
        options.stop.clone(),
        std::thread::current(),
    )
}
