//! What all plots have in common: colours, labels, a white background.

use plotters::coord::Shift;
use plotters::prelude::*;

/// The palette of M. Okabe and K. Ito, which colour-blind readers can tell apart.
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
];
const WIDTH: u32 = 900;
/// The width of the legend.
const LEGEND: u32 = 240;

/// The font of labels.
pub const LABEL: (&str, u32) = ("sans-serif", 13);
/// The font of titles.
pub const TITLE: (&str, u32) = ("sans-serif", 18);

pub type Failed = Box<dyn std::error::Error>;
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a plot with a legend as SVG, on white: the page around it may be dark.
///
/// # Errors
/// What plotters can't draw; the message names the plot's title.
pub fn picture<'a>(
    title: &str,
    height: u32,
    names: impl Iterator<Item = &'a String>,
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), Failed>,
) -> Result<String, String> {
    let mut svg = String::new();
    let drawn = (|| {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let (chart, legend) = area.split_horizontally(WIDTH - LEGEND);
        for (place, (name, colour)) in names.zip(COLOURS.into_iter().cycle()).enumerate() {
            let y = 44 + 20 * place as i32;
            legend.draw(&Rectangle::new([(4, y), (18, y + 10)], colour.filled()))?;
            legend.draw(&Text::new(name.clone(), (26, y - 1), LABEL))?;
        }
        draw(&chart)
    })();
    drawn.map_err(|error: Failed| format!("{title}: {error}"))?;
    Ok(svg)
}

/// The power of ten next to a number: an axis within one decade would have a single label.
pub fn decade(x: f64, round: fn(f64) -> f64) -> f64 {
    10f64.powf(round(x.log10()))
}

/// A number for an axis: 10k for 10,000.
pub fn short(x: f64) -> String {
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
    fn axes_have_short_numbers() {
        assert_eq!([0.0, 0.05, 12.5, 1500.0, 2e6].map(short), ["0", "0.05", "12.5", "1.5k", "2M"]);
    }

    #[test]
    fn a_picture_has_a_ground_and_an_error_its_title() {
        let names = ["one".to_owned(), "two".to_owned()];
        let svg = picture("a", 100, names.iter(), |_| Ok(())).unwrap();
        assert!(svg.contains("fill=\"#FFFFFF\"") && svg.contains("#D55E00") && svg.contains("two"), "{svg}");
        assert_eq!(picture("a", 100, names.iter(), |_| Err("no".into())).unwrap_err(), "a: no");
    }
}
