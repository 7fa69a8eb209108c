//! The edge nodes of Sparkplug B: their birth certificates name the metrics that later messages have numbers for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::data::{BirthCertificates, BornMetric, Broken, EdgeNodeState};
use crate::format::json_writer;
use crate::format::sparkplug::{self, MessageType, SparkplugMetric, SparkplugPayload, SparkplugTopic};

/// Most bytes of birth certificates that are kept.
const MAX_HELD: usize = 64 << 20;
/// Bytes counted for a metric beside its name, and for a node.
const OVERHEAD: usize = 128;
/// Shortest time between two requests to one node for its birth certificates.
const REBIRTH_INTERVAL: Duration = Duration::from_secs(10);

/// What is known of all edge nodes of a connection.
#[derive(Debug, Default)]
pub struct EdgeNodes {
    nodes: HashMap<String, EdgeNode>,
    bytes: usize,
    /// The nodes that have said something since the last bucket, and whether their birth certificates have changed.
    changed: BTreeMap<String, bool>,
    /// The topics on which nodes are to be asked for their birth certificates.
    requests: Vec<String>,
}

#[derive(Debug, Default)]
struct EdgeNode {
    sequence: Option<u8>,
    certificates: Arc<BirthCertificates>,
    /// By device, where its metrics stand in its certificate.
    places: HashMap<String, MetricPlaces>,
    /// When it was asked last.
    asked: Option<u64>,
    /// Messages that are known to be missing since then.
    missing: u64,
}

#[derive(Debug, Default)]
struct MetricPlaces {
    by_alias: HashMap<u64, usize>,
    by_name: HashMap<String, usize>,
}

impl MetricPlaces {
    fn of(metrics: &[BornMetric]) -> MetricPlaces {
        let by_alias = metrics.iter().enumerate().filter_map(|(place, metric)| Some((metric.alias?, place)));
        let by_name = metrics.iter().enumerate().map(|(place, metric)| (metric.name.clone(), place));
        MetricPlaces { by_alias: by_alias.collect(), by_name: by_name.collect() }
    }
}

impl EdgeNodes {
    /// Goes on with what an earlier run has known.
    pub fn after(known: &[EdgeNodeState]) -> EdgeNodes {
        let mut nodes = EdgeNodes::default();
        for EdgeNodeState { id, sequence, certificates } in known {
            let certificates = certificates.clone().unwrap_or_default();
            nodes.bytes += byte_len(&certificates) + id.len() + OVERHEAD;
            let places = certificates.metrics.iter();
            let places = places.map(|(device, metrics)| (device.clone(), MetricPlaces::of(metrics))).collect();
            let node = EdgeNode { sequence: *sequence, certificates, places, ..EdgeNode::default() };
            nodes.nodes.insert(id.clone(), node);
        }
        nodes
    }

    /// What nodes have said since the last call, for the checkpoint.
    pub fn take_changed(&mut self) -> Vec<EdgeNodeState> {
        let states = std::mem::take(&mut self.changed).into_iter().filter_map(|(id, born)| {
            let node = self.nodes.get(&id)?;
            let certificates = born.then(|| node.certificates.clone());
            Some(EdgeNodeState { sequence: node.sequence, certificates, id })
        });
        states.collect()
    }

    /// Whether nodes have said something since the last bucket.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The topics on which nodes are to be asked for their birth certificates.
    pub fn take_requests(&mut self) -> Vec<String> {
        std::mem::take(&mut self.requests)
    }

    /// Takes in a message that arrived at `now`, in nanoseconds; returns its rows as JSON. Beside the metrics they have
    /// `group`, `node`, `device` and `timestamp` where these are `wanted`.
    ///
    /// # Errors
    /// Why it can't be read.
    pub fn take_in(
        &mut self,
        topic: &str,
        bytes: &[u8],
        wanted: impl Fn(&str) -> bool,
        now: u64,
    ) -> Result<Vec<Vec<u8>>, Broken> {
        let topic = SparkplugTopic::read(topic).ok_or(Broken::NoSparkplugTopic)?;
        if topic.message == MessageType::Other {
            return Ok(Vec::new());
        }
        let payload = sparkplug::payload(bytes)?;
        let (id, device) = (topic.node_id(), topic.device.unwrap_or_default());
        if self.bytes > MAX_HELD && !self.nodes.contains_key(&id) {
            return Err(Broken::TooManyMetrics);
        }
        match (topic.message, topic.device) {
            (MessageType::Death, None) => {
                self.die(&id, &payload);
                return Ok(Vec::new());
            }
            (MessageType::Birth, None) => self.begin(&id, &payload),
            _ => self.follow(&topic, &id, &payload, now),
        }
        match topic.message {
            MessageType::Birth => self.bear(&id, device, &payload).map(|()| Vec::new()),
            MessageType::Data => {
                let rows = self.rows(&topic, &id, &payload, wanted);
                if rows.is_err() {
                    self.ask(&topic, &id, now);
                }
                rows
            }
            _ => {
                self.keep(&id, None, |certificates| _ = certificates.metrics.remove(device));
                Ok(Vec::new())
            }
        }
    }

    /// A birth certificate of the node begins its session: those of its devices follow.
    fn begin(&mut self, id: &str, payload: &SparkplugPayload) {
        let session = session(payload);
        self.keep(id, None, |certificates| *certificates = BirthCertificates { session, metrics: BTreeMap::new() });
        let node = self.node(id);
        (node.sequence, node.asked, node.missing) = (Some(payload.seq.unwrap_or(0) as u8), None, 0);
    }

    /// The node is gone, unless that is said of an earlier session.
    fn die(&mut self, id: &str, payload: &SparkplugPayload) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let (own, of) = (node.certificates.session, session(payload));
        if own.is_some() && of.is_some() && own != of {
            return;
        }
        node.sequence = None;
        self.keep(id, None, |certificates| *certificates = BirthCertificates::default());
    }

    /// Checks the sequence number: each message of a node and its devices has the next one.
    fn follow(&mut self, topic: &SparkplugTopic<'_>, id: &str, payload: &SparkplugPayload, now: u64) {
        self.changed.entry(id.to_owned()).or_default();
        let node = self.node(id);
        let Some(came) = payload.seq.map(|sequence| sequence as u8) else { return };
        let before = node.sequence.replace(came);
        // The same again is a redelivery of which an earlier run has taken the first rows.
        let missing = before.map_or(0, |before| came.wrapping_sub(before).saturating_sub(1));
        node.missing += u64::from(missing);
        if missing > 0 || before.is_none() {
            self.ask(topic, id, now);
        }
    }

    /// Asks a node for its birth certificates, unless that was done just before.
    fn ask(&mut self, topic: &SparkplugTopic<'_>, id: &str, now: u64) {
        let node = self.node(id);
        let interval = REBIRTH_INTERVAL.as_nanos() as u64;
        if node.asked.is_some_and(|asked| now.saturating_sub(asked) < interval) {
            return;
        }
        node.asked = Some(now);
        match std::mem::take(&mut node.missing) {
            0 => tracing::warn!("Sparkplug node {id}: its birth certificate has not come: it is asked for a rebirth"),
            missing => tracing::warn!(
                "Sparkplug node {id}: {missing} messages are missing before one that has come: it is asked for a rebirth"
            ),
        }
        self.requests.push(topic.commands());
    }

    /// A birth certificate of the node or a device.
    fn bear(&mut self, id: &str, device: &str, payload: &SparkplugPayload) -> Result<(), Broken> {
        let mut metrics: Vec<BornMetric> = Vec::new();
        for metric in &payload.metrics {
            let Some(name) = &metric.name else { continue };
            metrics.push(born(name.clone(), metric));
            sparkplug::members(metric, name, &mut |name, metric| metrics.push(born(name, metric)));
        }
        let more: usize = metrics.iter().map(|metric| metric.name.len() + OVERHEAD).sum();
        if self.bytes + more > MAX_HELD {
            return Err(Broken::TooManyMetrics);
        }
        self.keep(id, Some(device), |certificates| _ = certificates.metrics.insert(device.to_owned(), metrics));
        Ok(())
    }

    /// Changes the birth certificates of a node: one of the device that is `born`, or none is new.
    fn keep(&mut self, id: &str, born: Option<&str>, change: impl FnOnce(&mut BirthCertificates)) {
        let node = self.node(id);
        let before = byte_len(&node.certificates);
        change(Arc::make_mut(&mut node.certificates));
        let metrics = &node.certificates.metrics;
        node.places.retain(|device, _| metrics.contains_key(device));
        if let Some((device, metrics)) = born.and_then(|device| metrics.get_key_value(device)) {
            node.places.insert(device.clone(), MetricPlaces::of(metrics));
        }
        let after = byte_len(&node.certificates);
        self.bytes = self.bytes - before + after;
        self.changed.insert(id.to_owned(), true);
    }

    /// A node, which is new if nothing has come of it.
    fn node(&mut self, id: &str) -> &mut EdgeNode {
        if !self.nodes.contains_key(id) {
            self.bytes += id.len() + OVERHEAD;
            self.nodes.insert(id.to_owned(), EdgeNode::default());
        }
        self.nodes.get_mut(id).expect("it is there")
    }

    /// The rows of a message with data: one, or several where metrics come more than once.
    fn rows(
        &self,
        topic: &SparkplugTopic<'_>,
        id: &str,
        payload: &SparkplugPayload,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Vec<u8>>, Broken> {
        let device = topic.device.unwrap_or_default();
        let node = self.nodes.get(id).ok_or(Broken::NoBirth)?;
        let born = node.certificates.metrics.get(device).map_or(&[][..], Vec::as_slice);
        let places = node.places.get(device);
        let mut open: Vec<(&str, &SparkplugMetric, u32)> = Vec::new();
        let (mut parts, mut names) = (Vec::new(), HashSet::new());
        for metric in &payload.metrics {
            let place = match (metric.alias, &metric.name) {
                (_, Some(name)) if !name.is_empty() => places.and_then(|places| places.by_name.get(name)),
                (Some(alias), _) => places.and_then(|places| places.by_alias.get(&alias)),
                _ => None,
            };
            let known = place.map(|place| &born[*place]);
            let own = metric.name.as_deref().filter(|name| !name.is_empty());
            let name = own.or(known.map(|known| known.name.as_str())).ok_or(Broken::NoBirth)?;
            let datatype = metric.datatype.filter(|datatype| *datatype > 0);
            let datatype = datatype.unwrap_or(known.map_or(0, |known| known.datatype));
            if !names.insert(name) {
                parts.push(std::mem::take(&mut open));
                names = HashSet::from([name]);
            }
            open.push((name, metric, datatype));
        }
        parts.push(open);
        let several = parts.len() > 1;
        let row = |part: Vec<(&str, &SparkplugMetric, u32)>| {
            let measured = part.iter().filter_map(|(_, metric, _)| metric.timestamp).max();
            let timestamp = measured.filter(|_| several).or(payload.timestamp);
            let mut out = vec![b'{'];
            let of_topic = [("group", Some(topic.group)), ("node", Some(topic.node)), ("device", topic.device)];
            for (name, text) in of_topic {
                if let Some(text) = text.filter(|_| wanted(name)) {
                    json_writer::push_key(&mut out, name);
                    json_writer::push_text(&mut out, text);
                }
            }
            if let Some(timestamp) = timestamp.filter(|_| wanted("timestamp")) {
                json_writer::push_key(&mut out, "timestamp");
                json_writer::push_integer(&mut out, timestamp);
            }
            for (name, metric, datatype) in part {
                json_writer::push_key(&mut out, name);
                let member = |inner: &str| {
                    let place = places.and_then(|places| places.by_name.get(&sparkplug::member_name(name, inner)));
                    place.map_or(0, |place| born[*place].datatype)
                };
                sparkplug::push_value(&mut out, metric, datatype, &member).ok_or(Broken::NoBirth)?;
            }
            out.push(b'}');
            Ok(out)
        };
        parts.into_iter().map(row).collect()
    }
}

fn byte_len(certificates: &BirthCertificates) -> usize {
    let metrics = certificates.metrics.values().flatten();
    metrics.map(|metric| metric.name.len() + OVERHEAD).sum::<usize>()
}

fn born(name: String, metric: &SparkplugMetric) -> BornMetric {
    BornMetric { name, alias: metric.alias, datatype: metric.datatype.unwrap_or(0) }
}

/// The number of a node's session.
fn session(payload: &SparkplugPayload) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric| metric.name.as_deref() == Some("bdSeq"))?;
    sparkplug::whole_number(metric)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::format::sparkplug::Value;

    fn metric(name: Option<&str>, alias: Option<u64>, datatype: Option<u32>, value: Value) -> SparkplugMetric {
        let name = name.map(str::to_owned);
        SparkplugMetric { name, alias, datatype, value: Some(value), ..SparkplugMetric::default() }
    }

    fn message(seq: u64, metrics: Vec<SparkplugMetric>) -> Vec<u8> {
        SparkplugPayload { timestamp: Some(9), metrics, seq: Some(seq), ..SparkplugPayload::default() }.encode_to_vec()
    }

    fn node_birth(session: u64) -> Vec<u8> {
        let session = metric(Some("bdSeq"), None, Some(4), Value::Long(session));
        message(0, vec![session, metric(Some("inside"), Some(9), Some(1), Value::Int(20))])
    }

    fn device_birth(seq: u64) -> Vec<u8> {
        let temp = metric(Some("temp"), Some(1), Some(2), Value::Int(20));
        message(seq, vec![temp, metric(Some("wind/gust"), Some(2), Some(10), Value::Double(1.5))])
    }

    fn data(seq: u64, alias: u64, value: Value) -> Vec<u8> {
        message(seq, vec![metric(None, Some(alias), None, value)])
    }

    struct Told {
        nodes: EdgeNodes,
        now: u64,
    }

    impl Told {
        fn new() -> Told {
            Told { nodes: EdgeNodes::default(), now: 0 }
        }

        /// The rows of a message, or why there are none.
        fn rows(&mut self, topic: &str, bytes: &[u8]) -> Vec<String> {
            match self.nodes.take_in(&format!("spBv1.0/g/{topic}"), bytes, |name| name == "device", self.now) {
                Ok(rows) => rows.into_iter().map(|row| String::from_utf8(row).unwrap()).collect(),
                Err(reason) => vec![format!("{reason:?}")],
            }
        }

        fn born(&mut self) {
            assert_eq!(self.rows("NBIRTH/n", &node_birth(3)), [""; 0]);
            assert_eq!(self.rows("DBIRTH/n/d", &device_birth(1)), [""; 0]);
        }

        fn requests(&mut self) -> Vec<String> {
            self.nodes.take_requests()
        }
    }

    #[test]
    fn aliases_are_those_of_the_birth_certificates() {
        let mut told = Told::new();
        told.born();
        assert_eq!(told.rows("DDATA/n/d", &data(2, 1, Value::Int(0xffff_fffb))), [r#"{"device":"d","temp":-5}"#]);
        assert_eq!(told.rows("NDATA/n", &data(3, 9, Value::Int(0xfe))), [r#"{"inside":-2}"#]);
        assert_eq!(told.rows("DDATA/n/d", &data(4, 2, Value::Double(2.5))), [r#"{"device":"d","wind/gust":2.5}"#]);
        // By name, with the type of the certificate; and a metric that none has named.
        let named = message(5, vec![metric(Some("temp"), None, None, Value::Int(0xffff))]);
        assert_eq!(told.rows("DDATA/n/d", &named), [r#"{"device":"d","temp":-1}"#]);
        let other = message(6, vec![metric(Some("x"), None, None, Value::Boolean(true))]);
        assert_eq!(told.rows("DDATA/n/d", &other), [r#"{"device":"d","x":true}"#]);
        assert_eq!(told.requests(), [""; 0]);
        for (topic, payload) in [("NCMD/n", &b"?"[..]), ("DCMD/n/d", b"")] {
            assert_eq!(told.rows(topic, payload), [""; 0]);
        }
        assert_eq!(told.rows("NDATA", b""), ["NoSparkplugTopic"]);
        assert!(told.rows("NDATA/n", &[0xff; 5])[0].starts_with("Malformed"));
    }

    #[test]
    fn a_metric_that_comes_again_begins_a_row() {
        let mut told = Told::new();
        told.born();
        let at = |alias, value, timestamp| SparkplugMetric {
            timestamp: Some(timestamp),
            ..metric(None, Some(alias), None, Value::Int(value))
        };
        let late = message(2, vec![at(1, 4, 5), at(1, 5, 6), at(2, 1, 7)]);
        let wanted = |name: &str| name == "timestamp";
        let rows = told.nodes.take_in("spBv1.0/g/DDATA/n/d", &late, wanted, 0).unwrap();
        assert_eq!(rows, [&br#"{"timestamp":5,"temp":4}"#[..], br#"{"timestamp":7,"temp":5,"wind/gust":1}"#]);
    }

    #[test]
    fn a_node_is_asked_where_a_message_is_missing_and_where_none_names_a_metric() {
        let mut told = Told::new();
        assert_eq!(told.rows("DDATA/n/d", &data(7, 1, Value::Int(1))), ["NoBirth"]);
        assert_eq!(told.requests(), ["spBv1.0/g/NCMD/n"]);
        assert_eq!(told.rows("DDATA/n/d", &data(8, 1, Value::Int(1))), ["NoBirth"]);
        assert_eq!(told.requests(), [""; 0], "it was asked just before");
        told.now += REBIRTH_INTERVAL.as_nanos() as u64;
        assert_eq!(told.rows("DDATA/n/d", &data(9, 1, Value::Int(1))), ["NoBirth"]);
        assert_eq!(told.requests(), ["spBv1.0/g/NCMD/n"]);
        told.born();
        // A gap costs no row; 255 is followed by 0.
        assert_eq!(told.rows("DDATA/n/d", &data(254, 1, Value::Int(1))).len(), 1);
        assert_eq!((told.nodes.nodes["g/n"].missing, told.requests()), (0, vec!["spBv1.0/g/NCMD/n".into()]));
        for seq in [255, 0, 0, 1] {
            assert_eq!(told.rows("NDATA/n", &data(seq, 9, Value::Int(1))), [r#"{"inside":1}"#]);
        }
        assert_eq!(told.requests(), [""; 0]);
        assert_eq!(told.rows("NDATA/n", &data(4, 9, Value::Int(1))).len(), 1);
        assert_eq!((told.nodes.nodes["g/n"].missing, told.requests()), (2, Vec::new()));
        // An alias beyond the certificate.
        told.now *= 3;
        assert_eq!(told.rows("NDATA/n", &data(5, 77, Value::Int(1))), ["NoBirth"]);
        assert_eq!(told.requests(), ["spBv1.0/g/NCMD/n"]);
    }

    #[test]
    fn deaths_end_certificates_but_not_those_of_a_later_session() {
        let mut told = Told::new();
        told.born();
        assert_eq!(told.rows("DDEATH/n/d", &message(2, Vec::new())), [""; 0]);
        assert_eq!(told.rows("DDATA/n/d", &data(3, 1, Value::Int(1))), ["NoBirth"]);
        assert_eq!(told.rows("NDATA/n", &data(4, 9, Value::Int(1))).len(), 1);
        let death = |session| message(0, vec![metric(Some("bdSeq"), None, Some(4), Value::Long(session))]);
        assert_eq!(told.rows("NDEATH/n", &death(2)), [""; 0]);
        assert_eq!(told.rows("NDATA/n", &data(5, 9, Value::Int(1))), [r#"{"inside":1}"#]);
        assert_eq!(told.rows("NDEATH/n", &death(3)), [""; 0]);
        assert_eq!(told.rows("NDATA/n", &data(6, 9, Value::Int(1))), ["NoBirth"]);
        // A birth of the node ends those of its devices.
        told.born();
        assert_eq!(told.rows("NBIRTH/n", &node_birth(4)), [""; 0]);
        assert_eq!(told.rows("DDATA/n/d", &data(1, 1, Value::Int(1))), ["NoBirth"]);
    }

    #[test]
    fn a_later_run_goes_on_with_what_was_known() {
        let mut told = Told::new();
        told.born();
        let first = told.nodes.take_changed();
        assert_eq!(told.rows("DDATA/n/d", &data(2, 1, Value::Int(1))).len(), 1);
        let second = told.nodes.take_changed();
        assert!(first[0].certificates.is_some() && second[0].certificates.is_none(), "only what has changed");
        assert!(!told.nodes.has_changed());
        let mut known = first[0].clone();
        second.into_iter().for_each(|state| known.extend(state));
        let known: Vec<EdgeNodeState> = crate::data::from_bytes(&crate::data::to_bytes(&vec![known])).unwrap();
        let mut later = Told { nodes: EdgeNodes::after(&known), now: 0 };
        assert_eq!(later.nodes.bytes, told.nodes.bytes);
        // The same message again is no gap, and the next one follows.
        for seq in [2, 3] {
            assert_eq!(later.rows("DDATA/n/d", &data(seq, 1, Value::Int(1))), [r#"{"device":"d","temp":1}"#]);
        }
        assert_eq!(later.requests(), [""; 0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut told = Told::new();
        let name = "x".repeat(1 << 20);
        let mut refused = 0;
        for node in 0..100 {
            let birth = message(0, vec![metric(Some(&name), Some(1), Some(9), Value::Float(0.5))]);
            refused += told.rows(&format!("NBIRTH/n{node}"), &birth).len();
        }
        assert!((30..40).contains(&refused) && told.nodes.bytes < MAX_HELD + (2 << 20), "{refused}");
    }

    /// Messages of `scripts/make_sparkplug_goldens.py`.
    #[test]
    fn packed_payloads_templates_and_data_sets_are_read() {
        use base64::Engine;
        let mut nodes = EdgeNodes::default();
        for (line, place) in include_str!("../../tests/formats/sparkplug.ndjson").lines().zip(1..) {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            let payload =
                base64::engine::general_purpose::STANDARD.decode(message["payload"].as_str().unwrap()).unwrap();
            let wanted = |name: &str| name == "timestamp";
            let rows = nodes.take_in(message["topic"].as_str().unwrap(), &payload, wanted, place).unwrap();
            let rows: Vec<serde_json::Value> = rows.iter().map(|row| serde_json::from_slice(row).unwrap()).collect();
            let expected: Vec<serde_json::Value> =
                (!message["row"].is_null()).then(|| message["row"].clone()).into_iter().collect();
            assert_eq!(rows, expected, "line {place}");
        }
        assert_eq!(nodes.take_requests(), [] as [String; 0]);
    }
}
