//! The job: makes each report that is due, keeps it, and sends the mails that say so.
//!
//! ```text
//! plan ── a report a slice: gather, page, storage ──> report, report_mail ── a mail a slice ──> sent ── done
//!           └─ failed: behind the others, 1, 2, 4, ... minutes later           └─ failed: the same
//! ```
//!
//! What has effects outside is named by what it is of: a page that is made again takes the place of the one before, and a mail that is sent again, since
//! its process died before it could be noted, has the same `Message-ID`.

use std::collections::VecDeque;
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
use receivers::{AddressPolicy, Html, Mail, Outcome, Outgoing};
use runtime::{Clock, Env};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use site_report::{HtmlMail, Period, PeriodKind, Report};
use store::reports::{self as rows, MadeReport, MailHtml, OpenMail, Tried};
use store::{StoreError, Transaction, rollups};
use thiserror::Error;

use crate::storage::StorageError;
use crate::{gather, period, storage};

/// Attempts at a mail: about four hours.
const ATTEMPTS: i32 = 9;
/// Attempts at a report: a quarter of an hour.
const REPORT_ATTEMPTS: i32 = 5;
/// The wait after the first failure; it doubles.
const RETRY: SignedDuration = SignedDuration::from_mins(1);

/// What the environment says to `report`.
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// Where mails go.
    pub outgoing: Arc<Outgoing>,
    /// `SSL_CERT_FILE`: a PEM file of certificates that are trusted beside Mozilla's; none.
    pub roots: Option<PathBuf>,
}

impl Config {
    /// Reads it, and looks up every secret once, so that a missing one is found at the start; mistakes are noted in `env`, and then there is
    /// none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let roots = env.text("SSL_CERT_FILE").map(PathBuf::from);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), roots.clone()));
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
        env.mistakes().is_empty().then_some(Self { pipeline, outgoing, roots })
    }
}

/// The mail accounts that a site sends its reports to, each once.
fn mail_accounts(pipeline: &Pipeline) -> impl Iterator<Item = (&str, &receiver::Smtp)> {
    pipeline.receivers.iter().filter_map(|(name, receiver)| {
        let is_named = pipeline.sites.values().any(|site| site.recipients.contains(name));
        receiver.mail_account().filter(|_| is_named).map(|account| (name.as_str(), account))
    })
}

/// The mail accounts among the recipients of a site.
fn accounts_of<'p>(
    pipeline: &'p Pipeline,
    site: &'p Site,
) -> impl Iterator<Item = (&'p str, &'p receiver::Smtp)> {
    mail_accounts(pipeline).filter(|(name, _)| site.recipients.iter().any(|to| to == name))
}

/// Makes reports.
#[derive(Debug)]
pub struct ReportJob {
    pipeline: Pipeline,
    outgoing: Arc<Outgoing>,
    roots: Option<PathBuf>,
    clock: Clock,
}

/// How far a slot is.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// Those that are still to be made.
    reports: VecDeque<Planned>,
    /// Reports, and then mails, that were tried less often are tried.
    attempts: i32,
    #[serde(flatten)]
    result: SlotResult,
}

/// What a slot came to.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct SlotResult {
    /// Reports that were made.
    made: u32,
    /// Reports that are left for a later slot, since what they are made of is not rolled up.
    waiting: u32,
    /// Reports that failed as often as they may.
    failed: u32,
    /// Mails that were sent.
    sent: u32,
    /// Mails that were given up.
    given_up: u32,
}

/// A report that is to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Planned {
    site: String,
    zone: String,
    kind: String,
    first_day: Date,
    from: Timestamp,
    to: Timestamp,
    #[serde(default)]
    attempts: i32,
}

/// Why a report was not made.
#[derive(Debug, Error)]
enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What became of a report.
enum Outlook {
    Made,
    /// What it is made of is not rolled up yet.
    Waiting,
}

const fn kind_of(kind: PeriodKind) -> &'static str {
    match kind {
        PeriodKind::Day => "day",
        PeriodKind::Month => "month",
    }
}

impl ReportJob {
    /// One by this configuration.
    pub fn new(Config { pipeline, outgoing, roots }: Config, clock: Clock) -> Self {
        Self { pipeline, outgoing, roots, clock }
    }

    /// The zone of a site's periods: its own, else that of the first source, by name, that has devices there, else UTC.
    async fn zone_of(
        &self,
        transaction: &Transaction<'_>,
        name: &str,
        site: &Site,
    ) -> Result<TimeZone, StoreError> {
        let sources =
            if site.zone.is_none() { rows::sources_of(transaction, name).await? } else { Vec::new() };
        Ok(self.pipeline.zone_at(sources.first().map_or("", String::as_str), Some(site)))
    }

    /// Every report that is due in a slot and was not made.
    async fn plan(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
    ) -> Result<VecDeque<Planned>, StoreError> {
        let reported = rows::reported(transaction).await?;
        let mut planned = VecDeque::new();
        for (name, site) in &self.pipeline.sites {
            let of_site =
                reported.iter().find(|reported| reported.site == *name).cloned().unwrap_or_default();
            let zone = self.zone_of(transaction, name, site).await?;
            planned.extend(period::due(&zone, slot, &of_site).into_iter().map(|period| Planned {
                site: name.clone(),
                zone: zone.iana_name().unwrap_or("UTC").to_owned(),
                kind: kind_of(period.kind).to_owned(),
                first_day: period.first_day,
                from: period.from,
                to: period.to,
                attempts: 0,
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
    ) -> Result<Outlook, ReportError> {
        let Some(site) = self.pipeline.sites.get(&planned.site) else { return Ok(Outlook::Made) };
        let zone = TimeZone::get(&planned.zone).unwrap_or(TimeZone::UTC);
        let kind = if planned.kind == "month" { PeriodKind::Month } else { PeriodKind::Day };
        let Planned { first_day, from, to, .. } = *planned;
        let period = Period { kind, first_day, from, to, zone };
        if !gather::is_rolled_up(rollups::rolled_to_in(transaction).await?, &period) {
            return Ok(Outlook::Waiting);
        }
        let (report, devices) =
            gather::report(transaction, &self.pipeline, (&planned.site, site), period).await?;
        let page = site_report::page(&report);
        let key = format!("{}/{}/{}.html", planned.site, first_day, planned.kind);
        let link = reports.link.as_ref().map(|link| format!("{link}{}{key}", prefix(&reports.storage)));
        let accounts: Vec<_> = accounts_of(&self.pipeline, site).collect();
        let made = MadeReport {
            site: planned.site.clone(),
            kind: planned.kind.clone(),
            first_day,
            zone: planned.zone.clone(),
            sha256: Sha256::digest(page.as_bytes()).into(),
            bytes: page.len(),
            subject: site_report::subject(&report),
            text: site_report::text(&report, link.as_deref()),
            html: if accounts.is_empty() { None } else { html(report, link).await },
            devices,
            key,
        };
        storage::keep((&reports.storage, self.roots.as_deref()), &made.key, page).await?;
        let day = first_day.to_string();
        let id =
            |name| ids::derive("report", &[planned.site.as_str(), planned.kind.as_str(), day.as_str(), name]);
        let mails: Vec<_> = accounts.iter().map(|(name, _)| (*name, id(name))).collect();
        rows::record(transaction, &made, &mails, (slot, self.clock.now())).await?;
        Ok(Outlook::Made)
    }

    /// Makes one attempt at the next report. One that fails comes behind the others.
    async fn report(
        &self,
        transaction: &Transaction<'_>,
        (reports, cursor): (&Reports, &mut Cursor),
        slot: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(mut planned) = cursor.reports.pop_front() else { return Ok(()) };
        transaction.save().await?;
        let made = self.make(transaction, (reports, &planned), slot).await;
        let Planned { site, kind, first_day, .. } = &planned;
        match made {
            Ok(Outlook::Made) => cursor.result.made += 1,
            // `cleanup` may be at it.
            Ok(Outlook::Waiting) if planned.attempts + 1 < REPORT_ATTEMPTS => {
                planned.attempts += 1;
                cursor.reports.push_back(planned);
            }
            Ok(Outlook::Waiting) => {
                tracing::warn!(site, kind, %first_day, "what a report is made of is not rolled up; it is left to the next slot");
                cursor.result.waiting += 1;
            }
            Err(error) => {
                transaction.back().await?;
                let reason: &dyn std::error::Error = &error;
                if planned.attempts + 1 < REPORT_ATTEMPTS {
                    tracing::warn!(site, kind, %first_day, error = reason, "a report was not made; it is tried again");
                    planned.attempts += 1;
                    cursor.reports.push_back(planned);
                } else {
                    tracing::error!(site, kind, %first_day, error = reason, "a report was not made in this slot");
                    cursor.result.failed += 1;
                }
            }
        }
        Ok(())
    }

    /// Makes one attempt at a mail.
    async fn send(&self, mail: &OpenMail) -> Outcome {
        let site = self.pipeline.sites.get(&mail.site);
        let account =
            site.and_then(|site| accounts_of(&self.pipeline, site).find(|(name, _)| *name == mail.receiver));
        let Some((_, smtp)) = account else {
            return Outcome::no_use("the site has no such recipient any more");
        };
        let lookup = |name: &str| std::env::var(name).ok();
        match receivers::open_smtp(smtp, Arc::clone(&self.outgoing), &lookup) {
            Ok(smtp) => {
                let OpenMail { message_id, subject, text, html, .. } = mail;
                let html = html.as_ref().map(|MailHtml { html, images }| Html { html, images });
                smtp.send_mail(&Mail { id: *message_id, subject, text, html, now: self.clock.now() }).await
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
                cursor.result.sent += 1;
            }
            Outcome::Retry { reason, .. } if mail.attempts + 1 < ATTEMPTS => {
                tracing::warn!(receiver, site, reason, "a report was not sent; it is tried again");
                mail.tried(transaction, Tried::Failed(reason), now).await?;
            }
            Outcome::Retry { reason, .. } | Outcome::NoUse { reason } => {
                tracing::error!(receiver, site, reason, "a report was not sent, and is given up");
                mail.tried(transaction, Tried::GivenUp(reason), now).await?;
                cursor.result.given_up += 1;
            }
        }
        Ok(true)
    }
}

/// The HTML of a report's mails. Where it cannot be made they are sent as text.
async fn html(report: Report, link: Option<String>) -> Option<MailHtml> {
    // Pictures take as long as other tasks would have to wait.
    let made = tokio::task::spawn_blocking(move || site_report::html(&report, link.as_deref())).await;
    let error: Box<dyn std::error::Error> = match made {
        Ok(Ok(HtmlMail { html, images })) => {
            let images = images.into_iter().map(|image| (image.content_id, image.png)).collect();
            return Some(MailHtml { html, images });
        }
        Ok(Err(error)) => error.into(),
        Err(error) => error.into(),
    };
    tracing::error!(error = &*error, "the HTML of a report's mails was not made; they are sent as text");
    None
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
            return Ok(Progress::Done(serde_json::to_value(SlotResult::default())?));
        };
        let Some(cursor) = cursor else {
            let reports = self.plan(transaction, slot).await?;
            let cursor = Cursor { reports, attempts: 1, result: SlotResult::default() };
            return Ok(Progress::More(serde_json::to_value(cursor)?));
        };
        let mut cursor = Cursor::deserialize(cursor)?;
        let wait = RETRY * (1 << (cursor.attempts - 1).clamp(0, ATTEMPTS));
        match cursor.reports.front() {
            Some(planned) if planned.attempts < cursor.attempts => {
                self.report(transaction, (reports, &mut cursor), slot).await?;
                if cursor.reports.is_empty() {
                    cursor.attempts = 1;
                }
                return Ok(Progress::More(serde_json::to_value(cursor)?));
            }
            Some(_) => {
                cursor.attempts += 1;
                return Ok(Progress::Later(serde_json::to_value(cursor)?, wait));
            }
            None => {}
        }
        if self.mail(transaction, &mut cursor).await? {
            return Ok(Progress::More(serde_json::to_value(cursor)?));
        }
        if rows::next_mail(transaction, ATTEMPTS).await?.is_some() {
            cursor.attempts += 1;
            return Ok(Progress::Later(serde_json::to_value(cursor)?, wait));
        }
        match cursor.result.failed {
            0 => Ok(Progress::Done(serde_json::to_value(cursor.result)?)),
            failed => Err(SliceError::Outside(format!("{failed} reports were not made").into())),
        }
    }
}
