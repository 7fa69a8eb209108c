//! The newest samples of a run, one a line, beside its status: what charts of results are drawn from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Sample;
use crate::disk::{self, Readers};

/// The file in which a run keeps samples of its rows. Its older half goes when it is full.
#[derive(Debug)]
pub struct SampleHistory {
    path: PathBuf,
    /// The epoch of the last sample.
    last: Option<u64>,
    bytes: usize,
    most_bytes: usize,
}

impl SampleHistory {
    /// The file's name in the directory of the run's status.
    pub const FILE: &'static str = "samples.ndjson";

    /// A history in a directory, which the first sample begins anew.
    pub fn new(directory: &Path) -> SampleHistory {
        const MOST_BYTES: usize = 4 << 20;
        SampleHistory { path: directory.join(SampleHistory::FILE), last: None, bytes: 0, most_bytes: MOST_BYTES }
    }

    /// Adds a sample, unless it is the last one once more.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn add(&mut self, sample: &Sample) -> io::Result<()> {
        if self.last == Some(sample.epoch) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(sample)?;
        line.push(b'\n');
        let mut file = match self.last {
            None => File::create(&self.path)?,
            Some(_) => {
                if self.bytes + line.len() > self.most_bytes {
                    self.drop_older_half()?;
                }
                OpenOptions::new().append(true).open(&self.path)?
            }
        };
        file.write_all(&line)?;
        self.bytes += line.len();
        self.last = Some(sample.epoch);
        Ok(())
    }

    fn drop_older_half(&mut self) -> io::Result<()> {
        let all = fs::read(&self.path)?;
        let half = all.len() / 2;
        let newer = all[half..].iter().position(|byte| *byte == b'\n').map_or(&[][..], |end| &all[half + end + 1..]);
        disk::replace(&self.path, newer, Readers::Umask)?;
        self.bytes = newer.len();
        Ok(())
    }

    /// The complete lines of the history in a directory, oldest first; empty if there is none.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn read(directory: &Path) -> io::Result<String> {
        let mut bytes = match fs::read(directory.join(SampleHistory::FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        // The last line may just be written.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Excerpt, ExcerptCell};

    fn sample(epoch: u64) -> Sample {
        let excerpt = |value| Excerpt {
            columns: vec!["x".into()],
            ids: vec![epoch],
            rows: vec![vec![ExcerptCell::Number(value)]],
        };
        Sample { epoch, before: excerpt(1.0), after: excerpt(2.0) }
    }

    fn epochs(directory: &Path) -> Vec<u64> {
        let of = |line: &str| serde_json::from_str::<Sample>(line).unwrap().epoch;
        SampleHistory::read(directory).unwrap().lines().map(of).collect()
    }

    #[test]
    fn the_newest_samples_are_kept_each_once() {
        let directory = tempfile::tempdir().unwrap();
        assert!(epochs(directory.path()).is_empty());
        let mut history = SampleHistory { most_bytes: 1000, ..SampleHistory::new(directory.path()) };
        for epoch in [3, 3, 4, 4] {
            history.add(&sample(epoch)).unwrap();
        }
        assert_eq!(epochs(directory.path()), [3, 4]);
        (5..100).for_each(|epoch| history.add(&sample(epoch)).unwrap());
        let kept = epochs(directory.path());
        assert!(kept.len() >= 3, "{kept:?}");
        let first = 100 - kept.len() as u64;
        assert_eq!(kept, (first..100).collect::<Vec<u64>>());
        assert!(fs::metadata(&history.path).unwrap().len() <= 1000);
    }

    #[test]
    fn a_new_run_begins_anew_and_half_a_line_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        SampleHistory::new(directory.path()).add(&sample(1)).unwrap();
        let mut next = SampleHistory::new(directory.path());
        next.add(&sample(7)).unwrap();
        OpenOptions::new().append(true).open(&next.path).unwrap().write_all(b"{\"epoch\": 8,").unwrap();
        assert_eq!(epochs(directory.path()), [7]);
    }
}
