//! Letters behind a time that say which offset it has: `CET`, `EDT`, and the `S` and `W` of Dutch meters.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// The offset that a word stands for near a local time: everywhere, or by the zone; `None` if it knows no such word.
pub(super) fn offset(word: &str, zone: Option<&TimeZone>, local: DateTime) -> Option<Offset> {
    if is_utc(word) {
        return Some(Offset::UTC);
    }
    let zone = zone?;
    let instant = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    let before = zone.preceding(instant).next().map(|change| change.timestamp());
    let behind = zone.following(instant).next().map(|change| change.timestamp());
    // Standard time may be named in summer, too: loggers without summer time do so.
    [Some(instant), before, behind].into_iter().flatten().find_map(|instant| {
        let info = zone.to_offset_info(instant);
        let named = match word {
            "S" => info.dst().is_dst(),
            "W" => !info.dst().is_dst(),
            word => info.abbreviation() == word,
        };
        named.then(|| info.offset())
    })
}

/// Whether a word stands for UTC.
fn is_utc(word: &str) -> bool {
    matches!(word, "UTC" | "utc" | "GMT" | "Z")
}

/// Whether a word can be a zone's: capital letters, but no half of the day.
pub(super) fn is_zone(word: &str) -> bool {
    let capitals = word.len() >= 3 && word.len() <= 5 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    capitals || is_utc(word)
}

/// The digits of a time of Dutch and Belgian meters (DSMR), `YYMMDDhhmmss` with an `S` or a `W` behind, and the letter.
pub(super) fn meter(text: &str) -> Option<(&str, &str)> {
    let (digits, letter) = text.split_at_checked(12)?;
    (matches!(letter, "S" | "W") && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some((digits, letter))
}
