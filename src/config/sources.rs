//! The sources of a dataflow together: their connections, numbered over all sources in the order of the file, and whether
//! their rows fit each other.

use crate::config::error::{SpannedError, Wrong};
use crate::config::model::{Dataflow, StepPlan};
use crate::config::source_plan::SourcePlan;
use crate::data::{Column, Kind, Schema, did_you_mean};
use crate::source::{self, SourceSettings, SourceUrl};

impl Dataflow {
    /// The first source; all that there is, where the file has one.
    pub fn source(&self) -> &SourcePlan {
        &self.sources[0]
    }

    /// Whether rows come from several sources.
    pub fn has_several_sources(&self) -> bool {
        self.sources.len() > 1
    }

    /// The number of the source with this name; of the first if none is given.
    ///
    /// # Errors
    /// In words: no source of this name.
    pub fn source_number(&self, name: Option<&str>) -> Result<usize, String> {
        let Some(name) = name else { return Ok(0) };
        let names = || self.sources.iter().map(|source| source.name.as_deref().unwrap_or_default());
        names().position(|own| own == name).ok_or_else(|| {
            let nearest = did_you_mean(name, names()).map(|text| format!(": {text}")).unwrap_or_default();
            format!("no source `{name}`{nearest}")
        })
    }

    /// How many connections all sources have.
    pub fn connections(&self) -> usize {
        self.sources.iter().map(|source| source.settings.connections()).sum()
    }

    /// By connection, the number of the source that it belongs to.
    pub fn sources_of_connections(&self) -> Vec<usize> {
        let of = |(source, plan): (usize, &SourcePlan)| std::iter::repeat_n(source, plan.settings.connections());
        self.sources.iter().enumerate().flat_map(of).collect()
    }

    /// The number of the source that a connection belongs to, and the settings of the connection.
    ///
    /// # Panics
    /// If there is no such connection.
    pub fn connection(&self, number: usize) -> (usize, SourceSettings) {
        let sources = self.sources_of_connections();
        let source = sources[number];
        let place = number - sources.partition_point(|before| *before < source);
        (source, self.sources[source].settings.of_connection(place))
    }

    /// By connection, the process, of so many, that reads it. Any process reaches a broker; of several sources, files are
    /// read by the first.
    pub fn readers(&self, processes: usize) -> Vec<usize> {
        let mut shared = 0;
        let reader = |source: usize| {
            if self.has_several_sources() && self.sources[source].settings.endpoint.is_none() {
                return 0;
            }
            shared += 1;
            (shared - 1) % processes
        };
        self.sources_of_connections().into_iter().map(reader).collect()
    }

    /// Whether of so many processes several read connections.
    pub fn is_read_in_several(&self, processes: usize) -> bool {
        processes > 1 && self.readers(processes).iter().any(|reader| *reader > 0)
    }

    /// Whether a source redelivers what was not acknowledged, even to a later run.
    pub fn is_persistent(&self) -> bool {
        self.sources.iter().any(|source| source.settings.is_persistent())
    }

    /// Whether rows arrive over time, and are not all read again from the beginning as those of a file are.
    pub fn is_live(&self) -> bool {
        self.sources.iter().any(|source| source.settings.is_live())
    }

    /// Whether messages are taken of each source in turn: all are read to their ends, and again by a later run, so that
    /// rows come in the same order in each run.
    pub fn is_read_in_turn(&self) -> bool {
        let again = |source: &SourcePlan| match &source.url {
            SourceUrl::File { path, .. } => !source::is_stream(path),
            SourceUrl::Generate { .. } => true,
            SourceUrl::Stdin | SourceUrl::Mqtt(_) | SourceUrl::Custom(_) => false,
        };
        self.has_several_sources() && self.sources.iter().all(again)
    }

    /// How many sequences of numbers its rows have: one a connection, or one where they are read in turn.
    pub fn row_sequences(&self) -> usize {
        if self.is_read_in_turn() { 1 } else { self.connections() }
    }

    /// When a bucket closes, the same for all sources.
    pub fn limits(&self) -> source::Limits {
        self.source().settings.limits
    }

    /// Where rows come from, in words.
    pub fn shown_sources(&self) -> String {
        SourcePlan::addresses(&self.sources)
    }

    /// For each of the operators that [`Dataflow::labels`] names, the source whose rows alone it takes, if it has an
    /// `input`.
    pub fn inputs(&self) -> Vec<Option<&str>> {
        let input = |step: &StepPlan| self.sources[step.source?].name.as_deref();
        [None].into_iter().chain(self.steps.iter().map(input)).chain([None]).collect()
    }

    /// How many steps stand before all rows go the same way.
    pub(super) fn steps_apart(&self) -> usize {
        self.steps.iter().take_while(|step| step.source.is_some()).count()
    }

    /// The columns of the rows of each source; `first` are those of the first, whose order the same columns of others have.
    pub fn schemas(&self, first: &Schema) -> Vec<Schema> {
        let others = self.sources.iter().skip(1).filter_map(SourcePlan::known);
        let in_order = others.map(|own| if first.has_columns_of(own) { first } else { own });
        [first].into_iter().chain(in_order).cloned().collect()
    }

    /// Refuses rows of several sources that come together with other columns.
    pub(super) fn check_agreement(&self, schemas: &[Schema]) -> Result<(), SpannedError> {
        let (one, first) = (self.source(), &schemas[0]);
        for (other, schema) in self.sources.iter().zip(schemas).skip(1) {
            if let Some(reason) = disagreement((&one.shown(), first), (&other.shown(), schema)) {
                return Err(Wrong::SourcesDiffer { reason, other: other.shown() }.at(other.span.clone()));
            }
            if one.schema.id() != other.schema.id() {
                let id = |plan: &SourcePlan| plan.schema.id().map_or("none".to_owned(), |id| format!("`{id}`"));
                let reason =
                    format!("the `id` of {} is {}, that of {} is {}", one.shown(), id(one), other.shown(), id(other));
                return Err(Wrong::SourcesDiffer { reason, other: other.shown() }.at(other.span.clone()));
            }
        }
        Ok(())
    }
}

/// In which columns the rows of two sources differ, in words.
fn disagreement((one, first): (&str, &Schema), (other, second): (&str, &Schema)) -> Option<String> {
    let kind = |column: &Column| if column.kind == Kind::Number { "number" } else { "text" };
    let only =
        |schema: &Schema, without: &Schema| schema.names().find(|name| without.get(name).is_none()).map(str::to_owned);
    let lacks = |has: &str, lacks: &str, name: String| format!("{has} has the column `{name}`, which {lacks} lacks");
    match (only(first, second), only(second, first)) {
        (Some(name), Some(instead)) => Some(format!("{}, and {}", lacks(one, other, name), lacks(other, one, instead))),
        (Some(name), None) => Some(lacks(one, other, name)),
        (None, Some(name)) => Some(lacks(other, one, name)),
        (None, None) => {
            let pairs = || first.columns().iter().zip(second.columns());
            let kinds = first.columns().iter().find_map(|column| {
                let there = second.get(&column.name).filter(|there| there.kind != column.kind)?;
                let (name, kinds) = (&column.name, (kind(column), kind(there)));
                Some(format!("`{name}` is a {} column of {one} and a {} column of {other}", kinds.0, kinds.1))
            });
            kinds.or_else(|| {
                let (here, there) = pairs().find(|(here, there)| here.name != there.name)?;
                Some(format!("where {one} has the column `{}`, {other} has `{}`", here.name, there.name))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_columns_are_named() {
        let schema = |columns: &[(&str, Kind)]| Schema::new(columns.iter().map(|(name, kind)| (*name, *kind)));
        let (number, text) = (Kind::Number, Kind::Text);
        let roof = schema(&[("t", number), ("station", text)]);
        let said = |columns: &[(&str, Kind)]| disagreement(("roof", &roof), ("cellar", &schema(columns)));
        assert_eq!(said(&[("t", number), ("station", text)]), None);
        let renamed = said(&[("temp", number), ("station", text)]).unwrap();
        assert_eq!(
            renamed,
            "roof has the column `t`, which cellar lacks, and cellar has the column `temp`, which roof lacks"
        );
        assert_eq!(said(&[("t", number)]).unwrap(), "roof has the column `station`, which cellar lacks");
        let more = said(&[("t", number), ("u", number), ("station", text)]).unwrap();
        assert_eq!(more, "cellar has the column `u`, which roof lacks");
        let kinds = said(&[("t", text), ("station", text)]).unwrap();
        assert_eq!(kinds, "`t` is a number column of roof and a text column of cellar");
        let order = said(&[("station", text), ("t", number)]).unwrap();
        assert_eq!(order, "where roof has the column `t`, cellar has `station`");
    }
}
