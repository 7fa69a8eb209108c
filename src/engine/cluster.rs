//! Workers and processes, in timely's terms.

use timely::{CommunicationConfig, Config, WorkerConfig};

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

    pub(super) fn config(&self) -> Config {
        let communication = if self.hosts.len() > 1 {
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
        };
        Config { communication, worker: WorkerConfig::default() }
    }
}

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
