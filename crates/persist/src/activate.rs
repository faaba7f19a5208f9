//! A pipeline is put in force.

use jiff::Timestamp;
use pipeline_config::Pipeline;
use pipeline_config::device::DeviceEntry;
use serde_json::{Map, Value, json};
use store::registry::{self, Configured};
use store::{Client, StoreError, Transaction};

/// Puts `pipeline` in force, with what it says of devices.
///
/// # Errors
/// [`StoreError`]; then the one before is in force.
pub async fn activate(client: &mut Client, pipeline: &Pipeline, at: Timestamp) -> Result<(), StoreError> {
    let devices =
        pipeline.devices.iter().flat_map(|(source, devices)| devices.iter().map(move |one| (source, one)));
    let configured: Vec<Configured<'_>> =
        devices.map(|(source, device)| configured(pipeline, source, device)).collect();
    let transaction = Transaction::begin(client).await?;
    registry::activate(&transaction, (&pipeline.hash, at), &configured).await?;
    transaction.commit().await
}

fn configured<'p>(pipeline: &'p Pipeline, source: &'p str, device: &'p DeviceEntry) -> Configured<'p> {
    Configured { source, name: rules::compared(&device.device), facts: facts(pipeline, device) }
}

/// What the files say of a device; `place` has the line of each.
fn facts(pipeline: &Pipeline, device: &DeviceEntry) -> Map<String, Value> {
    let labels = (!device.labels.is_empty()).then(|| json!(device.labels));
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let facts = [
        ("name", text(&device.name)),
        ("labels", labels),
        ("site", text(&device.site)),
        ("model", text(&device.model)),
        ("expected", device.expected.map(|expected| json!(format!("{}s", expected.as_secs())))),
    ];
    let mut said: Map<String, Value> =
        facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let place = |key: &String| Some((key.clone(), json!(pipeline.line_of(device.place_of(key)?))));
    let mut places: Map<String, Value> = said.keys().filter_map(place).collect();
    places.insert("device".to_owned(), json!(pipeline.line_of(device.place)));
    said.insert("place".to_owned(), Value::Object(places));
    said
}
