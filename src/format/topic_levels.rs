//! Fills the columns of a row that levels of its topic are the values of.

use super::column_builder::ColumnBuilder;
use super::decoding::Decoding;
use crate::data::Schema;

/// The values of the topic that rows came under.
#[derive(Default)]
pub(crate) struct TopicLevels {
    /// By the places of their columns.
    values: Vec<(usize, String)>,
}

impl TopicLevels {
    /// The rows that follow came under this topic.
    pub fn see(&mut self, topic: &str, schema: &Schema, decoding: &Decoding) {
        let values = decoding.topic.iter().flat_map(|pattern| pattern.values(topic));
        let placed = values.filter_map(|(name, value)| Some((schema.place(name)?, value.to_owned())));
        self.values.clear();
        self.values.extend(placed);
    }

    /// Fills what is missing in the open row: a value of the payload itself stands over that of the topic.
    pub fn fill(&self, schema: &Schema, table: &mut ColumnBuilder) -> Result<(), String> {
        for (place, value) in &self.values {
            let column = &schema.columns()[*place];
            if table.is_missing(column) {
                table.set_cell(column, value).map_err(|reason| format!("{reason} (a level of the topic)"))?;
            }
        }
        Ok(())
    }
}
