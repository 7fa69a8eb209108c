//! What an answer of a server means to the rows that were sent.

use std::time::Duration;

use super::client::HttpAnswer;
use crate::sink::known_secrets::KnownSecrets;

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// All points are written.
    Taken,
    /// Some points, or all of them, are not taken; so many where the server says it.
    Refused { reason: String, dropped: Option<usize> },
    /// More at a time than the server takes.
    TooLarge { reason: String },
    /// Later the server may take them; not before `after`, where it says so.
    Later { reason: String, after: Option<Duration> },
    /// The server fails at them: it is ill, or one of them makes it fail.
    Failed { reason: String },
    /// The server will not take them until somebody changes something.
    Lasting { reason: String },
}

impl WriteAnswer {
    /// What it means, in the server's words without the secrets.
    pub fn of(answer: &HttpAnswer, secrets: &KnownSecrets) -> WriteAnswer {
        let status = answer.status;
        if (200..=299).contains(&status) {
            return WriteAnswer::Taken;
        }
        let said = words(&answer.body);
        let reason = shown(status, &secrets.masked(&said));
        match status {
            400 | 422 if names_no_database(&said) => WriteAnswer::Lasting { reason },
            400 | 422 => WriteAnswer::Refused { dropped: dropped(&said), reason },
            413 => WriteAnswer::TooLarge { reason },
            500 if answer.retry_after.is_none() => WriteAnswer::Failed { reason },
            408 | 425 | 429 | 500 | 502..=504 | 506..=599 => {
                WriteAnswer::Later { reason, after: answer.retry_after.as_deref().and_then(retry_after) }
            }
            _ => {
                let moved = answer
                    .location
                    .as_ref()
                    .map(|location| format!("write {} as its address", secrets.masked(location)));
                let hint = match status {
                    300..=399 => moved,
                    401 | 403 => Some("check `token`, or `user` and `password`".to_owned()),
                    404 | 405 => Some("check the address, and that its database or bucket is there".to_owned()),
                    415 => Some("set gzip = false if it takes nothing compressed".to_owned()),
                    _ => None,
                };
                WriteAnswer::Lasting {
                    reason: hint.into_iter().fold(reason, |reason, hint| format!("{reason}: {hint}")),
                }
            }
        }
    }
}

/// Whether the address lacks a parameter, in the words of InfluxDB 1 and 2.
fn names_no_database(said: &str) -> bool {
    let words = ["database is required", "bucket is required", "org is required", "Please provide either org"];
    words.iter().any(|words| said.starts_with(words))
}

/// The server's words: of its JSON, or all that it says.
fn words(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let said = |key: &str| Some(json.as_ref()?.get(key)?.as_str()?.replace('\n', "; "));
    said("error").or_else(|| said("message")).unwrap_or_else(|| body.to_owned())
}

/// The first line of a server's words, and its status.
fn shown(status: u16, said: &str) -> String {
    /// Bytes that are shown.
    const MOST: usize = 600;
    let said = said.lines().next().unwrap_or_default();
    let end = (0..=MOST.min(said.len())).rev().find(|end| said.is_char_boundary(*end)).unwrap_or_default();
    let cut = if end < said.len() { " ..." } else { "" };
    match said[..end].trim() {
        "" => format!("it answers {status}"),
        said => format!("{said}{cut} ({status})"),
    }
}

/// The number of points that were not taken, as InfluxDB says it at the end.
fn dropped(said: &str) -> Option<usize> {
    let number = said.rsplit_once("dropped=")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Duration::try_from(at.duration_since(jiff::Timestamp::now())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> WriteAnswer {
        let answer = HttpAnswer { status, retry_after: None, location: None, body: body.into() };
        WriteAnswer::of(&answer, &KnownSecrets::default())
    }

    /// As Debian's influxd 1.6 answers.
    #[test]
    fn answers_of_influxdb() {
        assert_eq!(of(204, ""), WriteAnswer::Taken);
        let partial = "partial write: field type conflict: input field \"x\" on measurement \"m\" is type string, already \
                       exists as type float dropped=2";
        let answer = of(400, &serde_json::json!({ "error": partial }).to_string());
        assert_eq!(answer, WriteAnswer::Refused { reason: format!("{partial} (400)"), dropped: Some(2) });
        let none = |reason: &str| WriteAnswer::Refused { reason: reason.into(), dropped: None };
        assert_eq!(of(400, "{\"error\":\"field type conflict\"}\n"), none("field type conflict (400)"));
        assert_eq!(of(400, "{\"error\":\"a\\nb\"}"), none("a; b (400)"));
        assert_eq!(of(422, "{\"code\":\"unprocessable entity\",\"message\":\"m\"}"), none("m (422)"));
        assert_eq!(of(413, ""), WriteAnswer::TooLarge { reason: "it answers 413".into() });
        for (status, body, words) in [
            (400, "{\"error\":\"database is required\"}", "database is required"),
            (404, "{\"error\":\"database not found: \\\"w\\\"\"}", "\"w\" (404): check the address"),
            (401, "{\"error\":\"authorization failed\"}", "failed (401): check `token`"),
            (415, "no gzip", "no gzip (415): set gzip = false"),
            (501, "", "it answers 501"),
        ] {
            let WriteAnswer::Lasting { reason } = of(status, body) else { panic!("{status} {body}") };
            assert!(reason.contains(words), "{reason}");
        }
        let moved = HttpAnswer {
            status: 308,
            retry_after: None,
            location: Some("https://h/write".into()),
            body: String::new(),
        };
        assert!(
            matches!(WriteAnswer::of(&moved, &KnownSecrets::default()), WriteAnswer::Lasting { reason } if reason.contains("https://h/write"))
        );
        let long = "ä".repeat(2_000);
        assert!(
            matches!(of(400, &long), WriteAnswer::Refused { reason, .. } if reason.len() < 700 && reason.contains("..."))
        );
    }

    #[test]
    fn a_server_says_when_to_come_again() {
        let after = |text: &str| {
            let answer =
                HttpAnswer { status: 429, retry_after: Some(text.into()), location: None, body: String::new() };
            let WriteAnswer::Later { after, .. } = WriteAnswer::of(&answer, &KnownSecrets::default()) else {
                panic!("{text}")
            };
            after
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("soon"), None);
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), None, "it has passed");
        let at = jiff::Timestamp::now() + Duration::from_secs(100);
        let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert!((90..=100).contains(&after(&date).unwrap().as_secs()), "{date}");
        assert_eq!(of(500, "{\"error\":\"panic\"}"), WriteAnswer::Failed { reason: "panic (500)".into() });
        let busy = HttpAnswer { status: 500, retry_after: Some("7".into()), location: None, body: String::new() };
        assert!(matches!(WriteAnswer::of(&busy, &KnownSecrets::default()), WriteAnswer::Later { after: Some(_), .. }));
        for status in [408, 429, 502, 503, 504] {
            assert!(matches!(of(status, ""), WriteAnswer::Later { after: None, .. }), "{status}");
        }
    }
}
