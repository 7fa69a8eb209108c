//! Runs a chain over a few rows, and shows them after every step.

use std::sync::Arc;

use serde::Serialize;

use crate::config::{Dataflow, Diagnostic, SchemaChoice};
use crate::data::{Bucket, Message, Schema};
use crate::format::BadRow;
use crate::measure::Excerpt;
use crate::source;
use crate::subtasks::prepare::Prepare;
use crate::subtasks::{Chain, ChainEvent, RefusedRows, Step};

/// A few rows after every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// The steps in order, prepare first.
    pub steps: Vec<PreviewStep>,
    /// Rows that could not be read.
    pub rejected: Vec<BadRow>,
}

/// The rows after a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreviewStep {
    /// The step's label.
    pub label: String,
    /// The rows after it.
    pub after: Excerpt,
    /// Why the step rejected rows; if it is the whole message, there is nothing after it, and the steps behind it are not
    /// run.
    pub fault: Option<String>,
}

/// Runs the chain of a dataflow over one bucket of a source, by its number. Steps with keyed state start empty.
///
/// # Errors
/// A step that names columns the rows do not have.
///
/// # Panics
/// If there is no such source.
pub fn preview(dataflow: &Dataflow, source: usize, bucket: &Bucket) -> Result<Preview, Diagnostic> {
    preview_among(dataflow, source, bucket, bucket)
}

/// The same, where a schema that is inferred is that of all rows of `among`.
///
/// # Errors
/// As [`preview`].
///
/// # Panics
/// As [`preview`].
pub fn preview_among(
    dataflow: &Dataflow,
    source: usize,
    bucket: &Bucket,
    among: &Bucket,
) -> Result<Preview, Diagnostic> {
    let first = match &dataflow.source().schema {
        SchemaChoice::Known { schema, .. } => schema.clone(),
        SchemaChoice::Infer { .. } => {
            dataflow.complete(source::infer_buckets([among].into_iter(), &dataflow.source().settings.framing))
        }
    };
    let (mut steps, _) = dataflow.steps(&first)?;
    steps.retain(|step| step.source.is_none_or(|of| of == source));
    let mut schema = dataflow.schemas(&first).swap_remove(source);
    let mut prepare = Prepare::new(Arc::new(schema.clone()), dataflow.sources[source].decoding.clone());
    prepare = prepare.sorted_by(dataflow.sort_column(&schema));
    let (mut message, bad) = prepare.apply(bucket);
    let shown = |message: &Message, schema: &Schema| message.excerpt(schema, bucket.len());
    let mut shown_steps = vec![PreviewStep { label: "prepare".into(), after: shown(&message, &schema), fault: None }];
    let mut refused: Option<String> = None;
    let applied = Chain::in_turn(&steps).apply(&mut message, |event| match event {
        ChainEvent::Refused(RefusedRows { ids, reason, .. }) => {
            let shown = format!("Rows {ids:?}: {reason}");
            refused = Some(refused.take().map_or(shown.clone(), |before| format!("{before} {shown}")));
        }
        ChainEvent::Passed(step, message) => {
            let Step { label, subtask, scope, .. } = &steps[step];
            schema = subtask.transform().columns_after(&schema, scope);
            let (after, fault) = (shown(message, &schema), refused.take());
            shown_steps.push(PreviewStep { label: label.clone(), after, fault });
        }
    });
    if let Err((step, fault)) = applied {
        let (label, after) = (steps[step].label.clone(), Excerpt::default());
        shown_steps.push(PreviewStep { label, after, fault: Some(fault.to_string()) });
    }
    Ok(Preview { steps: shown_steps, rejected: bad })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};
    use crate::measure::ExcerptCell;

    /// Regression: a model that learns showed nothing, and scalers by key one scale for all keys.
    #[test]
    fn steps_with_keyed_state_start_empty() {
        let text = "schema = { number = [\"x\", \"y\"], text = [\"key\"] }\nsource.url = \"-\"\nsink.url = \"null\"\n\
                    [[subtask]]\nuse = \"max_abs_scaler\"\ncolumns = [\"x\"]\nfit = \"stream\"\nkey = \"key\"\n\
                    [[subtask]]\nuse = \"gaussian_nb\"\ncolumns = [\"x\"]\nfit = \"stream\"\ntarget = \"y\"\n\
                    classes = [0, 1]";
        let dataflow = Dataflow::from_text("t", text, &[], &crate::registry::Registry::builtin()).unwrap();
        let mut bucket = Bucket::new(0, 0);
        for (key, x) in [("a", 2), ("b", 8), ("a", 4)] {
            let row = format!("{{\"key\": \"{key}\", \"x\": {x}, \"y\": 1}}");
            let row = Row { bytes: row.as_bytes(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
        }
        let preview = preview(&dataflow, 0, &bucket).unwrap();
        let [_, scaled, learnt] = &preview.steps[..] else { panic!("{preview:?}") };
        let of = |step: &PreviewStep, name: &str| {
            let place = step.after.columns.iter().position(|column| column == name).unwrap();
            step.after.rows.iter().map(|row| row[place].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(scaled, "x"), [0.5, 1.0, 1.0].map(ExcerptCell::Number));
        assert_eq!(learnt.fault, None);
        assert_eq!(of(learnt, "prediction").len(), 3);
    }

    #[test]
    fn every_step_shows_what_it_made_of_the_rows() {
        let text = "schema = \"infer\"\nsource.url = \"-\"\nsink.url = \"null\"\n[[subtask]]\nuse = \"replace\"\n\
                    to_replace = [-1.0]\n[[subtask]]\nuse = \"fillna\"\nvalue = 7.0";
        let dataflow = Dataflow::from_text("t", text, &[], &crate::registry::Registry::builtin()).unwrap();
        let mut bucket = Bucket::new(0, 0);
        for bytes in [r#"{"x":1}"#, r#"{"x":-1}"#, "{"] {
            let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
        }
        let preview = preview(&dataflow, 0, &bucket).unwrap();
        let values = |step: usize| preview.steps[step].after.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
        assert_eq!(values(0), [ExcerptCell::Number(1.0), ExcerptCell::Number(-1.0)]);
        assert_eq!(values(1), [ExcerptCell::Number(1.0), ExcerptCell::Missing]);
        assert_eq!(values(2), [ExcerptCell::Number(1.0), ExcerptCell::Number(7.0)]);
        assert_eq!(preview.rejected[0].index, 2);
    }

    #[test]
    fn of_several_sources_the_steps_of_the_one_are_shown() {
        let source = |name: &str, column: &str| {
            format!("[[source]]\nname = \"{name}\"\nurl = \"{name}.csv\"\nschema = {{ number = [\"{column}\"] }}\n")
        };
        let text = source("a", "x")
            + &source("b", "y")
            + "[[subtask]]\nuse = \"clip\"\ninput = \"a\"\nlower = 0.0\n\
               [[subtask]]\nuse = \"rename\"\ninput = \"b\"\ncolumns = { y = \"x\" }\n\
               [[subtask]]\nuse = \"fillna\"\nvalue = 7.0\n[sink]\nurl = \"null\"\n";
        let dataflow = Dataflow::from_text("t", &text, &[], &crate::registry::Registry::builtin()).unwrap();
        let shown = |source: usize, rows: &[&str]| {
            let mut bucket = Bucket::new(0, 0);
            for bytes in rows {
                let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header: None };
                bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
            }
            let preview = preview(&dataflow, source, &bucket).unwrap();
            let cells = |step: &PreviewStep| step.after.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
            let labels: Vec<String> = preview.steps.iter().map(|step| step.label.clone()).collect();
            (labels, preview.steps.iter().map(cells).next_back().unwrap())
        };
        let of = |values: &[f64]| values.iter().map(|value| ExcerptCell::Number(*value)).collect::<Vec<_>>();
        let (labels, cells) = shown(0, &[r#"{"x":-1}"#, r#"{"x":null}"#]);
        assert_eq!((labels, cells), (["prepare", "clip", "fillna"].map(String::from).into(), of(&[0.0, 7.0])));
        let (labels, cells) = shown(1, &[r#"{"y":-1}"#, r#"{"y":null}"#]);
        assert_eq!((labels, cells), (["prepare", "rename", "fillna"].map(String::from).into(), of(&[-1.0, 7.0])));
    }
}
