//! Tells, once each, of keys in rows that no column takes.

use std::collections::HashSet;

/// The most keys that are told: keys that are never the same are no keys.
const MOST: usize = 1000;

/// The keys without a column that were told.
#[derive(Default)]
pub struct WithoutColumn(HashSet<String>);

impl WithoutColumn {
    /// What is to be told of keys that a worker has met for the first time.
    pub fn settle(&mut self, keys: Vec<String>) -> Option<String> {
        let room = MOST.saturating_sub(self.0.len());
        let new: Vec<String> = keys.into_iter().filter(|key| !self.0.contains(key)).take(room).collect();
        if new.is_empty() {
            return None;
        }
        let told = format!(
            "keys without a column: {}; name them in [schema], or say nothing of them: unknown_keys = \"ignore\"",
            new.join(", ")
        );
        self.0.extend(new);
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_told_once_and_not_without_end() {
        let mut keys = WithoutColumn::default();
        let of = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
        assert!(keys.settle(of(&["a", "b"])).unwrap().contains("column: a, b;"));
        assert!(keys.settle(of(&["b", "c"])).unwrap().contains("column: c;"));
        assert_eq!(keys.settle(of(&["a", "c"])), None);
        assert!(keys.settle((0..2000).map(|key| key.to_string()).collect()).is_some());
        assert_eq!((keys.0.len(), keys.settle(of(&["z"]))), (MOST, None));
    }
}
