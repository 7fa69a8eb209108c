//! `rowmill generate`: writes generated rows to a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::ProgressIterator;

use super::Failure;
use crate::format::FileKind;
use crate::source::{GeneratedRow, Generator};

/// Write rows like those of a Davis station; the same seed gives the same bytes.
#[derive(clap::Args)]
pub struct GenerateArguments {
    /// How many.
    #[arg(long, value_name = "N")]
    rows: u64,
    /// Which rows.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Where to: a file that ends in .ndjson or .csv.
    #[arg(short, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: &GenerateArguments) -> Result<ExitCode, Failure> {
    let packed = arguments.output.extension().is_some_and(|ending| ending == "gz" || ending == "zst");
    let csv = match FileKind::of(&arguments.output) {
        Ok(FileKind::Csv) if !packed => true,
        Ok(FileKind::Ndjson) if !packed => false,
        _ => {
            return Err(Failure::Wrong(format!(
                "error: -o {}: the file must end in .ndjson or .csv",
                arguments.output.display()
            )));
        }
    };
    write(arguments, csv).map_err(|error| Failure::Failed(format!("{}: {error}", arguments.output.display())))?;
    Ok(ExitCode::SUCCESS)
}

fn write(arguments: &GenerateArguments, csv: bool) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(&arguments.output)?);
    if csv {
        writeln!(file, "{}", GeneratedRow::csv_header())?;
    }
    let mut line = Vec::new();
    for (record, _) in Generator::new(arguments.seed).zip(0..arguments.rows).progress_count(arguments.rows) {
        line.clear();
        if csv {
            record.write_csv(&mut line)
        } else {
            record.write_json(&mut line)
        }
        line.push(b'\n');
        file.write_all(&line)?;
    }
    file.flush()
}
