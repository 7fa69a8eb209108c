//! How another program asks a run for the params that its files hold now: by a file in the directory of its status.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::measure::ServedModel;

/// How often the directory is looked at for the answer.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(10);

/// A request to read the files of params again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadRequest {
    /// Tells it from other requests.
    id: u64,
}

/// What has become of a request: the models that serve from now on, none if no file has changed; or in words why the old
/// ones go on.
pub type ReloadAnswer = Result<Vec<ServedModel>, String>;

/// An answer, and the request that it belongs to.
#[derive(Serialize, Deserialize)]
struct Answered {
    id: u64,
    answer: ReloadAnswer,
}

impl ReloadRequest {
    const FILE: &'static str = "reload.json";
    const ANSWER: &'static str = "reloaded.json";

    /// Asks the run whose status is in this directory.
    ///
    /// # Errors
    /// A directory that cannot be written to.
    pub fn ask(live: &Path) -> io::Result<ReloadRequest> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let request = ReloadRequest { id: now ^ u64::from(std::process::id()).rotate_right(16) };
        disk::replace_json(&live.join(ReloadRequest::FILE), &request)?;
        Ok(request)
    }

    /// Takes the request in a directory, if there is one.
    pub fn take(live: &Path) -> Option<ReloadRequest> {
        let path = live.join(ReloadRequest::FILE);
        let request = read(&path)?;
        let _ = std::fs::remove_file(&path);
        Some(request)
    }

    /// Answers it.
    ///
    /// # Errors
    /// A directory that cannot be written to.
    pub fn reply(self, live: &Path, answer: ReloadAnswer) -> io::Result<()> {
        disk::replace_json(&live.join(ReloadRequest::ANSWER), &Answered { id: self.id, answer })
    }

    /// The answer, once it is there.
    pub fn answer(self, live: &Path) -> Option<ReloadAnswer> {
        read::<Answered>(&live.join(ReloadRequest::ANSWER)).filter(|of| of.id == self.id).map(|of| of.answer)
    }

    /// Waits for the answer while `goes_on` says that the run is there; `None` if it has ended.
    pub fn wait(self, live: &Path, goes_on: impl Fn() -> bool) -> Option<ReloadAnswer> {
        loop {
            // Asked first: the run may answer and end.
            let there = goes_on();
            if let Some(answer) = self.answer(live) {
                return Some(answer);
            }
            if !there {
                return None;
            }
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_belongs_to_its_request() {
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path();
        assert_eq!(ReloadRequest::take(live), None);
        let first = ReloadRequest::ask(live).unwrap();
        assert_eq!(ReloadRequest::take(live), Some(first));
        assert_eq!((ReloadRequest::take(live), first.answer(live)), (None, None));
        first.reply(live, Err("broken".into())).unwrap();
        let second = ReloadRequest::ask(live).unwrap();
        assert_eq!((first.answer(live), second.answer(live)), (Some(Err("broken".into())), None));
        assert_eq!(second.wait(live, || false), None, "the run has ended");
    }
}
