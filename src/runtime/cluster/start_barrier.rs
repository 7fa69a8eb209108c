//! The start barrier: no process starts before all are ready. A process that is stopped before then has nothing to
//! drain, and the others must not take its exit for a lost connection.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::source::Stop;

/// All connections of this process are established.
const READY: u8 = b'?';
/// All processes are ready: start.
const GO: u8 = b'!';
/// The run ends before it has started.
const CANCEL: u8 = b'x';
/// How often the stop flag is checked.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until all processes are ready; false if the run is stopped before. Once a process has sent that it is ready,
/// it no longer ends by itself: it drains with the others, or gets a cancellation. `controls` are the connections
/// between process 0 and each other one: process, address, stream.
///
/// # Errors
/// In words: a process that has ended, or is not ready in time.
pub fn meet(
    process: usize,
    controls: &[(usize, &str, TcpStream)],
    stop: &Stop,
    timeout: Duration,
) -> Result<bool, String> {
    let deadline = Instant::now() + timeout;
    for (_, _, stream) in controls {
        stream.set_read_timeout(Some(LOOK_UP_INTERVAL)).map_err(|error| error.to_string())?;
    }
    if process > 0 {
        controls.iter().for_each(|(_, _, stream)| say(stream, READY));
    }
    for (other, host, stream) in controls {
        let mut gone = false;
        loop {
            match if gone { BarrierMessage::None } else { hear(stream) } {
                BarrierMessage::Said(READY | GO) => break,
                BarrierMessage::Said(_) => return Ok(false),
                BarrierMessage::Gone => gone = true,
                BarrierMessage::None => {}
            }
            if stop.is_set() && (process == 0 || gone) {
                controls.iter().for_each(|(_, _, stream)| say(stream, CANCEL));
                return Ok(false);
            }
            if Instant::now() > deadline {
                let why = if gone { "has ended before the run began" } else { "does not come" };
                return Err(format!("process {other} at {host} {why}"));
            }
            if gone {
                std::thread::sleep(LOOK_UP_INTERVAL);
            }
        }
    }
    if process == 0 {
        controls.iter().for_each(|(_, _, stream)| say(stream, GO));
    }
    Ok(true)
}

enum BarrierMessage {
    Said(u8),
    None,
    Gone,
}

fn hear(mut stream: &TcpStream) -> BarrierMessage {
    let mut word = [0];
    match stream.read(&mut word) {
        Ok(0) => BarrierMessage::Gone,
        Ok(_) => BarrierMessage::Said(word[0]),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            BarrierMessage::None
        }
        Err(_) => BarrierMessage::Gone,
    }
}

/// Errors are ignored: a lost process is detected by the next read.
fn say(mut stream: &TcpStream, word: u8) {
    let _ = stream.write_all(&[word]);
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// The two ends of a connection: of process 0, and of process 1.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, one)
    }

    fn barrier(process: usize, stream: TcpStream, stop: &Stop, timeout: Duration) -> Result<bool, String> {
        meet(process, &[(1 - process, "h:1", stream)], stop, timeout)
    }

    const LONG_TIMEOUT: Duration = Duration::from_secs(60);

    #[test]
    fn all_begin_though_one_of_them_is_told_to_end_once_it_is_ready() {
        let (zero, one) = connection();
        let stop = Stop::default();
        stop.now();
        let other = std::thread::spawn(move || barrier(1, one, &stop, LONG_TIMEOUT));
        assert_eq!(barrier(0, zero, &Stop::default(), LONG_TIMEOUT), Ok(true));
        assert_eq!(other.join().unwrap(), Ok(true));
    }

    #[test]
    fn none_begins_where_the_first_is_told_to_end_before() {
        let (zero, one) = connection();
        let stop = Stop::default();
        stop.now();
        // It is stopped before it has received that the other is ready.
        assert_eq!(barrier(0, zero, &stop, LONG_TIMEOUT), Ok(false));
        assert_eq!(barrier(1, one, &Stop::default(), LONG_TIMEOUT), Ok(false));
    }

    #[test]
    fn one_that_has_ended_is_named_or_ends_the_run_with_a_signal() {
        let (zero, one) = connection();
        drop(one);
        let error = barrier(0, zero, &Stop::default(), Duration::ZERO).unwrap_err();
        assert_eq!(error, "process 1 at h:1 has ended before the run began");
        let (zero, one) = connection();
        drop(zero);
        let stop = Stop::default();
        stop.now();
        assert_eq!(barrier(1, one, &stop, LONG_TIMEOUT), Ok(false));
    }
}
