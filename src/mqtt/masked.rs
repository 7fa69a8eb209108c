//! Masks passwords in texts that are shown.

/// The text with each possible password replaced by as many stars as it has bytes: values of keys such as `password`,
/// in TOML or on a command line, comments behind such a key, and passwords in addresses (`user:password@host`).
///
/// It may mask too much, such as the value of a misspelt key, so its result is not to be parsed again.
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for secret in logins(text).chain(parameters(text)).chain(values(text)).chain(comments(text)) {
        let covered = bytes[secret].iter_mut().filter(|byte| !byte.is_ascii_whitespace());
        covered.for_each(|byte| *byte = b'*');
    }
    String::from_utf8(bytes).expect("ranges begin and end at characters")
}

/// Whether a key names a password.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let starts = ["pass", "pwd", "secret", "token"].iter().any(|word| key.starts_with(word));
    starts || key.contains("passw") || key.ends_with("token") || strsim::jaro_winkler(&key, "password") > 0.85
}

type Ranges = std::vec::IntoIter<std::ops::Range<usize>>;

/// The passwords of addresses.
fn logins(text: &str) -> Ranges {
    let mut found = Vec::new();
    // A misspelt scheme lacks the colon or a slash.
    for (at, slashes) in text.match_indices("//").chain(text.match_indices(":/")) {
        let start = at + slashes.len();
        let rest = &text[start..];
        let rest = &rest[..rest.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(rest.len())];
        let authority = rest.find('/').unwrap_or(rest.len());
        // A password with an unescaped slash is masked, too.
        let end = rest[..authority].rfind('@').or_else(|| {
            let after = rest[..authority].rsplit_once(':').map(|(_, port)| port.parse::<u16>().is_err());
            rest.rfind('@').filter(|_| after == Some(true))
        });
        if let Some((end, colon)) = end.and_then(|end| Some((end, rest[..end].find(':')?))) {
            found.push(start + colon + 1..start + end);
        }
    }
    found.into_iter()
}

/// The passwords in the parameters of addresses: InfluxDB's is `p`.
fn parameters(text: &str) -> Ranges {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let rest = &text[at..];
        let rest = &rest[..rest.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(rest.len())];
        let Some((before, parameters)) = rest.split_once('?') else { continue };
        let mut start = at + before.len() + 1;
        for parameter in parameters.split('&') {
            if let Some((key, value)) = parameter.split_once('=').filter(|(key, _)| *key == "p" || is_secret(key)) {
                found.push(start + key.len() + 1..start + key.len() + 1 + value.len());
            }
            start += parameter.len() + 1;
        }
    }
    found.into_iter()
}

/// The words of a text, with where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(is_part)?;
        let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |length| start + length);
        from = end;
        Some((start, &text[start..end]))
    })
}

/// The values of secret keys, and the comments behind them.
fn values(text: &str) -> Ranges {
    let mut found = Vec::new();
    for (start, word) in words(text).filter(|(_, word)| is_secret(word)) {
        let after = text[start + word.len()..].trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=') else { continue };
        let value = value.trim_start_matches([' ', '\t']);
        let from = text.len() - value.len();
        let covered = value_in(value);
        found.push(from + covered.start..from + covered.end);
    }
    found.into_iter()
}

/// What to mask in a text that begins with a value.
fn value_in(text: &str) -> std::ops::Range<usize> {
    let line = text.find('\n').unwrap_or(text.len());
    for quote in ["\"\"\"", "'''"] {
        if let Some(rest) = text.strip_prefix(quote) {
            return 3..rest.find(quote).map_or(text.len(), |end| 3 + end);
        }
    }
    let closed = |quote: char| {
        let mut escaped = false;
        let inner = text[1..line].char_indices().find(|(_, c)| {
            let closes = *c == quote && !escaped;
            escaped = quote == '"' && *c == '\\' && !escaped;
            closes
        });
        1..inner.map_or(line, |(end, _)| 1 + end)
    };
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => closed(quote),
        Some('{') => {
            let inner = text[1..line].trim_start();
            let names_place = ["file", "env"].iter().any(|key| inner.starts_with(key));
            if names_place { 0..0 } else { 1..text[..line].find('}').unwrap_or(line) }
        }
        _ => 0..text[..line].find([',', '}', ']', '#']).unwrap_or(line),
    }
}

/// Comments behind a word for a password.
fn comments(text: &str) -> Ranges {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(mark) = line.find('#') {
            let secret = words(&line[mark..]).find(|(_, word)| is_secret(word));
            found.extend(secret.map(|(at, word)| start + mark + at + word.len()..start + line.len()));
            // On a line with a password the whole comment is masked: it may hold the previous one.
            if secret.is_none() && words(&line[..mark]).any(|(_, word)| is_secret(word)) {
                found.push(start + mark + 1..start + line.len());
            }
        }
        start += line.len();
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_covered_wherever_they_stand() {
        for text in [
            "password = \"hunter2\"",
            "password='hunter2'",
            "\"password\" = \"hunter2\"",
            "sink = { url = \"x\", password = \"hunter2\", qos = 1 }",
            "pasword = \"hunter2\"",
            "password = \"a\\\"hunter2\"",
            "password = \"hunter2",
            "password = \"\"\"\nhunter2\n\"\"\"",
            "password = { hunter2 }",
            "password = hunter2",
            "--set source.password=hunter2: unknown",
            "# password = \"hunter2\"",
            "# the password was hunter2",
            "password = \"x\" # hunter2 before",
            "url = \"mqtt://anna:hunter2@host/t\"",
            "no topic in mqtts://anna:hunter2@host",
            "mqtt://anna:hun/hunter2@host/t",
            "Passwort = \"hunter2\"",
            "token = \"hunter2\"",
            "api_token = 'hunter2'",
            "url = \"http://host:8086/write?db=w&u=anna&p=hunter2\"",
            "http://host/write?p=hunter2&db=w: refused",
            "http://host/write?token=hunter2",
        ] {
            let covered = masked(text);
            assert!(!covered.contains("hunter2"), "{covered}");
            assert_eq!(covered.len(), text.len(), "places in it stay the same");
        }
    }

    #[test]
    fn the_rest_stays() {
        for text in [
            "url = \"mqtt://host:1883/weather/#\"",
            "mqtt://anna@host/t",
            "mqtt://host:1883/t/a@b",
            "password = { file = \"secret.txt\" }",
            "password = { env = \"MQTT_PASSWORD\" }",
            "placement = \"message\" # one worker",
            "parts = true, path = \"x\"",
            "token = { env = \"INFLUX_TOKEN\" }",
            "http://host:8086/api/v2/write?org=o&bucket=b&rp=r",
            "the password in the environment's X: not there",
        ] {
            assert_eq!(masked(text), text);
        }
        assert_eq!(masked("a = \"mqtt://ü:pä@h/t\""), "a = \"mqtt://ü:***@h/t\"");
    }
}
