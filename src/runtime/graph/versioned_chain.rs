//! The chain of a stage by the version of its fitted params: each message is served by one version.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use crate::measure::ServiceTimes;
use crate::runtime::graph::in_flight::InFlightMessage;
use crate::runtime::reload::versions::ModelVersions;
use crate::subtasks::Chain;

/// The versions of which messages may be in flight at once.
const VERSIONS_MAX: usize = 2;

/// The chain of a stage, made anew for each version that comes to this worker.
pub struct VersionedChain {
    /// The operators of its steps; the first step has number 1.
    operators: Range<usize>,
    versions: ModelVersions,
    /// The last one first.
    known: RefCell<Vec<(u64, Rc<Chain>)>>,
}

impl VersionedChain {
    /// Begins with the chain of version 0.
    pub fn new(operators: Range<usize>, first: Chain, versions: ModelVersions) -> VersionedChain {
        VersionedChain { operators, versions, known: RefCell::new(vec![(0, Rc::new(first))]) }
    }

    /// Runs the steps over a message, as its version has them.
    ///
    /// # Panics
    /// If its version was not made ready, which is an error of the first worker.
    pub fn run(&self, in_flight: &mut InFlightMessage, times: &mut ServiceTimes) {
        let chain = self.of(in_flight.outcome.version);
        in_flight.run(self.operators.start, &chain, times);
    }

    fn of(&self, version: u64) -> Rc<Chain> {
        let mut known = self.known.borrow_mut();
        if let Some((_, chain)) = known.iter().find(|(of, _)| *of == version) {
            return chain.clone();
        }
        let steps = self.versions.get(version).expect("a version is ready before its first message");
        let chain = Rc::new(Chain::fused(&steps[self.operators.start - 1..self.operators.end - 1]));
        known.insert(0, (version, chain.clone()));
        known.truncate(VERSIONS_MAX);
        chain
    }
}
