//! Tells, once, of columns that the dataflow names and that no row has a value of.

use crate::config::{Dataflow, SourcePlan};
use crate::runtime::graph::absent_columns::ROWS;

/// The columns of each source that no row has had a value of so far, on any worker.
pub struct NeverCame {
    sources: Vec<AwaitedColumns>,
}

/// The columns of a source that no row of it has had a value of.
struct AwaitedColumns {
    /// By their places; empty once they were told.
    columns: Vec<(usize, String)>,
    rows: u64,
    /// How many of them were refused when they were read.
    refused: u64,
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
            AwaitedColumns { columns: names.map(name).enumerate().collect(), rows: 0, refused: 0 }
        };
        NeverCame { sources: dataflow.sources.iter().map(of).collect() }
    }

    /// An epoch of so many rows of a source, of which some were refused when they were read, in which these columns had
    /// their first values on a worker; what is to be told, if enough rows of it have come.
    pub fn settle(&mut self, source: usize, came: &[usize], rows: u64, refused: u64) -> Option<String> {
        let awaited = &mut self.sources[source];
        awaited.columns.retain(|(place, _)| !came.contains(place));
        awaited.rows += rows;
        awaited.refused += refused;
        if awaited.rows >= ROWS { awaited.tell() } else { None }
    }

    /// What is to be told at the end.
    pub fn close(&mut self) -> Vec<String> {
        self.sources.iter_mut().filter_map(AwaitedColumns::tell).collect()
    }
}

impl AwaitedColumns {
    fn tell(&mut self) -> Option<String> {
        const MOST: usize = 10;
        // Rows that were refused tell nothing of the columns: their dead letters say why.
        let rows = self.rows.saturating_sub(self.refused);
        if self.columns.is_empty() || rows == 0 {
            return None;
        }
        let columns = std::mem::take(&mut self.columns);
        let names: Vec<&str> = columns.iter().take(MOST).map(|(_, name)| name.as_str()).collect();
        let more = columns.len().checked_sub(MOST + 1).map_or(String::new(), |more| format!(" and {} more", more + 1));
        Some(format!(
            "no value of {}{more} in the first {rows} rows: either all are missing (empty, null, nan, words of `missing`), \
             or no key has the name: compare the names in [schema] with the keys of the rows",
            names.join(", "),
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
        assert_eq!(some.settle(0, &[1], 7, 0), None);
        let told = some.close().concat();
        assert!(told.contains("no value of a, t in the first 7 rows"), "{told}");
        assert_eq!((some.settle(0, &[], 5000, 0), some.close()), (None, vec![]));
        let mut early = never_came(schema);
        assert_eq!(early.settle(0, &[0], 600, 0), None);
        assert!(early.settle(0, &[2], 600, 0).unwrap().contains("no value of b in the first 1200 rows"));
        assert_eq!(early.close(), [] as [String; 0]);
        // All rows were refused, or all but some.
        let mut refused = never_came(schema);
        assert_eq!((refused.settle(0, &[], 7, 7), refused.close()), (None, vec![]));
        let mut some = never_came(schema);
        some.settle(0, &[0, 1], 7, 4);
        assert!(some.close().concat().contains("no value of t in the first 3 rows: either all are missing"));
        // Nothing has come at all.
        assert_eq!(never_came(schema).close(), [] as [String; 0]);
    }

    #[test]
    fn the_rows_of_one_source_tell_nothing_of_another() {
        let sources = ["a", "b"].map(|name| format!("[[source]]\nname = {name:?}\nurl = \"{name}.csv\"\n")).concat();
        let text = format!("schema = {{ number = [\"n\"] }}\n{sources}[sink]\nurl = \"null\"\n");
        let registry = crate::registry::Registry::builtin();
        let mut awaited = NeverCame::of(&Dataflow::from_text("f.toml", &text, &[], &registry).unwrap());
        assert_eq!(awaited.settle(0, &[0], 5000, 0), None);
        assert_eq!(awaited.settle(1, &[], 7, 0), None);
        assert!(awaited.close().concat().contains("no value of n of b in the first 7 rows"));
    }

    #[test]
    fn a_built_in_schema_may_have_more_than_a_station_sends() {
        for schema in ["", "schema = \"davis\"", "schema = \"infer\""] {
            let mut built_in = never_came(schema);
            assert_eq!((built_in.settle(0, &[0], 2000, 0), built_in.close()), (None, vec![]), "{schema}");
        }
    }
}
