//! The processes and workers of a run, and their allocators in timely.

use std::any::Any;
use std::net::TcpStream;

use timely::CommunicationConfig;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};

/// The processes of a run, the workers of each, and which process this is.
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

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        self.hosts.len().max(1)
    }

    /// The allocators of timely's workers; `sockets` are the connections with the other processes, in their order.
    pub(crate) fn build(&self, sockets: Sockets) -> Result<TimelyAllocators, String> {
        match (self.hosts.len(), self.workers) {
            (0 | 1, 1) => CommunicationConfig::Thread.try_build(),
            (0 | 1, workers) => CommunicationConfig::Process(workers).try_build(),
            _ => self.over(sockets),
        }
    }

    /// As timely does it after connecting by itself, which it would retry for ever.
    fn over(&self, sockets: Sockets) -> Result<TimelyAllocators, String> {
        let hooks = Hooks::default();
        let workers = ProcessBuilder::new_typed_vector(self.workers, hooks.refill.clone(), hooks.spill.clone());
        let built = initialize_networking_from_sockets(workers, sockets, self.process, self.workers, hooks);
        let (builders, guard) = built.map_err(|error| format!("the processes cannot talk: {error}"))?;
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
    }
}

/// The connections with the other processes, in their order; `None` for this one.
pub(crate) type Sockets = Vec<Option<TcpStream>>;

/// The allocators of timely's workers, and the guard of its network threads.
type TimelyAllocators = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);
