//! The file of slots.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::ItemKey;

/// Bytes of a slot in the file: the fields in their order, a byte each behind the key, and nothing.
const SLOT_BYTES: usize = 24;
/// What is read of a file that another process left.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// A suspect that did not come again within so many starts went to others.
const MAX_STARTS: u8 = 100;
/// Processes that count in one folder at once.
const MAX_FILES: usize = 64;
const PREFIX: &str = "attempts.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) key: ItemKey,
    pub(super) deaths: u8,
    pub(super) under_way: bool,
    /// Starts of a process since it was under way.
    pub(super) starts: u8,
}

impl Slot {
    pub(super) const FREE: Self = Self { key: [0; 16], deaths: 0, under_way: false, starts: 0 };

    /// The slot of a process that is no more.
    fn as_suspect(self) -> Self {
        let Self { key, deaths, under_way, starts } = self;
        let (deaths, starts) =
            if under_way { (deaths.saturating_add(1), 0) } else { (deaths, starts.saturating_add(1)) };
        Self { key, deaths, under_way: false, starts }
    }

    /// What two processes know of one suspect.
    fn or(self, other: Self) -> Self {
        Self { deaths: self.deaths.max(other.deaths), starts: self.starts.min(other.starts), ..self }
    }

    fn to_bytes(self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..16].copy_from_slice(&self.key);
        bytes[16] = self.deaths;
        bytes[17] = u8::from(self.under_way);
        bytes[18] = self.starts;
        bytes
    }

    fn of_bytes(bytes: &[u8; SLOT_BYTES]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&bytes[..16]);
        Self { key, deaths: bytes[16], under_way: bytes[17] != 0, starts: bytes[18] }
    }
}

/// A file that is this process's own as long as it lives: the system lets go of its lock even after kill -9.
#[derive(Debug)]
pub(super) struct Scratch(File);

impl Scratch {
    /// A file of `most` slots, and what it holds: first the suspects that dead processes left in the folder.
    pub(super) fn open(folder: &Path, most: usize) -> io::Result<(Self, Vec<Slot>)> {
        fs::create_dir_all(folder)?;
        // Until this returns no other process takes a new file for a dead one's.
        let starting = File::create(folder.join("lock"))?;
        starting.lock()?;
        let mut dead = Vec::new();
        let mut suspects: HashMap<ItemKey, Slot> = HashMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if !name.is_some_and(|name| name.starts_with(PREFIX)) {
                continue;
            }
            let file = File::open(&path)?;
            if file.try_lock().is_ok() {
                for slot in left(file)? {
                    suspects.entry(slot.key).and_modify(|known| *known = known.or(slot)).or_insert(slot);
                }
                dead.push(path);
            }
        }
        let mut table: Vec<Slot> = suspects.into_values().filter(|slot| slot.starts < MAX_STARTS).collect();
        table.sort_unstable_by_key(|slot| std::cmp::Reverse(slot.deaths));
        table.resize(most, Slot::FREE);
        let scratch = Self(create(folder)?);
        // All of it, so that the room is there.
        scratch.write(&table.iter().copied().enumerate().collect::<Vec<_>>())?;
        for path in dead {
            fs::remove_file(path)?;
        }
        Ok((scratch, table))
    }

    /// Writes slots, which are in order, by as few calls as there are gaps between them.
    pub(super) fn write(&self, slots: &[(usize, Slot)]) -> io::Result<()> {
        for run in slots.chunk_by(|(one, _), (next, _)| one + 1 == *next) {
            let at = run.first().map_or(0, |(at, _)| *at);
            let run: Vec<u8> = run.iter().flat_map(|(_, slot)| slot.to_bytes()).collect();
            self.0.write_all_at(&run, (at * SLOT_BYTES) as u64)?;
        }
        Ok(())
    }
}

/// What another process left, as suspects.
fn left(file: File) -> io::Result<Vec<Slot>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    let (slots, _) = bytes.as_chunks::<SLOT_BYTES>();
    let taken = slots.iter().map(Slot::of_bytes).filter(|slot| *slot != Slot::FREE);
    Ok(taken.map(Slot::as_suspect).collect())
}

fn create(folder: &Path) -> io::Result<File> {
    for number in 0..MAX_FILES {
        let path = folder.join(format!("{PREFIX}{number}"));
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Ok(file) => {
                file.try_lock().map_err(io::Error::from)?;
                return Ok(file);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many processes count in the folder"))
}
