//! Values over the number of a row or over time: lines with gaps, points, and a level.

use plotters::prelude::*;

use super::picture::{COLOURS, Canvas, Failed, LABEL, TITLE, picture};

const HEIGHT: u32 = 440;

/// What the numbers of an axis are.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// Numbers.
    Numbers,
    /// Seconds since 1970.
    Times,
    /// The places of names.
    Names(Vec<String>),
}

/// Points in the order of x; NaN is a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// x and y.
    pub points: Vec<(f64, f64)>,
    /// Whether neighbours are joined.
    pub joined: bool,
}

/// A chart of series over one axis.
#[derive(Clone, Debug)]
pub struct SeriesChart {
    /// What stands above it.
    pub title: String,
    /// What x is.
    pub x: (String, Axis),
    /// What y is.
    pub y: (String, Axis),
    /// What is drawn.
    pub series: Vec<Series>,
    /// A line across it, such as a threshold, with its name.
    pub level: Option<(String, f64)>,
}

impl Axis {
    /// What stands at a tick.
    fn label(&self, value: f64) -> String {
        match self {
            // Sixteen digits show what steps of an axis add up to.
            Axis::Numbers => {
                let rounded = format!("{value:.10e}").parse::<f64>().unwrap_or(value);
                if value.abs() < 1e-12 { "0".into() } else { rounded.to_string() }
            }
            Axis::Times => {
                let seconds = std::time::Duration::from_secs_f64(value.max(0.0));
                let shown = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + seconds).to_string();
                shown.trim_end_matches('Z').replace('T', " ").chars().skip(5).take(11).collect()
            }
            Axis::Names(names) => {
                let place = value.round();
                let is_one = (value - place).abs() < 1e-9 && place >= 0.0;
                names.get(place as usize).filter(|_| is_one).cloned().unwrap_or_default()
            }
        }
    }

    /// Its ends, with some room beside the values.
    fn range(&self, values: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
        let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        let room = if high > low { 0.04 * (high - low) } else { 0.5_f64.max(0.04 * high.abs()) };
        low - room..high + room
    }
}

fn is_there((x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

impl SeriesChart {
    /// Draws it; `None` if there is no point to draw.
    ///
    /// # Errors
    /// What plotters cannot draw.
    pub fn svg(&self) -> Result<Option<String>, String> {
        let points = || self.series.iter().flat_map(|series| &series.points).copied().filter(is_there);
        if points().next().is_none() {
            return Ok(None);
        }
        let level = self.level.iter().map(|(_, level)| *level);
        let (x, y) =
            (self.x.1.range(points().map(|point| point.0)), self.y.1.range(points().map(|point| point.1).chain(level)));
        let names: Vec<String> = self
            .series
            .iter()
            .map(|series| &series.name)
            .chain(self.level.iter().map(|(name, _)| name))
            .cloned()
            .collect();
        picture(&self.title, HEIGHT, names.iter(), |area| self.draw(area, x, y)).map(Some)
    }

    fn draw(&self, area: &Canvas<'_>, x: std::ops::Range<f64>, y: std::ops::Range<f64>) -> Result<(), Failed> {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, TITLE)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(96)
            .build_cartesian_2d(x.clone(), y)
            .map_err(|error| error.to_string())?;
        let ticks = if let Axis::Names(names) = &self.y.1 { names.len() + 2 } else { 8 };
        chart
            .configure_mesh()
            .bold_line_style(BLACK.mix(0.1))
            .light_line_style(TRANSPARENT)
            .x_desc(&self.x.0)
            .y_desc(&self.y.0)
            .x_labels(6)
            .y_labels(ticks)
            .x_label_formatter(&|value| self.x.1.label(*value))
            .y_label_formatter(&|value| self.y.1.label(*value))
            .label_style(LABEL)
            .draw()
            .map_err(|error| error.to_string())?;
        let mut colours = COLOURS.into_iter().cycle();
        for (Series { points, joined, .. }, colour) in self.series.iter().zip(&mut colours) {
            for part in points.split(|point| !is_there(point)).filter(|part| *joined && part.len() > 1) {
                let line = LineSeries::new(part.iter().copied(), colour.stroke_width(2));
                chart.draw_series(line).map_err(|error| error.to_string())?;
            }
            let dots =
                points.iter().filter(|point| is_there(point)).map(|point| Circle::new(*point, 2, colour.filled()));
            chart.draw_series(dots).map_err(|error| error.to_string())?;
        }
        // As the legend has it: the next colour.
        if let Some(((_, level), colour)) = self.level.as_ref().zip(colours.next()) {
            let line = LineSeries::new([(x.start, *level), (x.end, *level)], colour.stroke_width(1));
            chart.draw_series(line).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
