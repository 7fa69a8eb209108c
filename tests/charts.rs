//! The charts of a report: the numbers are read back from what was drawn, and compared with those of the run.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rows to be learnt from, one a line: x, and what y and the kind are of it.
fn source(rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let (x, station) = ((row * 37 % 100) as f64 / 100.0, ["north", "south"][row % 2]);
        let (y, kind) = (2.0 * x - 3.0, if x < 0.5 { "dry" } else { "wet" });
        let hour = row / 4;
        let time = format!("2026-05-{:02}T{:02}:{:02}:00Z", 1 + hour / 24, hour % 24, row % 4 * 15);
        let row = serde_json::json!({ "dateTime": time, "station": station, "x": x, "y": y, "kind": kind });
        text += &format!("{row}\n");
    }
    text
}

const DATAFLOW: &str = r#"
name = "charts"
[schema]
number = ["x", "y"]
text = ["dateTime", "station", "kind"]
[source]
url = "-"
[buffer]
bucket_size = 20
[[subtask]]
use = "sgd_regressor"
columns = ["x"]
fit = "stream"
target = "y"
shuffle = false
prefix = "y_"
[[subtask]]
use = "hoeffding_tree_classifier"
columns = ["x"]
fit = "stream"
target = "kind"
classes = ["dry", "wet"]
prefix = "kind_"
[[subtask]]
use = "half_space_trees"
columns = ["x"]
fit = "stream"
seed = 1
window_size = 5
[[table]]
name = "quality"
key = ["station"]
window = "1h"
input = "half_space_trees"
score = { prediction = "y_prediction", label = "y", metrics = ["mae", "rmse"] }
sink = { url = "quality.csv" }
[[table]]
name = "kinds"
input = "half_space_trees"
score = { prediction = "kind_prediction", label = "kind", metrics = ["accuracy"] }
sink = { url = "null" }
[[sink]]
url = "out.csv"
[[sink]]
url = "alerts.csv"
where = "anomaly_score > 0.7"
"#;

/// What stands in an SVG file: texts with their place and anchor, dots and lines with their colour.
#[derive(Default)]
struct Drawn {
    texts: Vec<(f64, f64, String, String)>,
    dots: Vec<(String, f64, f64)>,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Drawn {
    fn read(path: &Path) -> Drawn {
        let svg = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut drawn = Drawn::default();
        for element in svg.split('<').skip(1) {
            let attribute = |name: &str| {
                let from = element.find(&format!(" {name}=\""))? + name.len() + 3;
                Some(element[from..].split('"').next().unwrap().to_owned())
            };
            let number = |name: &str| attribute(name).unwrap().parse::<f64>().unwrap();
            match element.split([' ', '>']).next().unwrap() {
                "text" => {
                    let said = element.split_once('>').unwrap().1.trim().to_owned();
                    drawn.texts.push((number("x"), number("y"), attribute("text-anchor").unwrap_or_default(), said));
                }
                "circle" => drawn.dots.push((attribute("fill").unwrap(), number("cx"), number("cy"))),
                "polyline" => {
                    let points = attribute("points").unwrap();
                    let point =
                        |pair: &str| pair.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
                    drawn
                        .lines
                        .push((attribute("stroke").unwrap(), points.split_whitespace().filter_map(point).collect()));
                }
                _ => {}
            }
        }
        drawn
    }

    /// The places of the ticks of an axis with what stands there: those of y stand before it, those of x below it.
    fn ticks(&self, of_y: bool) -> Vec<(f64, String)> {
        let anchored = self.texts.iter().filter(|(_, _, anchor, _)| *anchor == if of_y { "end" } else { "middle" });
        let lowest = anchored.clone().map(|text| text.1).fold(0.0, f64::max);
        // The name of x stands below its ticks.
        let places = anchored.filter(|text| of_y || (lowest - 40.0..lowest).contains(&text.1));
        places.map(|(x, y, _, said)| (if of_y { *y } else { *x }, said.clone())).collect()
    }

    /// The number at a place of an axis, and how much a pixel is.
    fn scale(&self, of_y: bool) -> (impl Fn(f64) -> f64, f64) {
        let ticks: Vec<(f64, f64)> =
            self.ticks(of_y).iter().filter_map(|(place, said)| Some((*place, said.parse().ok()?))).collect();
        let (first, last) = (ticks[0], *ticks.last().unwrap());
        assert!(first.0 != last.0, "an axis has two numbers");
        let pixel = (last.1 - first.1) / (last.0 - first.0);
        (move |place| first.1 + (place - first.0) * pixel, pixel.abs())
    }

    /// The numbers of the dots of a colour, and what a pixel of y is.
    fn numbers(&self, colour: &str) -> (Vec<(f64, f64)>, f64) {
        let ((x_of, _), (y_of, pixel)) = (self.scale(false), self.scale(true));
        let of_colour = self.dots.iter().filter(|(fill, _, _)| fill == colour);
        (of_colour.map(|(_, x, y)| (x_of(*x), y_of(*y))).collect(), pixel)
    }
}

const FIRST: &str = "#0072B2";
const SECOND: &str = "#D55E00";

/// The rows of a CSV file by their column names.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|line| line.unwrap()).collect()
}

/// Numbers that were drawn beside those that are to be there: rows in their order, gaps left out.
fn assert_drawn(found: &(Vec<(f64, f64)>, f64), expected: &[(f64, f64)], what: &str) {
    let (points, pixel) = found;
    assert_eq!(points.len(), expected.len(), "{what}: {points:?}");
    for (point, (x, y)) in points.iter().zip(expected) {
        assert!((point.0 - x).abs() < 0.5, "{what}: drawn at {}, not at {x}", point.0);
        assert!((point.1 - y).abs() < 1.5 * pixel, "{what}: {} is drawn in row {x}, not {y}", point.1);
    }
}

/// What is beside the number of each row, as the results have it; gaps left out.
fn column(rows: &[BTreeMap<String, String>], name: &str) -> Vec<(f64, f64)> {
    let cells = rows.iter().enumerate().map(|(row, cells)| (row as f64, &cells[name]));
    cells.filter_map(|(row, cell)| Some((row, cell.parse().ok()?))).collect()
}

/// A run whose second message comes when the first one has been sampled, with the report of another one in its place.
fn run(directory: &Path) {
    std::fs::write(directory.join("charts.toml"), DATAFLOW).unwrap();
    std::fs::create_dir(directory.join("report")).unwrap();
    let old =
        r#"{"epoch":0,"before":{"columns":[],"ids":[],"rows":[]},"after":{"columns":["y"],"ids":[500],"rows":[[9]]}}"#;
    std::fs::write(directory.join("report/samples.ndjson"), format!("{old}\n")).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_rowmill"))
        .current_dir(directory)
        .args(["run", "charts.toml", "--quiet", "--fresh", "--report", "report"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let (text, mut stdin) = (source(40), run.stdin.take().unwrap());
    let (first, second) = text.split_at(text.match_indices('\n').nth(19).unwrap().0 + 1);
    stdin.write_all(first.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    stdin.write_all(second.as_bytes()).unwrap();
    drop(stdin);
    assert!(run.wait().unwrap().success());
}

#[test]
fn numbers_of_the_run_are_read_back_from_its_charts() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    let rows = table(&directory.path().join("out.csv"));
    let drawn = |name: &str| Drawn::read(&directory.path().join("report").join(format!("{name}.svg")));
    let (said, is) = (column(&rows, "y_prediction"), column(&rows, "y"));
    assert_eq!((said.len(), is.len()), (20, 40), "of the first message nothing is predicted");

    let labels = drawn("labels-y_prediction");
    assert_drawn(&labels.numbers(FIRST), &is, "labels");
    assert_drawn(&labels.numbers(SECOND), &said, "predictions");
    let residuals = drawn("residuals-y_prediction");
    let left: Vec<(f64, f64)> = said.iter().map(|(row, said)| (*row, is[*row as usize].1 - said)).collect();
    assert_drawn(&residuals.numbers(FIRST), &left, "residuals");
    assert_level(&residuals, 0.0);

    let scores = drawn("scores-anomaly_score");
    assert_drawn(&scores.numbers(FIRST), &column(&rows, "anomaly_score"), "anomaly scores");
    assert_level(&scores, 0.7);

    let kinds = drawn("labels-kind_prediction");
    let ticks = kinds.ticks(true);
    let name_at =
        |place: f64| &ticks.iter().find(|(tick, said)| (tick - place).abs() < 1.5 && !said.is_empty()).unwrap().1;
    for (colour, column) in [(FIRST, "kind"), (SECOND, "kind_prediction")] {
        let found = kinds.dots.iter().filter(|(fill, _, _)| fill == colour).map(|(_, _, y)| name_at(*y).clone());
        let expected = rows.iter().map(|cells| cells[column].clone()).filter(|cell| !cell.is_empty());
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{column}");
    }
    assert!(!directory.path().join("report/residuals-kind_prediction.svg").exists(), "texts have no difference");

    let quality = drawn("quality-quality-y_prediction_mae");
    let lines = table(&directory.path().join("quality.csv"));
    for (colour, station) in [(FIRST, "north"), (SECOND, "south")] {
        let of_station = lines.iter().filter(|line| line["station"] == station);
        let maes: Vec<f64> = of_station.filter_map(|line| line["y_prediction_mae"].parse().ok()).collect();
        let (y_of, pixel) = quality.scale(true);
        let found: Vec<f64> = quality.dots.iter().filter(|dot| dot.0 == colour).map(|dot| y_of(dot.2)).collect();
        assert!(maes.len() > 3 && found.len() == maes.len(), "{found:?}");
        assert!(found.iter().zip(&maes).all(|(one, other)| (one - other).abs() < 1.5 * pixel), "{found:?} {maes:?}");
    }
    let hours = quality.ticks(false);
    assert!(hours.iter().any(|(_, said)| said.starts_with("05-01 0")), "{hours:?}");
}

/// The line across a chart is at a number.
fn assert_level(chart: &Drawn, level: f64) {
    let (y_of, pixel) = chart.scale(true);
    let (_, points) = chart.lines.iter().find(|(colour, _)| colour == SECOND).expect("a line across");
    assert!(points.len() == 2 && points.iter().all(|(_, y)| (y_of(*y) - level).abs() < 1.5 * pixel), "{points:?}");
}
