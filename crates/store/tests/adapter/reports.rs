//! Reports: what their mails say stays in rows for as long as one of them is to be sent.

use event_model::ids;
use jiff::civil::date;
use store::Transaction;
use store::registry::erasure;
use store::reports::{MadeReport, MailHtml, OpenMail, Tried, next_mail, record};

use crate::world::{World, at};

const NOON: &str = "2026-11-30T12:00:00Z";

/// Reports of whose mails anything is kept.
const SAID: &str = "report where (text <> '' or num_nonnulls(html, image_ids, images, devices) > 0)";

fn made(site: &str) -> MadeReport {
    MadeReport {
        site: site.to_owned(),
        kind: "day".to_owned(),
        first_day: date(2026, 11, 29),
        zone: "UTC".to_owned(),
        key: format!("{site}/2026-11-29/day.html"),
        sha256: [7; 32],
        bytes: 9,
        subject: site.to_owned(),
        text: format!("{site}: Dach"),
        html: Some(MailHtml {
            html: format!("<p>{site}: Dach</p>"),
            images: vec![("1@x".to_owned(), vec![0, 1, 255]), ("2@x".to_owned(), vec![])],
        }),
        devices: vec!["roof".to_owned(), "a".to_owned()],
    }
}

async fn recorded(world: &World, report: &MadeReport, receivers: &[&str]) {
    let mut client = world.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let mails: Vec<_> =
        receivers.iter().map(|name| (*name, ids::derive("mail", &[&report.site, name]))).collect();
    record(&transaction, report, &mails, (at(NOON), at(NOON))).await.unwrap();
    transaction.commit().await.unwrap();
}

/// The next mail, which is tried.
async fn tried(world: &World, how: Tried<'_>) -> OpenMail {
    let mut client = world.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let mail = next_mail(&transaction, 9).await.unwrap().unwrap();
    mail.tried(&transaction, how, at(NOON)).await.unwrap();
    transaction.commit().await.unwrap();
    mail
}

#[tokio::test]
async fn what_a_mail_says_is_kept_until_the_last_one_is_sent_or_given_up() {
    let Some(world) = World::build().await else { return };
    let report = made("north");
    recorded(&world, &report, &["one", "other"]).await;
    for how in [Tried::Failed("busy"), Tried::Failed("busy"), Tried::Sent] {
        let mail = tried(&world, how).await;
        assert_eq!((&mail.text, &mail.html), (&report.text, &report.html));
        assert_eq!(world.count(SAID).await, 1);
    }
    let last = tried(&world, Tried::GivenUp("no such mailbox")).await;
    assert_eq!((last.text, last.html), (report.text, report.html));
    assert_eq!((world.count(SAID).await, world.count("report").await), (0, 1));
}

#[tokio::test]
async fn what_nobody_is_sent_is_not_kept() {
    let Some(world) = World::build().await else { return };
    recorded(&world, &made("north"), &[]).await;
    assert_eq!((world.count(SAID).await, world.count("report").await), (0, 1));
}

#[tokio::test]
async fn a_report_that_is_made_again_has_the_mail_that_was_made_with_it() {
    let Some(world) = World::build().await else { return };
    recorded(&world, &made("north"), &["one"]).await;
    let again = MadeReport { text: "later".to_owned(), html: None, ..made("north") };
    recorded(&world, &again, &["one"]).await;
    let mail = tried(&world, Tried::Sent).await;
    assert_eq!((mail.text.as_str(), mail.html), ("later", None));
}

/// Erases a device of the source `test`, which need not have sent.
async fn erase(world: &World, name: &str) {
    let mut client = world.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let erasure = erasure::begin(&transaction, "test", name, false).await.unwrap();
    erasure.records(&transaction).await.unwrap();
    erasure.end(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn an_erasure_takes_away_text_html_and_pictures_of_mails_that_name_the_device() {
    let Some(world) = World::build().await else { return };
    // By its name for people, by a name that is too short to be looked for in texts, in a text, and not at all.
    recorded(&world, &made("by-id"), &["one", "other"]).await;
    recorded(&world, &MadeReport { devices: vec!["a".to_owned()], ..made("short") }, &["one"]).await;
    let text = "Bay 1: ROOF".to_owned();
    recorded(&world, &MadeReport { devices: Vec::new(), text, ..made("text") }, &["one"]).await;
    let others = MadeReport { devices: vec!["cellar".to_owned()], ..made("none") };
    recorded(&world, &others, &["one"]).await;

    erase(&world, "roof").await;
    for (site, is_left) in [("by-id", 0), ("short", 1), ("text", 0), ("none", 1)] {
        assert_eq!(world.count(&format!("{SAID} and site = '{site}'")).await, is_left, "{site}");
    }
    let given_up = "report_mail where given_up_at is not null and last_error = 'a device was erased'";
    assert_eq!(world.count(given_up).await, 3);
    erase(&world, "a").await;
    assert_eq!(world.count(SAID).await, 1);
    let mail = tried(&world, Tried::Sent).await;
    assert_eq!((mail.site.as_str(), mail.html), ("none", others.html));
}
