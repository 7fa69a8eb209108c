//! Dot plots as SVG: a row of dots for each name, on a logarithmic axis.

use plotters::prelude::*;

use crate::charts::{COLOURS, LABEL, TITLE, decade, picture, short};

/// A dot plot.
pub struct Dots {
    pub title: String,
    pub x: String,
    /// The labels of the rows, from the bottom up.
    pub names: Vec<String>,
    /// The name of each colour, and its dots: the index of a row, and a value above 0.
    pub dots: Vec<(String, Vec<(usize, f64)>)>,
}

impl Dots {
    /// Draws it; `None` if there is nothing to draw.
    ///
    /// # Errors
    /// What plotters cannot draw.
    pub fn svg(&self) -> Result<Option<String>, String> {
        let values = || self.dots.iter().flat_map(|(_, dots)| dots).map(|(_, value)| *value);
        if values().count() == 0 {
            return Ok(None);
        }
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let height = 130 + 26 * self.names.len() as u32;
        let svg = picture(&self.title, height, self.dots.iter().map(|(name, _)| name), |area| {
            let mut chart = ChartBuilder::on(area)
                .caption(&self.title, TITLE)
                .margin(12)
                .x_label_area_size(46)
                .y_label_area_size(190)
                .build_cartesian_2d(
                    (decade(low, f64::floor)..decade(high, f64::ceil)).log_scale(),
                    (0..self.names.len() - 1).into_segmented(),
                )?;
            let name = |line: &SegmentValue<usize>| match line {
                SegmentValue::CenterOf(line) => self.names.get(*line).cloned().unwrap_or_default(),
                _ => String::new(),
            };
            chart
                .configure_mesh()
                .bold_line_style(BLACK.mix(0.1))
                .light_line_style(TRANSPARENT)
                .y_labels(self.names.len() + 1)
                .x_label_formatter(&|x| short(*x))
                .y_label_formatter(&name)
                .x_desc(&self.x)
                .label_style(LABEL)
                .draw()?;
            for ((_, dots), colour) in self.dots.iter().zip(COLOURS.into_iter().cycle()) {
                let circles = dots
                    .iter()
                    .map(|(line, value)| Circle::new((*value, SegmentValue::CenterOf(*line)), 5, colour.filled()));
                chart.draw_series(circles)?;
            }
            Ok(())
        });
        svg.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_colour_stands_in_the_picture() {
        let dots = vec![("1 row".into(), vec![(0, 10.0), (1, 500.0)]), ("100 rows".into(), vec![(1, 9000.0)])];
        let dots = Dots { title: "Peers".into(), x: "rows/s".into(), names: vec!["slow".into(), "fast".into()], dots };
        let svg = dots.svg().unwrap().unwrap();
        for text in ["Peers", "rows/s", "slow", "fast", "1 row", "100 rows"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<circle").count(), 3);
        assert_eq!(Dots { dots: Vec::new(), ..dots }.svg().unwrap(), None);
    }
}
