//! A log beside a file that can only be read when it is closed: acknowledged rows survive a killed run, and are written
//! to the file of the next one.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::claimed_file::check_name;
use crate::data::{Message, Schema, fingerprint, from_bytes, to_bytes};
use crate::disk::{Disk, DiskFile, SharedDisk};

/// Bytes before those of a message: their length and their hash.
const HEAD: usize = 16;

/// An open log. The file that it belongs to holds the lock.
pub struct RowLog {
    disk: SharedDisk,
    path: PathBuf,
    writer: BufWriter<Box<dyn DiskFile>>,
}

/// Where the log of a result file is.
pub fn path_of(path: &Path) -> PathBuf {
    path.with_added_extension("log")
}

/// Whether an interrupted run has left rows of a result file in a log.
///
/// # Errors
/// A path that can't be looked at.
pub fn is_there(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    Ok(disk.length(&path_of(path))?.is_some_and(|length| length > 0))
}

/// Removes the log of a result file.
///
/// # Errors
/// A file that can't be removed.
pub fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let log = path_of(path);
    if disk.length(&log)?.is_none() {
        return Ok(());
    }
    disk.remove(&log).and_then(|()| disk.sync_directory_of(&log))
}

/// Passes the whole messages of the log of a result file to `take` until that returns false; returns its first line and
/// the end of the last message for which it did not.
///
/// # Errors
/// A file that can't be read, or an error of `take`.
pub fn read(
    disk: &dyn Disk,
    path: &Path,
    mut take: impl FnMut(&str, Message) -> io::Result<bool>,
) -> io::Result<(String, u64)> {
    let file = disk.open(&path_of(path))?;
    let length = file.length()?;
    let (mut reader, mut first) = (BufReader::new(file), Vec::new());
    reader.read_until(b'\n', &mut first)?;
    let mut end = first.len() as u64;
    let first = String::from_utf8_lossy(&first).into_owned();
    if !first.ends_with('\n') {
        return Ok((String::new(), 0));
    }
    let mut head = [0; HEAD];
    while end + HEAD as u64 <= length {
        reader.read_exact(&mut head)?;
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (bytes, hash) = (number(0), number(8));
        if bytes > length - end - HEAD as u64 {
            break;
        }
        let mut message = vec![0; bytes as usize];
        reader.read_exact(&mut message)?;
        let Some(read) = Some(&message).filter(|message| fingerprint(message) as u64 == hash) else { break };
        if !take(&first, from_bytes(read).map_err(io::Error::other)?)? {
            break;
        }
        end += HEAD as u64 + bytes;
    }
    Ok((first, end))
}

/// Cuts off the messages of the log of a result file from an epoch on.
///
/// # Errors
/// A file that can't be changed.
pub fn cut(disk: &dyn Disk, path: &Path, from: u64) -> io::Result<()> {
    if !is_there(disk, path)? {
        return Ok(());
    }
    let (_, end) = read(disk, path, |_, message| Ok(message.epoch < from))?;
    let log = disk.append(&path_of(path))?;
    log.set_length(end)?;
    log.sync()
}

impl RowLog {
    /// Opens the log of a result file of this schema behind the rows that it holds, which `take` gets.
    ///
    /// # Errors
    /// A file that can't be used, or rows with other columns.
    pub fn open(
        disk: &SharedDisk,
        path: &Path,
        schema: &Schema,
        mut take: impl FnMut(Message) -> io::Result<()>,
    ) -> io::Result<RowLog> {
        let own = format!("{}\n", serde_json::to_string(schema).map_err(io::Error::other)?);
        let log = path_of(path);
        let file = disk.append(&log)?;
        let others = || {
            let log = log.display();
            io::Error::other(format!(
                "{log}: holds rows of an interrupted run that have other columns: start that dataflow once more, or pass \
                 --fresh to drop them"
            ))
        };
        let mut rows = 0;
        let mut take = |first: &str, message: Message| {
            rows += message.rows();
            if first == own { take(message).map(|()| true) } else { Err(others()) }
        };
        let (_, end) = read(&**disk, path, &mut take)?;
        let behind = file.length()? - end;
        if behind > 0 {
            tracing::warn!("{}: its last {behind} bytes were not finished: they are cut off", log.display());
        }
        if rows > 0 {
            tracing::warn!("{}: {rows} rows of an interrupted run come first", log.display());
        }
        let end = if rows > 0 { end } else { 0 };
        file.set_length(end)?;
        let mut writer = BufWriter::with_capacity(1 << 18, file);
        if end == 0 {
            writer.write_all(own.as_bytes())?;
        }
        writer.flush()?;
        disk.sync_directory_of(&log)?;
        Ok(RowLog { disk: disk.clone(), path: path.to_owned(), writer })
    }

    /// # Errors
    /// As the operating system gives them.
    pub fn write(&mut self, message: &Message) -> io::Result<()> {
        let bytes = to_bytes(message);
        self.writer.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.writer.write_all(&(fingerprint(&bytes) as u64).to_le_bytes())?;
        self.writer.write_all(&bytes)
    }

    /// # Errors
    /// As the operating system gives them.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// # Errors
    /// As the operating system gives them.
    pub fn sync(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync()?;
        check_name(&**self.writer.get_ref())
    }

    /// The file is complete, and holds the rows: the log is removed.
    ///
    /// # Errors
    /// A file that can't be removed.
    pub fn end(self) -> io::Result<()> {
        let RowLog { disk, path, writer } = self;
        drop(writer);
        remove(&*disk, &path)
    }
}
