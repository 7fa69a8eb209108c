//! Stacked bar charts as SVG.

use plotters::prelude::*;

use crate::charts::{COLOURS, LABEL, TITLE, picture, short};

const HEIGHT: u32 = 440;

/// A stacked bar chart.
pub struct Bars {
    pub title: String,
    pub x: String,
    pub y: String,
    /// The label under each bar.
    pub names: Vec<String>,
    /// From the bottom up: a name, and its height in each bar.
    pub parts: Vec<(String, Vec<f64>)>,
}

impl Bars {
    /// Draws it; `None` if there is nothing to draw.
    ///
    /// # Errors
    /// What plotters cannot draw.
    pub fn svg(&self) -> Result<Option<String>, String> {
        let total = |bar: usize| self.parts.iter().map(|(_, heights)| heights[bar]).sum::<f64>();
        let top = (0..self.names.len()).map(total).fold(0.0, f64::max);
        if top == 0.0 {
            return Ok(None);
        }
        let svg = picture(&self.title, HEIGHT, self.parts.iter().map(|(name, _)| name), |area| {
            let mut chart = ChartBuilder::on(area)
                .caption(&self.title, TITLE)
                .margin(12)
                .x_label_area_size(46)
                .y_label_area_size(74)
                .build_cartesian_2d((0..self.names.len() - 1).into_segmented(), 0.0..top * 1.05)?;
            let name = |bar: &SegmentValue<usize>| match bar {
                SegmentValue::CenterOf(bar) => self.names.get(*bar).cloned().unwrap_or_default(),
                _ => String::new(),
            };
            chart
                .configure_mesh()
                .disable_x_mesh()
                .bold_line_style(BLACK.mix(0.1))
                .light_line_style(TRANSPARENT)
                .x_labels(self.names.len() + 1)
                .x_label_formatter(&name)
                .y_label_formatter(&|y| short(*y))
                .x_desc(&self.x)
                .y_desc(&self.y)
                .label_style(LABEL)
                .draw()?;
            let mut bottoms = vec![0.0; self.names.len()];
            for ((_, heights), colour) in self.parts.iter().zip(COLOURS.into_iter().cycle()) {
                let bars = heights.iter().zip(&mut bottoms).enumerate().map(|(bar, (height, bottom))| {
                    let corners =
                        [(SegmentValue::Exact(bar), *bottom), (SegmentValue::Exact(bar + 1), *bottom + height)];
                    *bottom += height;
                    let mut bar = Rectangle::new(corners, colour.filled());
                    bar.set_margin(0, 0, 18, 18);
                    bar
                });
                let bars: Vec<_> = bars.collect();
                chart.draw_series(bars)?;
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
    fn parts_stand_on_each_other_under_their_names() {
        let parts = vec![("reading".into(), vec![1.0, 2.0]), ("writing".into(), vec![3.0, 0.5])];
        let names = vec!["few".into(), "many".into()];
        let bars = Bars { title: "Time".into(), x: "rows".into(), y: "us".into(), names, parts };
        let svg = bars.svg().unwrap().unwrap();
        for text in ["Time", "rows", "us", "few", "many", "reading", "writing", "#0072B2", "#D55E00"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(Bars { parts: Vec::new(), ..bars }.svg().unwrap(), None);
    }
}
