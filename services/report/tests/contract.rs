//! What the job makes, over a real database, a real S3 server and a real mail server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use jiff::{SignedDuration, Timestamp};
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use receivers::{AddressPolicy, Outgoing};
use report::{Config, NAME, ReportJob};
use runtime::{Clock, Deadline};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use store::migrate::ROLES;
use store::{Database, DatabaseSettings};
use tempfile::TempDir;
use testkit::{MAIL_SERVER, TestDatabase, eventually, free_port, python_with, report_skipped};
use tokio::net::TcpListener;

/// A site in Berlin whose people see degrees Fahrenheit, and two whose reports nobody is sent, in India and without a zone.
const PIPELINE: &str = "
reports:
  storage: {s3: {url: 'URL', bucket: reports, prefix: plant, access_key_id: {file: KEY}, secret_access_key: {file: KEY}}}
  link: https://files.example.com
sites:
  north: {zone: Europe/Berlin, language: de, units: {Cel: '[degF]'}, recipients: [office, busy]}
  south: {zone: Asia/Kolkata}
sources: {yard: {format: json}}
rules: {Hot: {metric: temperature, above: 30}}
receivers:
  office: {smtp: {host: localhost, port: PORT, tls: none, from: freshet@example.com, to: [a@example.com]}}
  busy: {smtp: {host: localhost, port: PORT, tls: none, from: freshet@example.com, to: [busy@example.com]}}
network: {allow: [localhost, 127.0.0.0/8]}
";

/// The day that is reported on: 2026-11-28T23:00Z to 2026-11-29T23:00Z.
const SLOT: &str = "2026-11-30T06:30:00Z";

/// Readings of three days, every 20 minutes: 10 degrees on the 28th in Berlin, 20 on the 29th, with an hour at 35, and 5 after; a meter that rises by 1.5 each time. One
/// device of each site, one that was never heard of since the 20th; an alert; a dead letter.
const ROWS: &str = r#"
    insert into device (source, name, first_seen_at, last_seen_at) values
        ('yard', 'roof', '2026-11-01Z', '2026-11-30 05:00Z'), ('yard', 'gone <b>', '2026-11-01Z', '2026-11-20Z'), ('yard', 'far', '2026-11-01Z', '2026-11-30 05:00Z');
    insert into device_entry (source, name, registered) values
        ('yard', 'roof', '{"site": "north", "name": "Dach"}'), ('yard', 'gone <b>', '{"site": "north"}'), ('yard', 'far', '{"site": "south"}');
    insert into stream (device_id, channel) values (1, ''), (3, '');
    insert into metric (stream_id, position, name, unit, kind) values
        (1, 0, 'temperature', 'Cel', 'number'), (1, 1, 'energy_total', 'kWh', 'number'), (2, 0, 'temperature', 'Cel', 'number');
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
    select 1, at, at, gen_random_uuid(),
           array[case when at < '2026-11-28 23:00Z' then 10 when at >= '2026-11-29 23:00Z' then 5
                      when at >= '2026-11-29 12:00Z' and at < '2026-11-29 13:00Z' then 35 else 20 end,
                 extract(epoch from at - '2026-11-01Z') / 800]
    from generate_series(timestamptz '2026-11-27 22:00Z', '2026-11-30 05:00Z', interval '20 minutes') at;
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
    select 2, at, at, gen_random_uuid(), array[case when at < '2026-11-29 18:30Z' then 1 else 2 end]
    from generate_series(timestamptz '2026-11-28 18:30Z', '2026-11-29 20:00Z', interval '10 minutes') at;
    insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, cause, severity, labels, annotations, recorded_at) values
        ('Hot', 'h', 1, 0, 'firing', '2026-11-29 12:00Z', 'breach', 'critical', '{}', '{}', '2026-11-29 12:00Z'),
        ('Hot', 'h', 1, 0, 'resolved', '2026-11-29 13:00Z', 'clear', 'critical', '{}', '{}', '2026-11-29 13:00Z');
    insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at, last_at)
    values (gen_random_uuid(), '/sources/yard', '1', 't', 'transform', 'rejected', 'no', '{}', '2026-11-29 12:00Z', '2026-11-29 12:00Z');
    insert into job (name, schedule, zone, known_since) values ('report', '30 6 * * *', 'UTC', '2026-11-01Z');"#;

/// Prints what the mails of a folder consist of, a JSON array: subject, id, and of each part that has no parts the types around it, its own, its `Content-ID`,
/// and its content, which is Base64 of what is no text.
const PARSE: &str = "
import base64, email, email.policy, json, pathlib, sys
def parts(part, around):
    if part.is_multipart():
        for inner in part.iter_parts():
            yield from parts(inner, [*around, part.get_content_type()])
        return
    content = part.get_content()
    content = content if isinstance(content, str) else base64.b64encode(content).decode()
    yield {'around': around, 'type': part.get_content_type(), 'id': part['Content-ID'], 'content': content, 'defects': len(part.defects)}
files = sorted(pathlib.Path(sys.argv[1]).glob('*.eml'), key=lambda file: int(file.stem))
mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
print(json.dumps([{'id': mail['Message-ID'], 'parts': list(parts(mail, []))} for mail in mails]))
";

/// A mail as a mail program reads it.
#[derive(Debug, Deserialize)]
struct Parsed {
    id: String,
    parts: Vec<Part>,
}

/// A part of a mail.
#[derive(Debug, Deserialize)]
struct Part {
    around: Vec<String>,
    r#type: String,
    id: Option<String>,
    content: String,
    defects: usize,
}

struct Mails {
    folder: TempDir,
    python: PathBuf,
    port: u16,
    server: Child,
}

impl Drop for Mails {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Mails {
    /// `None` where aiosmtpd is not installed; under CI that fails.
    async fn start() -> Option<Self> {
        let Some(python) = python_with("aiosmtpd") else {
            report_skipped("the mails of reports", "Python's aiosmtpd was not found");
            return None;
        };
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let mut command = Command::new(&python);
        command
            .arg(MAIL_SERVER)
            .arg(port.to_string())
            .arg(folder.path())
            .arg("plain")
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn().unwrap();
        eventually(Duration::from_secs(20), || async { TcpStream::connect(("127.0.0.1", port)) }).await;
        Some(Self { folder, python, port, server })
    }

    fn taken(&self) -> Vec<String> {
        let mail =
            |number: usize| std::fs::read_to_string(self.folder.path().join(format!("{number}.eml"))).ok();
        (1..).map_while(mail).collect()
    }

    fn parsed(&self) -> Vec<Parsed> {
        let output = Command::new(&self.python).args(["-c", PARSE]).arg(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A server of S3 that keeps a bucket `reports` in a folder.
async fn s3(folder: &Path) -> u16 {
    std::fs::create_dir_all(folder.join("reports")).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    service.set_auth(SimpleAuth::from_single("s3cret", "s3cret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let connection = Builder::new(TokioExecutor::new());
                let _ = connection.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    port
}

/// What ended by 2 o'clock on the 30th.
async fn roll_up(place: &TestDatabase, pipeline: Pipeline) {
    let rows = "
        insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-01Z');
        insert into job_slot (job, slot) values ('cleanup', '2026-11-30 03:10Z')";
    place.connect().await.batch_execute(rows).await.unwrap();
    let clock = Clock::manual("2026-11-30T03:10:00Z".parse().unwrap());
    let database = Database::new(&DatabaseSettings::from_url(place.url()).unwrap());
    let runner = Runner { name: "cleanup", job: Cleanup::new(pipeline), database, clock };
    assert_eq!(runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done, 1);
}

struct World {
    _place: TestDatabase,
    objects: TempDir,
    mails: Mails,
    runner: Runner<ReportJob>,
    client: tokio_postgres::Client,
}

impl World {
    async fn start() -> Option<Self> {
        let place = testkit::postgres().await?;
        let mails = Mails::start().await?;
        store::migrate(&DatabaseSettings::from_url(place.url()).unwrap()).await.unwrap();
        let objects = TempDir::new().unwrap();
        let url = format!("http://127.0.0.1:{}", s3(objects.path()).await);
        std::fs::write(objects.path().join("key"), "s3cret\n").unwrap();
        let key = objects.path().join("key").to_str().unwrap().to_owned();
        let text =
            PIPELINE.replace("URL", &url).replace("KEY", &key).replace("PORT", &mails.port.to_string());
        let pipeline = Pipeline::parse(&text, "freshet.yaml").unwrap();
        let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), None));
        let clock = Clock::manual(SLOT.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(2));
        // As on a cluster.
        let role = place.as_role(ROLES, "freshet_report").await;
        let database = Database::new(&DatabaseSettings::from_url(role.url()).unwrap().pool_size(1));
        let client = place.connect().await;
        client.batch_execute(ROWS).await.unwrap();
        roll_up(&place, pipeline.clone()).await;
        let job = ReportJob::new(Config { pipeline, outgoing, roots: None }, clock.clone());
        let _ = rustls::crypto::ring::default_provider().install_default();
        Some(Self {
            _place: place,
            objects,
            mails,
            runner: Runner { name: NAME, job, database, clock },
            client,
        })
    }

    async fn slot(&self, at: &str) {
        let sql = "insert into job_slot (job, slot) values ('report', $1::text::timestamptz)";
        self.client.execute(sql, &[&at]).await.unwrap();
    }

    /// Works on the slot until it is done, or the time is up that mails are tried again for.
    async fn run(&self) {
        for _ in 0..20 {
            if self.runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done > 0 {
                return;
            }
            let failed =
                self.client.query("select error from job_slot where error is not null", &[]).await.unwrap();
            assert!(failed.is_empty(), "{:?}", failed[0].get::<_, String>(0));
            self.runner.clock.set(self.runner.clock.now() + SignedDuration::from_hours(3));
        }
        panic!("the slot is not done");
    }

    fn page(&self, key: &str) -> String {
        std::fs::read_to_string(self.objects.path().join("reports/plant").join(key)).unwrap()
    }

    async fn count(&self, of: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }
}

/// A mail whose text says what there is, and whose HTML shows it with pictures that are in the mail.
fn is_text_and_html_with_charts(mail: &Parsed) {
    let [text, html, charts @ ..] = &mail.parts[..] else { panic!("{mail:?}") };
    assert!(mail.parts.iter().all(|part| part.defects == 0), "{mail:?}");
    let [alternative, related] = ["multipart/alternative", "multipart/related"];
    assert_eq!((text.r#type.as_str(), &text.around[..]), ("text/plain", &[alternative.to_owned()][..]));
    assert_eq!(
        (html.r#type.as_str(), html.around.join(" ")),
        ("text/html", format!("{alternative} {related}"))
    );
    assert!(mail.id.ends_with("@example.com>"), "{}", mail.id);
    for part in [text, html] {
        for words in
            ["https://files.example.com/plant/north/2026-11-29/day.html", "Dach", "69,12", "Hot", "95"]
        {
            assert!(part.content.contains(words), "{words}: {}", part.content);
        }
    }
    assert!(
        html.content.contains("gone &#60;b&#62;") && !html.content.contains("<b>gone"),
        "{}",
        html.content
    );
    // Of temperatures and of the meter.
    assert_eq!(charts.len(), 2);
    let named: Vec<&str> =
        html.content.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let there: Vec<String> = charts
        .iter()
        .map(|chart| format!("cid:{}", chart.id.as_deref().unwrap().trim_matches(['<', '>'])))
        .collect();
    assert_eq!(named, there);
    for chart in charts {
        assert_eq!((chart.r#type.as_str(), chart.around.join(" ")), ("image/png", html.around.join(" ")));
        // The signature and the header of PNG in Base64, and the width of 1144 and the height of 352.
        assert!(chart.content.starts_with("iVBORw0KGgoAAAANSUhEUgAABHgAAAFg"), "{}", chart.content);
    }
}

#[tokio::test]
async fn each_site_has_a_report_on_its_day_in_its_zone_its_units_and_its_language() {
    let Some(world) = World::start().await else { return };
    world.slot(SLOT).await;
    world.run().await;
    let page = world.page("north/2026-11-29/day.html");
    // 66 readings at 20 degrees and 3 at 35 are 69 a day of 72; the mean of 20.625 degrees is 69.125 of Fahrenheit.
    for part in [
        "lang=\"de\"",
        "Dach",
        "69,12",
        "1 abgewiesene Nachricht ist offen",
        "gone &#60;b&#62;",
        "Hot",
        "<svg",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains("gone <b>"));
    // A day of India is from 18:30 to 18:30, in the midst of an hour.
    let page = world.page("south/2026-11-29/day.html");
    assert!(page.contains(">1<") && !page.contains(">2<"), "{page}");
    let mails = world.mails.taken();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].len() < 1 << 20, "{}", mails[0].len());
    is_text_and_html_with_charts(&world.mails.parsed()[0]);
    // What is refused for now is tried again, then given up.
    assert_eq!(
        world.count("report_mail where receiver = 'busy' and attempts = 9 and given_up_at is not null").await,
        1
    );
    let said = "report where text <> '' or num_nonnulls(html, image_ids, images, devices) > 0";
    assert_eq!(world.count(said).await, 0, "nothing is left of mails that were sent or given up");
    let made = world.client.query("select sha256, key from report order by site", &[]).await.unwrap();
    assert_eq!(made.len(), 2);
    for row in &made {
        let hash: Vec<u8> = Sha256::digest(world.page(row.get(1)).as_bytes()).to_vec();
        assert_eq!(row.get::<_, Vec<u8>>(0), hash);
    }
    // The same slot again makes the same bytes and sends nothing; the next one tells of the next day alone.
    let hashes =
        "select string_agg(sha256::text, ',' order by site) from report where first_day = '2026-11-29'";
    let before: String = world.client.query_one(hashes, &[]).await.unwrap().get(0);
    world.client.batch_execute("delete from job_slot where job = 'report'; create table kept as select * from report_mail; delete from report_mail; delete from report").await.unwrap();
    world.client.batch_execute("update device set last_seen_at = last_seen_at").await.unwrap();
    world.slot(SLOT).await;
    world.run().await;
    assert_eq!(world.client.query_one(hashes, &[]).await.unwrap().get::<_, String>(0), before);
    let ids = "kept k join report_mail m using (site, kind, first_day, receiver, message_id)";
    assert_eq!(world.count(ids).await, 2, "the same Message-ID");
    let undated = |mail: &str| {
        mail.lines().filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mails = world.mails.taken();
    assert_eq!(mails.len(), 2);
    assert_eq!(undated(&mails[0]), undated(&mails[1]), "the same bytes but for the date");
    // Its month is reported on once its days are rolled up.
    world.client.batch_execute("update rollup_progress set days_to = '2026-12-01Z'").await.unwrap();
    world.slot("2026-12-01 06:30Z").await;
    world.run().await;
    assert_eq!(world.count("report where kind = 'day'").await, 4);
    assert_eq!(world.count("report where kind = 'month' and first_day = '2026-11-01'").await, 2);
    assert_eq!(world.count("report_mail where receiver = 'office' and sent_at is not null").await, 3);
}

#[tokio::test]
async fn a_storage_that_fails_is_tried_again() {
    let Some(world) = World::start().await else { return };
    world.slot(SLOT).await;
    let bucket = world.objects.path().join("reports");
    std::fs::remove_dir_all(&bucket).unwrap();
    std::fs::write(&bucket, "").unwrap();
    world.runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap();
    let left = "select cursor #>> '{reports,0,attempts}' from job_slot where job = 'report'";
    let attempts: String = world.client.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(attempts, "1", "each of them was tried once");
    assert_eq!((world.count("report").await, world.mails.taken().len()), (0, 0));
    std::fs::remove_file(&bucket).unwrap();
    std::fs::create_dir_all(&bucket).unwrap();
    world.runner.clock.set(world.runner.clock.now() + SignedDuration::from_mins(2));
    world.run().await;
    assert_eq!(world.count("report").await, 2);
}

#[tokio::test]
async fn a_mail_that_has_no_html_goes_out_as_text() {
    let Some(world) = World::start().await else { return };
    let rows = "
        insert into report (site, kind, first_day, zone, key, sha256, bytes, subject, text, slot, made_at)
        values ('north', 'day', '2026-11-29', 'Europe/Berlin', 'k', '', 0, 'north: Sunday', 'Nothing was measured.', now(), now());
        insert into report_mail (site, kind, first_day, receiver, message_id)
        values ('north', 'day', '2026-11-29', 'office', gen_random_uuid());";
    world.client.batch_execute(rows).await.unwrap();
    world.slot(SLOT).await;
    world.run().await;
    let mails = world.mails.parsed();
    assert_eq!((mails.len(), mails[0].parts.len()), (1, 1), "{mails:?}");
    let part = &mails[0].parts[0];
    assert_eq!((part.r#type.as_str(), part.content.trim()), ("text/plain", "Nothing was measured."));
}
