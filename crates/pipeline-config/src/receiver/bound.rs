//! How much a receiver is sent.

use settings::{Fields, Whole};

/// What people read at most.
pub(super) const FOR_PEOPLE: u32 = 60;
/// What a program is sent at most.
pub(super) const FOR_PROGRAMS: u32 = 1000;
/// No receiver is sent more than this.
const MOST: u32 = 100_000;

/// The most alerts that begin on a receiver within an hour. Those beyond it are one message that says how many they are,
/// and so is their end; ends of what the receiver was notified of are always sent.
pub(super) fn bound(fields: &Fields<'_>, usual: u32) -> u32 {
    let text = "The most alerts that begin here within an hour; one message says how many more there are.";
    fields.or("max_per_hour", text, Whole(1, MOST), usual)
}
