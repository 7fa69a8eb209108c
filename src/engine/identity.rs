//! Processes that run different programs or dataflows must not build a graph together: it would hang.

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Input, Inspect, Probe};
use timely::worker::Worker;

use super::Error;
use crate::dataflow::{Dataflow, Line};

/// What all workers must have alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    version: String,
    /// A hash of each line that says anything.
    dataflow: Vec<u64>,
}

/// Tells all workers what this one runs, and hears it of them.
///
/// # Errors
/// If another process runs another version or another dataflow.
pub fn agree(worker: &mut Worker, dataflow: &Dataflow, workers_a_process: usize) -> Result<(), Error> {
    let lines = dataflow.lines();
    let hashes = lines.iter().map(|line| line.hash).collect();
    let own = Identity { version: env!("CARGO_PKG_VERSION").into(), dataflow: hashes };
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hear = heard.clone();
    let (mut input, probe) = worker.dataflow::<u64, _, _>(|scope| {
        let (input, stream) = scope.new_input::<Vec<(usize, Identity)>>();
        let (probe, _) = stream.broadcast().inspect(move |told| hear.borrow_mut().push(told.clone())).probe();
        (input, probe)
    });
    input.send((worker.index(), own.clone()));
    input.close();
    worker.step_or_park_while(None, || !probe.done());
    let heard = heard.take();
    let Some((other, theirs)) = heard.iter().find(|(_, theirs)| *theirs != own) else { return Ok(()) };
    let process = other / workers_a_process;
    Err(Error::Cluster(if theirs.version == own.version {
        let place = Line::difference(&lines, &theirs.dataflow).unwrap_or_default();
        format!("process {process} runs another dataflow ({place}): start all processes with the same file and flags")
    } else {
        format!("process {process} runs rowmill {}, this one {}: start the same version", theirs.version, own.version)
    }))
}
