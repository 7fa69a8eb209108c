//! What a sink takes of the chain, its columns looked up in the schema there.

use toml::Spanned;

use crate::config::diagnostic::Diagnostic;
use crate::config::error::{SpannedError, Wrong};
use crate::config::model::Dataflow;
use crate::config::parse::sections::Milliseconds;
use crate::config::parse::table::MAX_FUTURE;
use crate::config::sink_plan::{BranchSection, SinkPlan};
use crate::data::{Column, Kind, Schema, did_you_mean};
use crate::expressions::Predicate;
use crate::format::{Encoding, Infinity};
use crate::subtasks::{Refusal, Selection};
use crate::tables::{Alert, Hold};

/// What a sink takes of the chain.
#[derive(Clone)]
pub struct Branch {
    /// What the sink is called.
    pub name: String,
    /// The operator behind which it takes messages; 0 is prepare.
    pub operator: usize,
    /// The rows that it takes; all if not given.
    pub predicate: Option<Predicate>,
    /// When it takes rows, if it does not take each for which the predicate is true.
    pub alert: Option<Alert>,
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
            after => self.operator(after.as_ref(), plan.span.clone()),
        }
    }

    fn branch(&self, plan: &SinkPlan, schema: &Schema) -> Result<Branch, SpannedError> {
        let SinkPlan { settings, branch, span, .. } = plan;
        let BranchSection { r#where, columns, .. } = branch;
        let operator = self.tapped(plan)?;
        let there = self.schema_after(operator, schema)?;
        let predicate = r#where.as_ref().map(|text| {
            Predicate::new(text.get_ref(), &there).map_err(|error| {
                let refusal = Refusal::of_expression("where", text.get_ref(), error);
                Wrong::Parameter { name: "sink".into(), refusal }.at(text.span())
            })
        });
        let alert = branch.is_alert().then(|| self.alert(branch, &there)).transpose()?;
        let there = if alert.is_some() { there.with([(Alert::COLUMN.to_owned(), Kind::Text)]) } else { there };
        let mut chosen: Vec<&Column> = Vec::new();
        for name in columns.iter().flat_map(|columns| columns.get_ref()) {
            let column = there.get(name.get_ref());
            let column = column.ok_or_else(|| Wrong::no_column(name.get_ref(), &there).at(name.span()))?;
            if chosen.iter().any(|other| other.name == column.name) {
                return Err(Wrong::ColumnTwice(column.name.clone()).at(name.span()));
            }
            chosen.push(column);
        }
        if let (Some(_), Some(told)) = (&alert, there.get(Alert::COLUMN))
            && columns.is_some()
            && !chosen.contains(&told)
        {
            chosen.push(told);
        }
        let taken = Schema::new(chosen.iter().map(|column| (column.name.clone(), column.kind)));
        let selection = columns.is_some().then(|| Selection::of(&there, chosen));
        let topic = settings.topic.as_ref();
        if let Some(name) = topic.and_then(|topic| topic.no_text(&taken))
            && topic.and_then(|topic| topic.no_text(&there)).is_none()
            && columns.is_some()
        {
            let at = columns.as_ref().map_or(span.clone(), Spanned::span);
            return Err(Wrong::TopicOfColumnLeftOut(name.to_owned()).at(at));
        }
        let schema = if selection.is_some() { taken } else { there };
        if let Some(name) = topic.and_then(|topic| topic.no_text(&schema)) {
            let texts = schema.columns().iter().filter(|column| column.kind == Kind::Text);
            let nearest = did_you_mean(name, texts.map(|column| column.name.as_str()));
            return Err(Wrong::NoTextColumn { name: name.to_owned(), nearest }.at(span.clone()));
        }
        if let Some(custom) = &settings.custom {
            let checked = custom.check_columns(&schema, settings.origin.time.as_deref());
            checked.map_err(|reason| Wrong::Endpoint { section: "sink", reason }.at(span.clone()))?;
        }
        let (encoding, infinity) = (settings.encoding(), settings.infinity);
        let (name, predicate) = (plan.shown(), predicate.transpose()?);
        Ok(Branch { name, operator, predicate, alert, selection, schema, encoding, infinity })
    }

    fn alert(&self, branch: &BranchSection, there: &Schema) -> Result<Alert, SpannedError> {
        let BranchSection { r#for, resolve, by, max_future, .. } = branch;
        if there.get(Alert::COLUMN).is_some() {
            let at = r#for.as_ref().map(Spanned::span).or(resolve.as_ref().map(Spanned::span));
            return Err(Wrong::AlertColumn(Alert::COLUMN).at(at.unwrap_or_default()));
        }
        let find = |name: &Spanned<String>| {
            let column = there.get(name.get_ref()).cloned();
            column.ok_or_else(|| Wrong::no_column(name.get_ref(), there).at(name.span()))
        };
        let by = by.iter().flat_map(|by| by.get_ref()).map(find).collect::<Result<Vec<Column>, SpannedError>>()?;
        let hold = |length: &Spanned<Milliseconds>| {
            let time = there.get(self.time_name()).cloned();
            let time = time.ok_or_else(|| Wrong::AlertWithoutTime.at(length.span()))?;
            let max_future = max_future.as_ref().map_or(MAX_FUTURE, |most| most.get_ref().0);
            Ok::<_, SpannedError>(Hold { length: length.get_ref().0, time, max_future })
        };
        let hold = r#for.as_ref().map(hold).transpose()?;
        Ok(Alert { by, hold, resolve: resolve.as_ref().is_some_and(|resolve| *resolve.get_ref()) })
    }
}
