//! Decides on the first worker from which epoch on new params serve.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config::ParamsFiles;
use crate::data::{Schema, fingerprint};
use crate::measure::ServedModel;
use crate::runtime::error::Error;
use crate::runtime::reload::proposals::Proposals;
use crate::runtime::reload::versions::ModelVersions;
use crate::runtime::reload::watch::{CandidateParams, Decision, ParamsWatch};
use crate::runtime::worker::Context;

/// The version of params that serves, and the next one while the processes make it ready.
pub struct ModelSwitch {
    versions: ModelVersions,
    proposals: Option<Proposals>,
    candidates: Receiver<CandidateParams>,
    decisions: Sender<Decision>,
    /// The version that serves, and its first epoch.
    current: u64,
    since: u64,
    /// The last version that was proposed.
    last: u64,
    pending: Option<ParamsFiles>,
    /// By path, a hash of the params that serve.
    hashes: BTreeMap<String, u128>,
    /// All params that have served, in the order of their first message.
    served: Vec<ServedModel>,
    _watch: Option<ParamsWatch>,
}

impl ModelSwitch {
    /// Begins with the params that the run has read, which serve from this epoch and row on.
    ///
    /// # Errors
    /// If the thread that looks at the files cannot be started.
    pub fn start(
        context: &Context<'_>,
        schema: &Schema,
        params: &ParamsFiles,
        proposals: Option<Proposals>,
        (from_message, from_row): (u64, u64),
    ) -> Result<ModelSwitch, Error> {
        let (versions, live) = (context.versions.clone(), context.options.reload_at.clone());
        let ((give, candidates), (decisions, take)) = (bounded(1), bounded(1));
        let dataflow = context.dataflow;
        let follows = !params.is_empty() && (live.is_some() || !dataflow.followed_params().is_empty());
        let steps = versions.get(0).filter(|_| follows);
        let watch = steps.map(|steps| ParamsWatch::start(dataflow, schema, &steps, params, live, (give, take)));
        let watch = watch.transpose().map_err(|error| Error::Params(format!("params cannot be followed: {error}")))?;
        let served = |(file, sha256): (String, String)| ServedModel { file, sha256, from_message, from_row };
        Ok(ModelSwitch {
            versions,
            proposals,
            candidates,
            decisions,
            current: 0,
            since: from_message,
            last: 0,
            pending: None,
            hashes: hashes(params),
            served: params.hashes().into_iter().map(served).collect(),
            _watch: watch,
        })
    }

    /// The version that the next message is of.
    pub fn current(&self) -> u64 {
        self.current
    }

    /// By path, a hash of the params that serve.
    pub fn hashes(&self) -> &BTreeMap<String, u128> {
        &self.hashes
    }

    /// Goes on with a change, if there is one: new params are proposed to all processes, and serve from the `next` message
    /// and row on once all have them ready. `oldest` is the first epoch in flight. If the input
    /// `ends`, nothing changes any more. `adopt` makes them durable before.
    ///
    /// # Errors
    /// That of `adopt`.
    pub fn advance(
        &mut self,
        oldest: Option<u64>,
        next: (u64, u64),
        ends: bool,
        adopt: impl FnOnce(&BTreeMap<String, u128>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // With messages of an earlier version in flight, there would be three.
        if self.pending.is_none()
            && oldest.is_none_or(|oldest| oldest >= self.since)
            && let Ok(CandidateParams { params, steps }) = self.candidates.try_recv()
        {
            self.last += 1;
            self.versions.keep(self.current);
            self.versions.insert(self.last, &steps);
            self.proposals.iter_mut().for_each(|proposals| proposals.send(self.last, self.current, &params));
            self.pending = Some(params);
        }
        if ends && self.pending.take().is_some() {
            self.decide(Err("the run ends, and no row is left for them".into()));
            return Ok(());
        }
        let answer = self.proposals.as_ref().map_or(Some(Ok(())), |proposals| proposals.answer(self.last));
        let Some((params, answer)) = self.pending.take_if(|_| answer.is_some()).zip(answer) else { return Ok(()) };
        if let Err(reason) = answer {
            self.decide(Err(reason));
            return Ok(());
        }
        let mut changed = hashes(&params);
        changed.retain(|path, hash| self.hashes.get(path) != Some(hash));
        self.hashes.extend(changed.clone());
        adopt(&self.hashes)?;
        (self.current, self.since) = (self.last, next.0);
        let (from_message, from_row) = next;
        let served = |(file, sha256): (String, String)| {
            changed.contains_key(&file).then_some(ServedModel { file, sha256, from_message, from_row })
        };
        self.served.extend(params.hashes().into_iter().filter_map(served));
        self.decide(Ok(next));
        Ok(())
    }

    /// What has served messages before the `next` one.
    pub fn served_before(self, next: u64) -> Vec<ServedModel> {
        let first = self.served.first().map_or(0, |model| model.from_message);
        self.served.into_iter().filter(|model| model.from_message == first || model.from_message < next).collect()
    }

    /// The thread that waits for it may have ended.
    fn decide(&self, decision: Decision) {
        let _ = self.decisions.try_send(decision);
    }
}

fn hashes(params: &ParamsFiles) -> BTreeMap<String, u128> {
    let hash = |path: &str| Some((path.to_owned(), fingerprint(params.get(path)?)));
    params.paths().filter_map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_for_which_no_row_is_left_do_not_serve() {
        let params = |content: &[u8]| {
            let mut params = ParamsFiles::default();
            params.insert("m.json", content.to_vec());
            params
        };
        let ((give, candidates), (decisions, decided)) = (bounded(1), bounded(1));
        let served = |content: &[u8], from_message, from_row| {
            let sha256 = params(content).hashes().remove("m.json").unwrap();
            ServedModel { file: "m.json".into(), sha256, from_message, from_row }
        };
        let mut switch = ModelSwitch {
            versions: ModelVersions::default(),
            proposals: None,
            candidates,
            decisions,
            current: 0,
            since: 0,
            last: 0,
            pending: None,
            hashes: hashes(&params(b"1")),
            served: vec![served(b"1", 0, 0)],
            _watch: None,
        };
        let propose = |content: &[u8]| {
            give.send(CandidateParams { params: params(content), steps: Vec::new() }).unwrap();
        };
        propose(b"2");
        switch.advance(None, (3, 30), false, |_| Ok(())).unwrap();
        assert_eq!((decided.try_recv().unwrap(), switch.current()), (Ok((3, 30)), 1));
        propose(b"3");
        switch.advance(None, (5, 50), true, |_| panic!("nothing is adopted")).unwrap();
        assert!(decided.try_recv().unwrap().is_err_and(|reason| reason.contains("no row is left")));
        assert_eq!(switch.current(), 1);
        // Ready before the end was seen, but the message 5 never came.
        propose(b"4");
        switch.advance(None, (5, 50), false, |_| Ok(())).unwrap();
        assert_eq!(switch.served_before(5), [served(b"1", 0, 0), served(b"2", 3, 30)]);
    }
}
