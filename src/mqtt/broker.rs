//! The embedded broker: rumqttd on a thread of its own.
//!
//! It keeps a bounded log in memory and nothing on disk: for the demo and for tests.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{free_port, front_door};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// A running embedded broker; it ends with the process.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedBroker {
    /// Where it listens.
    pub address: SocketAddr,
}

impl EmbeddedBroker {
    /// Starts a broker and waits until it accepts connections.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start(address: SocketAddr) -> Result<EmbeddedBroker, String> {
        let free = || free_port().map_err(|error| format!("no free port: {error}"));
        let (v4, v5) = (free()?, free()?);
        let mut broker = Broker::new(config(v4, v5));
        let thread = std::thread::Builder::new().name("broker".into());
        let started = thread.spawn(move || {
            if let Err(error) = broker.start() {
                tracing::error!("the embedded broker ended: {error}");
            }
        });
        started.map_err(|error| format!("the broker's thread cannot start: {error}"))?;
        wait_for(v4)?;
        wait_for(v5)?;
        front_door::open(address, v4, v5).map_err(|error| format!("the broker cannot listen on {address}: {error}"))?;
        Ok(EmbeddedBroker { address })
    }

    /// Starts a broker on a free port of the loopback address.
    pub fn on_free_port() -> Result<EmbeddedBroker, String> {
        EmbeddedBroker::start(free_port().map_err(|error| format!("no free port: {error}"))?)
    }
}

fn wait_for(address: SocketAddr) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("the broker on {address} did not start within 10 s"))
}

fn config(v4: SocketAddr, v5: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 60_000,
        // The default of 20 KB is less than one message of rows.
        max_payload_size: 256 * 1024 * 1024,
        max_inflight_count: 500,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = |name: &str, listen| {
        let connections = connections.clone();
        let settings =
            ServerSettings { name: name.into(), listen, tls: None, next_connection_delay_ms: 1, connections };
        Some(HashMap::from([(name.to_owned(), settings)]))
    };
    let router = RouterConfig {
        max_connections: 1_000,
        max_outgoing_packet_count: 1_000,
        max_segment_size: 64 * 1024 * 1024,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    Config { id: 0, router, v4: server("v4", v4), v5: server("v5", v5), ..Config::default() }
}
