//! What has become of each epoch: counted, written, acknowledged, written down for the next run.

pub(crate) mod acknowledgement;
pub(crate) mod caught;
pub(crate) mod checkpoint;
pub(crate) mod checkpoint_file;
mod checkpoint_tables;
pub(crate) mod ledger;
mod migration;
pub(crate) mod numbering;
pub(crate) mod outcomes;
pub(crate) mod resume;
pub(crate) mod sink_writer;
pub(crate) mod stored;
