//! The job: makes each report that is due, keeps it, and sends the mails that say so.
//!
//! ```text
//! plan ── a report a slice: gather, page, storage ──> report, report_mail ── a mail a slice ──> sent ── done
//!                                                                              └─ failed: 1, 2, 4, ... minutes later
//! ```
//!
//! What has effects outside is named by what it is of: a page that is made again takes the place of the one before, and a mail that is sent again, since
//! its process died before it could be noted, has the same `Message-ID`.

use std::path::PathBuf;
use std::sync::Arc;

use event_model::ids;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use jobs::{Job, Progress, SliceError};
use pipeline_config::reports::{Reports, Storage};
use pipeline_config::site::Site;
use pipeline_config::{Pipeline, receiver};
use receivers::{AddressPolicy, Mail, Outcome, Outgoing};
use runtime::{Clock, Env};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use site_report::{Period, PeriodKind};
use store::reports::{self as rows, MadeReport, OpenMail, Tried};
use store::{StoreError, Transaction};

use crate::{gather, period, storage};

/// Attempts at a mail: about four hours.
const ATTEMPTS: i32 = 9;
/// The wait after the first failure; it doubles.
const RETRY: SignedDuration = SignedDuration::from_mins(1);

/// What the environment says to `report`.
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// `SSL_CERT_FILE`: a PEM file of certificates that are trusted beside Mozilla's; none.
    pub outgoing: Arc<Outgoing>,
}

impl Config {
    /// Reads it, and looks up every secret once, so that a missing one is found at the start; mistakes are noted in `env`, and then there is
    /// none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let roots = env.text("SSL_CERT_FILE").map(PathBuf::from);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), roots));
        let lookup = |name: &str| std::env::var(name).ok();
        for (name, smtp) in mail_accounts(&pipeline) {
            if let Err(error) = receivers::open_smtp(smtp, Arc::clone(&outgoing), &lookup) {
                env.mistake(format!("receiver {name}"), error.to_string());
            }
        }
        if let Some(Reports { storage: Storage::S3(s3), .. }) = &pipeline.reports {
            for secret in [&s3.access_key_id, &s3.secret_access_key] {
                if let Err(error) = secret.resolve(&lookup) {
                    env.mistake("reports", error.to_string());
                }
            }
        }
        env.mistakes().is_empty().then_some(Self { pipeline, outgoing })
    }
}

/// The mail accounts that a site sends its reports to, each once.
fn mail_accounts(pipeline: &Pipeline) -> impl Iterator<Item = (&str, &receiver::Smtp)> {
    pipeline.receivers.iter().filter_map(|(name, receiver)| {
        let is_named = pipeline.sites.values().any(|site| site.recipients.contains(name));
        receiver.mail_account().filter(|_| is_named).map(|account| (name.as_str(), account))
    })
}

/// Makes reports.
#[derive(Debug)]
pub struct ReportJob {
    pipeline: Pipeline,
    outgoing: Arc<Outgoing>,
    clock: Clock,
}

/// How far a slot is.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    reports: Vec<Planned>,
    /// The report that is next.
    next: usize,
    /// Mails that were tried less often are tried.
    attempts: i32,
    sent: u32,
    given_up: u32,
}

/// A report that is to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Planned {
    site: String,
    kind: String,
    first_day: Date,
    from: Timestamp,
    to: Timestamp,
}

const fn kind_of(kind: PeriodKind) -> &'static str {
    match kind {
        PeriodKind::Day => "day",
        PeriodKind::Month => "month",
    }
}

impl ReportJob {
    /// One by this configuration.
    pub fn new(Config { pipeline, outgoing }: Config, clock: Clock) -> Self {
        Self { pipeline, outgoing, clock }
    }

    /// The zone of a site's periods: its own, else that of the first source that has devices there, else UTC.
    fn zone_of(&self, name: &str, site: &Site) -> TimeZone {
        let is_there = |source: &&String| {
            let devices = self.pipeline.devices.get(*source);
            devices.is_some_and(|devices| devices.iter().any(|device| device.site.as_deref() == Some(name)))
        };
        let source = self.pipeline.sources.keys().find(is_there);
        self.pipeline.zone_at(source.map_or("", String::as_str), Some(site))
    }

    /// Every report that is due in a slot and was not made.
    async fn plan(&self, transaction: &Transaction<'_>, slot: Timestamp) -> Result<Vec<Planned>, StoreError> {
        let newest = rows::newest_days(transaction).await?;
        let mut planned = Vec::new();
        for (name, site) in &self.pipeline.sites {
            let newest = newest.iter().find(|(site, _)| site == name).map(|(_, day)| *day);
            let periods = period::due(&self.zone_of(name, site), slot, newest);
            planned.extend(periods.into_iter().map(|period| Planned {
                site: name.clone(),
                kind: kind_of(period.kind).to_owned(),
                first_day: period.first_day,
                from: period.from,
                to: period.to,
            }));
        }
        Ok(planned)
    }

    /// Makes a report and keeps its page.
    async fn make(
        &self,
        transaction: &Transaction<'_>,
        (reports, planned): (&Reports, &Planned),
        slot: Timestamp,
    ) -> Result<(), SliceError> {
        let Some(site) = self.pipeline.sites.get(&planned.site) else { return Ok(()) };
        let zone = self.zone_of(&planned.site, site);
        let kind = if planned.kind == "month" { PeriodKind::Month } else { PeriodKind::Day };
        let Planned { first_day, from, to, .. } = *planned;
        let period = Period { kind, first_day, from, to, zone: zone.clone() };
        let report = gather::report(transaction, &self.pipeline, (&planned.site, site), period).await?;
        let page = site_report::page(&report);
        let key = format!("{}/{}/{}.html", planned.site, first_day, planned.kind);
        let link = reports.link.as_ref().map(|link| format!("{link}{}{key}", prefix(&reports.storage)));
        let made = MadeReport {
            site: planned.site.clone(),
            kind: planned.kind.clone(),
            first_day,
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            sha256: Sha256::digest(page.as_bytes()).into(),
            bytes: page.len(),
            subject: site_report::subject(&report),
            text: site_report::text(&report, link.as_deref()),
            key,
        };
        storage::keep(&reports.storage, &made.key, page)
            .await
            .map_err(|error| SliceError::Outside(Box::new(error)))?;
        let accounts =
            mail_accounts(&self.pipeline).filter(|(name, _)| site.recipients.iter().any(|to| to == name));
        let day = first_day.to_string();
        let id =
            |name| ids::derive("report", &[planned.site.as_str(), planned.kind.as_str(), day.as_str(), name]);
        let mails: Vec<_> = accounts.map(|(name, _)| (name, id(name))).collect();
        rows::record(transaction, &made, &mails, (slot, self.clock.now())).await?;
        Ok(())
    }

    /// Makes one attempt at a mail.
    async fn send(&self, mail: &OpenMail) -> Outcome {
        let account = mail_accounts(&self.pipeline).find(|(name, _)| *name == mail.receiver);
        let Some((_, smtp)) = account else {
            return Outcome::no_use("the pipeline has no such recipient any more");
        };
        let lookup = |name: &str| std::env::var(name).ok();
        match receivers::open_smtp(smtp, Arc::clone(&self.outgoing), &lookup) {
            Ok(smtp) => {
                let OpenMail { message_id, subject, text, .. } = mail;
                smtp.send_mail(&Mail { id: *message_id, subject, text, now: self.clock.now() }).await
            }
            Err(error) => Outcome::retry(error.to_string()),
        }
    }

    /// Makes one attempt at the next mail; whether there was one.
    async fn mail(&self, transaction: &Transaction<'_>, cursor: &mut Cursor) -> Result<bool, StoreError> {
        let Some(mail) = rows::next_mail(transaction, cursor.attempts).await? else { return Ok(false) };
        let outcome = self.send(&mail).await;
        let now = self.clock.now();
        let (receiver, site) = (&mail.receiver, &mail.site);
        match &outcome {
            Outcome::Delivered => {
                mail.tried(transaction, Tried::Sent, now).await?;
                cursor.sent += 1;
            }
            Outcome::Retry { reason, .. } if mail.attempts + 1 < ATTEMPTS => {
                tracing::warn!(receiver, site, reason, "a report was not sent; it is tried again");
                mail.tried(transaction, Tried::Failed(reason), now).await?;
            }
            Outcome::Retry { reason, .. } | Outcome::NoUse { reason } => {
                tracing::error!(receiver, site, reason, "a report was not sent, and is given up");
                mail.tried(transaction, Tried::GivenUp(reason), now).await?;
                cursor.given_up += 1;
            }
        }
        Ok(true)
    }
}

/// What the names of all objects begin with.
fn prefix(storage: &Storage) -> &str {
    match storage {
        Storage::Folder(_) => "",
        Storage::S3(s3) => &s3.prefix,
    }
}

impl Job for ReportJob {
    async fn slice(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
        cursor: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        let Some(reports) = &self.pipeline.reports else {
            return Ok(Progress::Done(json!({"reports": 0, "sent": 0, "given_up": 0})));
        };
        let mut cursor = match cursor {
            Some(cursor) => Cursor::deserialize(cursor)?,
            None => {
                let planned = self.plan(transaction, slot).await?;
                let cursor = Cursor { reports: planned, next: 0, attempts: 1, sent: 0, given_up: 0 };
                return Ok(Progress::More(serde_json::to_value(cursor)?));
            }
        };
        if let Some(planned) = cursor.reports.get(cursor.next) {
            self.make(transaction, (reports, planned), slot).await?;
            cursor.next += 1;
            return Ok(Progress::More(serde_json::to_value(cursor)?));
        }
        if self.mail(transaction, &mut cursor).await? {
            return Ok(Progress::More(serde_json::to_value(cursor)?));
        }
        if rows::next_mail(transaction, ATTEMPTS).await?.is_some() {
            let wait = RETRY * (1 << (cursor.attempts - 1).clamp(0, ATTEMPTS));
            cursor.attempts += 1;
            return Ok(Progress::Later(serde_json::to_value(cursor)?, wait));
        }
        let Cursor { reports, sent, given_up, .. } = cursor;
        Ok(Progress::Done(json!({"reports": reports.len(), "sent": sent, "given_up": given_up})))
    }
}
