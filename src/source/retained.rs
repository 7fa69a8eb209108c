//! Recognises retained publishes that brokers send again to every new subscription.

use std::collections::HashMap;

/// Most topics remembered.
const MOST: usize = 1 << 16;

/// The last retained publish of each topic: a new session starts with it again.
#[derive(Debug, Default)]
pub struct Retained {
    /// By a hash of the topic, a hash of the publish and the connection it came on last.
    last: HashMap<u64, (u64, u64)>,
}

impl Retained {
    /// Takes in a retained publish that came on `connection`, whose session began with connection `session`. Returns
    /// whether an earlier session had it already, so that the broker sends it only because the subscription is new.
    pub fn is_known(&mut self, topic: u64, publish: u64, connection: u64, session: u64) -> bool {
        if let Some((last, came)) = self.last.get_mut(&topic) {
            let known = *last == publish && *came < session;
            (*last, *came) = (publish, connection);
            return known;
        }
        if self.last.len() < MOST {
            self.last.insert(topic, (publish, connection));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_new_session_begins_with_is_known() {
        let mut retained = Retained::default();
        assert!(!retained.is_known(1, 5, 1, 1));
        // A station publishes the same value again.
        assert!(!retained.is_known(1, 5, 1, 1));
        // The session was resumed: the broker sends nothing of its own accord.
        assert!(!retained.is_known(1, 5, 2, 1));
        assert!(retained.is_known(1, 5, 3, 3));
        assert!(!retained.is_known(1, 5, 3, 3));
        // Published while there was no connection.
        assert!(!retained.is_known(1, 6, 4, 4));
        assert!(!retained.is_known(2, 6, 4, 4));
    }
}
