//! Line plots as SVG.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::charts::{COLOURS, Canvas, Failed, LABEL, TITLE, decade, picture, short};

const HEIGHT: u32 = 440;

/// A line plot.
pub struct Plot {
    pub title: String,
    pub x: String,
    pub y: String,
    /// Whether both axes are logarithmic.
    pub log: bool,
    /// Labels of the x axis instead of numbers.
    pub x_labels: Option<fn(f64) -> String>,
    /// A name, and points in the order of x.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// Draws it; `None` if there is nothing to draw.
    ///
    /// # Errors
    /// What plotters cannot draw.
    pub fn svg(&self) -> Result<Option<String>, String> {
        let points = || self.curves.iter().flat_map(|(_, points)| points);
        if points().count() == 0 {
            return Ok(None);
        }
        let bound =
            |of: fn(&(f64, f64)) -> f64, start: f64, join: fn(f64, f64) -> f64| points().map(of).fold(start, join);
        let (left, right) = (bound(|p| p.0, f64::INFINITY, f64::min), self.last());
        let (low, high) = (bound(|p| p.1, f64::INFINITY, f64::min), bound(|p| p.1, 0.0, f64::max));
        let svg = picture(&self.title, HEIGHT, self.curves.iter().map(|(name, _)| name), |area| {
            if self.log {
                let y = (decade(low, f64::floor)..decade(high, f64::ceil)).log_scale();
                self.draw(area, (left / 1.3..right * 1.3).log_scale(), y)
            } else {
                self.draw(area, 0.0..right * 1.1, 0.0..high * 1.15)
            }
        });
        svg.map(Some)
    }

    /// The greatest x.
    fn last(&self) -> f64 {
        self.curves.iter().flat_map(|(_, points)| points).map(|point| point.0).fold(0.0, f64::max)
    }

    fn draw<X, Y>(&self, area: &Canvas<'_>, x: X, y: Y) -> Result<(), Failed>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, TITLE)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(74)
            .build_cartesian_2d(x, y)
            .map_err(|error| error.to_string())?;
        let light = BLACK.mix(0.1);
        let x_label = self.x_labels.unwrap_or(short);
        // A linear axis counts workers: a tick for each.
        let ticks = if self.log { 11 } else { self.last() as usize + 1 };
        chart
            .configure_mesh()
            .bold_line_style(light)
            .light_line_style(TRANSPARENT)
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_labels(ticks)
            .x_label_formatter(&|x| x_label(*x))
            .y_label_formatter(&|y| short(*y))
            .label_style(LABEL)
            .draw()
            .map_err(|error| error.to_string())?;
        for ((_, points), colour) in self.curves.iter().zip(COLOURS.into_iter().cycle()) {
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(line).map_err(|error| error.to_string())?;
            let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(dots).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_axes_and_names_stand_in_the_picture() {
        let curves = vec![("one worker".into(), vec![(1.0, 10.0), (1000.0, 2000.0)])];
        let plot =
            Plot { title: "Service".into(), x: "rows".into(), y: "us".into(), log: true, x_labels: None, curves };
        let svg = plot.svg().unwrap().unwrap();
        for text in ["Service", "rows", "us", "one worker", "#0072B2"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(Plot { curves: Vec::new(), ..plot }.svg().unwrap(), None);
    }
}
