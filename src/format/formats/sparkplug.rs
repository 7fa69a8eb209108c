//! Sparkplug B (Eclipse Sparkplug 3.0): the topics, the payloads, and the values of metrics as JSON. What a message means
//! depends on the birth certificates before it; these are kept where the messages come in.

use std::io::Read;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use prost::Message;

use super::binary::push_bytes;
use super::sparkplug_proto::{DataSet, DataSetValue, Template};
pub(crate) use super::sparkplug_proto::{SparkplugMetric, SparkplugPayload, Value};
use crate::data::{Broken, Defect, Lookalike, Malformed};
use crate::format::{MAX_PAYLOAD, json_writer};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageType {
    /// A birth certificate.
    Birth,
    /// Metrics whose values have changed.
    Data,
    /// The end of a birth certificate.
    Death,
    /// Commands, and what host applications say of themselves.
    Other,
}

/// The topic of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SparkplugTopic<'a> {
    pub message: MessageType,
    pub group: &'a str,
    pub node: &'a str,
    /// The device; `None` if it is of the node itself.
    pub device: Option<&'a str>,
}

impl<'a> SparkplugTopic<'a> {
    /// Reads `spBv1.0/GROUP/TYPE/NODE`, `spBv1.0/GROUP/TYPE/NODE/DEVICE`, and the topics of host applications; `None`
    /// for others.
    pub fn read(topic: &'a str) -> Option<SparkplugTopic<'a>> {
        let mut levels = topic.split('/');
        let namespace = levels.next()?;
        let (first, second) = (levels.next()?, levels.next());
        if namespace == "STATE" || (namespace == "spBv1.0" && first == "STATE") {
            return Some(SparkplugTopic { message: MessageType::Other, group: "", node: "", device: None });
        }
        let (kind, node, device) = (second?, levels.next()?, levels.next());
        if namespace != "spBv1.0" || levels.next().is_some() {
            return None;
        }
        let message = match kind.get(1..)? {
            "BIRTH" => MessageType::Birth,
            "DATA" => MessageType::Data,
            "DEATH" => MessageType::Death,
            "CMD" => MessageType::Other,
            _ => return None,
        };
        let is_right = match kind.as_bytes()[0] {
            b'N' => device.is_none(),
            b'D' => device.is_some(),
            _ => false,
        };
        is_right.then_some(SparkplugTopic { message, group: first, node, device })
    }

    /// The node among all: `GROUP/NODE`.
    pub fn node_id(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    /// Where the node takes commands.
    pub fn commands(&self) -> String {
        format!("spBv1.0/{}/NCMD/{}", self.group, self.node)
    }
}

/// Reads a payload; of one that is packed, as Eclipse Tahu packs them, what it holds.
///
/// # Errors
/// Bytes that are no such message, and a body that is damaged, too long, or packed by an algorithm that is not known.
pub(crate) fn payload(bytes: &[u8]) -> Result<SparkplugPayload, Broken> {
    let malformed = |defect| Broken::Malformed(Malformed::new(Lookalike::Sparkplug, defect, 0));
    let read = |bytes: &[u8]| SparkplugPayload::decode(bytes).map_err(|_| malformed(Defect::Damaged));
    let payload = read(bytes)?;
    if payload.uuid.as_deref() != Some(PACKED) {
        return Ok(payload);
    }
    let algorithm = payload.metrics.iter().find(|metric| metric.name.as_deref() == Some("algorithm"));
    let algorithm = match algorithm.and_then(|metric| metric.value.as_ref()) {
        Some(Value::String(name)) => name.to_uppercase(),
        _ => "DEFLATE".into(),
    };
    let body = payload.body.as_deref().unwrap_or_default();
    let mut packed: Box<dyn Read + '_> = match &*algorithm {
        "GZIP" => Box::new(MultiGzDecoder::new(body)),
        // Java's and Python's deflate both write the header of zlib.
        "DEFLATE" => Box::new(ZlibDecoder::new(body)),
        _ => return Err(malformed(Defect::Algorithm)),
    };
    let mut unpacked = Vec::new();
    let length = packed.by_ref().take(MAX_PAYLOAD as u64 + 1).read_to_end(&mut unpacked);
    match length.map_err(|_| malformed(Defect::Damaged))? {
        0..=MAX_PAYLOAD => {}
        _ => return Err(malformed(Defect::Long)),
    }
    let inner = read(&unpacked)?;
    let (timestamp, seq) = (inner.timestamp.or(payload.timestamp), inner.seq.or(payload.seq));
    Ok(SparkplugPayload { timestamp, seq, ..inner })
}

/// The `uuid` of a packed payload.
const PACKED: &str = "SPBV1.0_COMPRESSED";

/// The payload by which a node is asked for its birth certificates; `now` in milliseconds since 1970.
pub(crate) fn rebirth(now: u64) -> Vec<u8> {
    let metric = SparkplugMetric {
        name: Some("Node Control/Rebirth".into()),
        timestamp: Some(now),
        datatype: Some(types::BOOLEAN),
        value: Some(Value::Boolean(true)),
        ..SparkplugMetric::default()
    };
    SparkplugPayload { timestamp: Some(now), metrics: vec![metric], ..SparkplugPayload::default() }.encode_to_vec()
}

/// The types of values.
mod types {
    pub const INT8: u32 = 1;
    pub const INT16: u32 = 2;
    pub const INT32: u32 = 3;
    pub const INT64: u32 = 4;
    pub const BOOLEAN: u32 = 11;
    pub const INT8_ARRAY: u32 = 22;
    pub const INT16_ARRAY: u32 = 23;
    pub const INT32_ARRAY: u32 = 24;
    pub const INT64_ARRAY: u32 = 25;
    pub const UINT8_ARRAY: u32 = 26;
    pub const UINT16_ARRAY: u32 = 27;
    pub const UINT32_ARRAY: u32 = 28;
    pub const UINT64_ARRAY: u32 = 29;
    pub const FLOAT_ARRAY: u32 = 30;
    pub const DOUBLE_ARRAY: u32 = 31;
    pub const BOOLEAN_ARRAY: u32 = 32;
    pub const STRING_ARRAY: u32 = 33;
    pub const DATE_TIME_ARRAY: u32 = 34;
}

/// Appends the value of a metric as JSON. Where a whole number's type is not known, `None`: it may be negative. A data set
/// is an array of its rows, a template an object of its metrics, of which `member` knows the types by their names; an
/// extension is an empty object.
pub(crate) fn push_value(
    out: &mut Vec<u8>,
    metric: &SparkplugMetric,
    datatype: u32,
    member: &dyn Fn(&str) -> u32,
) -> Option<()> {
    let Some(value) = metric.value.as_ref().filter(|_| metric.is_null != Some(true)) else {
        out.extend_from_slice(b"null");
        return Some(());
    };
    match value {
        Value::Int(_) | Value::Long(_) if datatype == 0 => return None,
        // Negative numbers come in two's complement, of their own width or of the field's.
        Value::Int(value) => push_integer(out, u64::from(*value), datatype, i64::from(*value as i32)),
        Value::Long(value) => push_integer(out, *value, datatype, *value as i64),
        Value::Float(value) => json_writer::push_number(out, f64::from(*value)),
        Value::Double(value) => json_writer::push_number(out, *value),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::String(value) => json_writer::push_text(out, value),
        Value::Bytes(bytes) => push_array(out, bytes, datatype),
        Value::DataSet(set) => push_data_set(out, set),
        Value::Template(template) => push_template(out, template, member)?,
        Value::Extension(_) => out.extend_from_slice(b"{}"),
    }
    Some(())
}

fn push_data_set(out: &mut Vec<u8>, set: &DataSet) {
    push_list(out, set.rows.iter(), |out, row| {
        out.push(b'{');
        for (place, (name, element)) in set.columns.iter().zip(&row.elements).enumerate() {
            json_writer::push_key(out, name);
            let datatype = set.types.get(place).copied().unwrap_or(0);
            match &element.value {
                None => out.extend_from_slice(b"null"),
                Some(DataSetValue::Int(value)) => {
                    push_integer(out, u64::from(*value), datatype, i64::from(*value as i32))
                }
                Some(DataSetValue::Long(value)) => push_integer(out, *value, datatype, *value as i64),
                Some(DataSetValue::Float(value)) => json_writer::push_number(out, f64::from(*value)),
                Some(DataSetValue::Double(value)) => json_writer::push_number(out, *value),
                Some(DataSetValue::Boolean(value)) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
                Some(DataSetValue::String(value)) => json_writer::push_text(out, value),
            }
        }
        out.push(b'}');
    });
}

fn push_template(out: &mut Vec<u8>, template: &Template, member: &dyn Fn(&str) -> u32) -> Option<()> {
    out.push(b'{');
    for metric in &template.metrics {
        let Some(name) = &metric.name else { continue };
        json_writer::push_key(out, name);
        let datatype = metric.datatype.filter(|datatype| *datatype > 0).unwrap_or_else(|| member(name));
        push_value(out, metric, datatype, &|inner| member(&member_name(name, inner)))?;
    }
    out.push(b'}');
    Some(())
}

/// The name of a template's metric among those of birth certificates.
pub(crate) fn member_name(template: &str, member: &str) -> String {
    format!("{template}\0{member}")
}

/// The metrics of templates in a metric, with their names among those of birth certificates.
pub(crate) fn members<'m>(metric: &'m SparkplugMetric, name: &str, f: &mut impl FnMut(String, &'m SparkplugMetric)) {
    let Some(Value::Template(template)) = &metric.value else { return };
    for inner in &template.metrics {
        if let Some(own) = &inner.name {
            let name = member_name(name, own);
            members(inner, &name, f);
            f(name, inner);
        }
    }
}

/// The value of a metric, if it is a whole number without a sign.
pub(crate) fn whole_number(metric: &SparkplugMetric) -> Option<u64> {
    match metric.value {
        Some(Value::Int(value)) => Some(value.into()),
        Some(Value::Long(value)) => Some(value),
        _ => None,
    }
}

fn push_integer(out: &mut Vec<u8>, value: u64, datatype: u32, signed: i64) {
    match datatype {
        types::INT8 => json_writer::push_integer(out, value as i8),
        types::INT16 => json_writer::push_integer(out, value as i16),
        types::INT32 => json_writer::push_integer(out, value as i32),
        types::INT64 => json_writer::push_integer(out, signed),
        _ => json_writer::push_integer(out, value),
    }
}

/// Appends bytes, or the array that they hold.
fn push_array(out: &mut Vec<u8>, bytes: &[u8], datatype: u32) {
    match datatype {
        types::INT8_ARRAY => push_items(out, bytes, |out, [byte]: [u8; 1]| json_writer::push_integer(out, byte as i8)),
        types::UINT8_ARRAY => push_items(out, bytes, |out, [byte]: [u8; 1]| json_writer::push_integer(out, byte)),
        types::INT16_ARRAY => push_items(out, bytes, |out, b| json_writer::push_integer(out, i16::from_le_bytes(b))),
        types::UINT16_ARRAY => push_items(out, bytes, |out, b| json_writer::push_integer(out, u16::from_le_bytes(b))),
        types::INT32_ARRAY => push_items(out, bytes, |out, b| json_writer::push_integer(out, i32::from_le_bytes(b))),
        types::UINT32_ARRAY => push_items(out, bytes, |out, b| json_writer::push_integer(out, u32::from_le_bytes(b))),
        types::INT64_ARRAY => push_items(out, bytes, |out, b| json_writer::push_integer(out, i64::from_le_bytes(b))),
        types::UINT64_ARRAY | types::DATE_TIME_ARRAY => {
            push_items(out, bytes, |out, b| json_writer::push_integer(out, u64::from_le_bytes(b)));
        }
        types::FLOAT_ARRAY => {
            push_items(out, bytes, |out, b| json_writer::push_number(out, f64::from(f32::from_le_bytes(b))));
        }
        types::DOUBLE_ARRAY => push_items(out, bytes, |out, b| json_writer::push_number(out, f64::from_le_bytes(b))),
        types::BOOLEAN_ARRAY => push_booleans(out, bytes),
        types::STRING_ARRAY => {
            let texts = bytes.split(|byte| *byte == 0).take(bytes.iter().filter(|byte| **byte == 0).count());
            push_list(out, texts, |out, text| json_writer::push_text(out, &String::from_utf8_lossy(text)));
        }
        _ => push_bytes(out, bytes),
    }
}

fn push_items<const N: usize>(out: &mut Vec<u8>, bytes: &[u8], push: impl FnMut(&mut Vec<u8>, [u8; N])) {
    push_list(out, bytes.as_chunks::<N>().0.iter().copied(), push);
}

/// Four bytes tell how many there are; then eight a byte, the first one in the highest bit.
fn push_booleans(out: &mut Vec<u8>, bytes: &[u8]) {
    let (count, bits) =
        bytes.split_first_chunk::<4>().map_or((0, bytes), |(count, bits)| (u32::from_le_bytes(*count) as usize, bits));
    let booleans = bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1)).take(count);
    push_list(out, booleans, |out, value| out.extend_from_slice(if value { b"true" } else { b"false" }));
}

fn push_list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, mut push: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_specification() {
        let read = |topic: &'static str| {
            SparkplugTopic::read(topic).map(|topic| (topic.message, topic.group, topic.node, topic.device))
        };
        assert_eq!(read("spBv1.0/g/NBIRTH/n"), Some((MessageType::Birth, "g", "n", None)));
        assert_eq!(read("spBv1.0/g/DDATA/n/d"), Some((MessageType::Data, "g", "n", Some("d"))));
        assert_eq!(read("spBv1.0/g/DDEATH/n/d"), Some((MessageType::Death, "g", "n", Some("d"))));
        for other in ["spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/d", "spBv1.0/STATE/host", "STATE/host"] {
            assert_eq!(read(other).unwrap().0, MessageType::Other, "{other}");
        }
        for wrong in [
            "",
            "spBv1.0",
            "spBv1.0/g",
            "spBv1.0/g/NDATA",
            "spBv1.0/g/NDATA/n/d",
            "spBv1.0/g/DDATA/n",
            "spBv1.0/g/DDATA/n/d/e",
            "spBv1.0/g/XDATA/n",
            "spBv1.0/g//n",
            "spBv1.0/g/\u{e9}DATA/n",
            "spAv1.0/g/NDATA/n",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(SparkplugTopic::read("spBv1.0/g/DDATA/n/d").unwrap().commands(), "spBv1.0/g/NCMD/n");
    }

    fn json(value: Value, datatype: u32) -> Option<String> {
        let metric = SparkplugMetric { value: Some(value), ..SparkplugMetric::default() };
        let mut out = Vec::new();
        push_value(&mut out, &metric, datatype, &|_| 0)?;
        Some(String::from_utf8(out).unwrap())
    }

    /// Section 6.4.16 of the specification.
    #[test]
    fn values_are_those_of_the_specification() {
        for (value, datatype, expected) in [
            (Value::Int(251), 1, "-5"),
            (Value::Int(0xffff_fffb), 1, "-5"),
            (Value::Int(0xfffb), 2, "-5"),
            (Value::Int(0xffff_fffb), 3, "-5"),
            (Value::Int(0xffff_fffb), 7, "4294967291"),
            (Value::Long(u64::MAX), 4, "-1"),
            (Value::Long(u64::MAX), 8, "18446744073709551615"),
            (Value::Float(0.1), 9, "0.10000000149011612"),
            (Value::Double(0.1), 10, "0.1"),
            (Value::Boolean(true), 11, "true"),
            (Value::String("a\"b".into()), 12, r#""a\"b""#),
            (Value::Long(1_486_144_502_122), 13, "1486144502122"),
            (Value::Bytes(vec![1, 2, 3, 4]), 17, "\"AQIDBA\""),
            (Value::Bytes(vec![0xef, 0x7b]), 22, "[-17,123]"),
            (Value::Bytes(vec![0xf9, 0x86, 0x07, 0x79]), 23, "[-30983,30983]"),
            (Value::Bytes(vec![0x36, 0xd2, 0xff, 0xff, 0xca, 0x2d, 0, 0]), 24, "[-11722,11722]"),
            (Value::Bytes(vec![23, 250]), 26, "[23,250]"),
            (Value::Bytes(vec![0x1e, 0, 0x88, 0xcc]), 27, "[30,52360]"),
            (Value::Bytes(vec![0, 0, 0, 0x3f, 1]), 30, "[0.5]"),
            (
                Value::Bytes(vec![0x0c, 0, 0, 0, 0x34, 0xd0]),
                32,
                "[false,false,true,true,false,true,false,false,true,true,false,true]",
            ),
            (Value::Bytes(b"ABC\0hello\0".to_vec()), 33, "[\"ABC\",\"hello\"]"),
            (Value::DataSet(DataSet::default()), 16, "[]"),
        ] {
            assert_eq!(json(value.clone(), datatype).as_deref(), Some(expected), "{value:?}");
        }
        assert_eq!((json(Value::Int(1), 0), json(Value::Double(1.5), 0)), (None, Some("1.5".into())));
        let mut out = Vec::new();
        push_value(
            &mut out,
            &SparkplugMetric { is_null: Some(true), value: Some(Value::Int(5)), ..SparkplugMetric::default() },
            3,
            &|_| 0,
        );
        push_value(&mut out, &SparkplugMetric::default(), 0, &|_| 0);
        assert_eq!(out, b"nullnull");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(payload(&[0xff; 9]).is_err() && payload(b"{\"t\": 1}").is_err());
        let packed = SparkplugPayload { uuid: Some(PACKED.into()), ..SparkplugPayload::default() };
        assert!(payload(&packed.encode_to_vec()).unwrap_err().to_string().contains("damaged"));
        let name = SparkplugMetric {
            name: Some("algorithm".into()),
            value: Some(Value::String("LZ4".into())),
            ..SparkplugMetric::default()
        };
        let unknown = SparkplugPayload { metrics: vec![name], ..packed };
        assert!(payload(&unknown.encode_to_vec()).unwrap_err().to_string().contains("neither GZIP nor DEFLATE"));
        let asked = payload(&rebirth(5)).unwrap();
        assert_eq!((asked.timestamp, asked.metrics[0].name.as_deref()), (Some(5), Some("Node Control/Rebirth")));
    }
}
