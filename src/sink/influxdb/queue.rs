//! Results on their way from the writer to the thread that sends them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::data::Message;
use crate::sink::underway::MessagesUnderway;
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
    /// What is not taken or refused yet.
    messages: MessagesUnderway,
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
        self.wait_until(|state| state.messages.rows() == 0 || state.messages.bytes() < MOST_BYTES, late)?;
        let mut state = self.lock();
        state.messages.push(message);
        self.progress.owe(state.messages.rows() as u64);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until each row is taken or refused.
    ///
    /// # Errors
    /// As of [`PointQueue::push`].
    pub fn settle(&self, late: impl Fn() -> Option<Error>) -> Result<(), Error> {
        self.wait_until(|state| state.messages.rows() == 0, late)
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
        self.lock().messages.first_epoch()
    }

    /// For the sender: waits for messages and takes so many bytes of them, and one at least; none if all is over.
    pub fn take(&self, most_bytes: usize) -> Vec<Message> {
        let mut state = self.lock();
        while !state.messages.has_waiting() && !state.is_over {
            state = self.changed.wait(state).expect("no holder panics");
        }
        let most_bytes = if state.is_over { 0 } else { most_bytes };
        state.messages.send_while(within(most_bytes))
    }

    /// For the sender: whether messages wait behind those that it took.
    pub fn has_more(&self) -> bool {
        self.lock().messages.has_waiting()
    }

    /// For the sender: takes messages that wait behind those that it took, so many bytes of them, and one at least.
    pub fn take_more(&self, most_bytes: usize) -> Vec<Message> {
        self.lock().messages.take_while(within(most_bytes))
    }

    /// For the sender: each row of the messages that it took last is taken, or among the refused.
    pub fn done(&self, messages: &[Message], refused: Vec<RefusedLine>) {
        let mut state = self.lock();
        state.messages.done(messages);
        state.refused.extend(refused);
        self.progress.owe(state.messages.rows() as u64);
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

/// Whether a message is one of those that are so many bytes, the last one in part.
fn within(most_bytes: usize) -> impl FnMut(&Message) -> bool {
    let mut bytes = 0;
    move |message| {
        let is_within = bytes < most_bytes;
        bytes += message.byte_len();
        is_within
    }
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
