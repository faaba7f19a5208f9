//! `sensors`: what a sensor measures, which openSenseMap keeps beside the box and no message says.

use std::collections::BTreeMap;

use event_model::{Name, units};
use serde_json::{Value as Json, json};
use settings::yaml::{Node, Value};
use settings::{Entries, Fields, Object, Parsed, Report, Schema, Shape, Text, refuse_unnamed};

use crate::options::{FormatOptions, Options};

/// The sensors of a source's boxes, by their ids.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sensors(BTreeMap<String, Sensor>);

/// What a sensor measures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sensor {
    /// The metric's canonical name.
    pub(super) metric: Name,
    /// The unit in which it sends; `None`: the metric's usual one.
    pub(super) unit: Option<String>,
    /// The channel; empty where the box has one of its kind.
    pub(super) channel: Name,
}

impl Sensors {
    /// The option `sensors`.
    pub(super) fn options(fields: &Fields<'_>) -> Options {
        let sensors = fields.optional(
            "sensors",
            "What each sensor of the boxes measures, by its id.",
            Entries::new(refuse_unnamed, |_| SensorShape),
        );
        sensors.map(|sensors| Options::new(Self(sensors))).unwrap_or_default()
    }

    /// What the sensor of this id measures, where the source says so.
    pub(super) fn get(&self, id: &str) -> Option<&Sensor> {
        self.0.get(id)
    }
}

impl FromIterator<(String, Sensor)> for Sensors {
    fn from_iter<I: IntoIterator<Item = (String, Sensor)>>(sensors: I) -> Self {
        Self(sensors.into_iter().collect())
    }
}

impl FormatOptions for Sensors {
    fn metrics(&self) -> Vec<&str> {
        self.0.values().map(|sensor| &*sensor.metric).collect()
    }
}

/// A metric's name, or a map with `metric`.
struct SensorShape;

impl SensorShape {
    fn metric() -> impl Shape<Value = String> {
        Parsed::new(units::metric_name)
    }

    fn full() -> impl Shape<Value = Sensor> {
        Object::new("Sensor", "What a sensor measures.", |fields: &Fields<'_>| {
            let metric = fields.required("metric", "The metric's name.", Self::metric());
            let known = metric.clone().unwrap_or_default();
            let unit = Parsed::new(|unit| units::known(unit, &known));
            let unit = fields.optional(
                "unit",
                "The unit in which it sends; the metric's usual one where absent.",
                unit,
            );
            let channel =
                fields.optional("channel", "The channel, where a box has several of its kind.", Text);
            Some(Sensor {
                metric: metric?.into(),
                unit,
                channel: channel.map(|channel| crate::device::channel(&channel)).unwrap_or_default(),
            })
        })
    }
}

impl Shape for SensorShape {
    type Value = Sensor;

    fn read(&self, node: &Node, report: &Report) -> Option<Sensor> {
        if let Value::Text(_) = node.value {
            let metric = Self::metric().read(node, report)?.into();
            return Some(Sensor { metric, unit: None, channel: Name::default() });
        }
        Self::full().read(node, report)
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"anyOf": [Self::metric().schema(schema), Self::full().schema(schema)]})
    }
}
