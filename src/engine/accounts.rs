//! Receipts on the first worker: entered into the ledger, and their dead letters written.

use std::cell::RefCell;
use std::rc::Rc;

use super::failure::{Failure, fail};
use super::graph::Accounts;
use super::ledger::Ledger;
use super::parcel::Receipt;
use crate::data::Bucket;
use crate::dataflow::Dataflow;
use crate::sink::{self, DeadLetter, DeadLetters, Existing};

/// Enters receipts into the ledger and writes the dead letters.
pub struct LedgerAccounts {
    ledger: Rc<RefCell<Ledger>>,
    letters: Option<DeadLetters>,
    failure: Failure,
}

impl LedgerAccounts {
    pub fn open(index: usize, dataflow: &Dataflow, ledger: &Rc<RefCell<Ledger>>, failure: &Failure) -> LedgerAccounts {
        let existing = if dataflow.source_settings.is_persistent() { Existing::Append } else { Existing::Replace };
        let open =
            || DeadLetters::open(dataflow.dead_letter.as_ref(), existing).map_err(|error| fail(failure, error)).ok();
        let letters = if index == 0 { open() } else { None };
        LedgerAccounts { ledger: ledger.clone(), letters, failure: failure.clone() }
    }

    fn write(&mut self, receipt: &Receipt, bucket: &Bucket) -> Result<(), sink::Error> {
        let Some(letters) = &mut self.letters else { return Ok(()) };
        let mut ledger = self.ledger.borrow_mut();
        for rejected in &receipt.rejected {
            let label = ledger.labels[rejected.operator].clone();
            for row in &rejected.rows {
                let index = (row - bucket.first_row) as usize;
                let origin = bucket.origin(index);
                let letter = DeadLetter::new(
                    &origin.topic,
                    origin.position,
                    receipt.epoch,
                    *row,
                    &label,
                    &rejected.reason,
                    bucket.row(index).bytes,
                );
                ledger.keep_letter(&letter);
                letters.write(&letter)?;
            }
        }
        letters.flush()
    }
}

impl Accounts for LedgerAccounts {
    fn settle(&mut self, mut receipt: Receipt) {
        let bucket = self.ledger.borrow().bucket(receipt.epoch);
        let bucket = bucket.expect("an epoch stays in flight until the probe has passed it");
        self.ledger.borrow_mut().settle(&mut receipt, bucket.len() as u64);
        if !receipt.rejected.is_empty()
            && let Err(error) = self.write(&receipt, &bucket)
        {
            self.letters = None;
            fail(&self.failure, error);
        }
    }

    fn close(&mut self) {
        if let Some(Err(error)) = self.letters.take().map(DeadLetters::close) {
            fail(&self.failure, error);
        }
    }
}
