//! Addresses of the loopback interface to listen on.

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ports outside the system's ephemeral range: no connecting client takes a free one.
const OURS: Range<u16> = 10_000..30_000;

/// A loopback address that was free when tried; a different one at each call.
///
/// # Errors
/// If none is free.
pub fn free_port() -> std::io::Result<SocketAddr> {
    static CALLS: LazyLock<AtomicUsize> = LazyLock::new(|| AtomicUsize::new(rand::random_range(0..OURS.len())));
    let next = || OURS.start + (CALLS.fetch_add(1, Ordering::Relaxed) % OURS.len()) as u16;
    let mut bound = OURS.map(|_| TcpListener::bind(("127.0.0.1", next())));
    bound.find_map(Result::ok).ok_or(std::io::ErrorKind::AddrInUse)?.local_addr()
}
