//! The tables of a checkpoint's database: how they are written and read, and the checksum over all entries.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::DateTime;
use redb::{
    AccessGuard, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableHandle,
    Value, WriteTransaction,
};

use crate::config::ParsedSettings;
use crate::data::{EdgeNodeState, StationClock, fingerprint};
use crate::runtime::epochs::stored::{Progress, Sessions};
use crate::runtime::graph::operator_state::OperatorStates;
use crate::sink::FileEnd;
use crate::source::{Connections, DeliveryRange, TakenPublish};

/// Single numbers, by name.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// By connection and place: packet id and hash of the publishes that may be redelivered, in order of arrival.
pub(super) const DELIVERIES: TableDefinition<'_, (u64, u64), (u16, u64)> = TableDefinition::new("deliveries in order");

/// By connection: packet id and hash of the publish of which only the first rows are complete, and their count.
pub(super) const BEGUN: TableDefinition<'_, u64, (u16, u64, u64)> = TableDefinition::new("begun");

/// Keyed state, by the number of the operator and the key.
pub(super) const STATES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("memories");

/// The source's sessions at a broker, by client id, with what they are subscribed to.
pub(super) const SESSIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("sessions");

/// The dataflow's settings that results depend on, by key.
pub(super) const DATAFLOW: TableDefinition<'_, &str, &str> = TableDefinition::new("dataflow");

/// Texts, by name.
pub(super) const TEXTS: TableDefinition<'_, &str, &str> = TableDefinition::new("texts");

/// Prefix of a connection's number: the rows that lack values still, as JSON.
pub(super) const PARTIAL_ROWS: &str = "partial rows ";

/// Prefix of a connection's number and the id of an edge node of Sparkplug B: its birth certificates, as JSON.
pub(super) const BIRTHS: &str = "births ";

/// As [`BIRTHS`]: the sequence number of its last message.
pub(super) const SEQUENCES: &str = "sequence ";

/// Prefix of a connection's number, a topic and a key: the last row of a station near a change of clocks, as JSON.
pub(super) const CLOCKS: &str = "clock ";

/// The checksum: the wrapping sum of a hash of each entry of all tables, without its own.
pub(super) const SUM: &str = "sum";

/// Prefix of a file's path: how many bytes of results, or of a table's changes, are committed there.
const FILE_LENGTH: &str = "length of ";

const FILE_FINGERPRINT: &str = "fingerprint of ";

/// Where the file of the one sink ends, as earlier versions of this program wrote it.
const SINK_END: [&str; 2] = ["length", "fingerprint"];

/// The number of the last commit.
pub(super) const COMMIT: &str = "commit";

pub(super) fn put_dataflow(
    transaction: &WriteTransaction,
    dataflow: &ParsedSettings,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let mut settings = transaction.open_table(DATAFLOW)?;
    retain(&mut settings, |_| false, sum)?;
    dataflow.iter().try_for_each(|(key, value)| put(&mut settings, key, value, sum))
}

pub(super) fn read_dataflow(transaction: &ReadTransaction) -> Result<ParsedSettings, redb::Error> {
    let settings = transaction.open_table(DATAFLOW)?;
    Ok(ParsedSettings::read(texts::<Vec<_>>(&settings)?))
}

pub(super) fn put_progress(
    transaction: &WriteTransaction,
    progress: &Progress,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let Progress { keeps_tail, next_epoch, next_row, numbers: next, files, transactions } = progress;
    let mut numbers = transaction.open_table(NUMBERS)?;
    for (connection, number) in next.iter().enumerate() {
        put(&mut numbers, next_number(connection).as_str(), *number, sum)?;
    }
    // An earlier run may have had more connections.
    for connection in next.len()..Connections::MOST {
        if numbers.get(next_number(connection).as_str())?.is_none() {
            break;
        }
        take_out(&mut numbers, next_number(connection).as_str(), sum)?;
    }
    for (name, number) in [("keeps tail", u64::from(*keeps_tail)), ("next epoch", *next_epoch), ("next row", *next_row)]
    {
        put(&mut numbers, name, number, sum)?;
    }
    match transactions {
        Some(transactions) => put(&mut numbers, "transactions", *transactions, sum)?,
        None => take_out(&mut numbers, "transactions", sum)?,
    }
    for (path, FileEnd { length, fingerprint }) in files {
        put(&mut numbers, format!("{FILE_LENGTH}{path}").as_str(), *length, sum)?;
        put(&mut numbers, format!("{FILE_FINGERPRINT}{path}").as_str(), *fingerprint, sum)?;
    }
    SINK_END.into_iter().try_for_each(|name| take_out(&mut numbers, name, sum))
}

/// By path, the committed ends of files; `sink` is the path of the one sink, if it is a file.
pub(super) fn read_files(
    transaction: &ReadTransaction,
    sink: Option<String>,
) -> Result<BTreeMap<String, FileEnd>, redb::Error> {
    let mut files: BTreeMap<String, FileEnd> = BTreeMap::new();
    let numbers = transaction.open_table(NUMBERS)?;
    for entry in numbers.iter()? {
        let (name, number) = entry?;
        if let Some(path) = name.value().strip_prefix(FILE_LENGTH) {
            files.entry(path.into()).or_default().length = number.value();
        } else if let Some(path) = name.value().strip_prefix(FILE_FINGERPRINT) {
            files.entry(path.into()).or_default().fingerprint = number.value();
        }
    }
    let number = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map(|number| number.value()));
    let [length, fingerprint] = SINK_END;
    if let (Some(path), Some(length)) = (sink, number(length)?) {
        files.insert(path, FileEnd { length, fingerprint: number(fingerprint)?.unwrap_or(0) });
    }
    Ok(files)
}

pub(super) fn put_deliveries(
    transaction: &WriteTransaction,
    covered: &BTreeMap<usize, DeliveryRange>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let mut deliveries = transaction.open_table(DELIVERIES)?;
    let mut begins = transaction.open_table(BEGUN)?;
    for (connection, DeliveryRange { taken, begun, first, .. }) in covered {
        let connection = *connection as u64;
        for (place, TakenPublish { packet_id, hash }) in taken.iter().filter(|(place, _)| place >= first) {
            put(&mut deliveries, (connection, *place), (*packet_id, *hash), sum)?;
        }
        deliveries.retain_in((connection, 0)..(connection, *first), |key, value| {
            *sum = sum.wrapping_sub(digest::<(u64, u64), (u16, u64)>(DELIVERIES.name(), &key, &value));
            false
        })?;
        match begun {
            Some((of, rows)) => put(&mut begins, connection, (of.packet_id, of.hash, *rows), sum)?,
            None => take_out(&mut begins, connection, sum)?,
        }
    }
    Ok(())
}

/// Rows that lack values still, where values come one by one, of a source with so many connections.
pub(super) fn put_partial_rows(
    transaction: &WriteTransaction,
    covered: &BTreeMap<usize, DeliveryRange>,
    connections: usize,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let held = || covered.iter().filter_map(|(connection, range)| Some((*connection, range.partial.as_ref()?)));
    if held().next().is_none() {
        return Ok(());
    }
    let mut rows = transaction.open_table(TEXTS)?;
    if held().any(|(connection, _)| connection == 0) {
        // The first connection has gone on with the rows of those that are no more.
        let is_there = |name: &str| {
            let connection = name.strip_prefix(PARTIAL_ROWS).and_then(|number| number.parse::<usize>().ok());
            connection.is_none_or(|connection| connection < connections)
        };
        retain(&mut rows, |name| is_there(name), sum)?;
    }
    for (connection, partial) in held() {
        let name = format!("{PARTIAL_ROWS}{connection}");
        if partial.is_empty() {
            take_out(&mut rows, name.as_str(), sum)?;
        } else {
            let text = serde_json::to_string(partial).expect("texts and numbers are values");
            put(&mut rows, name.as_str(), text.as_str(), sum)?;
        }
    }
    Ok(())
}

/// What edge nodes of Sparkplug B have said.
pub(super) fn put_edge_nodes(
    transaction: &WriteTransaction,
    covered: &BTreeMap<usize, DeliveryRange>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    if covered.values().all(|range| range.edge_nodes.is_empty()) {
        return Ok(());
    }
    let mut texts = transaction.open_table(TEXTS)?;
    for (connection, range) in covered {
        // Of several states of a node the last one counts, and of its certificates the last ones that changed.
        let (mut sequences, mut births) = (BTreeMap::new(), BTreeMap::new());
        for EdgeNodeState { id, sequence, certificates } in &range.edge_nodes {
            sequences.insert(id, sequence);
            certificates.iter().for_each(|certificates| _ = births.insert(id, certificates));
        }
        for (id, sequence) in sequences {
            let name = format!("{SEQUENCES}{connection} {id}");
            match sequence {
                Some(sequence) => put(&mut texts, name.as_str(), sequence.to_string().as_str(), sum)?,
                None => take_out(&mut texts, name.as_str(), sum)?,
            }
        }
        for (id, certificates) in births {
            let name = format!("{BIRTHS}{connection} {id}");
            if certificates.metrics.is_empty() && certificates.session.is_none() {
                take_out(&mut texts, name.as_str(), sum)?;
            } else {
                let text = serde_json::to_string(certificates).expect("texts and numbers are values");
                put(&mut texts, name.as_str(), text.as_str(), sum)?;
            }
        }
    }
    Ok(())
}

/// What an entry of [`TEXTS`] says of an edge node: the connection it belongs to, and its state. `None` for others.
///
/// # Errors
/// An entry that is none.
pub(super) fn edge_node(name: &str, text: &str) -> Option<Result<(u64, EdgeNodeState), serde_json::Error>> {
    let of = |prefix| {
        let (connection, id) = name.strip_prefix(prefix)?.split_once(' ')?;
        Some((connection.parse::<u64>().ok()?, id.to_owned()))
    };
    if let Some((connection, id)) = of(BIRTHS) {
        let born = serde_json::from_str(text).map(|certificates| Some(Arc::new(certificates)));
        return Some(born.map(|certificates| (connection, EdgeNodeState { id, sequence: None, certificates })));
    }
    let (connection, id) = of(SEQUENCES)?;
    let sequence = serde_json::from_str(text);
    Some(sequence.map(|sequence| (connection, EdgeNodeState { id, sequence: Some(sequence), certificates: None })))
}

/// The last rows of stations near a change of clocks.
pub(super) fn put_station_clocks(
    transaction: &WriteTransaction,
    covered: &BTreeMap<usize, DeliveryRange>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    if covered.values().all(|range| range.station_clocks.is_empty()) {
        return Ok(());
    }
    let mut texts = transaction.open_table(TEXTS)?;
    for (connection, range) in covered {
        for (station, clock) in &range.station_clocks {
            let name = format!("{CLOCKS}{connection} {station}");
            let text = serde_json::to_string(clock).expect("texts and numbers are values");
            put(&mut texts, name.as_str(), text.as_str(), sum)?;
        }
    }
    Ok(())
}

/// Takes out the stations' last rows of an earlier change of clocks than the last one.
pub(super) fn forget_station_clocks(transaction: &WriteTransaction, sum: &mut u64) -> Result<(), redb::Error> {
    const DAYS: i64 = 3;
    let mut texts = transaction.open_table(TEXTS)?;
    let local = |name: &str, text: &str| Some(station_clock(name, text)?.ok()?.1.local);
    let mut found: Vec<(String, DateTime)> = Vec::new();
    for entry in texts.range(CLOCKS..)? {
        let (name, text) = entry?;
        if !name.value().starts_with(CLOCKS) {
            break;
        }
        found.extend(local(name.value(), text.value()).map(|local| (name.value().to_owned(), local)));
    }
    let newest = found.iter().map(|(_, local)| *local).max();
    let begin = newest.and_then(|newest| newest.checked_sub(DAYS.days()).ok()).unwrap_or(DateTime::MIN);
    let mut stale = found.iter().filter(|(_, local)| *local < begin);
    stale.try_for_each(|(name, _)| take_out(&mut texts, name.as_str(), sum))
}

/// What an entry of [`TEXTS`] says of a station's clock: the connection that it belongs to, and its last row. `None` for
/// others.
///
/// # Errors
/// An entry that is none.
pub(super) fn station_clock(name: &str, text: &str) -> Option<Result<(u64, StationClock), serde_json::Error>> {
    let connection = name.strip_prefix(CLOCKS)?.split_once(' ')?.0.parse().ok()?;
    Some(serde_json::from_str(text).map(|clock| (connection, clock)))
}

pub(super) fn read_sessions(database: &Database) -> Result<Sessions, redb::Error> {
    let sessions = database.begin_read()?.open_table(SESSIONS)?;
    texts(&sessions)
}

pub(super) fn put_sessions(
    transaction: &WriteTransaction,
    sessions: &Sessions,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(SESSIONS)?;
    retain(&mut table, |id| sessions.contains_key(*id), sum)?;
    sessions.iter().try_for_each(|(id, filter)| put(&mut table, id.as_str(), filter.as_str(), sum))
}

pub(super) fn put_states(
    transaction: &WriteTransaction,
    states: &OperatorStates,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let mut kept = transaction.open_table(STATES)?;
    for ((operator, key), state) in states {
        let key = (*operator as u64, &key[..]);
        if state.is_empty() {
            take_out(&mut kept, key, sum)?;
        } else {
            put(&mut kept, key, &state[..], sum)?;
        }
    }
    Ok(())
}

/// The entries of a table of texts.
fn texts<C: FromIterator<(String, String)>>(
    table: &impl ReadableTable<&'static str, &'static str>,
) -> Result<C, redb::Error> {
    let text = |entry: Result<_, redb::StorageError>| {
        let (key, value): (AccessGuard<'_, &str>, AccessGuard<'_, &str>) = entry?;
        Ok((key.value().to_owned(), value.value().to_owned()))
    };
    table.iter()?.map(text).collect()
}

/// The name under which a connection's next row number is stored.
pub(super) fn next_number(connection: usize) -> String {
    format!("next number of connection {connection}")
}

/// Inserts an entry, and replaces the hash of the one before it in the checksum.
pub(super) fn put<'k, 'v, K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    key: impl Borrow<K::SelfType<'k>>,
    value: impl Borrow<V::SelfType<'v>>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let name = table.name().to_owned();
    *sum = sum.wrapping_add(digest::<K, V>(&name, key.borrow(), value.borrow()));
    if let Some(before) = table.insert(key.borrow(), value.borrow())? {
        *sum = sum.wrapping_sub(digest::<K, V>(&name, key.borrow(), &before.value()));
    }
    Ok(())
}

/// Removes the entries whose keys are not kept, and their hashes from the checksum.
pub(super) fn retain<K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    keeps: impl for<'k> Fn(&K::SelfType<'k>) -> bool,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let name = table.name().to_owned();
    table.retain(|key, value| {
        let stays = keeps(&key);
        if !stays {
            *sum = sum.wrapping_sub(digest::<K, V>(&name, &key, &value));
        }
        stays
    })?;
    Ok(())
}

/// Removes an entry, and its hash from the checksum.
pub(super) fn take_out<'k, K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    key: impl Borrow<K::SelfType<'k>>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let name = table.name().to_owned();
    if let Some(before) = table.remove(key.borrow())? {
        *sum = sum.wrapping_sub(digest::<K, V>(&name, key.borrow(), &before.value()));
    }
    Ok(())
}

pub(super) fn sum_of<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<u64, redb::Error> {
    let mut sum = 0_u64;
    for entry in transaction.open_table(definition)?.iter()? {
        let (key, value) = entry?;
        sum = sum.wrapping_add(digest::<K, V>(definition.name(), &key.value(), &value.value()));
    }
    Ok(sum)
}

/// A hash of an entry.
pub(super) fn digest<K: Key, V: Value>(table: &str, key: &K::SelfType<'_>, value: &V::SelfType<'_>) -> u64 {
    let (key, value) = (K::as_bytes(key), V::as_bytes(value));
    let (key, value) = (key.as_ref(), value.as_ref());
    let lengths = [table.len(), key.len()].map(|length| (length as u64).to_le_bytes()).concat();
    fingerprint(&[&lengths, table.as_bytes(), key, value].concat()) as u64
}
