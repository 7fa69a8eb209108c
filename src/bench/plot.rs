//! Curves as SVG pictures.

use std::error::Error;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

/// The palette of M. Okabe and K. Ito, which colour-blind people can tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
];
const SIZE: (u32, u32) = (760, 440);

/// A picture of curves.
pub struct Plot {
    pub title: String,
    pub x: String,
    pub y: String,
    /// Whether both axes are logarithmic.
    pub log: bool,
    /// A name, and points in the order of x.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// The picture; `None` if there is nothing to draw.
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
        let (left, right) = (bound(|p| p.0, f64::INFINITY, f64::min), bound(|p| p.0, 0.0, f64::max));
        let (low, high) = (bound(|p| p.1, f64::INFINITY, f64::min), bound(|p| p.1, 0.0, f64::max));
        let mut svg = String::new();
        let drawn = if self.log {
            let (x, y) =
                ((left / 1.3..right * 1.3).log_scale(), (decade(low, f64::floor)..decade(high, f64::ceil)).log_scale());
            self.draw(&mut svg, x, y)
        } else {
            self.draw(&mut svg, 0.0..right * 1.1, 0.0..high * 1.15)
        };
        drawn.map_err(|error| format!("{}: {error}", self.title))?;
        Ok(Some(svg))
    }

    fn draw<X, Y>(&self, svg: &mut String, x: X, y: Y) -> Result<(), Box<dyn Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(74)
            .build_cartesian_2d(x, y)
            .map_err(|error| error.to_string())?;
        let light = BLACK.mix(0.1);
        chart
            .configure_mesh()
            .bold_line_style(light)
            .light_line_style(TRANSPARENT)
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| short(*y))
            .label_style(("sans-serif", 13))
            .draw()
            .map_err(|error| error.to_string())?;
        for ((name, points), colour) in self.curves.iter().zip(COLOURS.into_iter().cycle()) {
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3));
            chart.draw_series(line).map_err(|error| error.to_string())?.label(name).legend(legend);
            let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(dots).map_err(|error| error.to_string())?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font(("sans-serif", 13))
            .background_style(WHITE.mix(0.0))
            .draw()
            .map_err(|error| error.to_string())?;
        area.present().map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// The power of ten next to a number: a shorter axis would have a single label.
fn decade(x: f64, round: fn(f64) -> f64) -> f64 {
    10f64.powf(round(x.log10()))
}

/// A number for an axis: 10k for 10,000.
fn short(x: f64) -> String {
    match x.abs() {
        size if size >= 1e6 => format!("{}M", x / 1e6),
        size if size >= 1e3 => format!("{}k", x / 1e3),
        size if size >= 1.0 || size == 0.0 => format!("{}", (x * 100.0).round() / 100.0),
        _ => format!("{}", (x * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_axes_and_names_stand_in_the_picture() {
        let curves = vec![("one worker".into(), vec![(1.0, 10.0), (1000.0, 2000.0)])];
        let plot = Plot { title: "Service".into(), x: "rows".into(), y: "us".into(), log: true, curves };
        let svg = plot.svg().unwrap().unwrap();
        for text in ["Service", "rows", "us", "one worker", "#0072B2"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(Plot { curves: Vec::new(), ..plot }.svg().unwrap(), None);
    }

    #[test]
    fn axes_have_short_numbers() {
        assert_eq!([0.0, 0.05, 12.5, 1500.0, 2e6].map(short), ["0", "0.05", "12.5", "1.5k", "2M"]);
    }
}
