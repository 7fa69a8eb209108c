//! What a checkpoint commits next, as a transaction of the sink stores it beside the results.
//!
//! The sink commits first. A run that is killed before its checkpoint has followed leaves the change in the sink, where
//! the next run finds it: so results are there once, whatever was killed when.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::data::{from_bytes, to_bytes};
use crate::runtime::epochs::checkpoint::Checkpoint;
use crate::runtime::epochs::stored::Progress;
use crate::runtime::graph::operator_state::OperatorStates;
use crate::source::DeliveryRange;

/// The difference between two commits of a checkpoint.
#[derive(Debug, PartialEq, Deserialize)]
pub struct CheckpointChange {
    /// The next epoch of the commit before it.
    after: u64,
    progress: Progress,
    covered: BTreeMap<usize, DeliveryRange>,
    states: OperatorStates,
}

impl CheckpointChange {
    /// As bytes.
    pub fn encode(
        after: u64,
        progress: &Progress,
        covered: &BTreeMap<usize, DeliveryRange>,
        states: &OperatorStates,
    ) -> Vec<u8> {
        to_bytes(&(after, progress, covered, states))
    }

    /// Brings a checkpoint that stands at `next_epoch` up to a change that a sink has committed; false if it is there
    /// already.
    ///
    /// # Errors
    /// In words: bytes of something else, or a checkpoint that lacks more than this change.
    pub fn catch_up(bytes: &[u8], checkpoint: &Checkpoint, next_epoch: u64) -> Result<bool, String> {
        let CheckpointChange { after, progress, covered, states } = from_bytes(bytes)?;
        if progress.next_epoch <= next_epoch {
            return Ok(false);
        }
        if after != next_epoch {
            return Err(format!(
                "the sink has the results of all messages before {}, and this checkpoint ends at {next_epoch}: it is not \
                 that of the last run: put that in its place, or pass --fresh to begin anew",
                progress.next_epoch
            ));
        }
        checkpoint.commit(&progress, &covered, &states)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ParsedSettings;
    use crate::runtime::epochs::checkpoint::CheckpointOpening;
    use crate::source::TakenPublish;

    #[test]
    fn a_checkpoint_catches_up_by_one_commit_and_refuses_to_leap() {
        let (directory, disk) = (tempfile::tempdir().unwrap(), crate::disk::os_disk());
        let path = directory.path().join("c");
        let dataflow = ParsedSettings::default();
        let open = || Checkpoint::open(&*disk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        let at = |next_epoch| Progress { next_epoch, next_row: 7, numbers: vec![7], ..Progress::default() };
        let taken = vec![(3, TakenPublish { packet_id: 9, hash: 11 })];
        let covered =
            BTreeMap::from([(0, DeliveryRange { delivered: 4, taken: taken.clone(), ..DeliveryRange::default() })]);
        let states = OperatorStates::from([((1, b"key".to_vec()), vec![0, 255])]);
        let change = CheckpointChange::encode(5, &at(6), &covered, &states);
        let (checkpoint, _) = open();
        checkpoint.begin(&at(5), None).unwrap();
        assert_eq!(CheckpointChange::catch_up(&change, &checkpoint, 5), Ok(true));
        drop(checkpoint);
        let (checkpoint, found) = open();
        assert_eq!(found.progress, Some(at(6)));
        assert_eq!((found.positions[0].taken.clone(), found.states.len()), (taken, 1));
        assert_eq!(CheckpointChange::catch_up(&change, &checkpoint, 6), Ok(false));
        assert!(CheckpointChange::catch_up(&change, &checkpoint, 4).unwrap_err().contains("--fresh"));
        assert!(CheckpointChange::catch_up(&[1], &checkpoint, 4).is_err());
    }
}
