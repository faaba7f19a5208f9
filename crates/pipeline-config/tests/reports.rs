//! `reports` and `jobs.report`: what they mean, and each mistake in them at its place.

use std::path::PathBuf;

use pipeline_config::reports::Storage;
use pipeline_config::{Findings, Pipeline, SecretRef};

const HEAD: &str = "sources:\n  a: {format: json, credentials: [{bearer: {env: T}}]}\n";
const S3: &str = "bucket: reports, access_key_id: {env: ID}, secret_access_key: {file: /run/key}";

fn parsed(rest: &str) -> Result<Pipeline, Findings> {
    Pipeline::parse(&format!("{HEAD}{rest}"), "f")
}

fn pipeline(rest: &str) -> Pipeline {
    parsed(rest).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn warnings(rest: &str) -> Vec<String> {
    pipeline(rest).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn pages_are_kept_in_a_folder_or_a_bucket() {
    let of = |rest: &str| pipeline(rest).reports.expect("there are reports");
    let folder = of("reports: {storage: {folder: pages}}\n");
    assert_eq!((folder.storage, folder.link), (Storage::Folder(PathBuf::from("pages")), None));
    let bucket = of(&format!(
        "reports: {{storage: {{s3: {{{S3}, prefix: /plant/a/}}}}, link: 'https://r.example.com/x/'}}\n"
    ));
    assert_eq!(bucket.link.as_deref(), Some("https://r.example.com/x/"));
    let Storage::S3(s3) = bucket.storage else { panic!("it is a bucket") };
    assert_eq!((s3.url, s3.region.as_str(), s3.prefix.as_str()), (None, "us-east-1", "plant/a/"));
    assert_eq!(s3.access_key_id, SecretRef::Env("ID".into()));
}

#[test]
fn there_is_a_job_where_there_are_reports() {
    let names = |rest: &str| pipeline(rest).jobs.all().map(|job| job.name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(""), ["cleanup"]);
    let reports = "reports: {storage: {folder: pages}}\n";
    assert_eq!(names(reports), ["cleanup", "report"]);
    let own = pipeline(&format!("{reports}jobs: {{report: {{at: '0 8 * * *', zone: Europe/Berlin}}}}\n"));
    let schedule = own.jobs.report.expect("there is a job");
    assert_eq!((schedule.pattern(), schedule.zone()), ("0 8 * * *", "Europe/Berlin"));
    let unused = warnings("jobs: {report: {}}\n");
    assert!(unused.iter().any(|warning| warning.contains("there are no `reports`")), "{unused:?}");
    assert_eq!(names("jobs: {report: {}}\n"), ["cleanup"]);
}

#[test]
fn reports_that_nobody_gets_are_warned_of() {
    let reports = "reports: {storage: {folder: pages}}\n";
    let none = warnings(reports);
    assert!(none.iter().any(|warning| warning.contains("there are no `sites`")), "{none:?}");
    let receivers = "receivers:\n  m: {smtp: {host: mail.example.com, from: a@example.com, to: b@example.com}}\n  n: {ntfy: {topic: t}}\n";
    let sites = "sites: {north: {recipients: [m]}, south: {recipients: [n]}, east: {}}\n";
    let said = warnings(&format!("{reports}{receivers}{sites}"));
    let of_sites: Vec<_> =
        said.iter().filter(|warning| warning.contains("has no recipient of e-mail")).collect();
    assert_eq!(of_sites.len(), 2, "{said:?}");
    assert!(of_sites.iter().all(|warning| !warning.contains("`north`")), "{said:?}");
}

#[test]
fn a_mistake_is_one_line_at_its_place() {
    for (rest, part) in [
        ("reports: {}\n", "storage"),
        ("reports: {storage: {}}\n", "folder"),
        ("reports: {storage: {folder: a, s3: {}}}\n", "one of"),
        ("reports: {storage: {folder: a}, link: reports.example.com}\n", "https://"),
        ("reports: {storage: {folder: a}, link: 'https://u:p@r.example.com'}\n", "https://"),
        (
            &format!("reports: {{storage: {{s3: {{{S3}, prefix: ../x}}}}}}\n"),
            "without `.` and `..` as a part",
        ),
        (
            "reports: {storage: {s3: {bucket: Up, access_key_id: {env: A}, secret_access_key: {env: B}}}}\n",
            "lower-case",
        ),
        ("reports: {storage: {s3: {bucket: abc, access_key_id: {env: A}}}}\n", "secret_access_key"),
        ("jobs: {report: {at: never}}\n", "cron"),
    ] {
        let found = parsed(rest).map_or_else(|found| found.mistakes, |_| Vec::new());
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{rest}: {found:#?}");
        assert!(found[0].starts_with("f:") && found[0].contains(part), "{rest}: {found:#?}");
    }
}
