//! Workers and processes, in timely's terms.

use std::any::Any;
use std::net::TcpStream;

use timely::CommunicationConfig;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};

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

    /// What timely's workers are made of; `sockets` are the connections with the other processes, in their order.
    pub(crate) fn build(&self, sockets: Sockets) -> Result<Connected, String> {
        match (self.hosts.len(), self.workers) {
            (0 | 1, 1) => CommunicationConfig::Thread.try_build(),
            (0 | 1, workers) => CommunicationConfig::Process(workers).try_build(),
            _ => self.over(sockets),
        }
    }

    /// As timely does it where it connects the processes itself, which it tries for ever.
    fn over(&self, sockets: Sockets) -> Result<Connected, String> {
        let hooks = Hooks::default();
        let workers = ProcessBuilder::new_typed_vector(self.workers, hooks.refill.clone(), hooks.spill.clone());
        let built = initialize_networking_from_sockets(workers, sockets, self.process, self.workers, hooks);
        let (builders, guard) = built.map_err(|error| format!("the processes cannot talk: {error}"))?;
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
    }
}

/// The connections with the other processes, in their order; none with this one.
pub(crate) type Sockets = Vec<Option<TcpStream>>;

/// What timely's workers are made of.
type Connected = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);

/// timely panics when another process goes away: say so and end, instead of a trace and a hanging worker. A worker that
/// panics itself ends its process, too: the others would wait for it.
pub(crate) fn explain_lost_peers() {
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
            if std::thread::current().name().is_some_and(|name| name.starts_with("timely:work")) {
                std::process::exit(1);
            }
        }));
    });
}
