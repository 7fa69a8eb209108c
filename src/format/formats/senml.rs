//! SenML in JSON or CBOR (RFC 8428): records of one base name and one time are one row, with a column for each name; beside them
//! `bn`, the base name, and `time`, in seconds since 1970. Units are the texts `NAME_u`, sums the numbers `NAME_s`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::cbor;
use super::row_taker::RowTaker;
use crate::data::{Defect, Lookalike, Malformed};
use crate::format::json_writer;

/// Times below are relative to now (section 4.5.3).
const ABSOLUTE: f64 = (1 << 28) as f64;
/// The version of the RFC (section 4.4).
const VERSION: u64 = 10;

/// Reads a payload as one pack.
pub(super) fn read(payload: &[u8], rows: &mut dyn RowTaker) {
    let malformed = |(defect, at)| Malformed::new(Lookalike::SenMl, defect, at);
    let found = if is_binary(payload) { rows_of_cbor(payload) } else { rows_of_json(payload.trim_ascii(), payload) };
    match found {
        Ok(found) => found.iter().for_each(|row| rows.json(row)),
        Err(wrong) => rows.malformed(payload, malformed(wrong)),
    }
}

/// The rows of a pack in JSON, or what is wrong, and at which byte of the payload.
fn rows_of_json(text: &[u8], payload: &[u8]) -> Result<Vec<Vec<u8>>, (Defect, usize)> {
    let pack = serde_json::from_slice::<Vec<Record<'_>>>(text).map_err(|error| {
        let lines = payload.trim_ascii_start().split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
        let defect = if error.is_eof() { Defect::End } else { Defect::Records };
        (defect, before + error.column().saturating_sub(1))
    })?;
    push_rows(&pack).map_err(|defect| (defect, 0))
}

fn rows_of_cbor(payload: &[u8]) -> Result<Vec<Vec<u8>>, (Defect, usize)> {
    let text = cbor::records(payload, label)?;
    rows_of_json(&text, &text).map_err(|(defect, _)| (defect, 0))
}

/// Whether a payload is in CBOR: an array, or the tag of what describes itself.
fn is_binary(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(0x80..=0x9f | 0xd9))
}

/// The labels that are whole numbers in CBOR (section 6).
fn label(number: i128) -> Option<&'static str> {
    const LABELS: [&str; 15] = ["bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"];
    /// That of the first one.
    const LEAST: i128 = -6;
    LABELS.get(usize::try_from(number - LEAST).ok()?).copied()
}

/// Whether a payload is an array of records with names and values, and nothing else in them.
pub(super) fn is_senml(payload: &[u8]) -> bool {
    let text = if is_binary(payload) { cbor::records(payload, label).ok() } else { None };
    let text = text.as_deref().unwrap_or(payload);
    let Ok(pack) = serde_json::from_slice::<Vec<Record<'_>>>(text) else { return false };
    let is_named = |record: &Record<'_>| record.n.is_some() || record.bn.is_some();
    let has_value = |record: &Record<'_>| {
        record.v.is_some() || record.vs.is_some() || record.vb.is_some() || record.vd.is_some() || record.s.is_some()
    };
    pack.iter().any(has_value) && pack.iter().any(is_named) && pack.iter().all(|record| record.others.is_empty())
}

/// A record; the labels are those of section 4.3.
#[derive(Deserialize)]
struct Record<'a> {
    bn: Option<String>,
    bt: Option<f64>,
    bu: Option<String>,
    bv: Option<f64>,
    bs: Option<f64>,
    bver: Option<u64>,
    n: Option<String>,
    u: Option<String>,
    t: Option<f64>,
    /// When the next value comes: no matter of rows.
    #[serde(rename = "ut")]
    _ut: Option<f64>,
    /// `null` is a missing value, which CBOR has as NaN.
    #[serde(borrow, default, deserialize_with = "given")]
    v: Option<&'a RawValue>,
    vs: Option<String>,
    vb: Option<bool>,
    vd: Option<String>,
    s: Option<f64>,
    #[serde(flatten)]
    others: BTreeMap<String, serde::de::IgnoredAny>,
}

/// A value that is there, whatever it is.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What the records so far say for those that follow.
#[derive(Default)]
struct Base<'a> {
    name: &'a str,
    time: Option<f64>,
    unit: Option<&'a str>,
    value: Option<f64>,
    sum: Option<f64>,
}

/// A row that is being put together.
struct OpenRow<'a> {
    json: Vec<u8>,
    names: HashSet<&'a str>,
}

fn push_rows<'a>(pack: &'a [Record<'a>]) -> Result<Vec<Vec<u8>>, Defect> {
    let mut base = Base::default();
    let mut rows: Vec<OpenRow<'a>> = Vec::new();
    let mut places: HashMap<(&str, Option<u64>), usize> = HashMap::new();
    for record in pack {
        // Labels that end in _ must be understood (section 4.4), and none is.
        if record.bver.is_some_and(|version| version > VERSION)
            || record.others.keys().any(|label| label.ends_with('_'))
        {
            return Err(Defect::Version);
        }
        base.name = record.bn.as_deref().unwrap_or(base.name);
        base.time = record.bt.or(base.time);
        base.unit = record.bu.as_deref().or(base.unit);
        base.value = record.bv.or(base.value);
        base.sum = record.bs.or(base.sum);
        let value = value(record, &base)?;
        let sum = record.s.map(|sum| sum + base.sum.unwrap_or(0.0));
        if value.is_none() && sum.is_none() {
            // A record of base fields alone says something for those that follow.
            let says = record.n.is_some() || record.u.is_some() || record.t.is_some();
            if says {
                return Err(Defect::Empty);
            }
            continue;
        }
        let name = record.n.as_deref().filter(|name| !name.is_empty()).unwrap_or(base.name);
        if name.is_empty() {
            return Err(Defect::Name);
        }
        let time = match (base.time, record.t) {
            (None, None) => None,
            (base, own) => Some(base.unwrap_or(0.0) + own.unwrap_or(0.0)),
        };
        let key = (base.name, time.map(f64::to_bits));
        let known = places.get(&key).copied().filter(|place| !rows[*place].names.contains(name));
        let place = known.unwrap_or_else(|| {
            rows.push(OpenRow { json: begun(base.name, time), names: HashSet::new() });
            rows.len() - 1
        });
        places.insert(key, place);
        let row = &mut rows[place];
        row.names.insert(name);
        let unit = record.u.as_deref().or(base.unit);
        push_record(&mut row.json, name, value.as_deref(), sum, unit);
    }
    rows.iter_mut().for_each(|row| row.json.push(b'}'));
    Ok(rows.into_iter().map(|row| row.json).collect())
}

/// The beginning of a row.
fn begun(base: &str, time: Option<f64>) -> Vec<u8> {
    let mut json = b"{".to_vec();
    if !base.is_empty() {
        json_writer::push_key(&mut json, "bn");
        json_writer::push_text(&mut json, base);
    }
    if let Some(time) = time {
        json_writer::push_key(&mut json, "time");
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).as_ref().map_or(0.0, Duration::as_secs_f64);
        json_writer::push_number(&mut json, if time < ABSOLUTE { now() + time } else { time });
    }
    json
}

fn push_record(json: &mut Vec<u8>, name: &str, value: Option<&str>, sum: Option<f64>, unit: Option<&str>) {
    if let Some(value) = value {
        json_writer::push_key(json, name);
        json.extend_from_slice(value.as_bytes());
    }
    if let Some(sum) = sum {
        json_writer::push_key(json, &format!("{name}_s"));
        json_writer::push_number(json, sum);
    }
    if let Some(unit) = unit {
        json_writer::push_key(json, &format!("{name}_u"));
        json_writer::push_text(json, unit);
    }
}

/// The value of a record as JSON: a number without a base keeps its own digits.
fn value<'a>(record: &'a Record<'_>, base: &Base<'_>) -> Result<Option<Cow<'a, str>>, Defect> {
    let quoted = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    let kinds = [record.v.is_some(), record.vs.is_some(), record.vb.is_some(), record.vd.is_some()];
    if kinds.iter().filter(|given| **given).count() > 1 {
        return Err(Defect::Value);
    }
    if let Some(number) = record.v {
        if number.get() == "null" {
            return Ok(Some(Cow::Borrowed("null")));
        }
        if !json_writer::is_number(number.get().as_bytes()) {
            return Err(Defect::Value);
        }
        let Some(base) = base.value else { return Ok(Some(Cow::Borrowed(number.get()))) };
        let own: f64 = number.get().parse().map_err(|_| Defect::Value)?;
        let mut sum = Vec::new();
        json_writer::push_number(&mut sum, base + own);
        return Ok(Some(Cow::Owned(String::from_utf8(sum).expect("a number is ASCII"))));
    }
    let text = record.vs.as_deref().or(record.vd.as_deref()).map(quoted);
    let value = text.or_else(|| record.vb.map(|value| value.to_string()));
    // A record that has a base value alone has that value (section 4.6).
    let only_base = || base.value.filter(|_| record.n.is_some() && record.s.is_none()).map(|value| value.to_string());
    Ok(value.or_else(only_base).map(Cow::Owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::formats::binary;
    use crate::format::formats::row_taker::rows_of;

    #[test]
    fn a_missing_value_takes_no_other_with_it() {
        let nan = [0x82, 0xa2, 0x00, 0x61, 0x61, 0x02, 0xf9, 0x7e, 0x00, 0xa2, 0x00, 0x61, 0x62, 0x02, 0x01];
        assert_eq!(rows_of(read, &nan), [r#"{"a":null,"b":1}"#]);
        let with_base = br#"[{"bn":"x","bv":2,"n":"a","v":null},{"n":"b","v":1}]"#;
        assert_eq!(rows_of(read, with_base), [r#"{"bn":"x","a":null,"b":3.0}"#]);
    }

    /// The examples of RFC 8428, sections 5.1 and 5.1.x.
    #[test]
    fn the_examples_of_the_rfc_are_rows() {
        let one = br#"[ {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1} ]"#;
        assert_eq!(
            rows_of(read, one),
            [r#"{"urn:dev:ow:10e2073a01080063":23.1,"urn:dev:ow:10e2073a01080063_u":"Cel"}"#]
        );
        let two = br#"[
            {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
            {"n":"current","u":"A","v":1.2}
          ]"#;
        let expected =
            r#"{"bn":"urn:dev:ow:10e2073a01080063:","voltage":120.1,"voltage_u":"V","current":1.2,"current_u":"A"}"#;
        assert_eq!(rows_of(read, two), [expected]);
        let times = br#"[
            {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
             "n":"voltage","u":"V","v":120.1},
            {"n":"current","t":-5,"v":1.2},
            {"n":"current","t":-4,"v":1.3},
            {"n":"current","v":1.7}
          ]"#;
        let bn = r#""bn":"urn:dev:ow:10e2073a0108006:""#;
        let expected = [
            format!(r#"{{{bn},"time":1276020076.001,"voltage":120.1,"voltage_u":"V","current":1.7,"current_u":"A"}}"#),
            format!(r#"{{{bn},"time":1276020071.001,"current":1.2,"current_u":"A"}}"#),
            format!(r#"{{{bn},"time":1276020072.001,"current":1.3,"current_u":"A"}}"#),
        ];
        assert_eq!(rows_of(read, times), expected);
        let kinds = br#"[
            {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
            {"n":"label","vs":"Machine Room"},
            {"n":"open","vb":false},
            {"n":"nfc-reader","vd":"aGkgCg"}
          ]"#;
        let expected = r#"{"bn":"urn:dev:ow:10e2073a01080063:","temp":23.1,"temp_u":"Cel","label":"Machine Room","open":false,"nfc-reader":"aGkgCg"}"#;
        assert_eq!(rows_of(read, kinds), [expected]);
    }

    #[test]
    fn bases_are_added_and_equal_names_are_rows_of_their_own() {
        let pack = br#"[{"bv":20,"bs":100,"n":"a","v":1.5},{"n":"a","v":2},{"n":"b","s":5},{"n":"c"}]"#;
        assert_eq!(rows_of(read, pack), [r#"{"a":21.5}"#, r#"{"a":22.0,"b_s":105.0,"c":20}"#]);
        // Two devices in one pack; digits beyond a double's stay.
        let pack = br#"[{"bn":"x/"},{"n":"v","v":12345678901234567890},{"bn":"y/","n":"v","v":2}]"#;
        assert_eq!(rows_of(read, pack), [r#"{"bn":"x/","v":12345678901234567890}"#, r#"{"bn":"y/","v":2}"#]);
        assert_eq!(rows_of(read, b"[]"), [] as [&str; 0]);
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// The example of RFC 8428, section 6, which is that of section 5.1.3 in CBOR.
    #[test]
    fn the_example_of_the_rfc_in_cbor_is_rows() {
        let pack = hex(
            "87 a7 21 78 1b 75726e3a6465763a6f773a3130653230373361303130383030363a 22 fb 41d303a15b001062 23 61 41 20 05
             00 67 766f6c74616765 01 61 56 02 fb 405e066666666666
             a3 00 67 63757272656e74 06 24 02 fb 3ff3333333333333
             a3 00 67 63757272656e74 06 23 02 fb 3ff4cccccccccccd
             a3 00 67 63757272656e74 06 22 02 fb 3ff6666666666666
             a3 00 67 63757272656e74 06 21 02 f9 3e00
             a3 00 67 63757272656e74 06 20 02 fb 3ff999999999999a
             a3 00 67 63757272656e74 06 00 02 fb 3ffb333333333333",
        );
        let bn = r#""bn":"urn:dev:ow:10e2073a0108006:""#;
        let rows = rows_of(read, &pack);
        assert_eq!(rows.len(), 6, "{rows:?}");
        assert_eq!(
            rows[0],
            format!(r#"{{{bn},"time":1276020076.001,"voltage":120.1,"voltage_u":"V","current":1.7,"current_u":"A"}}"#)
        );
        assert_eq!(rows[4], format!(r#"{{{bn},"time":1276020074.001,"current":1.5,"current_u":"A"}}"#));
        assert!(is_senml(&pack) && !is_senml(&hex("81 a1 61 61 01")));
        for length in 0..pack.len() {
            let rows = rows_of(read, &pack[..length]);
            assert!(rows.len() == 1 && rows[0].ends_with("it ends too early"), "{length}: {rows:?}");
        }
        for (payload, reason) in [
            ("a1 00 61 61", "at byte 1: not an array of records"),
            ("81 01", "not an array of records"),
            ("81 a2 00 61 61 02 01 00", "not an array of records"),
            ("81 a2 00 61 61 02 61 62", "a value that does not exist"),
            ("81 a1 00 61 61", "a record without a value"),
            ("81 a2 20 0b 00 61 61", "a version or a field"),
        ] {
            let rows = rows_of(read, &hex(payload));
            assert!(rows.len() == 1 && rows[0].contains(reason), "{payload}: {rows:?}");
        }
    }

    #[test]
    fn a_pack_of_the_reference_library_is_rows() {
        let [ours, theirs] = binary::golden(read, "pack.senmlc", "senml_rows.ndjson");
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_time_that_is_not_absolute_is_relative_to_now() {
        let rows = rows_of(read, br#"[{"n":"a","t":-10,"v":1}]"#);
        let row: serde_json::Value = serde_json::from_str(&rows[0]).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let ago = now - row["time"].as_f64().unwrap();
        assert!((10.0..3600.0).contains(&ago), "{ago}");
    }

    #[test]
    fn what_is_no_pack_is_refused() {
        for (payload, reason) in [
            ("", "at byte 1: it ends too early"),
            ("{}", "not an array of records"),
            ("[{\"n\":\"a\",\"v\":1}", "it ends too early"),
            ("[1]", "not an array of records"),
            ("[\n{\"n\":\"a\",\n\"v\":1 1}]", "at byte 19: not an array of records"),
            (r#"[{"n":"a"}]"#, "a record without a value"),
            (r#"[{"v":1}]"#, "a name is missing"),
            (r#"[{"n":"a","v":"1"}]"#, "a value that does not exist"),
            (r#"[{"n":"a","v":1,"vs":"x"}]"#, "a value that does not exist"),
            (r#"[{"bver":11,"n":"a","v":1}]"#, "a version or a field"),
            (r#"[{"n":"a","v":1,"x_":1}]"#, "a version or a field"),
        ] {
            let rows = rows_of(read, payload.as_bytes());
            assert!(rows.len() == 1 && rows[0].contains(reason), "{payload}: {rows:?}");
        }
        assert_eq!(rows_of(read, br#"[{"n":"a","v":1,"x":[1]}]"#), [r#"{"a":1}"#]);
    }
}
