//! What tells the running program's file from those of other builds.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use ring::digest::{Context, SHA256};

use crate::proc;

/// The linker's build id, a hash of what it has linked, with the file's length; SHA-256 of the whole file if it has none.
/// Hashing the file takes longer than a short run.
///
/// # Errors
/// A file that can't be read.
pub fn build_identity() -> io::Result<Vec<u8>> {
    let mut file = proc::own_program()?;
    let length = file.metadata()?.len().to_le_bytes();
    match build_id(&file) {
        Some(id) => Ok([&length[..], &id].concat()),
        None => sha256(&mut file),
    }
}

fn sha256(file: &mut File) -> io::Result<Vec<u8>> {
    let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finish().as_ref().to_vec()),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// The note NT_GNU_BUILD_ID of an ELF file of 64 bits; see elf(5).
fn build_id(file: &File) -> Option<Vec<u8>> {
    const NOTES: u32 = 4;
    const BUILD_ID: u32 = 3;
    /// No linker writes longer ones.
    const NOTES_BYTES_MAX: u64 = 1 << 16;
    let read = |offset: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
    };
    let header = read(0, 64)?;
    if !header.starts_with(b"\x7fELF\x02") || cfg!(target_endian = "big") {
        return None;
    }
    let (table, size, count) = (u64_at(&header, 32)?, u16_at(&header, 54)?, u16_at(&header, 56)?);
    for number in 0..u64::from(count) {
        let segment = read(table + number * u64::from(size), 56)?;
        let length = u64_at(&segment, 32)?;
        if u32_at(&segment, 0)? != NOTES || length > NOTES_BYTES_MAX {
            continue;
        }
        let notes = read(u64_at(&segment, 8)?, length as usize)?;
        let mut rest = &notes[..];
        while let (Some(of_name), Some(of_text), Some(kind)) = (u32_at(rest, 0), u32_at(rest, 4), u32_at(rest, 8)) {
            let text = 12 + (of_name as usize).next_multiple_of(4);
            let end = text + of_text as usize;
            if kind == BUILD_ID && rest.get(12..16) == Some(b"GNU\0") {
                return rest.get(text..end).filter(|id| !id.is_empty()).map(<[u8]>::to_vec);
            }
            rest = rest.get(end.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|bytes| Some(u16::from_le_bytes(bytes.try_into().ok()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An ELF file with one segment of notes: one of another kind, then the build id.
    fn elf(id: &[u8]) -> Vec<u8> {
        let note = |kind: u32, name: &[u8; 4], text: &[u8]| {
            let mut note = [4_u32, text.len() as u32, kind].map(u32::to_le_bytes).concat();
            note.extend(name);
            note.extend(text);
            note.resize(note.len().next_multiple_of(4), 0);
            note
        };
        let notes = [note(1, b"GNU\0", &[7; 5]), note(3, b"XYZ\0", &[8; 3]), note(3, b"GNU\0", id)].concat();
        let mut file = vec![0; 64 + 56];
        file[..5].copy_from_slice(b"\x7fELF\x02");
        file[32] = 64;
        (file[54], file[56]) = (56, 1);
        (file[64], file[64 + 8], file[64 + 32]) = (4, 120, notes.len() as u8);
        file.extend(notes);
        file
    }

    #[test]
    fn the_build_id_is_found_and_what_has_none_is_hashed() {
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        let whole = elf(&[1, 2, 3]);
        assert_eq!(build_id(&file(&whole)), Some(vec![1, 2, 3]));
        assert_eq!(build_id(&file(&elf(&[]))), None);
        for cut in 0..whole.len() {
            let found = build_id(&file(&whole[..cut]));
            assert!(found.is_none(), "{cut}: {found:?}");
        }
        assert_eq!(build_identity().unwrap(), build_identity().unwrap());
    }
}
