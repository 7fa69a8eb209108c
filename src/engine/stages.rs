//! Which steps of a chain run as one operator.

use std::ops::Range;

use crate::dataflow::{Placement, Step};
use crate::subtasks::Fused;

/// One operator of the chain: a step, or several that follow each other and act by column.
#[derive(Clone)]
pub struct Stage {
    /// The operators of the unfused graph that it stands for; prepare is 0, the first step 1.
    pub operators: Range<usize>,
    /// The step's label, or those of the first and the last.
    pub label: String,
    pub work: Work,
}

/// What a stage does.
#[derive(Clone)]
pub enum Work {
    Step(Step),
    Fused(Fused),
}

/// Splits a chain into stages. Steps are fused if that is wanted, no step learns over the stream, no table takes the
/// rows between them, and the placement keeps a message on its worker.
pub fn stages(steps: &[Step], placement: Placement, fuse: bool, taken_after: &[usize]) -> Vec<Stage> {
    let fuse = fuse && placement == Placement::Message;
    let by_column = |step: &Step| step.stream.is_none() && step.subtask.by_column().is_some();
    let (mut start, mut operator) = (1, 0);
    let runs = steps.chunk_by(|one, next| {
        operator += 1;
        fuse && !taken_after.contains(&operator) && by_column(one) && by_column(next)
    });
    runs.map(|run| {
        let operators = start..start + run.len();
        start = operators.end;
        stage(run, operators)
    })
    .collect()
}

/// The number of the operator after the last stage.
pub fn operator_of_result(stages: &[Stage]) -> usize {
    stages.last().map_or(1, |stage| stage.operators.end)
}

/// The names of prepare, each stage and result, with the operators that their times are kept for.
pub fn named_operators(stages: &[Stage]) -> impl Iterator<Item = (&str, usize)> {
    let between = stages.iter().map(|stage| (stage.label.as_str(), stage.operators.start));
    [("prepare", 0)].into_iter().chain(between).chain([("result", operator_of_result(stages))])
}

fn stage(run: &[Step], operators: Range<usize>) -> Stage {
    if let [step] = run {
        return Stage { operators, label: step.label.clone(), work: Work::Step(step.clone()) };
    }
    let label = format!("{}..{}", run[0].label, run[run.len() - 1].label);
    let steps = run.iter().map(|step| (step.subtask.clone(), step.scope.clone())).collect();
    Stage { operators, label, work: Work::Fused(Fused::new(steps)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Schema;
    use crate::dataflow::Dataflow;

    #[test]
    fn steps_by_column_are_fused_where_a_message_stays_on_its_worker() {
        let weather = include_str!("../../dataflows/weather.toml");
        let dataflow = Dataflow::from_text("weather.toml", weather, &[]).unwrap();
        let (steps, _) = dataflow.steps(&Schema::davis()).unwrap();
        let labels = |placement, fuse, taken_after: &[usize]| {
            let stages = stages(&steps, placement, fuse, taken_after);
            assert!(stages.windows(2).all(|pair| pair[0].operators.end == pair[1].operators.start));
            stages.into_iter().map(|stage| stage.label).collect::<Vec<_>>()
        };
        let fused = labels(Placement::Message, true, &[]);
        assert_eq!(fused[1..4], ["replace..clip", "dropna", "standard_scaler..quantile_transformer"]);
        assert_eq!(labels(Placement::Message, false, &[]).len(), steps.len());
        assert_eq!(labels(Placement::Subtask, true, &[]).len(), steps.len());
        assert_eq!(labels(Placement::Message, true, &[3])[1..3], ["replace..interpolate", "fillna..clip"]);
    }
}
