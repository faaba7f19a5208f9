//! The burst, planned: some three hundred devices of seven platforms over ten minutes, with the faults that real fleets have.

use event_model::RecordedRequest;
use jiff::Timestamp;

use super::moments::Moments;
use super::platforms::{self, Expected, Payload};

/// What must become of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// Its readings are stored.
    Stored(Vec<Expected>),
    /// Its good readings are stored, the rest is a dead letter with its reason.
    Partial(Vec<Expected>),
    /// It is accepted and holds no reading.
    NoReadings,
    /// It is accepted, and nothing of it makes sense: a dead letter.
    DeadLetter,
    /// It is accepted and was stored before, as its platform's message id says: nothing is written.
    Again,
    /// It is accepted and was stored before, though nothing says so: it gets a receipt, and its readings change nothing.
    AgainAsNew,
    /// `ingest` refuses it with this status.
    Refused(u16),
}

/// One request of the burst.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What is sent, without its credential.
    pub request: RecordedRequest,
    /// Whether it carries its source's credential, or a wrong one.
    pub authentic: bool,
    /// What must become of it.
    pub fate: Fate,
}

/// A transition that must be in force afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedTransition {
    /// The rule.
    pub rule: &'static str,
    /// The device.
    pub device: String,
    /// `firing` or `resolved`.
    pub kind: &'static str,
    /// When, where readings alone decide it.
    pub at: Option<Timestamp>,
}

/// The whole burst.
#[derive(Debug)]
pub struct Fleet {
    /// In the order of sending.
    pub requests: Vec<Planned>,
    /// What the rules must say of it.
    pub transitions: Vec<ExpectedTransition>,
    /// How many devices measure.
    pub devices: usize,
}

const SOIL_SENSORS: usize = 120;
const TREES: usize = 80;
const STATIONS: usize = 10;
const RACKS: usize = 40;
const PLUGS: usize = 20;
const FRIDGES: usize = 20;
/// The soil sensor whose field dries out and stays dry.
const DRY_FIELD: usize = 3;
/// The cold store whose door stood open.
const WARM_FRIDGE: usize = 7;

impl Fleet {
    /// Plans the burst at `moments`.
    pub fn plan(moments: Moments) -> Self {
        let mut requests = Vec::new();
        for minute in [0, 3, 6, 9] {
            requests.extend(round(minute, moments.at(minute)).into_iter().map(stored));
        }
        hold_back_the_late(&mut requests);
        repeat_some(&mut requests);
        requests.extend(mishaps(moments));
        Self {
            requests,
            transitions: transitions(moments),
            devices: SOIL_SENSORS + TREES + STATIONS + RACKS + PLUGS + FRIDGES + 1,
        }
    }
}

/// Every device once.
fn round(minute: i64, at: Timestamp) -> Vec<Payload> {
    let drift = minute as f64 / 10.0;
    let mut payloads = Vec::new();
    for soil in 0..SOIL_SENSORS {
        let moisture = if soil == DRY_FIELD { dry_field(minute) } else { 30.0 + soil as f64 / 10.0 - drift };
        payloads.push(platforms::things_stack(soil, at, moisture, 14.5 + drift));
        if let Some(tree) = (soil < TREES).then_some(soil) {
            payloads.push(platforms::chirpstack(tree, at, 12.0 + tree as f64 / 8.0 + drift, 60.5));
        }
        if let Some(fridge) = (soil < FRIDGES).then_some(soil) {
            let celsius = if fridge == WARM_FRIDGE { warm_fridge(minute) } else { 3.5 + drift };
            payloads.push(platforms::cold_store(fridge, at, celsius));
        }
        if let Some(plug) = (soil < PLUGS).then_some(soil) {
            payloads.push(platforms::tasmota(plug, at, 40.0 + plug as f64));
        }
        if let Some(station) = (soil < STATIONS).then_some(soil) {
            payloads.push(platforms::ecowitt(station, at, 59.5 + drift, 70));
        }
    }
    for first in (0..RACKS).step_by(10) {
        payloads.push(platforms::line_protocol(first..first + 10, at, |rack| 24.0 + rack as f64 / 4.0));
    }
    payloads.push(platforms::senml(0, at, 9.25 + drift));
    payloads
}

fn dry_field(minute: i64) -> f64 {
    [20.0, 12.0, 11.0, 10.0][usize::try_from(minute / 3).unwrap_or_default().min(3)]
}

fn warm_fridge(minute: i64) -> f64 {
    [4.0, 9.0, 10.0, 5.0][usize::try_from(minute / 3).unwrap_or_default().min(3)]
}

fn transitions(moments: Moments) -> Vec<ExpectedTransition> {
    let transition = |rule, device: String, kind, at| ExpectedTransition { rule, device, kind, at };
    let fridge = format!("fridge-{WARM_FRIDGE:02}");
    vec![
        transition("ColdStoreTooWarm", fridge.clone(), "firing", Some(moments.at(3))),
        transition("ColdStoreTooWarm", fridge, "resolved", Some(moments.at(9))),
        // in breach since minute 3, for five minutes
        transition("SoilTooDry", format!("70b3d57ed000{DRY_FIELD:04x}"), "firing", Some(moments.at(8))),
        transition("BuoySilent", "urn:dev:ow:10e2073a01080000".to_owned(), "firing", None),
    ]
}

fn stored((request, readings): Payload) -> Planned {
    Planned { request, authentic: true, fate: Fate::Stored(readings) }
}

/// Some networks are slow: every 17th request comes at the end.
fn hold_back_the_late(requests: &mut Vec<Planned>) {
    let (late, on_time): (Vec<_>, Vec<_>) =
        std::mem::take(requests).into_iter().enumerate().partition(|(number, _)| number % 17 == 16);
    requests.extend(on_time.into_iter().chain(late).map(|(_, planned)| planned));
}

/// Some senders never saw their answer: every 11th request comes once more, byte for byte.
fn repeat_some(requests: &mut Vec<Planned>) {
    let again: Vec<_> = requests
        .iter()
        .step_by(11)
        .map(|planned| {
            let has_id = platforms::WITH_MESSAGE_ID.iter().any(|path| planned.request.path == *path);
            let fate = if has_id { Fate::Again } else { Fate::AgainAsNew };
            Planned { fate, ..planned.clone() }
        })
        .collect();
    requests.extend(again);
}

/// What a real fleet sends beside readings.
fn mishaps(moments: Moments) -> Vec<Planned> {
    let at = moments.at(10);
    let planned = |request, fate| Planned { request, authentic: true, fate };
    let changed = |(mut request, readings): Payload, from: &str, to: &str| {
        request.body = String::from_utf8_lossy(&request.body).replacen(from, to, 1).into();
        (request, readings)
    };
    let mut all = Vec::new();
    for device in 200..205 {
        all.push(planned(platforms::things_stack_join(device, at).0, Fate::NoReadings));
    }
    // a truncated body, a wrong key, a source that is not declared, a wrong content type
    let (mut broken, _) = platforms::chirpstack(0, at, 1.0, 1.0);
    broken.body.truncate(broken.body.len() / 2);
    all.push(planned(broken, Fate::Refused(400)));
    all.push(Planned { authentic: false, ..planned(platforms::senml(0, at, 1.0).0, Fate::Refused(401)) });
    let (mut unknown, _) = platforms::senml(0, at, 1.0);
    "/hooks/sea".clone_into(&mut unknown.path);
    all.push(planned(unknown, Fate::Refused(404)));
    let (mut mistyped, _) = platforms::senml(0, at, 1.0);
    mistyped.headers = vec![("content-type".to_owned(), "image/png".to_owned())];
    all.push(planned(mistyped, Fate::Refused(415)));
    // one line of ten is broken; the nine others are stored
    let (lines, mut readings) =
        changed(platforms::line_protocol(0..10, at, |_| 25.0), "temperature=25", "temperature=");
    readings.remove(0);
    all.push(planned(lines, Fate::Partial(readings)));
    // a temperature that is no number; the door's state is stored
    let (mut warm, mut readings) = platforms::cold_store(1, at, 4.0);
    warm.body = format!(
        r#"{{"fridge":{{"id":"fridge-01"}},"at":{},"temp_f":{{"raw":1}},"door":{{"open":false}}}}"#,
        at.as_millisecond()
    )
    .into();
    readings.remove(0);
    all.push(planned(warm, Fate::Partial(readings)));
    // a temperature that is no number, and nothing else
    let (mut nonsense, _) = platforms::cold_store(2, at, 4.0);
    nonsense.body =
        format!(r#"{{"fridge":{{"id":"fridge-02"}},"at":{},"temp_f":[[]]}}"#, at.as_millisecond()).into();
    all.push(planned(nonsense, Fate::DeadLetter));
    all
}

#[cfg(test)]
mod tests {
    use super::{Fate, Fleet, Moments};

    #[test]
    fn the_burst_has_every_kind_of_fate() {
        let fleet = Fleet::plan(Moments::ending_before("2026-03-01T12:00:00Z".parse().unwrap()));
        let has = |wanted: fn(&Fate) -> bool| fleet.requests.iter().any(|planned| wanted(&planned.fate));
        assert!(has(|fate| matches!(fate, Fate::Stored(_))));
        assert!(has(|fate| matches!(fate, Fate::Partial(_))));
        assert!(has(|fate| matches!(fate, Fate::NoReadings)));
        assert!(has(|fate| matches!(fate, Fate::DeadLetter)));
        assert!(has(|fate| matches!(fate, Fate::Again)));
        assert!(has(|fate| matches!(fate, Fate::Refused(401))));
        assert!(fleet.requests.len() > 1000 && fleet.devices > 250);
    }

    #[test]
    fn a_changed_body_really_is_changed() {
        let fleet = Fleet::plan(Moments::ending_before("2026-03-01T12:00:00Z".parse().unwrap()));
        let bodies: Vec<_> = fleet
            .requests
            .iter()
            .rev()
            .take(3)
            .map(|planned| String::from_utf8_lossy(&planned.request.body))
            .collect();
        assert!(bodies[0].contains("[[]]"), "{}", bodies[0]);
        assert!(bodies[2].contains("temperature= "), "{}", bodies[2]);
    }
}
