//! Results on their way from the writer to the thread that sends them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::data::Message;
use crate::sink::{Error, RefusedLine, SinkProgress};

/// Most bytes that wait for the server.
const MOST_BYTES: usize = 16 << 20;
/// How often the end of a wait is looked up.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// Results on their way, shared by the writer and the sender.
#[derive(Default)]
pub struct PointQueue {
    state: Mutex<PointQueueState>,
    changed: Condvar,
    pub progress: Arc<SinkProgress>,
}

#[derive(Default)]
struct PointQueueState {
    waiting: VecDeque<Message>,
    /// Of all that is not taken or refused yet.
    bytes: usize,
    rows: usize,
    /// The epoch of the first message that is being sent.
    sending: Option<u64>,
    refused: Vec<RefusedLine>,
    failure: Option<Error>,
    is_over: bool,
}

impl PointQueue {
    fn lock(&self) -> MutexGuard<'_, PointQueueState> {
        self.state.lock().expect("no holder panics")
    }

    fn wait<'s>(&self, state: MutexGuard<'s, PointQueueState>) -> MutexGuard<'s, PointQueueState> {
        self.changed.wait_timeout(state, LOOK_UP_INTERVAL).expect("no holder panics").0
    }

    /// Waits until there is room, and appends a message.
    ///
    /// # Errors
    /// The sender's failure; `late` if the wait is over.
    pub fn push(&self, message: Message, late: impl Fn() -> Option<Error>) -> Result<(), Error> {
        self.wait_until(|state| state.rows == 0 || state.bytes < MOST_BYTES, late)?;
        let mut state = self.lock();
        state.bytes += message.byte_len();
        state.rows += message.rows();
        self.progress.owe(state.rows as u64);
        state.waiting.push_back(message);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until each row is taken or refused.
    ///
    /// # Errors
    /// As of [`PointQueue::push`].
    pub fn settle(&self, late: impl Fn() -> Option<Error>) -> Result<(), Error> {
        self.wait_until(|state| state.rows == 0, late)
    }

    fn wait_until(
        &self,
        is_so: impl Fn(&PointQueueState) -> bool,
        late: impl Fn() -> Option<Error>,
    ) -> Result<(), Error> {
        let mut state = self.lock();
        loop {
            if let Some(error) = state.failure.take() {
                return Err(error);
            }
            if is_so(&state) {
                return Ok(());
            }
            // The sender, which has the reason, gets the time to tell it.
            state = self.wait(state);
            if state.failure.is_none()
                && let Some(error) = late()
            {
                return Err(error);
            }
        }
    }

    /// The sender's failure, once.
    pub fn failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }

    /// What was refused since the last call.
    pub fn refused(&self) -> Vec<RefusedLine> {
        std::mem::take(&mut self.lock().refused)
    }

    /// The epoch of the first message with rows that are neither taken nor refused.
    pub fn waits_from(&self) -> Option<u64> {
        let state = self.lock();
        state.sending.or_else(|| state.waiting.front().map(|message| message.epoch))
    }

    /// For the sender: waits for messages and takes so many bytes of them, and one at least; none if all is over.
    pub fn take(&self, most_bytes: usize) -> Vec<Message> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.is_over {
            state = self.changed.wait(state).expect("no holder panics");
        }
        let taken = if state.is_over { Vec::new() } else { pop(&mut state.waiting, most_bytes) };
        state.sending = taken.first().map(|message| message.epoch);
        taken
    }

    /// For the sender: whether messages wait behind those that it took.
    pub fn has_more(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// For the sender: takes messages that wait behind those that it took, so many bytes of them, and one at least.
    pub fn take_more(&self, most_bytes: usize) -> Vec<Message> {
        pop(&mut self.lock().waiting, most_bytes)
    }

    /// For the sender: each row of the messages that it took last is taken, or among the refused.
    pub fn done(&self, messages: &[Message], refused: Vec<RefusedLine>) {
        let mut state = self.lock();
        state.bytes -= messages.iter().map(Message::byte_len).sum::<usize>();
        state.rows -= messages.iter().map(Message::rows).sum::<usize>();
        state.sending = None;
        state.refused.extend(refused);
        self.progress.owe(state.rows as u64);
        self.changed.notify_all();
    }

    /// For the sender: it has failed.
    pub fn fail(&self, error: Error) {
        self.lock().failure = Some(error);
        self.changed.notify_all();
    }

    /// Nothing more is sent.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    pub fn is_over(&self) -> bool {
        self.lock().is_over
    }
}

/// Takes messages off the front until they are so many bytes.
fn pop(waiting: &mut VecDeque<Message>, most_bytes: usize) -> Vec<Message> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while bytes < most_bytes {
        let Some(message) = waiting.pop_front() else { break };
        bytes += message.byte_len();
        taken.push(message);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(epoch: u64, rows: usize) -> Message {
        let mut message = Message::from_columns(&[vec![0.0; rows]]);
        message.epoch = epoch;
        message
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_known_by_its_first_epoch() {
        let queue = PointQueue::default();
        let late = || Some(Error::Results("late".into()));
        // A message of any size fits where there is no other.
        queue.push(message(3, MOST_BYTES / 8), late).unwrap();
        assert!(queue.push(message(4, 1), late).is_err(), "no room");
        assert_eq!((queue.waits_from(), queue.progress.missing()), (Some(3), MOST_BYTES as u64 / 8));
        let taken = queue.take(1);
        assert_eq!((taken.len(), queue.waits_from()), (1, Some(3)));
        assert!(queue.push(message(4, 1), late).is_err(), "what is being sent counts");
        queue.done(&taken, Vec::new());
        (4..7).for_each(|epoch| queue.push(message(epoch, 10), late).unwrap());
        assert!(queue.settle(late).is_err());
        let taken = queue.take(200);
        assert_eq!(taken.iter().map(|message| message.epoch).collect::<Vec<_>>(), [4, 5]);
        assert!(queue.has_more());
        let refused = RefusedLine { line: Vec::new(), excess: None, reason: String::new() };
        queue.done(&taken, vec![refused.clone()]);
        assert_eq!((queue.refused(), queue.waits_from()), (vec![refused], Some(6)));
        queue.fail(Error::Results("failed".into()));
        assert_eq!(queue.settle(late).unwrap_err().to_string(), "failed");
        queue.end();
        assert!(queue.take(1).is_empty() && queue.is_over());
    }
}
