//! The lines of a table as of an epoch.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Group, KeyCell, window};
use crate::data::{KeyedState, Kind, Message, Schema, TextColumn, from_bytes, to_bytes};

/// How changes are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeFormat {
    /// `-` with the line that was, `+` with the line that is.
    Differences,
    /// `upsert` with the line that is, `delete` with one that is no more.
    #[default]
    Upserts,
}

/// All lines of a table, and the epoch they are of.
pub struct TableContents {
    /// The columns of a line.
    pub schema: Arc<Schema>,
    /// The columns of a change: `change` first.
    pub change_schema: Arc<Schema>,
    changes: ChangeFormat,
    lines: BTreeMap<Group, Vec<KeyCell>>,
    /// The last complete epoch.
    pub epoch: Option<u64>,
}

impl TableContents {
    /// An empty table of these columns.
    pub fn new(schema: Schema, changes: ChangeFormat) -> TableContents {
        let change = [("change".to_owned(), Kind::Text)].into_iter();
        let columns = schema.columns().iter().map(|column| (column.name.clone(), column.kind));
        let change_schema = Arc::new(Schema::new(change.chain(columns)));
        TableContents { schema: Arc::new(schema), change_schema, changes, lines: BTreeMap::new(), epoch: None }
    }

    /// Restores the lines that an earlier run has written.
    ///
    /// # Errors
    /// States that can't be read.
    pub fn restore(&mut self, states: &[KeyedState]) -> Result<(), String> {
        for KeyedState { key, state } in states {
            self.lines.insert(from_bytes(key)?, from_bytes(state)?);
        }
        Ok(())
    }

    /// The line of a group as a checkpoint stores it: empty if there is none.
    pub fn keyed(&self, group: &Group) -> KeyedState {
        KeyedState { key: to_bytes(group), state: self.lines.get(group).map_or(Vec::new(), to_bytes) }
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Applies the changes of an epoch; returns the changes as rows, in the order of the lines.
    pub fn apply(&mut self, epoch: u64, mut updates: Vec<((Group, Vec<KeyCell>), isize)>) -> Message {
        consolidate(&mut updates);
        let (was, is) = match self.changes {
            ChangeFormat::Differences => ("-", "+"),
            ChangeFormat::Upserts => ("delete", "upsert"),
        };
        let mut told = Vec::new();
        for of_group in updates.chunk_by(|a, b| a.0.0 == b.0.0) {
            let group = &of_group[0].0.0;
            let before = self.lines.remove(group);
            let now = of_group.iter().find(|(_, difference)| *difference > 0).map(|((_, line), _)| line.clone());
            if let (Some(line), true) = (&now, before == now) {
                // Already written by an earlier run.
                self.lines.insert(group.clone(), line.clone());
                continue;
            }
            let gone = before.filter(|_| self.changes == ChangeFormat::Differences || now.is_none());
            told.extend(gone.map(|line| (was, group, line)));
            told.extend(now.clone().map(|line| (is, group, line)));
            if let Some(line) = now {
                self.lines.insert(group.clone(), line);
            }
        }
        self.epoch = Some(epoch);
        let lines = told.iter().map(|(change, group, line)| (Some(*change), *group, &line[..]));
        message(&self.change_schema, epoch, lines)
    }

    /// The lines as rows, ordered by key and window: all, or those of the newest windows. The message's number is the
    /// epoch.
    pub fn snapshot(&self, newest: Option<usize>) -> Message {
        let mut lines: Vec<(&Group, &Vec<KeyCell>)> = self.lines.iter().collect();
        if let Some(most) = newest.filter(|most| *most < lines.len()) {
            lines.sort_by_key(|(group, _)| Reverse(group.window));
            lines.truncate(most);
            lines.sort();
        }
        let lines = lines.into_iter().map(|(group, line)| (None, group, &line[..]));
        message(&self.schema, self.epoch.unwrap_or(0), lines)
    }
}

fn message<'a>(
    schema: &Schema,
    epoch: u64,
    lines: impl Iterator<Item = (Option<&'a str>, &'a Group, &'a [KeyCell])>,
) -> Message {
    let mut numbers = vec![Vec::new(); schema.number_count()];
    let mut texts = vec![TextColumn::default(); schema.text_count()];
    let mut rows = 0;
    for (change, group, line) in lines {
        let change = change.map(KeyCell::from);
        let window = group.window.map(|start| KeyCell::from(window::shown(start).as_str()));
        let cells = change.iter().chain(&group.keys).chain(&window).chain(line);
        for (column, cell) in schema.columns().iter().zip(cells) {
            match column.kind {
                Kind::Number => numbers[column.slot].push(cell.number()),
                Kind::Text => texts[column.slot].push(cell.text()),
            }
        }
        rows += 1;
    }
    let numbers = Array2::from_shape_vec((schema.number_count(), rows), numbers.concat());
    let numbers = numbers.expect("a line has a cell for every column");
    Message::new(epoch, (0..rows as u64).collect(), numbers, texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(key: &str) -> Group {
        Group { keys: vec![key.into()], window: Some(0) }
    }

    fn update(key: &str, rows: f64, difference: isize) -> ((Group, Vec<KeyCell>), isize) {
        ((group(key), vec![rows.into()]), difference)
    }

    fn changes(kind: ChangeFormat) -> Vec<String> {
        let schema = Schema::new([("k", Kind::Text), ("window", Kind::Text), ("rows", Kind::Number)]);
        let mut contents = TableContents::new(schema, kind);
        let mut told = Vec::new();
        for (epoch, updates) in [
            vec![update("b", 1.0, 1), update("a", 1.0, 1)],
            vec![update("a", 1.0, -1), update("a", 2.0, 1)],
            vec![update("b", 1.0, -1)],
        ]
        .into_iter()
        .enumerate()
        {
            let message = contents.apply(epoch as u64, updates);
            let rows = message.excerpt(&contents.change_schema, 9).rows;
            told.extend(rows.iter().map(|row| serde_json::to_string(row).unwrap()));
        }
        assert_eq!((contents.len(), contents.snapshot(None).epoch), (1, 2));
        told
    }

    #[test]
    fn lines_of_which_an_earlier_run_has_told_are_not_told_again() {
        let schema = || Schema::new([("k", Kind::Text), ("window", Kind::Text), ("rows", Kind::Number)]);
        let mut before = TableContents::new(schema(), ChangeFormat::Differences);
        before.apply(0, vec![update("a", 1.0, 1), update("b", 1.0, 1), update("c", 1.0, 1)]);
        let mut states: Vec<KeyedState> = ["a", "b"].map(|key| before.keyed(&group(key))).into();
        assert!(before.keyed(&group("d")).state.is_empty());
        let mut contents = TableContents::new(schema(), ChangeFormat::Differences);
        contents.restore(&states).unwrap();
        assert_eq!(contents.apply(0, vec![update("a", 1.0, 1), update("b", 2.0, 1)]).rows(), 2, "b was and is");
        assert_eq!(contents.apply(1, vec![update("a", 1.0, -1), update("c", 1.0, 1)]).rows(), 2);
        assert_eq!(contents.len(), 2);
        states[0].state.truncate(1);
        assert!(contents.restore(&states).is_err());
    }

    #[test]
    fn the_newest_windows_are_those_that_began_last() {
        let mut contents =
            TableContents::new(Schema::new([("k", Kind::Text), ("window", Kind::Text)]), ChangeFormat::default());
        let line = |key: &str, start| ((Group { keys: vec![key.into()], window: Some(start) }, Vec::new()), 1);
        contents.apply(0, vec![line("a", 1000), line("a", 3000), line("b", 2000), line("c", 0)]);
        let windows = |newest| {
            let snapshot = contents.snapshot(newest);
            (0..snapshot.rows()).map(|row| snapshot.texts[0].get(row).unwrap().to_owned()).collect::<String>()
        };
        assert_eq!((windows(Some(2)).as_str(), windows(None).as_str()), ("ab", "aabc"));
    }

    #[test]
    fn changes_are_told_as_differences_or_as_upserts() {
        let line = |change, key, rows| format!(r#"["{change}","{key}","1970-01-01T00:00:00Z",{rows}.0]"#);
        let both = [line("+", "a", 1), line("+", "b", 1), line("-", "a", 1), line("+", "a", 2), line("-", "b", 1)];
        assert_eq!(changes(ChangeFormat::Differences), both);
        let upserts = [line("upsert", "a", 1), line("upsert", "b", 1), line("upsert", "a", 2), line("delete", "b", 1)];
        assert_eq!(changes(ChangeFormat::Upserts), upserts);
    }
}
