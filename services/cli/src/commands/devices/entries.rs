//! What people say of one device.

use std::collections::BTreeMap;
use std::time::Duration;

use event_model::name::is_printable;
use pipeline_config::device::MAX_LABELS;
use runtime::{Clock, Failure};
use serde_json::{Map, Value, json};
use store::registry::{self, retirement};
use store::{Client, StoreError};

use super::super::Done;
use super::{DeviceArgs, change, find, refuse_configured};
use crate::database;
use crate::output;
use crate::state_directory::StateDirectory;

/// Say the site, the model, labels or the interval of a device
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("fact").required(true).multiple(true))]
pub(super) struct SetArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// The site; empty takes it away
    #[arg(long, group = "fact")]
    site: Option<String>,
    /// The model; empty takes it away
    #[arg(long, group = "fact")]
    model: Option<String>,
    /// A label; an empty value takes it away; repeatable
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label, group = "fact")]
    labels: Vec<(String, String)>,
    /// How often it is expected to send, such as 15m or 1h; 0 takes it away
    #[arg(long, value_name = "DURATION", value_parser = super::super::duration, group = "fact")]
    expected: Option<Duration>,
    #[command(flatten)]
    state: StateDirectory,
}

/// Give a device another name: what comes by it from now on is this device's too
#[derive(Debug, clap::Args)]
pub(super) struct RenameArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// The name
    name: String,
    #[command(flatten)]
    state: StateDirectory,
}

/// Note that a device is out of service, or that it is back
#[derive(Debug, clap::Args)]
pub(super) struct RetireArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// It is in service again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    state: StateDirectory,
}

/// The longest text that is said of a device, in bytes.
const LONGEST: usize = 512;

/// Registers facts of a device.
///
/// # Errors
/// As [`find`]; where a text is none, or the pipeline says something else.
pub(super) async fn set(args: &SetArgs) -> Result<Done, Failure> {
    let SetArgs { site, model, labels, expected, .. } = args;
    let mut facts = Map::new();
    let mut say = |fact: &str, text: &Option<String>| {
        if let Some(text) = text {
            facts.insert(fact.to_owned(), text_or_null(text)?);
        }
        Ok::<_, Failure>(())
    };
    say("site", site)?;
    say("model", model)?;
    if let Some(expected) = expected {
        let seconds = Some(expected.as_secs()).filter(|seconds| *seconds > 0);
        facts.insert(
            "expected".to_owned(),
            seconds.map_or(Value::Null, |seconds| json!(format!("{seconds}s"))),
        );
    }
    let mut client = database::client(&args.state).await?;
    let (found, entry) = find(&client, &args.device).await?;
    let named: Vec<&str> = facts.keys().map(String::as_str).collect();
    refuse_configured(&found, &entry, &named)?;
    if !labels.is_empty() {
        let labels = labels.iter().map(|(name, value)| Ok((name.clone(), text_or_null(value)?)));
        let labels: Map<String, Value> = labels.collect::<Result<_, Failure>>()?;
        let configured = entry.configured.get("labels").and_then(Value::as_object);
        if let Some(name) = labels.keys().find(|name| configured.is_some_and(|own| own.contains_key(*name))) {
            refuse_configured(&found, &entry, &["labels"])
                .map_err(|failure| failure.hint(format!("the label is {name}")))?;
        }
        let before = entry.registered.get("labels").and_then(Value::as_object).map_or(0, Map::len);
        if before + labels.len() > MAX_LABELS {
            return Err(Failure::new(format!("a device has at most {MAX_LABELS} labels")));
        }
        facts.insert("labels".to_owned(), Value::Object(labels));
    }
    register(&mut client, (&found.source, &found.name), facts).await?;
    Ok(Done::Well)
}

/// Gives a device a second name, which people see.
///
/// # Errors
/// As [`find`]; where there is a device of that name.
pub(super) async fn rename(args: &RenameArgs) -> Result<Done, Failure> {
    let mut client = database::client(&args.state).await?;
    let (found, entry) = find(&client, &args.device).await?;
    refuse_configured(&found, &entry, &["name"])?;
    let name = decoders::device::normalise(&args.name).map_err(Failure::new)?;
    let Some(id) = found.id else {
        return Err(Failure::new(format!("{} has not sent", output::printable(&found.name)))
            .hint("a second name leads to a device that has; `name` in `devices` of the pipeline file is what people see"));
    };
    if name != found.name {
        let renamed = change(&mut client, async |transaction| {
            registry::alias(transaction, id, (&found.source, &name)).await
        })
        .await;
        renamed.map_err(|error| taken(&error, &name))?;
    }
    register(&mut client, (&found.source, &found.name), Map::from_iter([("name".to_owned(), json!(name))]))
        .await?;
    Ok(Done::Well)
}

fn taken(error: &StoreError, name: &str) -> Failure {
    match error {
        StoreError::NameTaken => {
            Failure::new(format!("another device is called {}", output::printable(name)))
                .hint("two devices of one name cannot be told apart; give it another")
        }
        error => database::failed(error),
    }
}

/// Notes that a device is out of service. What it sends nevertheless is stored; its alerts end with the next tick.
///
/// # Errors
/// As [`find`].
pub(super) async fn retire(args: &RetireArgs) -> Result<Done, Failure> {
    let mut client = database::client(&args.state).await?;
    let (found, entry) = find(&client, &args.device).await?;
    refuse_configured(&found, &entry, &["retired_at"])?;
    let (device, now) = ((&*found.source, &*found.name), Clock::system().now());
    let noted = change(&mut client, async |transaction| {
        if args.undo {
            retirement::restore(transaction, device).await
        } else {
            retirement::retire(transaction, device, now).await
        }
    });
    noted.await.map_err(|error| database::failed(&error))?;
    Ok(Done::Well)
}

async fn register(
    client: &mut Client,
    (source, name): (&str, &str),
    facts: Map<String, Value>,
) -> Result<(), Failure> {
    let facts = BTreeMap::from([((source.to_owned(), name.to_owned()), facts)]);
    let registered = change(client, async |transaction| registry::register(transaction, &facts).await);
    registered.await.map_err(|error| database::failed(&error))
}

/// A text that people are shown; `null` where it is empty.
///
/// # Errors
/// What is wrong with it.
pub(super) fn text_or_null(text: &str) -> Result<Value, Failure> {
    let text = text.trim();
    if text.len() > LONGEST || !text.chars().all(is_printable) {
        return Err(Failure::new(format!(
            "{}: a text of at most {LONGEST} bytes without control characters is expected",
            output::printable(text)
        )));
    }
    Ok(if text.is_empty() { Value::Null } else { json!(text) })
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if is_label(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, where the name is of letters, digits and _".to_owned()),
    }
}

/// Whether it is the name of a label, as Prometheus has them.
pub(super) fn is_label(name: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.len() <= LONGEST
        && name.starts_with(is_first)
        && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}
