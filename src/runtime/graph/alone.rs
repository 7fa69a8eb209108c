//! Runs the graph of a dataflow without source, sink and ledger, to measure what a message costs in it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use crate::config::Dataflow;
use crate::data::{Bucket, Schema};
use crate::format::Output;
use crate::measure::ServiceTimes;
use crate::runtime::Cluster;
use crate::runtime::error::Error;
use crate::runtime::first_error::FirstError;
use crate::runtime::graph::build::{self, GraphEnds, GraphPlan, OutcomeRecorder, ResultWriter};
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::delivery::{AwaitsDelivery, DeliveryState};
use crate::runtime::graph::in_flight::EpochOutcome;
use crate::runtime::graph::table_operators::TableOperators;
use crate::runtime::options::Options;

/// Discards results and outcomes.
#[derive(Clone)]
struct Discard;

impl ResultWriter for Discard {
    fn write(&mut self, output: Output, branched: Vec<(usize, Output)>) -> Option<BySink> {
        output.recycle();
        branched.into_iter().for_each(|(_, output)| output.recycle());
        Some(BySink::default())
    }

    fn abandon(&mut self, _reason: &str) {}

    fn flush(&mut self) -> bool {
        true
    }

    fn failure(&self) -> Option<String> {
        None
    }

    fn close(&mut self) {}
}

impl AwaitsDelivery for Discard {
    fn delivery(&mut self) -> Option<DeliveryState> {
        None
    }
}

impl OutcomeRecorder for Discard {
    fn settle(&mut self, outcome: EpochOutcome) {
        std::hint::black_box(outcome);
    }

    fn close(&mut self) {}
}

/// Sends buckets, whose epochs count from 0, through the graph on one worker, with at most `in_flight` epochs at once;
/// 1 is lock step. Returns the time from the first bucket to the completion of the last, without building the graph.
///
/// # Errors
/// Steps or tables that do not fit the schema.
pub fn through_graph(
    dataflow: Dataflow,
    schema: Schema,
    buckets: Vec<Arc<Bucket>>,
    in_flight: u64,
    fuse: bool,
) -> Result<Duration, Error> {
    timely::execute_directly(move |worker| {
        let GraphEnds { mut inputs, probe } = build(worker, &dataflow, schema, fuse)?;
        inputs.start_at(0);
        Ok(time_to_completion(worker, &probe, in_flight, buckets, move |_, bucket| inputs.send(bucket)))
    })
}

/// Sends messages as epochs from 0 on, with at most `in_flight` at once, into a graph that ends in `probe`; returns the
/// time until the last is complete. `send` owns the graph's input, which is closed when it is dropped.
pub fn time_to_completion<M>(
    worker: &mut Worker,
    probe: &ProbeHandle<u64>,
    in_flight: u64,
    messages: impl IntoIterator<Item = M>,
    mut send: impl FnMut(u64, M),
) -> Duration {
    let (start, mut complete) = (Instant::now(), 0);
    for (epoch, message) in (0..).zip(messages) {
        while epoch >= complete + in_flight {
            worker.step();
            while complete < epoch && !probe.less_equal(&complete) {
                complete += 1;
            }
        }
        send(epoch, message);
    }
    drop(send);
    worker.step_while(|| !probe.done());
    start.elapsed()
}

fn build(worker: &mut Worker, dataflow: &Dataflow, schema: Schema, fuse: bool) -> Result<GraphEnds, Error> {
    let (steps, schema_out) = dataflow.steps(&schema)?;
    let options = Options::new(Cluster::threads(1));
    let (tables, _) =
        TableOperators::open(0, dataflow, &schema, &options, None, &FirstError::default(), &Arc::default())?;
    let branches = dataflow.branches(&schema)?;
    let plan = GraphPlan::new(dataflow, schema, &steps, schema_out, fuse, &tables.inputs(), branches);
    let times = Rc::new(RefCell::new(ServiceTimes::new(steps.len() + 2)));
    Ok(build::build(worker, &plan, &times, tables, Discard, Discard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};

    fn dataflow(columns: &str) -> Dataflow {
        let text = format!(
            "source.url = \"-\"\nsink.url = \"null\"\n[schema]\nnumber = [\"x\"]\n[[subtask]]\nuse = \"fillna\"\n\
             value = 1.0\n[[subtask]]\nuse = \"binarizer\"\ncolumns = [{columns}]"
        );
        Dataflow::from_text("t", &text, &[], &crate::registry::Registry::builtin()).unwrap()
    }

    fn buckets() -> Vec<Arc<Bucket>> {
        let bucket = |epoch| {
            let mut bucket = Bucket::new(epoch, epoch);
            let row = Row { bytes: b"{\"x\":1}", format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: epoch });
            Arc::new(bucket)
        };
        (0..10).map(bucket).collect()
    }

    #[test]
    fn all_epochs_come_to_their_end_however_many_are_in_flight() {
        let schema = Schema::new([("x", crate::data::Kind::Number)]);
        for (in_flight, fuse) in [(1, false), (1, true), (3, true), (100, false)] {
            let start = Instant::now();
            let time = through_graph(dataflow("\"x\""), schema.clone(), buckets(), in_flight, fuse).unwrap();
            assert!(Duration::ZERO < time && time <= start.elapsed());
        }
    }

    #[test]
    fn a_column_that_rows_do_not_have_is_refused() {
        let schema = Schema::new([("y", crate::data::Kind::Number)]);
        assert!(through_graph(dataflow("\"x\""), schema, buckets(), 1, true).is_err());
    }
}
