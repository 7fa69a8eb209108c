//! Texts that many streams poll, made once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Texts by key, each with the time at which it was made.
#[derive(Debug, Default)]
pub struct TextCache(Mutex<HashMap<String, (Instant, Arc<str>)>>);

/// A text that is older is made again.
const REFRESH_INTERVAL: Duration = Duration::from_millis(400);

impl TextCache {
    /// The text of a key; `None` if there is none any more.
    pub fn text(&self, key: &str, now: Instant, make: impl FnOnce() -> Option<String>) -> Option<Arc<str>> {
        let mut known = self.0.lock().expect("no holder panics");
        if let Some((made, text)) = known.get(key)
            && now.saturating_duration_since(*made) < REFRESH_INTERVAL
        {
            return Some(text.clone());
        }
        let Some(text) = make() else {
            known.remove(key);
            return None;
        };
        let (made, before) = known.entry(key.to_owned()).or_insert_with(|| (now, Arc::from("")));
        *made = now;
        // The same text stays the same one: streams know by its place that nothing has changed.
        if **before != *text {
            *before = text.into();
        }
        Some(before.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_made_once_for_all_who_ask_soon() {
        let (texts, start) = (TextCache::default(), Instant::now());
        let later = start + REFRESH_INTERVAL;
        let of = |text: &str| Some(text.to_owned());
        let first = texts.text("a", start, || of("1")).unwrap();
        assert_eq!(texts.text("a", start, || unreachable!("it is new")).as_deref(), Some("1"));
        assert_eq!(texts.text("b", start, || of("2")).as_deref(), Some("2"));
        assert!(Arc::ptr_eq(&first, &texts.text("a", later, || of("1")).unwrap()), "made again, and the same");
        assert_eq!(texts.text("a", later + REFRESH_INTERVAL, || of("3")).as_deref(), Some("3"));
        assert_eq!(texts.text("a", later + 2 * REFRESH_INTERVAL, || None), None);
        assert_eq!(texts.text("a", later + 2 * REFRESH_INTERVAL, || of("4")).as_deref(), Some("4"));
    }
}
