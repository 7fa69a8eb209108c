//! What a sink takes of the chain, its columns looked up in the schema there.

use crate::config::diagnostic::Diagnostic;
use crate::config::error::{SpannedError, Wrong};
use crate::config::model::Dataflow;
use crate::config::sink_plan::{BranchSection, SinkPlan};
use crate::data::{Column, Kind, Schema, did_you_mean};
use crate::expressions::Predicate;
use crate::format::{Encoding, Infinity};
use crate::subtasks::{Refusal, Selection};

/// What a sink takes of the chain.
#[derive(Clone)]
pub struct Branch {
    /// The operator behind which it takes messages; 0 is prepare.
    pub operator: usize,
    /// The rows that it takes; all if not given.
    pub predicate: Option<Predicate>,
    /// The columns that it takes; all if not given.
    pub selection: Option<Selection>,
    /// Its columns.
    pub schema: Schema,
    /// The encoding that the sink takes.
    pub encoding: Encoding,
    /// How its lines write infinite numbers.
    pub infinity: Infinity,
}

impl Dataflow {
    /// What each sink takes of the chain over rows of this schema, in the order of the sinks.
    ///
    /// # Errors
    /// A step, a column or a condition that does not fit.
    pub fn branches(&self, schema: &Schema) -> Result<Vec<Branch>, Diagnostic> {
        self.find_branches(schema).map_err(|error| self.document.diagnostic(error))
    }

    pub(super) fn find_branches(&self, schema: &Schema) -> Result<Vec<Branch>, SpannedError> {
        self.sinks.iter().map(|plan| self.branch(plan, schema)).collect()
    }

    /// The number of the operator behind which a sink takes messages; 0 is prepare.
    ///
    /// # Errors
    /// If the chain has no such step.
    pub fn sink_input(&self, plan: &SinkPlan) -> Result<usize, Diagnostic> {
        self.tapped(plan).map_err(|error| self.document.diagnostic(error))
    }

    fn tapped(&self, plan: &SinkPlan) -> Result<usize, SpannedError> {
        match &plan.branch.after {
            None => Ok(self.steps.len()),
            after => self.operator(after.as_ref()),
        }
    }

    fn branch(&self, plan: &SinkPlan, schema: &Schema) -> Result<Branch, SpannedError> {
        let SinkPlan { settings, branch: BranchSection { r#where, columns, .. }, span, .. } = plan;
        let operator = self.tapped(plan)?;
        let there = self.schema_after(operator, schema)?;
        let predicate = r#where.as_ref().map(|text| {
            Predicate::new(text.get_ref(), &there).map_err(|error| {
                let refusal = Refusal::of_expression("where", text.get_ref(), error);
                Wrong::Parameter { name: "sink".into(), refusal }.at(text.span())
            })
        });
        let mut chosen: Vec<&Column> = Vec::new();
        for name in columns.iter().flat_map(|columns| columns.get_ref()) {
            let column = there.get(name.get_ref());
            let column = column.ok_or_else(|| Wrong::no_column(name.get_ref(), &there).at(name.span()))?;
            if chosen.iter().any(|other| other.name == column.name) {
                return Err(Wrong::ColumnTwice(column.name.clone()).at(name.span()));
            }
            chosen.push(column);
        }
        let taken = Schema::new(chosen.iter().map(|column| (column.name.clone(), column.kind)));
        let selection = columns.is_some().then(|| Selection::of(&there, chosen));
        let schema = if selection.is_some() { taken } else { there };
        if let Some(name) = settings.topic.as_ref().and_then(|topic| topic.no_text(&schema)) {
            let texts = schema.columns().iter().filter(|column| column.kind == Kind::Text);
            let nearest = did_you_mean(name, texts.map(|column| column.name.as_str()));
            return Err(Wrong::NoTextColumn { name: name.to_owned(), nearest }.at(span.clone()));
        }
        let (encoding, infinity) = (settings.encoding(), settings.infinity);
        Ok(Branch { operator, predicate: predicate.transpose()?, selection, schema, encoding, infinity })
    }
}
