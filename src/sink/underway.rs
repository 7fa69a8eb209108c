//! Results on their way from the writer of a sink to the thread that hands them to the receiver, counted until that is done.

use std::collections::VecDeque;

use crate::data::Message;

/// Results that the receiver has not taken.
#[derive(Default)]
pub struct MessagesUnderway {
    /// Those that are not being sent, by their epochs.
    waiting: VecDeque<Message>,
    /// Of all of them.
    bytes: usize,
    rows: usize,
    /// The epoch of the first message that is being sent.
    sending: Option<u64>,
}

impl MessagesUnderway {
    /// Appends a message.
    pub fn push(&mut self, message: Message) {
        self.bytes += message.byte_len();
        self.rows += message.rows();
        self.waiting.push_back(message);
    }

    /// Takes messages off the front as long as they are to be taken: they are being sent.
    pub fn send_while(&mut self, is_taken: impl FnMut(&Message) -> bool) -> Vec<Message> {
        let taken = self.take_while(is_taken);
        self.sending = taken.first().map(|message| message.epoch);
        taken
    }

    /// Takes messages off the front, to be sent behind those that are being sent.
    pub fn take_while(&mut self, mut is_taken: impl FnMut(&Message) -> bool) -> Vec<Message> {
        let count = self.waiting.iter().take_while(|message| is_taken(message)).count();
        self.waiting.drain(..count).collect()
    }

    /// These messages, which were being sent, are done with.
    pub fn done(&mut self, messages: &[Message]) {
        self.bytes -= messages.iter().map(Message::byte_len).sum::<usize>();
        self.rows -= messages.iter().map(Message::rows).sum::<usize>();
        self.sending = None;
    }

    /// The epoch of the first message that is not done with.
    pub fn first_epoch(&self) -> Option<u64> {
        self.sending.or_else(|| self.waiting.front().map(|message| message.epoch))
    }

    /// Whether messages wait that are not being sent.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn rows(&self) -> usize {
        self.rows
    }
}
