//! Labels that come later than their predictions, alone: a model that takes gaps predicts such a row too.

use std::collections::HashSet;

use toml::Spanned;

use crate::config::model::Dataflow;
use crate::config::params_files::ParsedParams;
use crate::config::table::TablePlan;
use crate::data::Schema;

impl Dataflow {
    /// Tables in which the row of a label alone may put a prediction of its own over the one that was made before, each
    /// as a sentence; `schema` is that of the source.
    pub fn predictions_at_risk(&self, schema: &Schema) -> Vec<String> {
        self.tables.iter().filter_map(|table| self.prediction_at_risk(table, schema)).collect()
    }

    fn prediction_at_risk(&self, table: &TablePlan, schema: &Schema) -> Option<String> {
        let section = &table.section;
        let joins = section.combine_first.as_ref().is_some_and(|combine| *combine.get_ref());
        let score = section.score.as_ref().filter(|_| joins)?;
        let several = score.probabilities.iter().flat_map(Spanned::get_ref);
        let said = [&score.prediction].into_iter().chain(&score.probability).chain(several);
        let said: HashSet<&str> = said.map(|name| name.get_ref().as_str()).collect();
        let input = self.operator(section.input.as_ref(), section.name.span()).ok()?;
        let mut schema = schema.clone();
        // Behind where rows of all sources come together, the columns are those of the first one.
        for plan in self.steps[..input].iter().filter(|plan| plan.source.is_none_or(|source| source == 0)) {
            let step = self.step(plan, &schema, &ParsedParams::on_disk()).ok()?;
            let after = step.subtask.transform().columns_after(&schema, &step.scope);
            if step.subtask.transform().says_of_empty()
                && let Some(column) = after.names().find(|name| said.contains(name) && schema.get(name).is_none())
            {
                let (table, label) = (table.name(), &plan.label);
                return Some(format!(
                    "table {table}: {label} takes gaps, and says {column} of a row with a label alone too, which \
                     replaces what it said before: give the step skip_empty = true, or skip_empty = false if labels \
                     come with the model's columns"
                ));
            }
            schema = after;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SchemaChoice;

    /// A tree that sends gaps to the left.
    const TREE: &str = r#"{"rowmill_fit": 1, "steps": [{"step": "decision_tree_regressor", "columns": ["x"], "learned": {
        "node_counts": [1], "left": [0], "right": [0], "feature": [0], "threshold": [0.0], "missing_left": [1],
        "values": [1.0], "takes_missing": true}}]}"#;

    #[test]
    fn a_table_that_joins_labels_is_told_of_a_model_that_takes_gaps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.json");
        let told = |tree: &str, skip: &str, join: &str| {
            std::fs::write(&path, tree).unwrap();
            let text = format!(
                "source.url = '-'\nsink.url = 'null'\nschema = {{ number = ['x', 'y', 'id'] }}\n[[subtask]]\n\
                 use = 'decision_tree_regressor'\ncolumns = ['x']\nparams = '{}'\n{skip}\n[[table]]\nname = 'q'\n\
                 input = 'decision_tree_regressor'\nupsert = ['id']\n{join}\n\
                 score = {{ prediction = 'prediction', label = 'y', metrics = ['mae'] }}\n",
                path.display()
            );
            let dataflow = Dataflow::from_text("t", &text, &[], &crate::registry::Registry::builtin()).unwrap();
            let SchemaChoice::Known { schema, .. } = &dataflow.sources[0].schema else { panic!() };
            dataflow.predictions_at_risk(schema)
        };
        let joins = "combine_first = true";
        let [sentence] = &told(TREE, "", joins)[..] else { panic!() };
        assert!(sentence.contains("table q") && sentence.contains("skip_empty = true"), "{sentence}");
        assert_eq!(told(TREE, "skip_empty = true", joins).len(), 0);
        assert_eq!(told(TREE, "skip_empty = false", joins).len(), 0, "it was chosen");
        assert_eq!(told(TREE, "", "").len(), 0);
        assert_eq!(told(&TREE.replace("\"takes_missing\": true", "\"takes_missing\": false"), "", joins).len(), 0);
    }
}
