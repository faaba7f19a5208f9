//! A pipeline: all of its files, checked.

use std::collections::{BTreeMap, BTreeSet};

use decoders::{Decoder, names};
use event_model::reading::ValueKind;
use event_model::{Aggregate, Severity};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use retention::Retention;
use rules::Rule;
use settings::{ByName, Choice, DurationWithin, Fields, List, Mistake, Named, Object, Place, Shape};

use crate::canary::{self, Canary};
use crate::device::{self, DeviceEntry, Devices};
use crate::jobs::{self, Jobs};
use crate::network::{self, Network};
use crate::receiver::{self, Receiver};
use crate::reference;
use crate::reports::{self, Reports};
use crate::rollup::{self, MetricEntry, Rollups};
use crate::route::{self, AlertFacts, Route, RouteSelector};
use crate::rule;
use crate::site::{self, Site};
use crate::source::{self, Source, Unknown};
use crate::topic::SourceTopics;

/// The lateness window where no file names one: 15 minutes.
pub const DEFAULT_LATENESS: SignedDuration = SignedDuration::from_mins(15);
/// The time between two ticks where no file names one: 5 minutes.
pub const DEFAULT_TICK: SignedDuration = SignedDuration::from_mins(5);
/// How old the end of an alert may be for its notification where no file says it: a day.
pub const DEFAULT_NOTIFY_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// The maps whose entries may stand in several files, and of how many levels: the devices of one source may, too.
pub(crate) const SECTIONS: [(&str, usize); 6] =
    [("sources", 1), ("sites", 1), ("devices", 2), ("names", 1), ("rules", 1), ("receivers", 1)];

/// A checked pipeline: names that it uses exist, thresholds are in canonical units.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The sources by name.
    pub sources: BTreeMap<String, Source>,
    /// The sites by name.
    pub sites: BTreeMap<String, Site>,
    /// The devices that the files name, by source.
    pub devices: BTreeMap<String, Devices>,
    /// How readings are summed up.
    pub rollups: Rollups,
    /// What the files say of metrics, by the names under which they are stored.
    pub names: BTreeMap<String, MetricEntry>,
    /// The rules, by name in the order of the alphabet.
    pub rules: Vec<Rule>,
    /// The receivers by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// The routes, in the order of the file. Where there are none: one, to every receiver that is no fallback.
    pub routes: Vec<Route>,
    /// Receivers for what no route takes and for what other receivers do not deliver.
    pub fallback: Vec<String>,
    /// After how long without success the fallback is notified too.
    pub fallback_after: FallbackAfter,
    /// Nobody is notified any more of an alert that ended longer ago than this.
    pub notify_within: SignedDuration,
    /// Which private addresses notifications may go to.
    pub network: Network,
    /// How late, by its own series' time, a reading may be and still change alerts.
    pub lateness: SignedDuration,
    /// The time between two ticks.
    pub tick: SignedDuration,
    /// Whether `readings.recorded` is published.
    pub emit: Emit,
    /// How long things are kept.
    pub retention: Retention,
    /// Reports of sites on their days and months; `None`: there are none.
    pub reports: Option<Reports>,
    /// The device of its own; `None`: it has none.
    pub canary: Option<Canary>,
    /// Timed work.
    pub jobs: Jobs,
    /// SHA-256, in hex, of what the files say together: comments, order of keys, spacing and which file says what do
    /// not change it.
    pub hash: String,
    /// The names of the files, for people.
    pub files: Vec<String>,
    /// What will hurt, though it is no mistake.
    pub warnings: Vec<Mistake>,
    /// What hurts where the Broker keeps nothing over a restart.
    pub advice: Vec<Mistake>,
}

/// How long a notification is tried before the receivers of `fallback` get it too, by the alert's severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallbackAfter {
    /// Of a critical alert; 10 minutes.
    pub critical: SignedDuration,
    /// Of a warning; an hour.
    pub warning: SignedDuration,
    /// Of what is worth knowing; an hour.
    pub info: SignedDuration,
}

impl Default for FallbackAfter {
    fn default() -> Self {
        let hour = SignedDuration::from_hours(1);
        Self { critical: SignedDuration::from_mins(10), warning: hour, info: hour }
    }
}

impl FallbackAfter {
    /// The time for an alert of this severity.
    pub const fn of(self, severity: Severity) -> SignedDuration {
        match severity {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}

/// Whether stages publish what they stored, for programs of third parties; no stage of ours needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Emit {
    /// For every payload that stored a reading.
    Always,
    /// Not at all.
    #[default]
    Never,
}

impl Pipeline {
    /// The first eight bytes of the hash, in hex, as events name the pipeline.
    pub fn short_hash(&self) -> &str {
        self.hash.get(..16).unwrap_or_default()
    }

    /// The first eight bytes of the hash, as receipts name the pipeline.
    pub fn hash_number(&self) -> i64 {
        u64::from_str_radix(self.short_hash(), 16).unwrap_or_default().cast_signed()
    }

    /// What the files say of a device, whose name is compared as rules do.
    pub fn device(&self, source: &str, device: &str) -> Option<&DeviceEntry> {
        self.devices.get(source)?.get(device)
    }

    /// The site that the files give a device.
    pub fn site_of(&self, source: &str, device: &str) -> Option<&Site> {
        self.sites.get(self.device(source, device)?.site.as_deref()?)
    }

    /// The time zone of a device's days: its site's, which the files give it, else `placed`, what was said by hand; else its source's, else UTC.
    pub fn zone_of(&self, source: &str, device: &str, placed: Option<&str>) -> TimeZone {
        let site = self.site_of(source, device).or_else(|| self.sites.get(placed?));
        self.zone_at(source, site)
    }

    /// The tags of a device: those of its source, and its own, which win.
    pub fn tags_of(&self, source: &str, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut tags = self.sources.get(source).map(|source| source.tags.clone()).unwrap_or_default();
        tags.extend(own.clone());
        tags
    }

    /// The time zone of the days of a device of this source that is at `site`: the site's, else the source's, else UTC.
    pub fn zone_at(&self, source: &str, site: Option<&Site>) -> TimeZone {
        let of_source = || {
            let name = self.sources.get(source)?.profile.time_zone.as_deref()?;
            TimeZone::get(name).ok()
        };
        site.and_then(|site| site.zone.clone()).or_else(of_source).unwrap_or(TimeZone::UTC)
    }

    /// How the values of a metric are aggregated: as the files say, else as is usual for it, else their mean, and of flags the share
    /// of time.
    pub fn aggregate_of(&self, metric: &str, kind: ValueKind) -> Aggregate {
        let of_files = self.names.get(metric).and_then(|entry| entry.aggregate);
        of_files.unwrap_or_else(|| names::aggregate_of(metric).of_kind(kind))
    }

    /// How far apart two values of a metric may be at most without a gap between them.
    pub fn gap_of(&self, metric: &str) -> SignedDuration {
        self.names.get(metric).and_then(|entry| entry.gap).unwrap_or(self.rollups.gap)
    }

    /// A place of the files in words: `freshet.yaml:41`.
    pub fn line_of(&self, place: Place) -> String {
        format!("{}:{}", self.files.get(place.file).map_or("", String::as_str), place.line)
    }

    /// The sources that hold payloads of devices that are not known.
    pub fn sources_that_hold(&self) -> impl Iterator<Item = &str> {
        self.sources
            .iter()
            .filter(|(_, source)| source.unknown == Unknown::Hold)
            .map(|(name, _)| name.as_str())
    }

    /// The sources that read topics of others.
    pub fn sources_with_topics(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter(|(_, source)| source.kafka.is_some()).map(|(name, _)| name.as_str())
    }

    /// The topics of others that sources name, each with its source.
    pub fn topics_of_sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().flat_map(|(name, source)| {
            let topics = source.kafka.iter().flat_map(SourceTopics::names);
            topics.map(move |topic| (name.as_str(), topic))
        })
    }

    /// The receivers of what `receiver` does not deliver.
    pub fn fallback_of(&self, receiver: &str) -> Vec<String> {
        let others = self.fallback.iter().filter(|name| *name != receiver && receiver != canary::NAME);
        others.cloned().collect()
    }

    /// The receivers of an alert, each once: those of every route that takes it, else the fallback; of the canary only its own.
    pub fn receivers_for(&self, alert: AlertFacts<'_>) -> Vec<&str> {
        if alert.source == canary::NAME {
            return vec![canary::NAME];
        }
        let mut names: Vec<&str> = Vec::new();
        for name in self.routes.iter().filter(|route| route.takes(alert)).flat_map(|route| &route.to) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        if names.is_empty() { self.fallback.iter().map(String::as_str).collect() } else { names }
    }
}

/// All files together.
pub(crate) fn shape() -> impl Shape<Value = Pipeline> {
    Object::new(
        "Pipeline",
        "A pipeline: where readings come from, when they are an alert, and which receivers are notified.",
        |fields| Some(read(fields)),
    )
}

fn read(fields: &Fields<'_>) -> Pipeline {
    let network =
        fields.optional("network", "Private addresses that notifications may go to.", network::shape());
    let network = network.unwrap_or_default();
    let mut sources = sources(fields);
    let sites = fields.optional(
        "sites",
        "Places where devices are, by name.",
        ByName("site", site::shape(&fields.names_in("receivers"))),
    );
    let sites = sites.unwrap_or_default();
    let devices = devices(fields, &mut sources);
    let own_metrics = sources.iter().flat_map(|source| source.value.own_metrics()).collect();
    let names = rollup::names(fields, &own_metrics);
    let rules = rules(fields, &own_metrics);
    let receivers = fields
        .optional(
            "receivers",
            "Where notifications go, by name.",
            ByName("receiver", receiver::shape(&network)),
        )
        .unwrap_or_default();
    canary::refuse_its_names(&receivers, fields.report);
    let (routes, fallback) = routes(fields, &receivers);
    warn_of_silence(fields, &receivers, &routes, &fallback);
    if !rules.is_empty() && routes.is_empty() && fallback.is_empty() {
        fields.report.warn(
            fields.place_of("rules"),
            "there are rules but no receiver: alerts are recorded, and no notification is sent",
        );
    }
    let reports = reports::reports(fields);
    if reports.is_some() {
        site::warn_of_recipients(fields, &sites, &receivers);
    }
    let canary = canary::canary(fields, &network);
    // From a second, so that tests and demos can be quick.
    let window = DurationWithin(SignedDuration::from_secs(1), SignedDuration::from_hours(24));
    let pipeline = Pipeline {
        sources: by_name(sources),
        sites: by_name(sites),
        devices,
        rollups: rollup::rollups(fields),
        names,
        rules,
        receivers: by_name(receivers),
        routes,
        fallback,
        fallback_after: fields
            .optional(
                "fallback_after",
                "How long a notification is tried before the fallback is notified too, by severity.",
                Object::new("FallbackAfter", "Times by severity.", |fields| Some(fallback_after(fields))),
            )
            .unwrap_or_default(),
        notify_within: fields.or(
            "notify_within",
            "Nobody is notified any more of an alert that ended longer ago than this.",
            DurationWithin(SignedDuration::from_mins(1), SignedDuration::from_hours(366 * 24)),
            DEFAULT_NOTIFY_WITHIN,
        ),
        network,
        lateness: fields.or(
            "lateness",
            "How late, by its own series' time, a reading may be and still change alerts.",
            window,
            DEFAULT_LATENESS,
        ),
        tick: fields.or(
            "tick",
            "The time between two ticks, which decide on silence and on `for`.",
            window,
            DEFAULT_TICK,
        ),
        emit: fields.or(
            "emit",
            "Whether `readings.recorded` is published for third parties.",
            Choice(&[("always", Emit::Always), ("never", Emit::Never)]),
            Emit::default(),
        ),
        retention: jobs::retention(fields),
        jobs: jobs::jobs(
            fields,
            reports.is_some(),
            canary.as_ref().is_some_and(|canary| canary.url.is_some()),
        ),
        reports,
        canary,
        hash: String::new(),
        files: Vec::new(),
        warnings: Vec::new(),
        advice: Vec::new(),
    };
    with_canary(pipeline)
}

/// The pipeline with what belongs to its canary.
fn with_canary(mut pipeline: Pipeline) -> Pipeline {
    if let Some(canary) = &pipeline.canary {
        pipeline.sources.insert(canary::NAME.to_owned(), canary.source());
        pipeline.rules.push(canary::rule());
        pipeline.rules.sort_by(|a, b| a.name.cmp(&b.name));
        pipeline.receivers.insert(canary::NAME.to_owned(), Receiver::Row);
    }
    pipeline
}

fn fallback_after(fields: &Fields<'_>) -> FallbackAfter {
    let times = DurationWithin(SignedDuration::from_secs(1), SignedDuration::from_hours(24));
    let default = FallbackAfter::default();
    FallbackAfter {
        critical: fields.or("critical", "Of a critical alert.", times, default.critical),
        warning: fields.or("warning", "Of a warning.", times, default.warning),
        info: fields.or("info", "Of what is worth knowing.", times, default.info),
    }
}

/// `sources`. The JSON Schema does not require it: a file among several may have none.
fn sources(fields: &Fields<'_>) -> Vec<Named<Source>> {
    let mut sources = fields
        .optional(
            "sources",
            "Where payloads come from, by name; the name is the last part of the address `/hooks/{name}`.",
            ByName("source", source::shape()),
        )
        .unwrap_or_default();
    if !fields.has("sources") && !fields.has("canary") {
        fields.report.mistake(fields.place, "`sources` is missing");
    }
    for source in &mut sources {
        source.value.profile.source.clone_from(&source.name);
    }
    source::check(&sources, fields.report);
    canary::refuse_its_names(&sources, fields.report);
    sources
}

/// `devices`. Each source takes what is needed of its own.
fn devices(fields: &Fields<'_>, sources: &mut [Named<Source>]) -> BTreeMap<String, Devices> {
    let (names, sites) = (fields.names_in("sources"), fields.names_in("sites"));
    let own_metrics = |name: &str| {
        let source = sources.iter().find(|source| source.name == name);
        source.map(|source| source.value.own_metrics()).into_iter().flatten().collect::<BTreeSet<_>>()
    };
    let devices = fields.optional(
        "devices",
        "What is known of devices beside their payloads, by source and by the platform's name of the device.",
        device::shape(&names, &sites, own_metrics),
    );
    let devices = devices.unwrap_or_default();
    for source in sources {
        let own = devices.get(&source.name).filter(|own| own.have_metrics());
        if decoders::by_name(&source.value.format).is_some_and(Decoder::writes_calibrated) {
            let is_calibrated =
                |device: &&DeviceEntry| device.metrics.iter().any(|metric| !metric.calibrations.is_empty());
            for device in own.into_iter().flat_map(Devices::iter).filter(is_calibrated) {
                let text = format!(
                    "`{}` is calibrated where its readings come from: the format `{}` takes them as they stand",
                    device.device, source.value.format
                );
                fields.report.mistake(device.place, text);
            }
        }
        source.value.calibrated = own.cloned();
    }
    devices
}

fn rules(fields: &Fields<'_>, own_metrics: &BTreeSet<String>) -> Vec<Rule> {
    let names = fields.names_in("sources");
    let rules = fields.optional(
        "rules",
        "When readings are an alert, by name; the name is Prometheus' `alertname`.",
        ByName("rule", rule::shape(&names, own_metrics)),
    );
    let rules = rules.unwrap_or_default();
    canary::refuse_its_names(&rules, fields.report);
    let mut rules: Vec<_> = rules.into_iter().map(|rule| Rule { name: rule.name, ..rule.value }).collect();
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    rules
}

/// `routes` and `fallback`. Without `routes` every alert goes to every receiver that is no fallback.
fn routes(fields: &Fields<'_>, receivers: &[Named<Receiver>]) -> (Vec<Route>, Vec<String>) {
    let declared = ["sources", "rules", "receivers"].map(|section| fields.names_in(section));
    let [sources, rules, names] = &declared;
    let fallback = fields
        .optional(
            "fallback",
            "Receivers for what no route takes and for what other receivers do not deliver.",
            reference::receivers(names),
        )
        .unwrap_or_default();
    let routes = fields.optional(
        "routes",
        "Which alerts go to which receivers. Without it every alert goes to every receiver that is no fallback.",
        List(route::shape(sources, rules, names)),
    );
    let routes = routes.unwrap_or_else(|| {
        let named = receivers.iter().map(|receiver| receiver.name.clone());
        let mut to: Vec<_> = named.filter(|name| !fallback.contains(name)).collect();
        to.sort();
        if to.is_empty() { Vec::new() } else { vec![Route { select: RouteSelector::default(), to }] }
    });
    (routes, fallback)
}

/// Warns of receivers that nothing uses.
fn warn_of_silence(
    fields: &Fields<'_>,
    receivers: &[Named<Receiver>],
    routes: &[Route],
    fallback: &[String],
) {
    for Named { name, place, .. } in receivers {
        if !fallback.contains(name) && !routes.iter().any(|route| route.to.contains(name)) {
            fields.report.warn(*place, format!("receiver `{name}` is used by no route"));
        }
    }
}

fn by_name<T>(list: Vec<Named<T>>) -> BTreeMap<String, T> {
    list.into_iter().map(|Named { name, value, .. }| (name, value)).collect()
}
