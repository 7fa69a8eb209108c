//! Samples of messages before and after the chain, for observers of a run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::data::{Message, Schema};
use crate::measure::{Excerpt, Sample};

/// The most rows of a sample.
const ROWS: usize = 20;

/// Shared by the workers of a process; it costs them an atomic load a message.
#[derive(Clone, Default)]
pub struct Sampler(Arc<SamplerState>);

struct SamplerState {
    wanted: AtomicBool,
    /// One more than the epoch that is being sampled; 0 if there is none.
    waiting: AtomicU64,
    half: Mutex<Excerpt>,
    sample: Mutex<Option<Sample>>,
}

impl Default for SamplerState {
    /// The first message is sampled, so that a short run has a sample.
    fn default() -> SamplerState {
        let (waiting, half, sample) = Default::default();
        SamplerState { wanted: AtomicBool::new(true), waiting, half, sample }
    }
}

impl Sampler {
    /// Takes the last sample, if there is a new one, and requests another.
    pub fn take(&self) -> Option<Sample> {
        self.0.wanted.store(true, Ordering::Relaxed);
        lock(&self.0.sample).take()
    }

    /// Samples a message after prepare, if a sample is requested.
    pub fn before(&self, message: &Message, schema: &Schema) {
        if self.0.wanted.load(Ordering::Relaxed) && self.0.wanted.swap(false, Ordering::Relaxed) {
            *lock(&self.0.half) = message.excerpt(schema, ROWS);
            self.0.waiting.store(message.epoch + 1, Ordering::Release);
        }
    }

    /// Completes the sample, if this message at the end of the chain is the sampled one.
    pub fn after(&self, message: &Message, schema: &Schema) {
        let epoch = message.epoch;
        if self.0.waiting.load(Ordering::Acquire) == epoch + 1 {
            self.0.waiting.store(0, Ordering::Relaxed);
            let before = std::mem::take(&mut *lock(&self.0.half));
            *lock(&self.0.sample) = Some(Sample { epoch, before, after: message.excerpt(schema, ROWS) });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Kind;

    #[test]
    fn a_sample_holds_both_ends_of_one_message() {
        let schema = Schema::new([("x", Kind::Number)]);
        let message = |epoch, value| {
            let mut message = Message::from_columns(&[vec![value]]);
            message.epoch = epoch;
            message
        };
        let sampler = Sampler::default();
        sampler.before(&message(0, 1.0), &schema);
        sampler.before(&message(1, 2.0), &schema);
        sampler.after(&message(1, 9.0), &schema);
        sampler.after(&message(0, 3.0), &schema);
        let sample = sampler.take().unwrap();
        assert_eq!((sample.epoch, sample.before.rows.len()), (0, 1));
        assert_ne!(sample.before, sample.after);
        assert!(sampler.take().is_none(), "one message is no two samples");
        sampler.before(&message(2, 1.0), &schema);
        sampler.after(&message(2, 3.0), &schema);
        assert_eq!(sampler.take().unwrap().epoch, 2);
    }
}
