//! Results on their way from the writer to the thread that makes the transactions.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::data::Message;
use crate::sink::underway::MessagesUnderway;
use crate::sink::{Error, RefusedLine, SinkProgress, TransactionProgress, TransactionState};

/// So many bytes of results that are not committed should not become more.
const FULL: usize = 32 << 20;
/// How often the end of a wait is looked up.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);
/// A statement that is at work when waiting ends may come to its end for so long.
const LAST_STATEMENT: Duration = Duration::from_secs(1);

/// Results on their way, shared by the writer and the maker of transactions.
pub struct TransactionQueue {
    state: Mutex<TransactionQueueState>,
    changed: Condvar,
    pub progress: Arc<SinkProgress>,
    /// The thread that writes, which may sleep without knowing of this.
    writer: Thread,
}

struct TransactionQueueState {
    /// Results that are not committed; those of the transaction are being sent.
    messages: MessagesUnderway,
    /// The transaction that was begun, until the maker takes it.
    begun: Option<BegunTransaction>,
    state: TransactionState,
    refused: Vec<RefusedLine>,
    /// Messages that are committed; their memory belongs to the writer's thread.
    committed: Vec<Message>,
    transactions: u64,
    failure: Option<Error>,
    is_over: bool,
}

/// A transaction to be made.
pub struct BegunTransaction {
    pub messages: Vec<Message>,
    pub progress: TransactionProgress,
}

impl TransactionQueue {
    /// Behind so many `transactions`, for the thread that calls it.
    pub fn new(transactions: u64) -> TransactionQueue {
        TransactionQueue {
            state: Mutex::new(TransactionQueueState {
                messages: MessagesUnderway::default(),
                begun: None,
                state: TransactionState::Committed,
                refused: Vec::new(),
                committed: Vec::new(),
                transactions,
                failure: None,
                is_over: false,
            }),
            changed: Condvar::new(),
            progress: Arc::default(),
            writer: std::thread::current(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TransactionQueueState> {
        self.state.lock().expect("no holder panics")
    }

    fn wait<'s>(&self, state: MutexGuard<'s, TransactionQueueState>) -> MutexGuard<'s, TransactionQueueState> {
        self.changed.wait_timeout(state, LOOK_UP_INTERVAL).expect("no holder panics").0
    }

    /// Tells both threads that something has changed.
    fn tell(&self) {
        self.changed.notify_all();
        self.writer.unpark();
    }

    /// Appends a message.
    pub fn push(&self, message: Message) {
        let mut state = self.lock();
        state.messages.push(message);
        self.progress.keep(state.messages.rows() as u64);
    }

    /// Whether so much is not committed that it should not become more.
    pub fn is_full(&self) -> bool {
        self.lock().messages.bytes() >= FULL
    }

    /// The epoch of the first message that is not committed.
    pub fn waits_from(&self) -> Option<u64> {
        self.lock().messages.first_epoch()
    }

    /// How many transactions are committed.
    pub fn transactions(&self) -> u64 {
        self.lock().transactions
    }

    /// What was refused since the last call.
    pub fn refused(&self) -> Vec<RefusedLine> {
        std::mem::take(&mut self.lock().refused)
    }

    /// Begins a transaction with all messages before `end`.
    pub fn begin(&self, end: u64, progress: TransactionProgress) {
        let mut state = self.lock();
        let messages = state.messages.send_while(|message| message.epoch < end);
        state.state = TransactionState::Made;
        self.progress.works(true);
        state.begun = Some(BegunTransaction { messages, progress });
        self.tell();
    }

    /// What has become of the transaction.
    ///
    /// # Errors
    /// The maker's failure, once; `gone` while the transaction is made, if its maker is no more.
    pub fn transaction(&self, gone: impl Fn() -> Option<Error>) -> Result<TransactionState, Error> {
        // Asked first: a maker tells its failure before it goes.
        let gone = gone();
        let mut state = self.lock();
        let (found, committed) = (state.state, std::mem::take(&mut state.committed));
        let failure = state.failure.take().or_else(|| gone.filter(|_| found == TransactionState::Made));
        drop(state);
        committed.into_iter().for_each(Message::recycle);
        failure.map_or(Ok(found), Err)
    }

    /// Waits while the transaction is made.
    ///
    /// # Errors
    /// As of [`TransactionQueue::transaction`]; `late` some time after it is one, in which the maker may tell more.
    pub fn made(
        &self,
        gone: impl Fn() -> Option<Error>,
        late: impl Fn() -> Option<Error>,
    ) -> Result<TransactionState, Error> {
        let mut late_since = None;
        loop {
            let found = self.transaction(&gone)?;
            if found != TransactionState::Made {
                return Ok(found);
            }
            if let Some(error) = late()
                && late_since.get_or_insert_with(Instant::now).elapsed() > LAST_STATEMENT
            {
                return Err(error);
            }
            let state = self.lock();
            if state.state == TransactionState::Made && state.failure.is_none() {
                drop(self.wait(state));
            }
        }
    }

    /// What was refused is durable.
    pub fn confirm(&self) {
        self.lock().state = TransactionState::Made;
        self.tell();
    }

    /// Nothing more is written.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.tell();
    }

    pub fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// For the maker: waits for a transaction; none if all is over.
    pub fn take(&self) -> Option<BegunTransaction> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(begun) = state.begun.take() {
                return Some(begun);
            }
            state = self.changed.wait(state).expect("no holder panics");
        }
    }

    /// For the maker: refuses lines, and waits until they are durable; false if all is over before.
    pub fn refuse(&self, refused: Vec<RefusedLine>) -> bool {
        let mut state = self.lock();
        state.refused.extend(refused);
        state.state = TransactionState::Refuses;
        self.tell();
        while state.state == TransactionState::Refuses && !state.is_over {
            state = self.wait(state);
        }
        !state.is_over
    }

    /// For the maker: the transaction of these messages is committed.
    pub fn done(&self, messages: Vec<Message>) {
        let mut state = self.lock();
        state.messages.done(&messages);
        state.state = TransactionState::Committed;
        state.transactions += 1;
        state.committed.extend(messages);
        self.progress.keep(state.messages.rows() as u64);
        self.progress.works(false);
        self.progress.looks();
        self.tell();
    }

    /// For the maker: it has failed.
    pub fn fail(&self, error: Error) {
        self.lock().failure = Some(error);
        self.tell();
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

    fn refused() -> RefusedLine {
        RefusedLine { line: Vec::new(), excess: None, reason: String::new() }
    }

    #[test]
    fn a_transaction_takes_whole_epochs_and_what_follows_waits_for_the_next_one() {
        let queue = TransactionQueue::new(7);
        (3..6).for_each(|epoch| queue.push(message(epoch, 10)));
        let begin = |end| queue.begin(end, TransactionProgress::default());
        begin(5);
        let BegunTransaction { messages, .. } = queue.take().unwrap();
        assert_eq!(messages.iter().map(|message| message.epoch).collect::<Vec<_>>(), [3, 4]);
        queue.push(message(6, FULL / 8));
        assert_eq!((queue.waits_from(), queue.progress.missing()), (Some(3), 30 + FULL as u64 / 8));
        assert!(queue.is_full(), "with what is not committed");
        assert!(queue.progress.waits_since().is_some());
        assert_eq!(queue.transaction(|| None).unwrap(), TransactionState::Made);
        queue.done(messages);
        assert_eq!(queue.made(|| None, || None).unwrap(), TransactionState::Committed);
        assert_eq!((queue.transactions(), queue.waits_from(), queue.progress.waits_since()), (8, Some(5), None));
        begin(5);
        assert!(queue.take().unwrap().messages.is_empty(), "progress alone");
        assert_eq!(queue.waits_from(), Some(5));
        queue.done(Vec::new());
    }

    #[test]
    fn what_is_refused_is_durable_before_the_commit() {
        let queue = TransactionQueue::new(0);
        queue.begin(1, TransactionProgress::default());
        std::thread::scope(|scope| {
            let confirmed = scope.spawn(|| queue.refuse(vec![refused()]));
            assert_eq!(queue.made(|| None, || None).unwrap(), TransactionState::Refuses);
            assert!(!confirmed.is_finished());
            assert_eq!(queue.refused(), [refused()]);
            queue.confirm();
            assert!(confirmed.join().unwrap());
            let over = scope.spawn(|| queue.refuse(vec![refused()]));
            queue.end();
            assert!(!over.join().unwrap() && queue.take().is_none());
        });
    }

    #[test]
    fn a_failure_is_told_and_so_is_a_maker_that_is_no_more() {
        let queue = TransactionQueue::new(0);
        queue.begin(1, TransactionProgress::default());
        let late = || Some(Error::Results("late".into()));
        assert_eq!(queue.made(late, || None).unwrap_err().to_string(), "late");
        assert_eq!(queue.made(|| None, late).unwrap_err().to_string(), "late");
        queue.fail(Error::Results("failed".into()));
        assert_eq!(queue.made(late, || None).unwrap_err().to_string(), "failed");
    }
}
