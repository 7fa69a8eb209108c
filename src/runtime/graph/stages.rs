//! Which steps of a chain run as one operator.

use std::ops::Range;

use crate::config::Placement;
use crate::subtasks::{Chain, Step};

/// One operator of the chain: a step, or several that follow each other.
#[derive(Clone)]
pub struct Stage {
    /// The operators of the unfused graph that it stands for; prepare is 0, the first step 1.
    pub operators: Range<usize>,
    /// The step's label, or those of the first and the last.
    pub label: String,
    /// The source whose messages it works on; all if not given.
    pub source: Option<usize>,
    pub work: StageWork,
}

/// What a stage does.
#[derive(Clone)]
pub enum StageWork {
    /// A step with keyed state.
    Remembering(Box<Step>),
    Chain(Chain),
}

impl Stage {
    /// Its steps, if it has no keyed state.
    pub fn chain(&self) -> Option<Chain> {
        match &self.work {
            StageWork::Remembering(_) => None,
            StageWork::Chain(chain) => Some(chain.clone()),
        }
    }
}

/// Splits a chain into stages. Adjacent steps are fused if `fuse` is set, neither has keyed state, both take the rows of the
/// same sources, no table and no sink takes the rows between them, and the placement keeps a message on its worker. Also
/// returns whether this holds from prepare to result, sinks and sources aside, so that all can run as one operator.
pub fn stages(
    steps: &[Step],
    placement: Placement,
    fuse: bool,
    taken_after: &[usize],
    tapped: &[usize],
) -> (Vec<Stage>, bool) {
    let fuse = fuse && placement == Placement::Message;
    let whole = fuse && taken_after.is_empty() && steps.iter().all(|step| step.stream.is_none());
    let (mut start, mut operator) = (1, 0);
    let runs = steps.chunk_by(|one, next| {
        operator += 1;
        let taken = taken_after.contains(&operator) || tapped.contains(&operator);
        fuse && !taken && one.source == next.source && one.stream.is_none() && next.stream.is_none()
    });
    let stages = runs.map(|run| {
        let operators = start..start + run.len();
        start = operators.end;
        stage(run, operators)
    });
    (stages.collect(), whole)
}

fn stage(run: &[Step], operators: Range<usize>) -> Stage {
    let label = match run {
        [step] => step.label.clone(),
        _ => format!("{}..{}", run[0].label, run[run.len() - 1].label),
    };
    let work = match run {
        [step] if step.stream.is_some() => StageWork::Remembering(Box::new(step.clone())),
        _ => StageWork::Chain(Chain::fused(run)),
    };
    Stage { operators, label, source: run[0].source, work }
}

/// The number of the operator after the last stage.
pub fn operator_of_result(stages: &[Stage]) -> usize {
    stages.last().map_or(1, |stage| stage.operators.end)
}

/// The names of prepare, each stage and result, with the operators under which their times are recorded.
pub fn named_operators(stages: &[Stage]) -> impl Iterator<Item = (&str, usize)> {
    let between = stages.iter().map(|stage| (stage.label.as_str(), stage.operators.start));
    [("prepare", 0)].into_iter().chain(between).chain([("result", operator_of_result(stages))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dataflow;
    use crate::data::Schema;

    #[test]
    fn steps_are_fused_where_a_message_stays_on_its_worker() {
        let weather = include_str!("../../../dataflows/weather.toml");
        let dataflow =
            Dataflow::from_text("weather.toml", weather, &[], &crate::registry::Registry::builtin()).unwrap();
        let (steps, _) = dataflow.steps(&Schema::davis()).unwrap();
        let labels = |placement, fuse, taken_after: &[usize]| {
            let (stages, _) = stages(&steps, placement, fuse, taken_after, &[]);
            assert!(stages.windows(2).all(|pair| pair[0].operators.end == pair[1].operators.start));
            stages.into_iter().map(|stage| stage.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(Placement::Message, true, &[]), ["drop_duplicates..binarizer"]);
        assert_eq!(labels(Placement::Message, false, &[]).len(), steps.len());
        assert_eq!(labels(Placement::Subtask, true, &[]).len(), steps.len());
        let around_a_table = labels(Placement::Message, true, &[3]);
        assert_eq!(around_a_table, ["drop_duplicates..interpolate", "fillna..binarizer"]);
        let whole = |placement, fuse, taken_after: &[usize]| stages(&steps, placement, fuse, taken_after, &[]).1;
        let (around_a_sink, in_one) = stages(&steps, Placement::Message, true, &[], &[3, steps.len()]);
        let around_a_sink = around_a_sink.into_iter().map(|stage| stage.label);
        assert!(in_one && around_a_sink.eq(["drop_duplicates..interpolate", "fillna..binarizer"]));
        assert!(whole(Placement::Message, true, &[]));
        assert!(!whole(Placement::Message, false, &[]) && !whole(Placement::Message, true, &[0]));
        assert!(!whole(Placement::Subtask, true, &[]));
    }
}
