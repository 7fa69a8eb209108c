//! Tells, once, of columns that the dataflow names and that no row has a value of.

use crate::config::{Dataflow, SourcePlan};
use crate::runtime::graph::absent_columns::ROWS;

/// The columns that no row has had a value of so far, on any worker.
#[derive(Default)]
pub struct NeverCame {
    /// By their places; empty once they were told.
    columns: Vec<(usize, String)>,
    rows: u64,
}

impl NeverCame {
    /// The columns that the dataflow names.
    pub fn of(dataflow: &Dataflow) -> NeverCame {
        let of = |source: &SourcePlan| {
            let names = source.named_columns().into_iter().flat_map(|schema| schema.names());
            let name = |name: &str| match &source.name {
                Some(source) => format!("{name} of {source}"),
                None => name.to_owned(),
            };
            names.map(name).collect::<Vec<_>>()
        };
        NeverCame { columns: dataflow.sources.iter().flat_map(of).enumerate().collect(), rows: 0 }
    }

    /// An epoch of so many rows in which these columns had their first values on a worker; what is to be told, if enough
    /// rows have come.
    pub fn settle(&mut self, came: &[usize], rows: u64) -> Option<String> {
        self.columns.retain(|(place, _)| !came.contains(place));
        self.rows += rows;
        if self.rows >= ROWS { self.close() } else { None }
    }

    /// What is to be told at the end.
    pub fn close(&mut self) -> Option<String> {
        const MOST: usize = 10;
        let columns = std::mem::take(&mut self.columns);
        if columns.is_empty() || self.rows == 0 {
            return None;
        }
        let names: Vec<&str> = columns.iter().take(MOST).map(|(_, name)| name.as_str()).collect();
        let more = columns.len().checked_sub(MOST + 1).map_or(String::new(), |more| format!(" and {} more", more + 1));
        Some(format!(
            "no value of {}{more} in the first {} rows: compare the names in [schema] with the keys of the rows",
            names.join(", "),
            self.rows
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never_came(schema: &str) -> NeverCame {
        let text = format!("source.url = \"-\"\nsink.url = \"null\"\n{schema}");
        NeverCame::of(&Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin()).unwrap())
    }

    #[test]
    fn columns_that_did_not_come_are_told_once() {
        let schema = "schema = { number = [\"a\", \"b\"], text = [\"t\"] }";
        let mut some = never_came(schema);
        assert_eq!(some.settle(&[1], 7), None);
        let told = some.close().unwrap();
        assert!(told.contains("no value of a, t in the first 7 rows"), "{told}");
        assert_eq!((some.settle(&[], 5000), some.close()), (None, None));
        let mut early = never_came(schema);
        assert_eq!(early.settle(&[0], 600), None);
        assert!(early.settle(&[2], 600).unwrap().contains("no value of b in the first 1200 rows"));
        assert_eq!(early.close(), None);
        // Nothing has come at all.
        assert_eq!(never_came(schema).close(), None);
    }

    #[test]
    fn a_built_in_schema_may_have_more_than_a_station_sends() {
        for schema in ["", "schema = \"davis\"", "schema = \"infer\""] {
            let mut built_in = never_came(schema);
            assert_eq!((built_in.settle(&[0], 2000), built_in.close()), (None, None), "{schema}");
        }
    }
}
