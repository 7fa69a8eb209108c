//! `rowmill broker`: the embedded broker alone.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, signals, stuck};
use crate::mqtt::EmbeddedBroker;
use crate::runtime;

/// Run the embedded broker until Ctrl-C. It keeps nothing on disk: for trying things out.
#[derive(clap::Args)]
pub struct BrokerArguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    listen: SocketAddr,
}

pub fn run(arguments: &BrokerArguments) -> Result<ExitCode, Failure> {
    let stop = signals::stop_on_signals()?;
    stuck::bound(&stop, runtime::DRAIN_TIMEOUT, || "the broker has not ended".into());
    let broker = EmbeddedBroker::start(arguments.listen).map_err(Failure::Failed)?;
    eprintln!("an MQTT broker listens on {}", broker.address);
    while !stop.is_set() {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(ExitCode::SUCCESS)
}
