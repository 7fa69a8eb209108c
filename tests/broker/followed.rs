//! A process whose standard error is recorded.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Process, wait_until};

/// A process, and what it writes on standard error, as it comes.
pub struct Followed {
    pub process: Process,
    said: Arc<Mutex<String>>,
}

impl Followed {
    pub fn start(command: &mut Command) -> Followed {
        let mut process = Process(command.stderr(Stdio::piped()).spawn().unwrap());
        let (lines, said) = (BufReader::new(process.0.stderr.take().unwrap()).lines(), Arc::<Mutex<String>>::default());
        let into = said.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| into.lock().unwrap().push_str(&(line + "\n")));
        });
        Followed { process, said }
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has written this text.
    pub fn wait_for(&self, text: &str) {
        wait_until(text, || self.said().contains(text));
    }

    pub fn is_alive(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_none()
    }

    /// Its exit code and what it wrote.
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = self.process.code();
        // The last lines may still be on their way.
        std::thread::sleep(Duration::from_millis(100));
        (code, self.said())
    }
}
