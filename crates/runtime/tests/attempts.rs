//! A process that dies is one that forgets its attempt: its file is let go of, and says what was under way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use futures_util::FutureExt as _;
use runtime::Attempts;
use runtime::attempts::{ItemKey, MAX_DEATHS};

const fn key(number: u8) -> ItemKey {
    [number; 16]
}

fn open(folder: &tempfile::TempDir) -> Attempts {
    Attempts::open(Some(folder.path()), 8)
}

/// A process that dies while it handles `items`.
async fn die(folder: &Path, items: &[ItemKey]) {
    let attempts = Attempts::open(Some(folder), 8);
    std::mem::forget(attempts.begin(items).await.unwrap());
}

#[tokio::test]
async fn what_ended_its_process_three_times_is_not_handled_and_its_neighbours_are() {
    let folder = tempfile::tempdir().unwrap();
    die(folder.path(), &[key(1), key(2), key(3)]).await;
    for _ in 1..MAX_DEATHS {
        let attempts = open(&folder);
        for neighbour in [key(1), key(3)] {
            attempts.begin(&[neighbour]).await.unwrap().done();
            assert!(!attempts.is_suspect(&neighbour));
        }
        drop(attempts);
        die(folder.path(), &[key(2)]).await;
    }
    let attempts = open(&folder);
    let fatal = attempts.begin(&[key(2)]).await.unwrap_err();
    assert!(fatal.to_string().contains("ended 3 times"), "{fatal}");
    // It is not kept: the database is away.
    drop(fatal);
    attempts.begin(&[key(2)]).await.unwrap_err().kept();
    drop(attempts);
    // It is sent back, and handled once more.
    die(folder.path(), &[key(2)]).await;
    let attempts = open(&folder);
    attempts.begin(&[key(2)]).await.unwrap_err().kept();
    attempts.begin(&[key(2)]).await.unwrap().done();
    assert!(!attempts.is_suspect(&key(2)));
}

#[tokio::test]
async fn a_suspect_is_handled_alone() {
    let folder = tempfile::tempdir().unwrap();
    die(folder.path(), &[key(1)]).await;
    let attempts = open(&folder);
    let one = attempts.begin(&[key(2)]).await.unwrap();
    let other = attempts.begin(&[key(3)]).await.unwrap();
    let suspect = [key(1)];
    let mut alone = std::pin::pin!(attempts.begin(&suspect));
    assert!(alone.as_mut().now_or_never().is_none(), "others are under way");
    drop(one);
    drop(other);
    let alone = alone.await.unwrap();
    assert!(attempts.begin(&[key(4)]).now_or_never().is_none(), "the suspect is under way");
    alone.done();
    assert!(attempts.begin(&[key(4)]).now_or_never().is_some());
}

#[tokio::test]
async fn what_is_tried_again_keeps_its_deaths_and_an_end_in_order_adds_none() {
    let folder = tempfile::tempdir().unwrap();
    die(folder.path(), &[key(1)]).await;
    die(folder.path(), &[key(1)]).await;
    for _ in 0..3 {
        let attempts = open(&folder);
        // The database is away.
        drop(attempts.begin(&[key(1)]).await.unwrap());
        // The time for the end runs out.
        std::mem::forget(attempts.begin(&[key(2)]).await.unwrap());
        attempts.close();
    }
    die(folder.path(), &[key(1)]).await;
    let attempts = open(&folder);
    assert!(attempts.is_suspect(&key(1)) && !attempts.is_suspect(&key(2)));
    assert!(attempts.begin(&[key(1)]).await.is_err());
}

#[tokio::test]
async fn what_a_living_process_has_under_way_is_no_suspect_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder);
    std::mem::forget(first.begin(&[key(1)]).await.unwrap());
    let second = open(&folder);
    assert!(!second.is_suspect(&key(1)));
    std::mem::forget(second.begin(&[key(2)]).await.unwrap());
    drop((first, second));
    let third = open(&folder);
    assert!(third.is_suspect(&key(1)) && third.is_suspect(&key(2)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "its own file and the lock");
}

#[tokio::test]
async fn suspects_that_never_come_again_take_no_room_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let items: Vec<ItemKey> = (1..=8).map(key).collect();
    die(folder.path(), &items).await;
    die(folder.path(), &[key(1)]).await;
    for round in 1..8 {
        let others: Vec<ItemKey> = (0..8).map(|number| key(round * 16 + number)).collect();
        die(folder.path(), &others).await;
        let attempts = open(&folder);
        assert!(others.iter().all(|other| attempts.is_suspect(other)), "round {round}");
        assert!(attempts.is_suspect(&key(1)), "it has the most deaths");
    }
}

#[tokio::test]
async fn a_suspect_that_does_not_come_again_is_forgotten_in_time() {
    let folder = tempfile::tempdir().unwrap();
    die(folder.path(), &[key(1), key(2)]).await;
    for _ in 0..100 {
        let attempts = open(&folder);
        assert!(attempts.is_suspect(&key(1)) && attempts.is_suspect(&key(2)));
        // One comes again, while the database is away.
        drop(attempts.begin(&[key(1)]).await.unwrap());
    }
    let attempts = open(&folder);
    assert!(attempts.is_suspect(&key(1)) && !attempts.is_suspect(&key(2)));
}

#[tokio::test]
async fn nothing_is_counted_without_a_folder_or_in_one_that_cannot_be_made() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for folder in [None, Some(file.path())] {
        let attempts = Attempts::open(folder, 8);
        attempts.begin(&[key(1)]).await.unwrap().done();
        assert!(!attempts.is_suspect(&key(1)));
        attempts.close();
    }
}
