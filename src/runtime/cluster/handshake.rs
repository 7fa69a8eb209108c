//! The handshake of two processes: who they are, and that they know the same secret.
//!
//! Each sends a magic word that names the protocol, and a nonce; then its greeting, with an HMAC of it, of both nonces
//! and of which side it is. Every wait is bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::runtime::cluster::identity::ProcessIdentity;
use crate::runtime::cluster::secret::Secret;

/// Magic word of the protocol; its last byte is the version. It tells connections of other programs apart.
const WORD: &[u8; 8] = b"rowmill2";
/// The most bytes of a greeting.
const GREETING_BYTES_MAX: usize = 1 << 20;
/// How long a read may block before the deadline is checked.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelPurpose {
    /// Data of the dataflow.
    Data,
    /// Heartbeats and requests, between process 0 and each other one.
    Control,
}

/// Who a process is, and what the connection is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    pub process: usize,
    pub channel: ChannelPurpose,
    pub identity: ProcessIdentity,
}

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeSide {
    Caller,
    Called,
}

impl HandshakeSide {
    fn other(self) -> HandshakeSide {
        if self == HandshakeSide::Caller { HandshakeSide::Called } else { HandshakeSide::Caller }
    }
}

/// Why a handshake failed, in words that follow an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// Not known to be a process of the run: the call is retried.
    Stranger(String),
    /// A process of rowmill that does not fit the run.
    Unfit(String),
}

/// Bounds a wait.
pub struct ConnectDeadline<'a> {
    pub deadline: Instant,
    /// Set when the mesh no longer waits.
    pub over: &'a AtomicBool,
}

/// Sends this side's greeting, and returns the authenticated one of the other side.
///
/// # Errors
/// A side that is no process of this program, has another secret, or does not answer in time.
pub fn greet(
    stream: &mut TcpStream,
    side: HandshakeSide,
    own: &Greeting,
    secret: &Secret,
    wait: &ConnectDeadline<'_>,
) -> Result<Greeting, HandshakeError> {
    let mut nonce = [0; 32];
    SystemRandom::new().fill(&mut nonce).map_err(|_| HandshakeError::Stranger("no random numbers".into()))?;
    write(stream, &[&WORD[..], &nonce].concat())?;
    let (mut word, mut other_nonce) = ([0; WORD.len()], [0; 32]);
    read(stream, &mut word, wait)?;
    if word != *WORD {
        return Err(other_word(word));
    }
    read(stream, &mut other_nonce, wait)?;
    let key = secret.key();
    let nonces = if side == HandshakeSide::Caller { [nonce, other_nonce] } else { [other_nonce, nonce] };
    let signed = |side: HandshakeSide, greeting: &[u8]| [&[side as u8][..], &nonces.concat(), greeting].concat();
    let greeting = postcard::to_stdvec(own).expect("numbers and texts");
    let tag = hmac::sign(&key, &signed(side, &greeting));
    write(stream, &[&(greeting.len() as u32).to_le_bytes()[..], &greeting, tag.as_ref()].concat())?;
    let mut length = [0; 4];
    read(stream, &mut length, wait)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > GREETING_BYTES_MAX {
        return Err(HandshakeError::Stranger("is no process of rowmill".into()));
    }
    let (mut greeting, mut tag) = (vec![0; length], [0; 32]);
    read(stream, &mut greeting, wait)?;
    read(stream, &mut tag, wait)?;
    // The comparison takes constant time.
    if hmac::verify(&key, &signed(side.other(), &greeting), &tag).is_err() {
        let reason = "has another secret, or none: give all processes the same --secret-file";
        return Err(HandshakeError::Stranger(reason.into()));
    }
    let unfit =
        || HandshakeError::Unfit("runs another build of rowmill: start the same program file everywhere".into());
    postcard::from_bytes(&greeting).map_err(|_| unfit())
}

fn other_word(word: [u8; WORD.len()]) -> HandshakeError {
    let (name, version) = WORD.split_at(WORD.len() - 1);
    match word.strip_prefix(name) {
        Some([theirs]) => HandshakeError::Unfit(format!(
            "speaks protocol {} of rowmill, this process {}: start the same program file everywhere",
            theirs.escape_ascii(),
            version.escape_ascii()
        )),
        _ => HandshakeError::Stranger("is no process of rowmill".into()),
    }
}

fn read(stream: &mut TcpStream, buffer: &mut [u8], wait: &ConnectDeadline<'_>) -> Result<(), HandshakeError> {
    let failed = |error: std::io::Error| HandshakeError::Stranger(format!("cannot be heard ({error})"));
    stream.set_read_timeout(Some(LOOK_UP_INTERVAL)).map_err(failed)?;
    let mut filled = 0;
    while filled < buffer.len() {
        if wait.over.load(Ordering::Relaxed) || Instant::now() >= wait.deadline {
            return Err(HandshakeError::Stranger("does not answer".into()));
        }
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(HandshakeError::Stranger("closes the connection without an answer".into())),
            Ok(read) => filled += read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// The bytes fit into the socket's send buffer: only a full one blocks, and only until the timeout.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), HandshakeError> {
    let failed = |error: std::io::Error| HandshakeError::Stranger(format!("cannot be spoken to ({error})"));
    stream.set_write_timeout(Some(4 * LOOK_UP_INTERVAL)).map_err(failed)?;
    stream.write_all(bytes).map_err(failed)
}

/// Removes the handshake's timeouts from a connection.
pub fn unbounded(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)
}
