//! `[[subtask]]`: the steps of the chain.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::error::{SpannedError, Wrong};
use crate::config::model::{Fitting, StepPlan};
use crate::config::model_file::ModelFile;
use crate::data::did_you_mean;
use crate::registry::Registry;
use crate::subtasks::{BuildError, Entry, MODEL_PARAMETERS, OnError, Refusal, Role};

/// The steps of a file whose sources have these names.
pub(super) fn read_subtasks(
    value: Spanned<DeValue<'_>>,
    sources: &[&str],
    registry: &Registry,
) -> Result<Vec<StepPlan>, SpannedError> {
    let span = value.span();
    let DeValue::Array(items) = value.into_inner() else { return Err(Wrong::OneBracket("subtask").at(span)) };
    let count = items.len();
    let mut steps = Vec::new();
    let mut seen: HashMap<&'static str, usize> = HashMap::new();
    for (place, item) in items.into_iter().enumerate() {
        let (mut item, mut input) = (item, None);
        if let DeValue::Table(table) = item.get_mut() {
            input = table.remove("input").map(|value| Spanned::<String>::deserialize(ValueDeserializer::from(value)));
        }
        let input = input.transpose()?;
        let Some(mut step) = read_subtask(item, place, count, registry)? else {
            let Some(input) = input else { continue };
            let name = if place == 0 { "prepare" } else { "result" }.to_owned();
            return Err(Wrong::FixedParameter { name, parameter: "input".into() }.at(input.span()));
        };
        step.source = input.map(|name| input_of(&name, &step, &steps, sources)).transpose()?.flatten();
        let times = seen.entry(step.entry.name).or_default();
        *times += 1;
        if *times > 1 {
            step.label = format!("{}_{times}", step.entry.name);
        }
        steps.push(step);
    }
    Ok(steps)
}

/// The number of the source whose rows a step takes; all rows if it is the only one.
fn input_of(
    name: &Spanned<String>,
    step: &StepPlan,
    before: &[StepPlan],
    sources: &[&str],
) -> Result<Option<usize>, SpannedError> {
    let label = || step.label.clone();
    let Some(source) = sources.iter().position(|source| source == name.get_ref()) else {
        let nearest = did_you_mean(name.get_ref(), sources.iter().copied());
        return Err(Wrong::NoSource { name: name.get_ref().clone(), nearest }.at(name.span()));
    };
    if sources.len() == 1 {
        return Ok(None);
    }
    if before.last().is_some_and(|step| step.source.is_none()) {
        return Err(Wrong::InputBehindAll(label()).at(name.span()));
    }
    if matches!(step.fitting, Fitting::Stream { .. } | Fitting::Row { .. }) {
        return Err(Wrong::InputWithState(label()).at(name.span()));
    }
    Ok(Some(source))
}

/// One step; `None` for prepare and result, which stand in every chain.
fn read_subtask(
    item: Spanned<DeValue<'_>>,
    place: usize,
    count: usize,
    registry: &Registry,
) -> Result<Option<StepPlan>, SpannedError> {
    let span = item.span();
    let DeValue::Table(mut table) = item.into_inner() else { return Err(Wrong::SubtaskIsNoTable.at(span)) };
    let Some(name) = table.remove("use") else { return Err(Wrong::SubtaskWithoutUse.at(span)) };
    let name_span = name.span();
    let name = name.get_ref().as_str().unwrap_or_default().to_owned();
    let Some(entry) = registry.subtasks().find(&name) else {
        let nearest = did_you_mean(&name, registry.subtasks().iter().map(|entry| entry.name));
        return Err(Wrong::UnknownSubtask { name, nearest }.at(name_span));
    };
    let columns = entry.columns_parameter().and_then(|key| table.remove(key)).map(read_columns).transpose()?;
    let fitting = read_fitting(entry, &mut table, &name_span)?;
    if entry.role == Role::Fixed {
        return check_fixed(entry.name, &table, name_span, place, count).map(|()| None);
    }
    let on_error = table.remove("on_error").map(|value| OnError::deserialize(ValueDeserializer::from(value)));
    // What a fitted step makes of a row depends on this row alone.
    let usual = if matches!(fitting, Fitting::Frozen(_)) { OnError::Row } else { entry.on_error };
    let (says_on_error, on_error) = (on_error.is_some(), on_error.transpose()?.unwrap_or(usual));
    let key_spans: HashMap<String, Range<usize>> =
        table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect();
    if entry.incremental && !matches!(fitting, Fitting::Stream { .. }) {
        refuse_learning_parameters(entry, &table)?;
    }
    let parameters = Spanned::new(span.clone(), DeValue::Table(table));
    let refused = |refusal: Refusal| {
        let span = key_spans.get(refusal.parameter).cloned().unwrap_or(name_span.clone());
        Wrong::Parameter { name: name.clone(), refusal }.at(span)
    };
    let subtask = entry.build(ValueDeserializer::from(parameters)).map_err(|error| match error {
        BuildError::Toml(error) => error.into(),
        BuildError::Refused(refusal) => refused(refusal),
    })?;
    let fitting = subtask.horizon().map_or(fitting, |horizon| Fitting::Row { horizon });
    if matches!(fitting, Fitting::Stream { .. }) {
        if !subtask.can_stream() {
            return Err(Wrong::CannotStream(name).at(span));
        }
        subtask.check_stream().map_err(refused)?;
    }
    let parameter_spans = key_spans;
    Ok(Some(StepPlan {
        label: name,
        source: None,
        entry: *entry,
        subtask,
        columns,
        fitting,
        on_error,
        says_on_error,
        parameter_spans,
        span,
    }))
}

/// How a step gets its params: `fit`, and the keys beside it.
fn read_fitting(entry: &Entry, table: &mut DeTable<'_>, name_span: &Range<usize>) -> Result<Fitting, SpannedError> {
    if !entry.fits {
        return Ok(Fitting::Message);
    }
    let fit = table.remove("fit");
    let mut text = |key: &str| {
        let text = table.remove(key).map(|value| Spanned::<String>::deserialize(ValueDeserializer::from(value)));
        text.transpose()
    };
    let (params, key) = (text("params")?, text("key")?);
    let shadow = if entry.model { text("shadow")? } else { None };
    let target = if entry.supervised { text("target")? } else { None };
    let train = if entry.incremental { text("train")? } else { None };
    let reload = table.remove("reload");
    let reload = reload.map(|value| Spanned::<bool>::deserialize(ValueDeserializer::from(value))).transpose()?;
    let of_frozen = [(params.as_ref(), "params"), (shadow.as_ref(), "shadow")];
    let of_frozen = of_frozen.into_iter().filter_map(|(value, option)| Some((value?.span(), option)));
    let mut of_frozen = of_frozen.chain(reload.as_ref().map(|reload| (reload.span(), "reload")));
    let usual = if entry.model { "frozen" } else { "message" };
    let kind = fit.as_ref().map_or(usual, |fit| fit.get_ref().as_str().unwrap_or_default());
    if let Some(fit) = fit.as_ref().filter(|_| entry.model && kind != "frozen") {
        match kind {
            "stream" if entry.incremental => {}
            _ if entry.incremental => return Err(Wrong::ModelOfMessage(entry.name).at(fit.span())),
            _ => return Err(Wrong::ModelIsFrozen(entry.name).at(fit.span())),
        }
    }
    let surplus = match kind {
        "frozen" => {
            let of_stream = [(&key, "key"), (&target, "target"), (&train, "train")];
            of_stream.into_iter().find_map(|(value, option)| Some((value.as_ref()?.span(), option, "stream")))
        }
        "stream" => of_frozen.next().map(|(span, option)| (span, option, "frozen")),
        _ => {
            let of_frozen = of_frozen.next().map(|(span, option)| (span, option, "frozen"));
            of_frozen.or(key.as_ref().map(|key| (key.span(), "key", "stream")))
        }
    };
    drop(of_frozen);
    if let Some((span, option, fit)) = surplus {
        return Err(Wrong::OptionOfFit { option, fit }.at(span));
    }
    let reload = reload.is_some_and(Spanned::into_inner);
    match (kind, params) {
        ("message", _) => Ok(Fitting::Message),
        ("stream", _) if entry.supervised && target.is_none() => {
            Err(Wrong::StreamWithoutTarget(entry.name).at(name_span.clone()))
        }
        ("stream", _) => Ok(Fitting::Stream { key, target, train }),
        ("frozen", Some(params)) if entry.model => Ok(Fitting::Model(ModelFile::new(params, shadow, reload))),
        ("frozen", Some(params)) => Ok(Fitting::Frozen(ModelFile::new(params, None, reload))),
        ("frozen", None) if entry.model => Err(Wrong::ModelWithoutParams(entry.name).at(name_span.clone())),
        ("frozen", None) => Err(Wrong::FrozenWithoutParams(entry.name).at(name_span.clone())),
        _ => Err(Wrong::UnknownFit.at(fit.map_or(name_span.clone(), |fit| fit.span()))),
    }
}

/// Refuses parameters that say how a model learns, of one that does not.
fn refuse_learning_parameters(entry: &Entry, table: &DeTable<'_>) -> Result<(), SpannedError> {
    let known = entry.schema_value();
    let learns = |key: &str| !MODEL_PARAMETERS.contains(&key) && known["properties"].get(key).is_some();
    match table.iter().find(|(key, _)| learns(key.get_ref())) {
        Some((key, _)) => {
            Err(Wrong::LearningOfFrozen { option: key.get_ref().to_string(), name: entry.name }.at(key.span()))
        }
        None => Ok(()),
    }
}

fn read_columns(value: Spanned<DeValue<'_>>) -> Result<Vec<Spanned<String>>, SpannedError> {
    let span = value.span();
    let columns = Vec::<Spanned<String>>::deserialize(ValueDeserializer::from(value))?;
    if columns.is_empty() { Err(Wrong::NoColumns.at(span)) } else { Ok(columns) }
}

fn check_fixed(
    name: &str,
    table: &DeTable<'_>,
    span: Range<usize>,
    place: usize,
    count: usize,
) -> Result<(), SpannedError> {
    if let Some((key, _)) = table.iter().next() {
        let (name, parameter) = (name.to_owned(), key.get_ref().to_string());
        return Err(Wrong::FixedParameter { name, parameter }.at(key.span()));
    }
    let (expected, end) = if name == "prepare" { (0, "first") } else { (count - 1, "last") };
    if place == expected { Ok(()) } else { Err(Wrong::FixedPlace { name: name.to_owned(), end }.at(span)) }
}
