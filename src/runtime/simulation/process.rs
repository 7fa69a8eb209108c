//! A simulated process of one worker: all of a run's code but its threads, its network and the coordinator's loop.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use crate::config::{Dataflow, SchemaChoice};
use crate::data::Schema;
use crate::measure::{Clock, ServiceTimes};
use crate::runtime::Cluster;
use crate::runtime::epochs::acknowledgement::Acknowledgement;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::epochs::outcomes::LedgerOutcomes;
use crate::runtime::epochs::resume::ResumePoint;
use crate::runtime::epochs::sink_writers::SinkWriters;
use crate::runtime::error::Error;
use crate::runtime::first_error::FirstError;
use crate::runtime::graph::build::{GraphEnds, GraphInputs, GraphPlan};
use crate::runtime::graph::materialized::TableDurability;
use crate::runtime::graph::table_operators::TableOperators;
use crate::runtime::graph::{alerts, build, stateful};
use crate::runtime::ingest::arrival::Arrival;
use crate::runtime::ingest::connections::SourceConnections;
use crate::runtime::ingest::held_buckets::HeldBuckets;
use crate::runtime::observe::activity::Activity;
use crate::runtime::options::Options;
use crate::runtime::simulation::{EventLog, RESULTS};
use crate::source::{SimulatedConnection, SourcePosition};

/// How many epochs may be in flight.
const MAX_EPOCHS: usize = 4;

/// What is lost when the process is killed.
pub struct SimulatedProcess {
    pub connections: Vec<SimulatedConnection>,
    sources: SourceConnections,
    /// A bucket that may not enter yet.
    waiting: Option<Arrival>,
    inputs: Option<GraphInputs>,
    probe: ProbeHandle<u64>,
    ledger: Rc<RefCell<Ledger>>,
    writers: SinkWriters,
    accounts: LedgerOutcomes,
    acknowledgement: Acknowledgement,
    pub failure: FirstError,
    worker: Worker,
    /// The rows of every second connection, as of one that another process reads.
    held: HeldBuckets,
}

impl SimulatedProcess {
    /// Starts like a run.
    pub fn start(dataflow: &Dataflow, window: u16, trace: &EventLog) -> Result<SimulatedProcess, Error> {
        let options = Options::new(Cluster::threads(1));
        let start = ResumePoint::find(dataflow, &options)?;
        let (existing, positions) = (&start.existing, &start.positions);
        trace.tell(|| format!("it goes on with {existing:?} at {positions:?}"));
        let clock = Clock::start();
        let connection = |number: usize| {
            let (_, settings) = dataflow.connection(number);
            let position = start.positions.get(number).cloned().unwrap_or_else(SourcePosition::default);
            SimulatedConnection::start(&settings, &position, window, clock, options.stop.clone())
        };
        let (connections, sources) = (0..dataflow.connections()).map(connection).unzip();
        let mut sources =
            SourceConnections::simulated(sources, options.stop.clone()).starting_at(start.next_epoch, start.next_row);
        let (failure, activity) = (FirstError::default(), Arc::<Activity>::default());
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(std::time::Instant::now()));
        let held = HeldBuckets::default();
        let (plan, tables, ledger) = plan(dataflow, &options, &start, &failure, &activity)?;
        let plan = GraphPlan { held: Some(held.clone()), ..plan };
        let materialized_tables = tables.materialized_tables();
        sources.number_from(ledger.borrow().numbering.clone());
        let writers = SinkWriters::open(0, &plan, dataflow, &options, &start.existing, &failure, &activity);
        let accounts = LedgerOutcomes::open(dataflow, &options, &ledger, &writers, &failure, &activity);
        let times = Rc::new(RefCell::new(ServiceTimes::new(dataflow.labels().len())));
        let GraphEnds { mut inputs, probe } =
            build::build(&mut worker, &plan, &times, tables, writers.clone(), accounts.clone());
        inputs.start_at(sources.next_epoch());
        let (results, letters) = (writers.clone(), accounts.clone());
        let mut acknowledgement =
            Acknowledgement::new(start.checkpoint, dataflow, results, letters, materialized_tables, &failure);
        if failure.borrow().is_none() {
            acknowledgement.begin(sources.next_epoch(), sources.next_row(), None)?;
        }
        Ok(SimulatedProcess {
            connections,
            sources,
            waiting: None,
            inputs: Some(inputs),
            probe,
            ledger,
            writers,
            accounts,
            acknowledgement,
            failure,
            worker,
            held,
        })
    }

    pub fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Enters a bucket, with a checkpoint barrier if none waits after it, or if `barrier`.
    pub fn enter(&mut self, barrier: bool) {
        let Some(inputs) = self.inputs.as_mut().filter(|_| self.ledger.borrow().has_room(MAX_EPOCHS)) else { return };
        let Some(mut arrival) = self.waiting.take().or_else(|| self.sources.try_next().ok()) else { return };
        let SimulatedProcess { sources, ledger, acknowledgement, .. } = self;
        if !acknowledgement.admits(&arrival.delivery_range, sources) {
            self.waiting = Some(arrival);
            return;
        }
        arrival.bucket.metadata.barrier = barrier || sources.backlog().buckets == 0;
        if arrival.connection % 2 == 1 {
            arrival.bucket = self.held.travelled(arrival.bucket);
        }
        inputs.send(ledger.borrow_mut().enter(arrival));
    }

    /// Steps the worker, and records what is complete.
    pub fn step(&mut self) {
        self.worker.step();
        let probe = &self.probe;
        self.ledger.borrow_mut().record_complete(0, |epoch| !probe.less_equal(&epoch));
        self.held.release(|epoch| !probe.less_equal(&epoch));
    }

    /// Commits and acknowledges what is complete; returns the committed length of the file.
    pub fn give(&mut self) -> Option<u64> {
        self.accounts.take_refused();
        self.acknowledgement.give(&mut self.sources);
        let lengths = self.ledger.borrow().complete.as_ref()?.lengths.clone();
        self.writers.file_ends(&lengths, &[]).ok().map(|ends| ends[RESULTS].length)
    }

    /// Processes all that was received, unless the run has failed, and ends it; returns the committed length.
    pub fn drain(&mut self) -> Option<u64> {
        if !self.has_failed() {
            for connection in &mut self.connections {
                while connection.read() {}
                connection.close();
            }
            while !self.has_failed() && (self.waiting.is_some() || self.sources.backlog().buckets > 0) {
                self.enter(false);
                self.step();
            }
        }
        self.inputs = None;
        for _ in 0..10_000 {
            if self.probe.done() {
                break;
            }
            self.step();
        }
        assert!(self.probe.done(), "the dataflow does not end");
        self.ledger.borrow_mut().record_complete(0, |_| true);
        self.give()
    }

    /// After a drain, every row must be accounted for.
    pub fn check_accounts(&self) {
        let ledger = self.ledger.borrow();
        let dropped: u64 = ledger.rows_dropped().values().sum();
        let (rows_in, rows_out, dead) = (ledger.rows_in, ledger.rows_out(), ledger.dead_letters);
        assert_eq!(rows_in, rows_out + dropped + dead, "{rows_out} out, {dropped} dropped, {dead} dead letters");
    }
}

type SharedLedger = Rc<RefCell<Ledger>>;

fn plan(
    dataflow: &Dataflow,
    options: &Options,
    start: &ResumePoint,
    failure: &FirstError,
    activity: &Arc<Activity>,
) -> Result<(GraphPlan, TableOperators, SharedLedger), Error> {
    let SchemaChoice::Known { schema, .. } = &dataflow.source().schema else { unreachable!("the simulation gives it") };
    let schema: Schema = schema.clone();
    let (steps, schema_out) = dataflow.steps(&schema)?;
    let states = start.states.clone();
    stateful::check(&steps, &states).map_err(Error::Checkpoint)?;
    let branches = dataflow.branches(&schema)?;
    alerts::check(&branches, &states).map_err(Error::Checkpoint)?;
    let numbering = Numbering::after(&start.numbers, start.next_row, dataflow.row_sequences());
    let ledger = Ledger::new(dataflow.labels(), 0, dataflow.remembers()).numbered(numbering);
    let ledger = Rc::new(RefCell::new(ledger));
    let kept =
        Some(TableDurability { states: states.clone(), ledger: Some(ledger.clone()), ends: start.files.clone() });
    let (tables, _) = TableOperators::open(0, dataflow, &schema, options, kept, failure, activity)?;
    let inputs = tables.inputs();
    let plan =
        GraphPlan { states, ..GraphPlan::new(dataflow, schema, &steps, schema_out, options.fuse, &inputs, branches) };
    Ok((plan, tables, ledger))
}
