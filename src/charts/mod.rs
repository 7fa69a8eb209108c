//! Charts as SVG files, on white: the page around them may be dark.
//!
//! - `picture`: what all of them have in common; `series_chart`: values over rows or times.
//! - `results`: the charts of a run's results, from its sampled rows and from its tables.
//!
//! Never here: what is drawn only of a bench, and code that a run needs without the feature `charts`.

mod picture;
mod results;
mod series_chart;

pub use picture::{COLOURS, Canvas, Failed, LABEL, TITLE, decade, picture, short};
pub use results::write as write_results;
