//! Takes new params from the first worker to the other processes, and brings their answers back: a dataflow of its own,
//! idle while no params change.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Exchange, Input, Inspect};
use timely::worker::Worker;

use crate::config::ParamsFiles;
use crate::runtime::Cluster;
use crate::runtime::graph::output::{OutputSession, exchange};

/// How often a thread that makes steps is looked at.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(10);

/// New params for another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposedParams {
    /// The index of the worker that takes them for its process.
    to: usize,
    /// The version that they make.
    pub version: u64,
    /// The version that serves; no older one will be needed.
    pub current: u64,
    /// The files.
    pub params: ParamsFiles,
}

/// What another process says of a proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Response {
    version: u64,
    /// In words, why it cannot serve them.
    refusal: Option<String>,
}

/// Makes the steps of a proposal ready on this process.
pub type MakeReady = Arc<dyn Fn(ProposedParams) -> Result<(), String> + Send + Sync>;

/// The way to the other processes; it is closed when it is dropped.
pub struct Proposals {
    input: InputHandle<u64, CapacityContainerBuilder<Vec<ProposedParams>>>,
    /// The first worker of each other process.
    others: Vec<usize>,
    responses: Rc<RefCell<Vec<Response>>>,
}

impl Proposals {
    /// Builds the dataflow on this worker; all must do.
    pub fn build(worker: &mut Worker, cluster: &Cluster, make_ready: MakeReady) -> Proposals {
        let responses = Rc::new(RefCell::new(Vec::new()));
        let heard = responses.clone();
        let input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, stream) = scope.new_input::<Vec<ProposedParams>>();
            let made = stream.unary(exchange(|proposal: &ProposedParams| proposal.to as u64), "reload", |_, info| {
                let activator = scope.activator_for(info.address);
                let mut making = Vec::new();
                move |input, output: &mut OutputSession<'_, Response>| {
                    input.for_each(|capability, proposals| {
                        let capability = capability.retain_least(0).expect("a batch has an epoch");
                        let begun =
                            proposals.drain(..).map(|proposal| (capability.clone(), begin(&make_ready, proposal)));
                        making.extend(begun);
                    });
                    let done = making.extract_if(.., |(_, made): &mut (_, JoinHandle<Response>)| made.is_finished());
                    for (capability, made) in done.collect::<Vec<_>>() {
                        output.session(&capability).give(made.join().expect("it catches nothing"));
                    }
                    if !making.is_empty() {
                        activator.activate_after(LOOK_UP_INTERVAL);
                    }
                }
            });
            made.exchange(|_| 0).inspect(move |response| heard.borrow_mut().push(response.clone()));
            input
        });
        let others = (1..cluster.processes()).map(|process| process * cluster.workers).collect();
        Proposals { input, others, responses }
    }

    /// Sends new params to all other processes.
    pub fn send(&mut self, version: u64, current: u64, params: &ParamsFiles) {
        for to in self.others.clone() {
            self.input.send(ProposedParams { to, version, current, params: params.clone() });
        }
        // An exchange sends what it holds only at the end of an epoch.
        self.input.advance_to(version + 1);
    }

    /// What the other processes say of a version; `None` before all have said it.
    pub fn answer(&self, version: u64) -> Option<Result<(), String>> {
        let responses = self.responses.borrow();
        let of_version = || responses.iter().filter(|response| response.version == version);
        if of_version().count() < self.others.len() {
            return None;
        }
        let refusal = of_version().find_map(|response| response.refusal.clone());
        Some(refusal.map_or(Ok(()), Err))
    }
}

/// Makes steps on a thread of its own: a large model takes longer than other rows should wait.
fn begin(make_ready: &MakeReady, proposal: ProposedParams) -> JoinHandle<Response> {
    let make_ready = make_ready.clone();
    std::thread::spawn(move || {
        let version = proposal.version;
        Response { version, refusal: make_ready(proposal).err() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Two "processes" of one worker each, as threads.
    #[test]
    fn another_process_gets_params_and_its_answer_comes_back() {
        let made = Arc::new(Mutex::new(Vec::new()));
        let seen = made.clone();
        timely::execute(timely::Config::process(2), move |worker| {
            let cluster = Cluster { workers: 1, process: worker.index(), hosts: vec!["a".into(), "b".into()] };
            let (index, seen) = (worker.index(), seen.clone());
            let make_ready: MakeReady = Arc::new(move |ProposedParams { version, current, params, .. }| {
                seen.lock().unwrap().push((index, version, current, params.get("p").unwrap().to_vec()));
                if version == 2 { Err("it is broken".into()) } else { Ok(()) }
            });
            let mut proposals = Proposals::build(worker, &cluster, make_ready);
            if index == 1 {
                return;
            }
            let mut params = ParamsFiles::default();
            params.insert("p", b"content".to_vec());
            let mut answer = |version| {
                assert!(proposals.answer(version).is_none());
                proposals.send(version, version - 1, &params);
                while proposals.answer(version).is_none() {
                    worker.step_or_park(Some(LOOK_UP_INTERVAL));
                }
                proposals.answer(version).unwrap()
            };
            assert_eq!((answer(1), answer(2)), (Ok(()), Err("it is broken".into())));
        })
        .unwrap();
        let content = b"content".to_vec();
        assert_eq!(*made.lock().unwrap(), [(1, 1, 0, content.clone()), (1, 2, 1, content)]);
    }
}
