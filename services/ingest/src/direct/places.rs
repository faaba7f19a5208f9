//! Room for what is under way: bounded, and fair to every source.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one place holds of a body, in bytes; a larger body takes several.
const PLACE_BYTES: usize = 64 * 1024;

/// A number of places. Three quarters go to who comes first; the last one is shared by all sources but one, so that whatever one source
/// holds, each of the others finds its share. Three, because Knative adds a pod at 70 % of `containerConcurrency`, which one source
/// must be able to reach.
#[derive(Debug)]
pub(super) struct Places {
    /// For who comes first.
    common: usize,
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
    /// Those at the database and those at the Broker, for `most` requests under way at once: a payload is at one of the two, or,
    /// where none `falls_back`, at the database alone.
    pub(super) fn at_both(most: usize, sources: usize, falls_back: bool) -> [Self; 2] {
        let each = if falls_back { most / 2 } else { most };
        [Self::new(each, sources), Self::new(each, sources)]
    }

    /// At most `most`, but for a source's first place; all for the only one of `sources`.
    fn new(most: usize, sources: usize) -> Self {
        let others = sources.saturating_sub(1);
        let shared = if others > 0 { most / 4 } else { 0 };
        let share = (shared / others.max(1)).max(1);
        Self { common: most - shared, share, taken: AtomicUsize::new(0) }
    }

    /// Places for a body of `bytes`; `None` where the source has its share and others may want theirs.
    pub(super) fn enter<'a>(&'a self, source: &'a Taken, bytes: usize) -> Option<Place<'a>> {
        let count = 1 + bytes / PLACE_BYTES;
        // Counted first, so that the guard takes it back in either case.
        let taken = self.taken.fetch_add(count, Ordering::Relaxed);
        let own = source.0.fetch_add(count, Ordering::Relaxed);
        let place = Place { places: self, source, count };
        (own < self.share || taken < self.common).then_some(place)
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
    use super::{PLACE_BYTES, Place, Places, Taken};

    /// All places that the source finds now.
    fn all<'a>(places: &'a Places, source: &'a Taken) -> Vec<Place<'a>> {
        std::iter::from_fn(|| places.enter(source, 100)).collect()
    }

    #[test]
    fn a_noisy_source_leaves_the_others_their_share() {
        let places = Places::new(40, 3);
        let (noisy, quiet, last) = (Taken::default(), Taken::default(), Taken::default());
        let held = all(&places, &noisy);
        assert_eq!(held.len(), 30);
        let shares = [all(&places, &quiet), all(&places, &last)];
        assert_eq!(shares.each_ref().map(Vec::len), [5, 5]);
        drop(held);
        assert!(places.enter(&noisy, 100).is_some());
    }

    #[test]
    fn one_source_fills_neither_a_process_nor_keeps_it_below_what_adds_another() {
        // `containerConcurrency` of the chart, and what `freshet up` sets.
        for most in [250, 2048] {
            for (sources, falls_back) in [(2, true), (2, false), (100, true), (100, false)] {
                let [database, broker] = Places::at_both(most, sources, falls_back);
                let (at_database, at_broker) = (Taken::default(), Taken::default());
                let mut held = all(&database, &at_database);
                if falls_back {
                    held.extend(all(&broker, &at_broker));
                }
                assert!(held.len() * 5 < most * 4, "{} of {most}", held.len());
                assert!(held.len() * 10 > most * 7, "{} of {most}", held.len());
            }
        }
    }

    #[test]
    fn the_only_source_has_all_places() {
        let places = Places::new(40, 1);
        assert_eq!(all(&places, &Taken::default()).len(), 40);
    }

    #[test]
    fn a_large_body_takes_several_places() {
        let places = Places::new(40, 1);
        let source = Taken::default();
        let held: Vec<_> = std::iter::from_fn(|| places.enter(&source, 12 * PLACE_BYTES)).collect();
        assert_eq!(held.len(), 4);
    }
}
