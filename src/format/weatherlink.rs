//! WeatherLink's tab-separated export: its header lines and its cells.

use crate::format::csv;

/// The column names and the layout given by an export's header lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportHeader {
    /// The names, joined by tabs; names that repeat are numbered as pandas does (`Hi`, `Hi.1`).
    pub names: String,
    /// Whether cells are between two tabs each.
    pub doubled_tabs: bool,
}

/// Whether a line belongs to the header: rows begin with a date.
pub fn is_header(line: &str) -> bool {
    !line.trim_start_matches('\u{feff}').trim_start().starts_with(|c: char| c.is_ascii_digit())
}

/// Joins the cells of the header lines, one above the other, by a space.
pub fn header(lines: &[&str]) -> ExportHeader {
    let rows: Vec<Vec<&str>> = lines
        .iter()
        .map(|line| line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']))
        .filter(|line| line.chars().any(|c| c.is_alphanumeric()))
        .map(|line| line.split('\t').map(str::trim).collect())
        .collect();
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let name = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place).copied()).filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(" ")
    };
    let names: Vec<String> = (0..width).map(name).collect();
    // The last cells of a line may be empty in either layout: a trailing tab.
    let used = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    let doubled_tabs = names[..used].iter().any(String::is_empty);
    let names: Vec<String> = names.into_iter().take(used).filter(|name| !name.is_empty()).collect();
    ExportHeader { names: csv::numbered(names).join("\t"), doubled_tabs }
}

/// The cells of a row.
pub fn cells(line: &str, doubled_tabs: bool) -> impl Iterator<Item = &str> {
    let line = line.trim_end_matches(['\r', '\n']);
    line.split('\t').map(str::trim).filter(move |cell| !doubled_tabs || !cell.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_header_lines_make_one() {
        let header = header(&["\t\tTemp\tHi Solar\tIn Air\t\r\n", "Date\tTime\tOut\tRad. \tDensity\tBar  \r\n"]);
        assert_eq!(header.names, "Date\tTime\tTemp Out\tHi Solar Rad.\tIn Air Density\tBar");
        assert!(!header.doubled_tabs);
    }

    #[test]
    fn doubled_tabs_and_dashes_are_no_columns() {
        let lines = ["\t\t\t\tHeat\tTemp\tHi\tHi\n", "Date\t\tTime\t\tIndex\tOut\tTemp\tTemp\n", "-------\n"];
        let header = header(&lines);
        assert_eq!(header.names, "Date\tTime\tHeat Index\tTemp Out\tHi Temp\tHi Temp.1");
        assert!(header.doubled_tabs);
        let row: Vec<_> = cells("6-13-12\t\t3:30 PM   \t76.4\t---\t1\t2\t\n", true).collect();
        assert_eq!(row, ["6-13-12", "3:30 PM", "76.4", "---", "1", "2"]);
    }
}
