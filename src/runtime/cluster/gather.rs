//! Gathers the measurements of all workers on the first one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Exchange, Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use crate::measure::ServiceTimes;

/// What one worker measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerMeasurements {
    pub times: ServiceTimes,
    /// Peak of the process, from its first worker; 0 from the others.
    pub peak_memory_bytes: u64,
    /// Busy time of all workers of the process, from its first worker; zero from the others.
    pub busy: Duration,
}

/// A dataflow of its own, idle until the end of the run.
pub struct Gather {
    input: InputHandle<u64, CapacityContainerBuilder<Vec<WorkerMeasurements>>>,
    probe: ProbeHandle<u64>,
    gathered: Rc<RefCell<Vec<WorkerMeasurements>>>,
}

impl Gather {
    pub fn build(worker: &mut Worker) -> Gather {
        let gathered = Rc::new(RefCell::new(Vec::new()));
        let taken = gathered.clone();
        let (input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, stream) = scope.new_input::<Vec<WorkerMeasurements>>();
            let (probe, _) = stream.exchange(|_| 0).map(move |measured| taken.borrow_mut().push(measured)).probe();
            (input, probe)
        });
        Gather { input, probe, gathered }
    }

    /// Sends this worker's measurements and waits for those of all; only the first worker gets them.
    pub fn finish(mut self, worker: &mut Worker, own: WorkerMeasurements) -> Vec<WorkerMeasurements> {
        self.input.send(own);
        self.input.close();
        worker.step_or_park_while(None, || !self.probe.done());
        self.gathered.take()
    }
}
