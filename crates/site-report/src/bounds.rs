//! How much a report says at most. Each is applied before what it bounds is formed.

/// The most charts of a page.
pub const MAX_CHARTS: usize = 12;
/// The most series that a chart draws.
pub const MAX_CHART_SERIES: usize = 8;
/// The most values of a series that a chart draws: the days of two months, or as many hours.
pub const MAX_CHART_POINTS: usize = 62;
/// The most thresholds of a chart.
pub const MAX_THRESHOLDS: usize = 6;
/// The most metrics of a page.
pub const MAX_METRICS: usize = 40;
/// The most rows of all tables of a page together.
pub const MAX_ROWS: usize = 500;
/// The most metrics of a mail.
pub const MAX_TEXT_METRICS: usize = 12;
/// The most rows of a mail.
pub const MAX_TEXT_ROWS: usize = 100;
/// The longest HTML of a mail, in bytes: Gmail shows no more than 102 kB.
pub const MAX_HTML_BYTES: usize = 100_000;
/// The pictures of a mail together, in bytes: the mail has less than 1 MiB, in which there is room for them, its HTML and its text as they are encoded.
pub const MAX_PICTURE_BYTES: usize = 400_000;
/// The longest name, in characters; what is longer is cut.
pub const MAX_NAME_CHARS: usize = 60;
/// The longest subject, in characters.
pub const MAX_SUBJECT_CHARS: usize = 120;

/// How many rows of each table there is room for: all of a table that is short, and of the others as many each. What cannot be
/// shared evenly goes to the tables that come first.
pub(crate) fn shares(wanted: &[usize], room: usize) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    let mut by_length: Vec<usize> = (0..wanted.len()).collect();
    by_length.sort_by_key(|&table| wanted[table]);
    let mut left = room;
    for (done, &table) in by_length.iter().enumerate() {
        let fair = left.div_ceil(wanted.len() - done);
        shares[table] = wanted[table].min(fair).min(left);
        left -= shares[table];
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

    use super::shares;

    #[test]
    fn a_short_table_is_shown_whole_and_the_others_share_the_rest() {
        assert_eq!(shares(&[2, 2000, 0, 2000], 500), [2, 249, 0, 249]);
        assert_eq!(shares(&[3, 4], 500), [3, 4]);
        assert_eq!(shares(&[9, 9, 9], 2), [1, 1, 0]);
        assert_eq!(shares(&[], 500), [0; 0]);
    }

    proptest! {
        #[test]
        fn all_tables_together_have_no_more_rows_than_there_is_room_for(
            wanted in prop::collection::vec(0_usize..3000, 0..60), room in 0_usize..600,
        ) {
            let shares = shares(&wanted, room);
            prop_assert!(shares.iter().sum::<usize>() == room.min(wanted.iter().sum()));
            prop_assert!(shares.iter().zip(&wanted).all(|(share, wanted)| share <= wanted));
        }
    }
}
