//! Workers and processes, in timely's terms.

use std::any::Any;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use timely::CommunicationConfig;
use timely::communication::AllocatorBuilder;

/// Which of how many workers and processes this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Worker threads a process.
    pub workers: usize,
    /// This process' index, from 0.
    pub process: usize,
    /// The address of every process; empty for a single one.
    pub hosts: Vec<String>,
}

impl Cluster {
    /// One process.
    pub fn threads(workers: usize) -> Cluster {
        Cluster { workers, process: 0, hosts: Vec::new() }
    }

    pub fn processes(&self) -> usize {
        self.hosts.len().max(1)
    }

    fn config(&self) -> CommunicationConfig {
        if self.hosts.len() > 1 {
            CommunicationConfig::Cluster {
                threads: self.workers,
                process: self.process,
                addresses: self.hosts.clone(),
                report: false,
                zerocopy: false,
            }
        } else if self.workers > 1 {
            CommunicationConfig::Process(self.workers)
        } else {
            CommunicationConfig::Thread
        }
    }

    /// Connects the processes, and waits until all are there; ends this one when they take too long.
    pub(super) fn connect(&self, timeout: Duration) -> Result<Connected, String> {
        if self.hosts.len() < 2 {
            return self.config().try_build();
        }
        let connected = Arc::new(AtomicBool::new(false));
        self.end_after(timeout, connected.clone());
        let result = self.connect_quietly();
        connected.store(true, Ordering::Release);
        result
    }

    /// timely waits for other processes for ever, and can't be told to stop.
    fn end_after(&self, timeout: Duration, connected: Arc<AtomicBool>) {
        let others = self.hosts.iter().enumerate().filter(|(process, _)| *process != self.process);
        let others: Vec<String> = others.map(|(process, host)| format!("{process} at {host}")).collect();
        std::thread::spawn(move || {
            std::thread::sleep(timeout);
            if !connected.load(Ordering::Acquire) {
                let (others, waited) = (others.join(", "), humantime::format_duration(timeout));
                eprintln!(
                    "rowmill: not all other processes ({others}) came within {waited}; --connect-timeout sets this"
                );
                std::process::exit(1);
            }
        });
    }

    fn connect_quietly(&self) -> Result<Connected, String> {
        // timely says on standard output what it waits for: that is where results go.
        let own = rustix::io::dup(rustix::stdio::stdout()).map_err(|error| error.to_string())?;
        let nowhere = File::options().write(true).open("/dev/null").map_err(|error| error.to_string())?;
        rustix::stdio::dup2_stdout(nowhere).map_err(|error| error.to_string())?;
        let connected = self.config().try_build();
        rustix::stdio::dup2_stdout(own).map_err(|error| error.to_string())?;
        connected
    }
}

/// What timely's workers are made of.
type Connected = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);

/// timely panics when another process goes away: say so and end, instead of a trace and a hanging worker.
pub(super) fn explain_lost_peers() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or_default();
            if message.contains("timely communication error") {
                eprintln!("rowmill: the connection to another process is lost; this one ends too");
                std::process::exit(1);
            }
            usual(info);
        }));
    });
}
