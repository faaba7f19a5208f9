//! Payloads of a seed, each with what must become of its items.

use serde_json::{Value, json};

use testkit::Random;

/// One item of a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The device.
    pub device: String,
    /// Microseconds since 1970; no two items of a run share device and time.
    pub time: i64,
    /// The temperature in °C; `None` where the item makes no sense.
    pub temperature: Option<f64>,
    /// The relative humidity in percent.
    pub humidity: f64,
}

/// One payload: a JSON object with items, and a mark that finds it again in dead letters and receipts.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// Unique in the run.
    pub mark: String,
    /// Its items.
    pub items: Vec<Item>,
}

impl Payload {
    /// The body, for a source with this mapping: items at `/items`, device at `/device`, time at `/time`,
    /// temperature at `/t`, relative humidity at `/h`.
    pub fn body(&self) -> Vec<u8> {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                let temperature = item.temperature.map_or_else(|| json!({"raw": "?"}), Value::from);
                json!({"device": item.device, "time": item.time, "t": temperature, "h": item.humidity})
            })
            .collect();
        json!({"mark": self.mark, "items": items}).to_string().into_bytes()
    }

    /// How many of its items make no sense.
    pub fn broken_items(&self) -> usize {
        self.items.iter().filter(|item| item.temperature.is_none()).count()
    }
}

/// `count` payloads of `devices` devices, their times from `from` (microseconds since 1970) on.
pub fn payloads(random: &mut Random, count: usize, devices: u64, from: i64) -> Vec<Payload> {
    let mut moment = from;
    (0..count)
        .map(|number| {
            let items = (0..=random.below(4))
                .map(|_| {
                    // Every item has a moment of its own, so that no two speak of the same row.
                    moment += 1_000_000 + i64::try_from(random.below(900_000)).unwrap_or(0);
                    Item {
                        device: format!("dev-{}", random.below(devices)),
                        time: moment,
                        temperature: (!random.chance(1, 9)).then(|| (random.below(4000) as f64) / 100.0),
                        humidity: 30.0 + random.below(600) as f64 / 10.0,
                    }
                })
                .collect();
            Payload { mark: format!("mark-{from}-{number}"), items }
        })
        .collect()
}
