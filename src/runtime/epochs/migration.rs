//! What a changed dataflow keeps of the checkpoint of the one before.

use std::collections::BTreeSet;

use redb::{ReadableTable, WriteTransaction};

use crate::config::{ParsedSettings, UnchangedSettings};
use crate::mqtt::masked;
use crate::runtime::epochs::checkpoint_tables::{DATAFLOW, STATES, TEXTS, put, put_dataflow, retain, take_out};
use crate::runtime::epochs::stored::StoredCheckpoint;
use crate::runtime::graph::operator_state::{ALERTS, OperatorState, TABLES, TOLD};
use crate::sink::SinkUrl;

/// What the dataflow `now` keeps of the checkpoint of the dataflow `before`.
pub(super) fn migrated(found: StoredCheckpoint, now: &ParsedSettings, before: &ParsedSettings) -> StoredCheckpoint {
    let UnchangedSettings { steps, tables, sinks, alerts, schema } = now.unchanged(before);
    let place = |operator: usize| match operator {
        // A new file of changes begins with all lines of its table.
        TOLD.. => (tables && sinks.contains(&(operator - TOLD))).then_some(operator),
        TABLES.. => tables.then_some(operator),
        ALERTS.. => alerts.get(&(operator - ALERTS)).map(|sink| ALERTS + sink),
        _ => steps.get(&operator).copied(),
    };
    let found = with_one_sink(found, now, before);
    let mut changes = vec![format!("changed: {}", now.differences(before).join(", "))];
    changes.push("stays: progress and results".into());
    let (sinks_now, sinks_before) = (now.sinks(), before.sinks());
    let shown = |url: &String| SinkUrl::try_from(url.clone()).map_or_else(|_| masked(url), |url| url.to_string());
    if sinks_now.len() > 1 || sinks_before.len() > 1 {
        let new = sinks_now.iter().filter(|url| !sinks_before.contains(url));
        changes.extend(new.map(|url| format!("new: the sink {}, with the rows from now on", shown(url))));
        let gone = sinks_before.iter().filter(|url| !sinks_now.contains(url));
        changes.extend(gone.map(|url| format!("goes: the sink {}, which gets no more rows", shown(url))));
    }
    let operators: BTreeSet<usize> = found.states.iter().map(|of| of.operator.min(TABLES)).collect();
    for operator in operators {
        if let Some(sink) = operator.checked_sub(ALERTS).filter(|_| operator < TABLES) {
            let (word, sink) = (if place(operator).is_some() { "stays" } else { "goes" }, sinks_before.get(sink));
            changes.push(format!("{word}: the alerts of the sink {}", sink.map(shown).unwrap_or_default()));
            continue;
        }
        changes.push(match (operator == TABLES, place(operator)) {
            (true, _) if tables => "stays: what the tables hold".into(),
            (true, _) => "goes: what the tables hold; their changes begin with empty tables".into(),
            (false, Some(now)) if now != operator => {
                format!("stays: the state of {}, which is step {now} now", before.step(operator))
            }
            (false, Some(_)) => format!("stays: the state of {}", before.step(operator)),
            (false, None) => format!("goes: the state of {}", before.step(operator)),
        });
    }
    if !schema && found.schema.is_some() {
        changes.push("goes: the inferred schema".into());
    }
    let states = found.states.into_iter();
    let states = states.filter_map(|of| Some(OperatorState { operator: place(of.operator)?, ..of })).collect();
    StoredCheckpoint { schema: found.schema.filter(|_| schema), states, changes, ..found }
}

/// The end of the file of the one sink under its path of now: it may be written another way.
fn with_one_sink(mut found: StoredCheckpoint, now: &ParsedSettings, before: &ParsedSettings) -> StoredCheckpoint {
    if let (Some(progress), [now], [before]) = (&mut found.progress, &now.sinks()[..], &before.sinks()[..])
        && let Some(end) = progress.files.remove(before)
    {
        progress.files.insert(now.clone(), end);
    }
    found
}

/// Stores the new dataflow, and the states that are kept.
pub(super) fn put_migrated(
    transaction: &WriteTransaction,
    dataflow: &ParsedSettings,
    states: Vec<OperatorState>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let before = read_schema_setting(transaction)?;
    let mut kept = transaction.open_table(STATES)?;
    retain(&mut kept, |_| false, sum)?;
    for OperatorState { operator, keyed } in states {
        put(&mut kept, (operator as u64, &keyed.key[..]), &keyed.state[..], sum)?;
    }
    put_dataflow(transaction, dataflow, sum)?;
    if before != read_schema_setting(transaction)? {
        take_out(&mut transaction.open_table(TEXTS)?, "schema", sum)?;
    }
    Ok(())
}

/// The stored setting of the schema: if it changes, the inferred schema is discarded.
fn read_schema_setting(transaction: &WriteTransaction) -> Result<Option<String>, redb::Error> {
    Ok(transaction.open_table(DATAFLOW)?.get("schema")?.map(|text| text.value().to_owned()))
}
