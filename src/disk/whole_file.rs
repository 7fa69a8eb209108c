//! Whole files in memory, of a length that is bounded: a device never ends, and a pipe without a writer never begins.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The bytes of a regular file, which can be read again and again.
///
/// # Errors
/// A file that can't be read, a folder, a pipe or a device, or more than `bytes_max` bytes.
pub fn read_regular(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    // A pipe is opened without its writer: nobody waits for one.
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() && !found.is_dir() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a pipe or a device, not a regular file"));
    }
    if found.is_file() && found.len() > bytes_max {
        return Err(too_long(bytes_max));
    }
    at_most(file, bytes_max)
}

/// The text of a regular file, which can be read again and again.
///
/// # Errors
/// As [`read_regular`], or bytes that are not UTF-8.
pub fn read_regular_text(path: &Path, bytes_max: u64) -> Result<String> {
    text(read_regular(path, bytes_max)?)
}

/// The bytes of a file that is read once, which may come from a pipe.
///
/// # Errors
/// A file that can't be read, or more than `bytes_max` bytes.
pub fn read_at_most(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    at_most(File::open(path)?, bytes_max)
}

/// The text of a file that is read once, which may come from a pipe.
///
/// # Errors
/// As [`read_at_most`], or bytes that are not UTF-8.
pub fn read_text_at_most(path: &Path, bytes_max: u64) -> Result<String> {
    text(read_at_most(path, bytes_max)?)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

fn at_most(file: File, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(too_long(bytes_max)) } else { Ok(bytes) }
}

fn too_long(bytes_max: u64) -> Error {
    Error::new(ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_devices_are_no_regular_files_and_nothing_is_read_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let (file, pipe) = (directory.path().join("f"), directory.path().join("p"));
        std::fs::write(&file, "abc").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let kind = |read: Result<Vec<u8>>| read.unwrap_err().kind();
        assert_eq!(read_regular(&file, 3).unwrap(), b"abc");
        assert_eq!(kind(read_regular(&file, 2)), ErrorKind::FileTooLarge);
        // Nobody writes into the pipe: reading it would wait for ever.
        assert_eq!(kind(read_regular(&pipe, 9)), ErrorKind::InvalidInput);
        assert_eq!(kind(read_regular(Path::new("/dev/zero"), 9)), ErrorKind::InvalidInput);
        assert_eq!(kind(read_regular(directory.path(), 1 << 20)), ErrorKind::IsADirectory);
        assert_eq!(kind(read_regular(&directory.path().join("none"), 9)), ErrorKind::NotFound);
        assert_eq!(kind(read_at_most(Path::new("/dev/zero"), 9)), ErrorKind::FileTooLarge);
        assert_eq!(read_text_at_most(&file, 3).unwrap(), "abc");
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "of a pipe").unwrap()
        });
        assert_eq!(read_at_most(&pipe, 9).unwrap(), b"of a pipe");
        writer.join().unwrap();
    }
}
