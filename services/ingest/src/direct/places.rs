//! Room for what is under way: bounded, and fair to every source.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one place holds of a body, in bytes; a larger body takes several.
const PLACE_BYTES: usize = 64 * 1024;

/// A number of places. A source that takes no more than its share always finds one; half of them go to who comes first.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    share: usize,
    taken: AtomicUsize,
}

/// How many places one source has.
#[derive(Debug, Default)]
pub(crate) struct Taken(AtomicUsize);

/// Places that are given back when dropped.
pub(super) struct Place<'a> {
    places: &'a Places,
    source: &'a Taken,
    count: usize,
}

impl Places {
    /// At most one and a half times `most`, and a share for each of `sources`.
    pub(super) fn new(most: usize, sources: usize) -> Self {
        let share = (most / sources.max(1)).max(1);
        Self { most, share, taken: AtomicUsize::new(0) }
    }

    /// Places for a body of `bytes`; `None` where the source has its share and others may want theirs.
    pub(super) fn enter<'a>(&'a self, source: &'a Taken, bytes: usize) -> Option<Place<'a>> {
        let count = 1 + bytes / PLACE_BYTES;
        // Counted first, so that the guard takes it back in either case.
        let taken = self.taken.fetch_add(count, Ordering::Relaxed);
        let own = source.0.fetch_add(count, Ordering::Relaxed);
        let place = Place { places: self, source, count };
        (own < self.share || taken < self.most / 2).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(self.count, Ordering::Relaxed);
        self.source.0.fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{PLACE_BYTES, Places, Taken};

    #[test]
    fn a_noisy_source_leaves_the_others_their_share() {
        let places = Places::new(40, 4);
        let (noisy, quiet) = (Taken::default(), Taken::default());
        let held: Vec<_> = std::iter::from_fn(|| places.enter(&noisy, 100)).collect();
        assert_eq!(held.len(), 20);
        let own: Vec<_> = std::iter::from_fn(|| places.enter(&quiet, 100)).collect();
        assert_eq!(own.len(), 10);
        drop(held);
        assert!(places.enter(&noisy, 100).is_some());
    }

    #[test]
    fn a_large_body_takes_several_places() {
        let places = Places::new(40, 1);
        let source = Taken::default();
        let held: Vec<_> = std::iter::from_fn(|| places.enter(&source, 12 * PLACE_BYTES)).collect();
        assert_eq!(held.len(), 4);
    }
}
