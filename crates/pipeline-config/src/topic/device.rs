//! What of a record names the device, where its payload does not.

use serde_json::{Value as Json, json};
use settings::yaml::{Node, Value};
use settings::{Choice, Fields, Object, Report, Schema, Shape, Text};

/// What of a record names the device, where its payload does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordDevice {
    /// Its key.
    Key,
    /// Its first header of this name.
    Header(String),
}

/// `key`, or `{header: NAME}`.
pub(super) struct DeviceShape;

const KEY: Choice<'_, ()> = Choice(&[("key", ())]);

fn header() -> impl Shape<Value = RecordDevice> {
    Object::new("KafkaDevice", "A header of the record.", |fields: &Fields<'_>| {
        let name = fields.required("header", "Its name.", Text);
        name.map(RecordDevice::Header)
    })
}

impl Shape for DeviceShape {
    type Value = RecordDevice;

    fn read(&self, node: &Node, report: &Report) -> Option<RecordDevice> {
        match node.value {
            Value::Map(_) => header().read(node, report),
            _ => KEY.read(node, report).map(|()| RecordDevice::Key),
        }
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"anyOf": [KEY.schema(schema), header().schema(schema)]})
    }
}
