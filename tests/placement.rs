//! Where rows are worked on changes no byte: any workers, processes and placement, over files that are split among
//! processes and files that are not.

mod broker;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use broker::{free_port, rowmill};
use tempfile::TempDir;

/// Lines of a file and the dataflow that reads them.
struct Input {
    file: PathBuf,
    dataflow: &'static str,
    /// Of these, some are dead letters.
    rows: usize,
}

/// Generated rows, among them what is no row: blank lines, other line breaks, a byte-order mark, lines that are too long.
fn ndjson(directory: &Path) -> Input {
    let file = directory.join("rows.ndjson");
    let generate = ["generate", "--rows", "900", "--seed", "5", "-o", file.to_str().unwrap()];
    assert!(rowmill(&generate).status().unwrap().success());
    let mut text = String::from("\u{feff}");
    let mut rows = 900;
    for (place, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
        let odd = match place % 60 {
            7 => "not an object\n".to_owned(),
            20 => format!("{{\"outTemp\": \"{}\"}}\n", "9".repeat(5000)),
            33 => "{\"outTemp\": \"warm\"}\r\n".to_owned(),
            40 => "\n \t\r\n".to_owned(),
            _ => String::new(),
        };
        rows += usize::from(!odd.trim().is_empty());
        let end = if place % 11 == 0 { "\r\n" } else { "\n" };
        write!(text, "{odd}{line}{end}").unwrap();
    }
    std::fs::write(&file, text.trim_end()).unwrap();
    Input { file, dataflow: "dataflows/weather.toml", rows }
}

/// Records over several lines, quotes that stay open, and cells that are no numbers.
fn csv(directory: &Path) -> Input {
    let sample = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample.csv")).unwrap();
    let mut lines = sample.lines();
    let mut text = format!("{}\n", lines.next().unwrap());
    let mut rows = 0;
    for (place, line) in lines.take(900).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let station = match place % 70 {
            5 => "\"two\nlines, and \"\"quotes\"\"\"",
            31 => "\"open",
            50 => "\"three\r\n\r\nlines\"",
            _ => cells[1],
        };
        let barometer = if place % 90 == 60 { "high" } else { cells[4] };
        let cells = [&[cells[0], station, cells[2], cells[3], barometer], &cells[5..]].concat();
        writeln!(text, "{}", cells.join(",")).unwrap();
        rows += 1;
    }
    text.push_str("1,\"never closed\n");
    let file = directory.join("rows.csv");
    std::fs::write(&file, text).unwrap();
    Input { file, dataflow: "dataflows/weather.toml", rows: rows + 1 }
}

/// The same in UTF-16.
fn utf_16(directory: &Path) -> Input {
    let input = csv(directory);
    let text = std::fs::read_to_string(&input.file).unwrap();
    let units = ["\u{feff}", &text].concat().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    std::fs::write(&input.file, units).unwrap();
    input
}

/// An export whose dates tell only at its end that they have the day first.
fn weatherlink(directory: &Path) -> Input {
    let (sensors, numbers): (String, String) = (1..25).map(|sensor| ("\tTemp", format!("\t{sensor}"))).unzip();
    let mut text = format!("\t{sensors}\nDate\tTime{numbers}\n");
    for row in 0..800_u32 {
        let (day, hour, minute) = (1 + row / 96 * 2, row / 4 % 24, row % 4 * 15);
        let (half, hour) = (if hour < 12 { 'a' } else { 'p' }, (hour + 11) % 12 + 1);
        write!(text, "{day:02}/03/16\t{hour}:{minute:02} {half}").unwrap();
        for sensor in 0..24 {
            let cell = match (row + sensor) % 131 {
                77 => "---".into(),
                step => format!("{:.1}", f64::from(step * (sensor + 3) % 97) - 11.5),
            };
            write!(text, "\t{cell}").unwrap();
        }
        text.push('\n');
    }
    let file = directory.join("rows.txt");
    std::fs::write(&file, text).unwrap();
    Input { file, dataflow: "dataflows/weatherlink.toml", rows: 800 }
}

/// The results and the dead letters of a run.
fn run(directory: &Path, input: &Input, flags: &[&str]) -> [String; 2] {
    let (out, dead) = (directory.join("out.ndjson"), directory.join("dead.ndjson"));
    let _ = std::fs::remove_file(&dead);
    let mut command = rowmill(&["run", input.dataflow, "--quiet", "--fresh", "--set", "source.max_payload=4000"]);
    command.arg("--source").arg(&input.file).arg("--sink").arg(&out).arg("--dead-letter").arg(&dead).args(flags);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
    [out, dead].map(|file| std::fs::read_to_string(file).unwrap())
}

fn assert_same_bytes(flags: &[Vec<String>]) {
    let directory = TempDir::new().unwrap();
    for make in [ndjson, csv, weatherlink, utf_16] {
        let input = make(directory.path());
        let [out, dead] = run(directory.path(), &input, &["--bucket-size", "40"]);
        // `drop_duplicates` and `dropna` take some.
        let (results, letters) = (out.lines().count(), dead.lines().count());
        assert!(results > 500 && results + letters <= input.rows, "{results} and {letters} of {}", input.rows);
        let lines = |text: &str| text.contains("\\n");
        match input.file.extension().unwrap().to_str().unwrap() {
            "ndjson" => assert_eq!(letters, 45),
            "csv" => assert!(letters > 20 && lines(&out) && dead.contains("no quote closes it"), "{letters}"),
            _ => assert_eq!(letters, 0),
        }
        for flags in flags {
            let mut all: Vec<&str> = flags.iter().map(String::as_str).collect();
            all.extend(["--bucket-size", "40"]);
            assert!(run(directory.path(), &input, &all) == [out.clone(), dead.clone()], "{flags:?} {:?}", input.file);
        }
    }
}

fn flags(workers: usize, processes: usize, placement: &str) -> Vec<String> {
    let words = format!("-w {workers} -n {processes} --placement {placement}");
    words.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_file_is_split_among_processes_without_another_byte() {
    assert_same_bytes(&[flags(1, 2, "message"), flags(2, 2, "subtask")]);
}

#[test]
#[ignore = "needs minutes"]
fn any_workers_processes_and_placement_give_the_same_bytes_of_any_file() {
    let all = [1, 2, 3].into_iter().flat_map(|workers| {
        let of_processes =
            move |processes| ["message", "subtask"].map(|placement| flags(workers, processes, placement));
        [1, 2, 3].into_iter().flat_map(of_processes)
    });
    assert_same_bytes(&all.collect::<Vec<_>>());
}

/// Rows of five stations, some without what is learnt, some with what no model takes.
fn stations(directory: &Path) -> Input {
    let mut text = String::new();
    for row in 0..900_u32 {
        let temperature = if row % 13 == 5 { "null".into() } else { format!("{:.2}", 40.0 + f64::from(row * 7 % 41)) };
        let humidity = if row % 101 == 50 { "1e999".into() } else { format!("{}", 30 + row * 11 % 60) };
        let pressure = 29.0 + f64::from(row * 29 % 97) / 50.0;
        writeln!(
            text,
            r#"{{"dateTime":{},"station":"s{}","outTemp":{temperature},"outHumidity":{humidity},"barometer":{pressure},"windSpeed":{}}}"#,
            1_700_000_000 + 60 * row,
            row * row % 5,
            row % 17,
        )
        .unwrap();
    }
    let file = directory.join("stations.ndjson");
    std::fs::write(&file, text).unwrap();
    Input { file, dataflow: "dataflows/learning.toml", rows: 900 }
}

#[test]
fn models_learn_the_same_on_any_workers_and_processes() {
    let directory = TempDir::new().unwrap();
    let input = stations(directory.path());
    let [out, dead] = run(directory.path(), &input, &["--bucket-size", "40"]);
    let said = out.lines().filter(|line| !line.contains("\"temp_prediction\":null")).count();
    let learnt_late = out.lines().filter(|line| line.contains("\"outTemp\":null")).count();
    // The scaler refuses the nine messages with an infinite value; in the first of the others nothing is learnt yet.
    assert_eq!((out.lines().count(), dead.lines().count(), said), (540, 360, 500));
    assert!(learnt_late > 30, "{learnt_late} rows without a label");
    for flags in [flags(3, 1, "message"), flags(2, 2, "subtask")] {
        let mut all: Vec<&str> = flags.iter().map(String::as_str).collect();
        all.extend(["--bucket-size", "40"]);
        assert!(run(directory.path(), &input, &all) == [out.clone(), dead.clone()], "{flags:?}");
    }
}

/// Runs two processes in two folders, with the same flags and a source at the same relative path.
fn in_two_folders(directory: &Path, sources: [Option<&str>; 2]) -> [Output; 2] {
    let hosts = directory.join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1:{}\n127.0.0.1:{}\n", free_port(), free_port())).unwrap();
    let dataflow = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows/weather.toml");
    let start = |(process, source): (usize, Option<&str>)| {
        let folder = directory.join(process.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let _ = std::fs::remove_file(folder.join("rows.ndjson"));
        source.iter().for_each(|rows| std::fs::write(folder.join("rows.ndjson"), rows).unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowmill"));
        command.current_dir(&folder).arg("run").arg(&dataflow).args(["--quiet", "--fresh", "--bucket-size", "30"]);
        command.args(["--source", "rows.ndjson", "--sink", "out.ndjson", "-n", "2", "-p", &process.to_string()]);
        command.arg("--hostfile").arg(&hosts).stdin(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let [one, other] = [(0, sources[0]), (1, sources[1])].map(start);
    [one, other].map(|process| process.wait_with_output().unwrap())
}

#[test]
fn a_file_that_processes_do_not_share_is_shipped_and_one_that_differs_unnoticed_ends_the_run() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("rows.ndjson");
    let generate = ["generate", "--rows", "1000", "--seed", "5", "-o", file.to_str().unwrap()];
    assert!(rowmill(&generate).status().unwrap().success());
    let rows = std::fs::read_to_string(&file).unwrap();
    let input = Input { file, dataflow: "dataflows/weather.toml", rows: 1000 };
    let [expected, _] = run(directory.path(), &input, &["--bucket-size", "30"]);
    // Other rows, of another length, do not matter: only process 0 reads its file.
    for other in [None, Some(&rows[..rows.len() / 2]), Some(&rows)] {
        for output in in_two_folders(directory.path(), [Some(&rows), other]) {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(std::fs::read_to_string(directory.path().join("0/out.ndjson")).unwrap() == expected);
    }
    // As long, with the same beginning and end.
    let third = rows.len() / 3;
    assert!(third > 1 << 17);
    let changed = rows[third..2 * third].replace("0.", "1.");
    let changed = [&rows[..third], &changed, &rows[2 * third..]].concat();
    let [first, _] = in_two_folders(directory.path(), [Some(&rows), Some(&changed)]);
    let said = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(1), "{said}");
    assert!(said.contains("rows.ndjson") && said.contains("not those that process 0 has read"), "{said}");
    let written = std::fs::read_to_string(directory.path().join("0/out.ndjson")).unwrap();
    assert!(expected.starts_with(&written) && written.len() < expected.len(), "nothing is written behind the gap");
}
