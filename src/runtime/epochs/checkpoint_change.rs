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
use crate::sink::LastTransaction;
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

    /// Brings a checkpoint with this `progress` up to what a sink's last transaction has committed; false if it is there
    /// already.
    ///
    /// # Errors
    /// In words: bytes of something else, a checkpoint that lacks more than this change, or a sink that lacks what the
    /// checkpoint has.
    pub fn catch_up(last: &LastTransaction, checkpoint: &Checkpoint, progress: &Progress) -> Result<bool, String> {
        let LastTransaction { transactions, change } = last;
        let known = progress.transactions.unwrap_or(0);
        if *transactions < known {
            return Err(format!(
                "the sink has {transactions} transactions of this dataflow, and this checkpoint knows of {known}: the sink \
                 was set back to an earlier state, and results since then are not there. Put it back as it was, or pass \
                 --fresh to begin anew; rows that are there stay"
            ));
        }
        if change.is_empty() || progress.transactions == Some(*transactions) {
            return Ok(false);
        }
        let CheckpointChange { after, progress: next, covered, states } = from_bytes(change)?;
        if next.next_epoch <= progress.next_epoch && progress.transactions.is_none() {
            return Ok(false);
        }
        let follows = progress.transactions.is_none_or(|known| known + 1 == *transactions);
        if !follows || after != progress.next_epoch {
            return Err(format!(
                "the sink has the results of all messages before {}, and this checkpoint ends at {}: it is not that of the \
                 last run: put that in its place, or pass --fresh to begin anew",
                next.next_epoch, progress.next_epoch
            ));
        }
        checkpoint.commit(&Progress { transactions: Some(*transactions), ..next }, &covered, &states)?;
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
        let of = |transactions, change: &[u8]| LastTransaction { transactions, change: change.to_vec() };
        let with = |next_epoch, transactions| Progress { transactions, ..at(next_epoch) };
        let change = CheckpointChange::encode(5, &at(6), &covered, &states);
        let (checkpoint, _) = open();
        checkpoint.begin(&with(5, Some(8)), None).unwrap();
        let catch_up = |last, progress| CheckpointChange::catch_up(&last, &checkpoint, &progress);
        assert_eq!(catch_up(of(8, &change), with(5, Some(8))), Ok(false), "what an earlier beginning has left");
        assert_eq!(catch_up(of(9, &change), with(5, Some(8))), Ok(true));
        drop(checkpoint);
        let (checkpoint, found) = open();
        assert_eq!(found.progress, Some(with(6, Some(9))));
        assert_eq!((found.positions[0].taken.clone(), found.states.len()), (taken, 1));
        let catch_up = |last, progress| CheckpointChange::catch_up(&last, &checkpoint, &progress);
        assert_eq!(catch_up(of(9, &change), with(6, Some(9))), Ok(false));
        assert!(catch_up(of(9, &change), with(4, Some(8))).unwrap_err().contains("--fresh"), "another checkpoint");
        assert!(catch_up(of(10, &change), with(5, Some(8))).unwrap_err().contains("--fresh"), "two transactions");
        // One that was set back: also to a time when it knew nothing of the dataflow.
        for last in [of(7, &change), of(0, b"")] {
            let refused = catch_up(last, with(6, Some(9))).unwrap_err();
            assert!(refused.contains("set back to an earlier state") && refused.contains("9"), "{refused}");
        }
        assert!(catch_up(of(9, &[1]), with(4, Some(8))).is_err());
        // Checkpoints of earlier versions know no number of transactions.
        assert_eq!(catch_up(of(9, &change), with(6, None)), Ok(false));
        assert!(catch_up(of(9, &change), with(4, None)).is_err());
        assert_eq!(catch_up(of(0, b""), with(6, None)), Ok(false));
    }
}
