//! Counts how often an item's handling ended with its process.
//!
//! ```text
//! begin ──> the item's slot says "under way" ──> done ──> the slot is free
//!                      │                    └──> to be tried again ──> free; a suspect keeps its count
//!                      └ the process dies ──> its successor finds a suspect: one death more
//! ```
//!
//! The slots are in a file that outlives the process and not its pod. Nothing is synced: what counts is the death of a process,
//! not of a machine. All that was under way at a death is suspect; a suspect is handled alone, so that the next death is its own.

mod scratch;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use scratch::{Scratch, Slot};

/// After so many deaths an item is not handled any more.
pub const MAX_DEATHS: u8 = 3;

/// What an item is known by.
pub type ItemKey = [u8; 16];

/// The attempts of one process.
#[derive(Debug, Default)]
pub struct Attempts(Option<Counter>);

#[derive(Debug)]
struct Counter {
    scratch: Scratch,
    slots: Mutex<Slots>,
    /// Only where there were suspects at the start: later there are none that were not there then.
    turns: Option<RwLock<()>>,
}

/// What the file holds.
#[derive(Debug)]
struct Slots {
    table: Vec<Slot>,
    free: Vec<usize>,
    suspects: HashMap<ItemKey, usize>,
    closed: bool,
}

/// One or more items that are handled; where it is dropped they are to be tried again.
#[derive(Debug, Default)]
#[must_use = "what is dropped is over"]
pub struct Attempt<'a> {
    counter: Option<&'a Counter>,
    slots: Vec<usize>,
    done: bool,
    _turn: Turn<'a>,
}

/// An item that ended its process [`MAX_DEATHS`] times. It is not to be handled, but kept.
#[derive(Debug)]
pub struct Fatal<'a> {
    counter: &'a Counter,
    slot: usize,
    _turn: Turn<'a>,
}

/// Beside others, or alone. Held for what dropping it does.
#[derive(Debug, Default)]
enum Turn<'a> {
    #[default]
    Free,
    Beside(#[expect(dead_code, reason = "a guard")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "a guard")] RwLockWriteGuard<'a, ()>),
}

impl Attempts {
    /// Counts in `folder`, which is made where it is missing, and takes over what dead processes left there. There is room for
    /// `most` items at once and as many suspects. Without a folder, or in one that cannot be used, nothing is counted.
    pub fn open(folder: Option<&Path>, most: usize) -> Self {
        let Some(folder) = folder else { return Self::default() };
        match Counter::open(folder, most.saturating_mul(2)) {
            Ok(counter) => Self(Some(counter)),
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%error, %folder, "deaths of the process are not counted");
                Self::default()
            }
        }
    }

    /// Whether the process died while this item was handled.
    pub fn is_suspect(&self, key: &ItemKey) -> bool {
        self.0
            .as_ref()
            .is_some_and(|counter| counter.turns.is_some() && counter.slots().suspects.contains_key(key))
    }

    /// Begins with items: beside others, or, where there is a suspect among them, when nothing else is under way; that one is
    /// given by itself. Nothing waits where there are no suspects.
    ///
    /// # Errors
    /// [`Fatal`] where one is not to be handled any more.
    pub async fn begin(&self, keys: &[ItemKey]) -> Result<Attempt<'_>, Fatal<'_>> {
        let Some(counter) = &self.0 else { return Ok(Attempt::default()) };
        let turn = match &counter.turns {
            None => Turn::Free,
            Some(turns) if keys.iter().any(|key| self.is_suspect(key)) => Turn::Alone(turns.write().await),
            Some(turns) => Turn::Beside(turns.read().await),
        };
        match counter.slots().take(keys) {
            Ok(taken) => {
                counter.write(&taken);
                let slots = taken.into_iter().map(|(at, _)| at).collect();
                Ok(Attempt { counter: Some(counter), slots, done: false, _turn: turn })
            }
            Err(slot) => Err(Fatal { counter, slot, _turn: turn }),
        }
    }

    /// The process ends in order: what is still under way is not what ends it.
    pub fn close(&self) {
        if let Some(counter) = &self.0 {
            let released = counter.slots().close();
            counter.write(&released);
        }
    }
}

impl Attempt<'_> {
    /// The items are over: nothing of them is to be tried again.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let Some(counter) = self.counter else { return };
        let released = counter.slots().release(&self.slots, self.done);
        counter.write(&released);
        // Given to another only once the file says that it is free.
        let free = released.iter().filter(|(_, slot)| *slot == Slot::FREE).map(|(at, _)| *at);
        counter.slots().free.extend(free);
    }
}

impl Fatal<'_> {
    /// It is kept. Where it is sent back it is handled again: one more death is the last then.
    pub fn kept(self) {
        let slot = {
            let mut slots = self.counter.slots();
            let slot = &mut slots.table[self.slot];
            slot.deaths = MAX_DEATHS - 1;
            *slot
        };
        self.counter.write(&[(self.slot, slot)]);
    }
}

/// The reason that a dead letter gives.
impl fmt::Display for Fatal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the process ended {MAX_DEATHS} times while it was handled; it is not handled again")
    }
}

impl Counter {
    fn open(folder: &Path, most: usize) -> std::io::Result<Self> {
        let (scratch, table) = Scratch::open(folder, most)?;
        let suspects: HashMap<_, _> = table
            .iter()
            .enumerate()
            .filter(|(_, slot)| **slot != Slot::FREE)
            .map(|(at, slot)| (slot.key, at))
            .collect();
        let fresh = table.iter().filter(|slot| **slot != Slot::FREE && slot.starts == 0).count();
        if fresh > 0 {
            tracing::warn!(
                suspects = fresh,
                "the process before ended while it handled these; each is handled alone when it comes again"
            );
        }
        // The lowest come first.
        let free = (suspects.len()..table.len()).rev().collect();
        let turns = (!suspects.is_empty()).then(RwLock::default);
        Ok(Self { scratch, slots: Mutex::new(Slots { table, free, suspects, closed: false }), turns })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, slots: &[(usize, Slot)]) {
        if let Err(error) = self.scratch.write(slots) {
            tracing::warn!(%error, "an attempt is not noted: a death of the process in it will not count");
        }
    }
}

impl Slots {
    /// Slots for the items, in order; as an error that of an item that is fatal. What finds no room is not counted.
    fn take(&mut self, keys: &[ItemKey]) -> Result<Vec<(usize, Slot)>, usize> {
        let mut taken = Vec::with_capacity(keys.len());
        if self.closed {
            return Ok(taken);
        }
        let of_suspect = |key| self.suspects.get(key).copied();
        if let Some(fatal) =
            keys.iter().filter_map(of_suspect).find(|at| self.table[*at].deaths >= MAX_DEATHS)
        {
            return Err(fatal);
        }
        for key in keys {
            let suspect = self.suspects.get(key).copied();
            let own = suspect.filter(|at| !self.table[*at].under_way);
            let Some(at) = own.or_else(|| self.free.pop()).or_else(|| self.evict()) else { continue };
            let deaths = suspect.map_or(0, |at| self.table[at].deaths);
            self.table[at] = Slot { key: *key, deaths, under_way: true, starts: 0 };
            taken.push((at, self.table[at]));
        }
        taken.sort_unstable_by_key(|(at, _)| *at);
        Ok(taken)
    }

    /// The slot of the suspect that is the least so.
    fn evict(&mut self) -> Option<usize> {
        let idle = self.suspects.iter().filter(|(_, at)| !self.table[**at].under_way);
        let (key, at) = idle.min_by_key(|(_, at)| self.table[**at].deaths).map(|(key, at)| (*key, *at))?;
        self.suspects.remove(&key);
        Some(at)
    }

    fn release(&mut self, taken: &[usize], done: bool) -> Vec<(usize, Slot)> {
        let mut released = Vec::with_capacity(taken.len());
        for at in taken {
            let slot = self.table[*at];
            let is_suspect = self.suspects.get(&slot.key) == Some(at);
            if done && is_suspect {
                self.suspects.remove(&slot.key);
            }
            self.table[*at] =
                if is_suspect && !done { Slot { under_way: false, ..slot } } else { Slot::FREE };
            released.push((*at, self.table[*at]));
        }
        released
    }

    fn close(&mut self) -> Vec<(usize, Slot)> {
        self.closed = true;
        let under_way: Vec<usize> = (0..self.table.len()).filter(|at| self.table[*at].under_way).collect();
        self.release(&under_way, false)
    }
}
