//! A dataflow as its file and the command line describe it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::error::{SpannedError, Wrong};
use crate::config::model_file::ModelFile;
use crate::config::overrides::Override;
use crate::config::params_files::{ParamsFiles, ParsedParams};
use crate::config::parse::sections::{Placement, SchemaChoice};
use crate::config::parsed_settings::ParsedSettings;
use crate::config::sink_plan::SinkPlan;
use crate::config::source_plan::SourcePlan;
use crate::config::table::TablePlan;
use crate::data::{Column, Kind, Schema, did_you_mean};
use crate::format::{Inferred, PLACE};
use crate::sink;
use crate::subtasks::{Chain, DynSubtask, Entry, OnError, Refusal, Role, Scope, Step, StreamKey};

/// `dataflows/weather.toml`, which the program carries with it.
pub const WEATHER: &str = include_str!("../../dataflows/weather.toml");

/// A dataflow as its file and the command line describe it, checked.
#[derive(Clone)]
pub struct Dataflow {
    /// Its name: that of the file without the ending, if it gives none.
    pub name: String,
    /// What it is for, in words.
    pub description: String,
    /// Worker threads a process, where the command line says nothing else.
    pub workers: Option<u16>,
    /// Processes; 1 if the file gives none.
    pub processes: Option<u16>,
    /// Where the steps of a message run.
    pub placement: Placement,
    /// The shortest time between two checkpoints; before each, results are made durable.
    pub checkpoint_every: Duration,
    /// Where rows come from: one source, or several, each with its own columns and reading rules.
    pub sources: Vec<SourcePlan>,
    /// Where results go: one sink, or several, each with its own rows and columns.
    pub sinks: Vec<SinkPlan>,
    /// Where unusable rows go; they are only counted if it is not given.
    pub dead_letter: Option<sink::SinkSettings>,
    /// The column in whose order the rows of a message are put.
    pub(super) sort: Option<Spanned<String>>,
    pub(super) steps: Vec<StepPlan>,
    /// The tables that are kept of the results.
    pub tables: Vec<TablePlan>,
    pub(super) document: Arc<Document>,
    pub(super) contents: ParsedSettings,
}

/// A file that a dataflow names, beside source and sinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// What it is to the dataflow, in words.
    pub what: String,
    /// As the dataflow file gives it.
    pub path: PathBuf,
    /// Whether what process 0 reads in it holds for all processes.
    pub told: bool,
}

/// A step before its columns are looked up in a schema.
#[derive(Clone)]
pub(super) struct StepPlan {
    pub(super) label: String,
    /// The source whose rows it takes; all rows if not given.
    pub(super) source: Option<usize>,
    pub(super) entry: Entry,
    pub(super) subtask: DynSubtask,
    /// The columns with their spans in the document; all that fit if not given.
    pub(super) columns: Option<Vec<Spanned<String>>>,
    pub(super) fitting: Fitting,
    pub(super) on_error: OnError,
    /// Whether the file says so.
    pub(super) says_on_error: bool,
    /// The spans of its parameters in the document.
    pub(super) parameter_spans: HashMap<String, std::ops::Range<usize>>,
    /// Its span in the document.
    pub(super) span: std::ops::Range<usize>,
}

/// How a step gets its params.
#[derive(Clone)]
pub(super) enum Fitting {
    Message,
    /// From all messages so far, kept by the values of a text column.
    Stream {
        key: Option<Spanned<String>>,
        /// The column that a model learns to predict.
        target: Option<Spanned<String>>,
        /// The column that says of which rows it learns.
        train: Option<Spanned<String>>,
    },
    /// It has none: it compares each row with those before it.
    Row {
        horizon: u64,
    },
    /// The file of fitted params.
    Frozen(ModelFile),
    /// The file of a model's params, on which its columns depend.
    Model(ModelFile),
}

impl Dataflow {
    /// Bounds how long brokers may be out of reach at the start.
    pub fn set_connect_timeout(&mut self, timeout: Duration) {
        self.sources.iter_mut().for_each(|source| source.settings.connect_timeout = Some(timeout));
        self.sinks.iter_mut().for_each(|plan| plan.settings.connect_timeout = Some(timeout));
        if let Some(sink) = &mut self.dead_letter {
            sink.connect_timeout = Some(timeout);
        }
        self.tables.iter_mut().for_each(|table| table.set_connect_timeout(timeout));
    }

    /// What sends the lines of its tables to null: a run that measures leaves nothing where the results of others are.
    pub fn tables_to_null(&self, shown: &str) -> Vec<Override> {
        let with_sink = self.tables.iter().enumerate().filter(|(_, table)| table.sink.is_some());
        with_sink.map(|(number, _)| Override::null_sink(shown, &format!("table.{number}.sink"))).collect()
    }

    /// The column that says when a row was measured, where a table or a step names none.
    pub(super) fn time_name(&self) -> &str {
        self.source().decoding.time.as_ref().map_or("dateTime", |time| time.name.as_str())
    }

    /// For each step, whether it has keyed state.
    pub fn remember(&self) -> Vec<bool> {
        let remembers = |fitting: &Fitting| matches!(fitting, Fitting::Stream { .. } | Fitting::Row { .. });
        self.steps.iter().map(|step| remembers(&step.fitting)).collect()
    }

    /// For each of the operators that [`Dataflow::labels`] names, whether messages may come to it from another worker.
    pub fn exchanges(&self) -> Vec<bool> {
        let remember = self.remember();
        let own = remember.iter().map(|remembers| *remembers || self.placement == Placement::Subtask);
        let own = [true].into_iter().chain(own).chain([false]);
        // Rows go to the owners of their keys, and return.
        let back = [false, false].into_iter().chain(remember.iter().copied());
        own.zip(back).map(|(own, back)| own || back).collect()
    }

    /// Whether a step, a table or an alert has state.
    pub fn remembers(&self) -> bool {
        self.remember().contains(&true) || !self.tables.is_empty() || self.sinks.iter().any(SinkPlan::is_alert)
    }

    /// The columns of the rows, where the source turns out to have these: columns that the file lists are as it says,
    /// and one that is read from another key takes that one's place. What is doubtful in the others is told.
    pub fn complete(&self, inferred: impl Into<Inferred>) -> Schema {
        let Inferred { schema: inferred, doubts } = inferred.into();
        let SchemaChoice::Infer { listed, .. } = &self.source().schema else { return inferred };
        for (column, doubt) in doubts.iter().filter(|(column, _)| listed.iter().all(|(name, _)| name != column)) {
            tracing::warn!("column {column} is text because of {doubt}");
        }
        let named = |name: String| self.source().decoding.keys.column(&name).map(str::to_owned).unwrap_or(name);
        let columns: Vec<(String, Kind)> = inferred.into();
        Schema::new(columns.into_iter().map(|(name, kind)| (named(name), kind))).overlaid(listed.clone())
    }

    /// Puts all files on a simulated disk.
    #[cfg(test)]
    pub fn use_disk(&mut self, disk: &crate::disk::SharedDisk) {
        let tables = self.tables.iter_mut().filter_map(TablePlan::sink_mut);
        let results = self.sinks.iter_mut().map(|plan| &mut plan.settings);
        let sinks = results.chain(&mut self.dead_letter).chain(tables);
        sinks.for_each(|sink| sink.disk = disk.clone());
    }

    /// The checkpoint's path: that of a sink which is there, or of the first sink that has one. `None` if all sources end
    /// by themselves, or no sink can tell which results are durable. If no source redelivers, only a file of lines has
    /// one.
    pub fn checkpoint(&self) -> Option<PathBuf> {
        let kept = self.is_persistent() || (self.is_live() && self.has_lines());
        let in_parts = self.sinks.iter().any(|plan| plan.settings.parts);
        if !kept || in_parts {
            return None;
        }
        let paths = self.sinks.iter().filter_map(|plan| plan.settings.checkpoint(&self.name, self.remembers()));
        let mut paths: Vec<PathBuf> = paths.collect();
        // The sinks may stand in another order than before.
        let holds = |path: &PathBuf| self.disk().length(path).is_ok_and(|found| found.is_some_and(|length| length > 0));
        let place = if paths.len() > 1 { paths.iter().position(holds).unwrap_or(0) } else { 0 };
        (place < paths.len()).then(|| paths.swap_remove(place))
    }

    /// Whether a sink is a file to which lines can be appended.
    pub fn has_lines(&self) -> bool {
        self.sinks.iter().any(|plan| plan.settings.url.is_lines())
    }

    /// Whether a sink is a file.
    pub fn has_files(&self) -> bool {
        self.sinks.iter().any(|plan| plan.settings.url.is_file())
    }

    /// Whether a sink may refuse a line after it was written.
    pub fn may_refuse(&self) -> bool {
        self.sinks.iter().any(|plan| plan.settings.may_refuse())
    }

    /// The disk of its results.
    pub fn disk(&self) -> &dyn crate::disk::Disk {
        &*self.sinks[0].settings.disk
    }

    /// Its settings, by which a checkpoint recognises it.
    pub fn contents(&self) -> &ParsedSettings {
        &self.contents
    }

    /// The other files that results depend on: fitted params of steps, and references of tables.
    pub fn files(&self) -> Vec<NamedFile> {
        let of_step = |step: &StepPlan| {
            let file = step.fitting.params()?;
            let what = format!("params of {}", step.label);
            let named = |path: &str| NamedFile { what: what.clone(), path: path.into(), told: file.reload };
            Some(file.paths().map(named).collect::<Vec<_>>())
        };
        let params = self.steps.iter().filter_map(of_step).flatten();
        let references = self.tables.iter().filter_map(|table| {
            let path = table.reference()?.to_owned();
            Some(NamedFile { what: format!("reference of the table {}", table.name()), path, told: false })
        });
        params.chain(references).collect()
    }

    /// Labels of all operators that work on messages: prepare, the steps, result.
    pub fn labels(&self) -> Vec<String> {
        let steps = self.steps.iter().map(|step| step.label.clone());
        ["prepare".to_owned()].into_iter().chain(steps).chain(["result".to_owned()]).collect()
    }

    /// The column of `schema` in whose order the rows of a message are put; [`Dataflow::steps`] says if it is not there.
    pub fn sort_column(&self, schema: &Schema) -> Option<Column> {
        schema.get(self.sort.as_ref()?.get_ref()).cloned()
    }

    /// The steps, their columns looked up in `schema`, and the schema after the last one.
    ///
    /// # Errors
    /// A column that the schema does not have at that step, or that is not of the kind the subtask needs; params that do
    /// not fit.
    pub fn steps(&self, schema: &Schema) -> Result<(Vec<Step>, Schema), Diagnostic> {
        self.steps_from(schema, &ParsedParams::on_disk(), None)
    }

    /// As [`Dataflow::steps`], from these files of params.
    ///
    /// # Errors
    /// As [`Dataflow::steps`].
    pub fn steps_of(&self, schema: &Schema, params: &ParamsFiles) -> Result<(Vec<Step>, Schema), Diagnostic> {
        self.steps_from(schema, &ParsedParams::of(params), None)
    }

    /// The steps with other files of params, all of [`Dataflow::params_with`] some of them; the other steps are those
    /// that run.
    ///
    /// # Errors
    /// As [`Dataflow::steps`].
    pub fn changed_steps(
        &self,
        schema: &Schema,
        params: &ParamsFiles,
        running: &[Step],
    ) -> Result<(Vec<Step>, Schema), Diagnostic> {
        self.steps_from(schema, &ParsedParams::of(params), Some((params, running)))
    }

    fn steps_from(
        &self,
        schema: &Schema,
        params: &ParsedParams<'_>,
        running: Option<(&ParamsFiles, &[Step])>,
    ) -> Result<(Vec<Step>, Schema), Diagnostic> {
        let stays = |number: usize| {
            let (changed, steps) = running?;
            let mut paths = self.steps[number].fitting.params().into_iter().flat_map(|file| file.paths());
            (!paths.any(|path| changed.get(path).is_some())).then(|| steps[number].clone())
        };
        let shown = |error| self.document.diagnostic(error);
        let (mut steps, schema) = self.find_steps_from(schema, params, &stays).map_err(shown)?;
        for (number, (step, plan)) in steps.iter_mut().zip(&self.steps).enumerate() {
            if let Fitting::Frozen(file) = &plan.fitting
                && stays(number).is_none()
            {
                (_, (step.scope, step.subtask)) = frozen(step, &file.path, params).map_err(shown)?;
            }
        }
        Ok((steps, schema))
    }

    /// The paths of all files of params, each once.
    pub fn params(&self) -> BTreeSet<&str> {
        self.param_files().flat_map(ModelFile::paths).collect()
    }

    /// The paths of those that are followed when they change.
    pub fn followed_params(&self) -> BTreeSet<&str> {
        self.param_files().filter(|file| file.reload).flat_map(ModelFile::paths).collect()
    }

    /// These paths, with those of all files that must be read together with them.
    pub fn params_with<'a>(&'a self, paths: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut found: BTreeSet<&str> = paths.into_iter().collect();
        loop {
            let together = self.param_files().filter(|file| file.paths().any(|path| found.contains(path)));
            let all: BTreeSet<&str> = together.flat_map(ModelFile::paths).collect();
            if all.is_subset(&found) {
                return found;
            }
            found.extend(all);
        }
    }

    fn param_files(&self) -> impl Iterator<Item = &ModelFile> {
        self.steps.iter().filter_map(|step| step.fitting.params())
    }

    /// The steps as they run one after the other, and the schema after them.
    ///
    /// # Errors
    /// As [`Dataflow::steps`].
    pub fn chain(&self, schema: &Schema) -> Result<(Chain, Schema), Diagnostic> {
        let (steps, after) = self.steps(schema)?;
        Ok((Chain::fused(&steps), after))
    }

    /// As [`Dataflow::steps`], but steps with `fit = "frozen"` have no fitted params yet.
    ///
    /// # Errors
    /// As [`Dataflow::steps`].
    pub fn steps_to_fit(&self, schema: &Schema) -> Result<(Vec<Step>, Schema), Diagnostic> {
        let (mut steps, after) = self.find_steps(schema).map_err(|error| self.document.diagnostic(error))?;
        for (step, plan) in steps.iter_mut().zip(&self.steps).filter(|(_, plan)| !plan.says_on_error) {
            // What is learnt is of all rows: each row stands for itself only once that is done.
            step.on_error = plan.entry.on_error;
        }
        Ok((steps, after))
    }

    pub(super) fn find_steps(&self, schema: &Schema) -> Result<(Vec<Step>, Schema), SpannedError> {
        self.find_steps_from(schema, &ParsedParams::on_disk(), &|_| None)
    }

    /// `stays` gives the steps, by their number, that are to stay as they are.
    fn find_steps_from(
        &self,
        schema: &Schema,
        params: &ParsedParams<'_>,
        stays: &dyn Fn(usize) -> Option<Step>,
    ) -> Result<(Vec<Step>, Schema), SpannedError> {
        let (mut schemas, apart) = (self.schemas(schema), self.steps_apart());
        for schema in &schemas {
            if let Some(sort) = self.sort.as_ref().filter(|sort| schema.get(sort.get_ref()).is_none()) {
                return Err(Wrong::no_column(sort.get_ref(), schema).at(sort.span()));
            }
        }
        let mut steps = Vec::new();
        for (number, plan) in self.steps.iter().enumerate() {
            if number == apart {
                self.check_agreement(&schemas)?;
            }
            // Behind those steps, the columns are those of the first source.
            let schema = &mut schemas[plan.source.unwrap_or(0)];
            let step = stays(number).map_or_else(|| self.step(plan, schema, params), Ok)?;
            *schema = step.subtask.transform().columns_after(schema, &step.scope);
            steps.push(step);
        }
        if self.steps.len() == apart {
            self.check_agreement(&schemas)?;
        }
        let schema = schemas.swap_remove(0);
        if let Some(name) = schema.names().find(|name| PLACE.contains(name)) {
            return Err(Wrong::ReservedColumnMade(name.to_owned()).nowhere());
        }
        Ok((steps, schema))
    }

    pub(super) fn step(
        &self,
        plan: &StepPlan,
        schema: &Schema,
        params: &ParsedParams<'_>,
    ) -> Result<Step, SpannedError> {
        let id = self.sources[plan.source.unwrap_or(0)].schema.id();
        let scope = match &plan.columns {
            None => {
                let own = |name: &str| plan.fitting.examples().any(|column| column.get_ref() == name);
                Scope::of(schema, |name| Some(name) != id && !own(name) && plan.entry.takes(schema, name))
            }
            Some(columns) => {
                for column in columns {
                    check_column(plan, column, schema)?;
                }
                let named: HashSet<&str> = columns.iter().map(|column| column.get_ref().as_str()).collect();
                Scope::of(schema, |name| named.contains(name))
            }
        };
        let scope = plan.with_examples(scope.with_time(time_column(plan, self.time_name(), schema)?), schema)?;
        plan.subtask.transform().check_scope(&scope).map_err(|refusal| {
            let at = plan.columns.as_ref().and_then(|columns| columns.first()).map_or(plan.span.clone(), Spanned::span);
            Wrong::Scope { label: plan.label.clone(), refusal }.at(at)
        })?;
        let stream = match &plan.fitting {
            Fitting::Stream { key: None, .. } => Some(StreamKey::All),
            Fitting::Stream { key: Some(key), .. } => Some(StreamKey::Text(key_slot(key, schema)?)),
            Fitting::Row { horizon } => Some(StreamKey::Row { horizon: *horizon }),
            Fitting::Message | Fitting::Frozen(_) | Fitting::Model(_) => None,
        };
        let mut step = Step {
            label: plan.label.clone(),
            source: plan.source,
            subtask: plan.subtask.clone(),
            scope,
            stream,
            on_error: plan.on_error,
        };
        if let Fitting::Model(file) = &plan.fitting {
            (step.scope, step.subtask) = model(&step, file, params)?;
        }
        let checked = step.subtask.transform().check_schema(schema, &step.scope);
        checked.map_err(|refusal| Wrong::Scope { label: plan.label.clone(), refusal }.at(plan.span.clone()))?;
        step.subtask = step.subtask.bind(schema).map_err(|refusal| {
            let at = plan.parameter_spans.get(refusal.parameter).cloned().unwrap_or(plan.span.clone());
            Wrong::Parameter { name: plan.label.clone(), refusal }.at(at)
        })?;
        Ok(step)
    }
}

impl Fitting {
    /// The file of its fitted params, if there is one.
    pub(super) fn params(&self) -> Option<&ModelFile> {
        match self {
            Fitting::Frozen(file) | Fitting::Model(file) => Some(file),
            Fitting::Message | Fitting::Stream { .. } | Fitting::Row { .. } => None,
        }
    }

    /// The columns that say what a model learns, and from which rows.
    fn examples(&self) -> impl Iterator<Item = &Spanned<String>> {
        let (target, train) = match self {
            Fitting::Stream { target, train, .. } => (target.as_ref(), train.as_ref()),
            _ => (None, None),
        };
        target.into_iter().chain(train)
    }
}

impl StepPlan {
    /// The scope with the columns that say what a model learns, and from which rows.
    fn with_examples(&self, mut scope: Scope, schema: &Schema) -> Result<Scope, SpannedError> {
        let Fitting::Stream { target, train, .. } = &self.fitting else { return Ok(scope) };
        let find = |parameter: &'static str, name: &Spanned<String>, kind: Kind| {
            let wrong = |wrong: Wrong| wrong.at(name.span());
            let column = schema.get(name.get_ref()).ok_or_else(|| wrong(Wrong::no_column(name.get_ref(), schema)))?;
            let refused = |reason: String| {
                wrong(Wrong::Parameter { name: self.label.clone(), refusal: Refusal::new(parameter, reason) })
            };
            if column.kind != kind {
                let (has, wanted) = if kind == Kind::Text { ("numbers", "texts") } else { ("texts", "numbers") };
                return Err(refused(format!("`{}` holds {has}, and must hold {wanted}", column.name)));
            }
            if scope.all_names().any(|other| other == column.name) {
                return Err(refused(format!("`{}` is one of the columns that it learns from", column.name)));
            }
            Ok(column.clone())
        };
        let kind = self.subtask.incremental().and_then(|model| model.target()).unwrap_or(Kind::Number);
        let target = target.as_ref().map(|name| find("target", name, kind)).transpose()?;
        let train = train.as_ref().map(|name| find("train", name, Kind::Number)).transpose()?;
        (scope.target, scope.train) = (target, train);
        Ok(scope)
    }
}

/// The step's model, beside its shadow if it has one.
fn model(step: &Step, file: &ModelFile, params: &ParsedParams<'_>) -> Result<(Scope, DynSubtask), SpannedError> {
    let hashes: Option<Vec<u128>> = file.paths().map(|path| params.fingerprint(path)).collect();
    file.fitted(&step.scope, hashes, || {
        let (hash, (scope, subtask)) = frozen(step, &file.path, params)?;
        let Some(path) = &file.shadow else { return Ok((vec![hash], (scope, subtask))) };
        let (of_shadow, (columns, shadow)) = frozen(step, path, params)?;
        Ok((vec![hash, of_shadow], (scope, subtask.with_shadow(&shadow, columns))))
    })
}

/// The step's subtask with the fitted params of a file, and its columns in the order of the fit; before them, a hash of
/// the file's contents.
fn frozen(
    step: &Step,
    path: &Spanned<String>,
    params: &ParsedParams<'_>,
) -> Result<(u128, (Scope, DynSubtask)), SpannedError> {
    let columns: Vec<&str> = step.scope.all_names().collect();
    let frozen = params.get(path.get_ref()).and_then(|(hash, fitted)| {
        let fitted = fitted.step(&step.label, &columns)?;
        let scope = step.scope.in_order(&fitted.columns);
        Ok((hash, (scope, step.subtask.freeze(&fitted.learned, columns.len())?)))
    });
    frozen.map_err(|reason| {
        let (label, shown) = (step.label.clone(), path.get_ref().clone());
        Wrong::Params { label, path: shown, reason }.at(path.span())
    })
}

/// The column of the rows' event times, for a step that acts by time.
fn time_column(plan: &StepPlan, default: &str, schema: &Schema) -> Result<Option<Column>, SpannedError> {
    if !plan.subtask.by_time() {
        return Ok(None);
    }
    let name = plan.subtask.time_column().unwrap_or(default);
    if let Some(column) = schema.get(name) {
        return Ok(Some(column.clone()));
    }
    let refusal = Refusal::new("time", format!("no column `{name}` says when a row was measured: name one that does"));
    Err(Wrong::Scope { label: plan.label.clone(), refusal }.at(plan.span.clone()))
}

fn key_slot(key: &Spanned<String>, schema: &Schema) -> Result<usize, SpannedError> {
    let name = key.get_ref();
    let texts = || schema.columns().iter().filter(|column| column.kind == Kind::Text);
    texts().find(|column| column.name == *name).map(|column| column.slot).ok_or_else(|| {
        let nearest = did_you_mean(name, texts().map(|column| column.name.as_str()));
        Wrong::NoTextColumn { name: name.clone(), nearest }.at(key.span())
    })
}

fn check_column(plan: &StepPlan, column: &Spanned<String>, schema: &Schema) -> Result<(), SpannedError> {
    let name = column.get_ref();
    if schema.get(name).is_none() {
        let candidates = schema.names().filter(|name| plan.entry.takes(schema, name));
        let nearest = did_you_mean(name, candidates);
        return Err(Wrong::NoColumn { name: name.clone(), nearest }.at(column.span()));
    }
    if !plan.entry.takes(schema, name) {
        let (kind, takes) = if plan.entry.role == Role::Texts { ("number", "text") } else { ("text", "number") };
        let wrong = Wrong::ColumnKind { name: name.clone(), kind, subtask: plan.entry.name, takes };
        return Err(wrong.at(column.span()));
    }
    Ok(())
}

impl Entry {
    /// Whether a column of this name and its kind can be in the subtask's scope.
    fn takes(&self, schema: &Schema, name: &str) -> bool {
        let wanted = match self.role {
            Role::Rows | Role::Named => return true,
            Role::Texts => Kind::Text,
            Role::Numbers | Role::Fixed => Kind::Number,
        };
        schema.get(name).is_some_and(|column| column.kind == wanted)
    }
}
