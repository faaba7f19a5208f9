//! `codec`: which frames of a source are decoded here, and by what.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_model::Glob;
use serde_json::{Value as Json, json};
use settings::yaml::{Node, Value};
use settings::{Fields, Flag, Object, OneOrMany, Parsed, Report, Schema, Shape, scalar, text_map};

use super::{CAYENNE_LPP, Script};
use crate::options::{FormatOptions, Options};

/// The codecs of a source; the first that takes a frame decodes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Codecs(Vec<Codec>);

/// What decodes, and which frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Codec {
    /// What decodes.
    pub maker: Maker,
    /// The devices whose frames it decodes; `None`: all.
    pub device: Option<Glob>,
    /// The models of devices, as their network calls them; `None`: all.
    pub model: Option<Glob>,
    /// Whether it decodes what the network has decoded already.
    pub always: bool,
    /// ChirpStack's `variables` of a device.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// What decodes a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Maker {
    /// Cayenne Low Power Payload.
    CayenneLpp,
    /// A script of the device's maker.
    Script(Script),
}

impl Codecs {
    /// `codec`, the option of every format that brings frames as devices sent them.
    pub fn options(fields: &Fields<'_>) -> Options {
        let codecs = fields.optional(
            "codec",
            "What decodes the frames that the network passes on as its devices sent them; of several the first that fits.",
            OneOrMany(shape()),
        );
        codecs.map(|codecs| Options::new(Self(codecs))).unwrap_or_default()
    }

    /// The codec of a frame of this device, which its network calls by these models and has or has not decoded.
    pub fn find(&self, device: &str, models: &[&str], is_decoded: bool) -> Option<&Codec> {
        self.0.iter().find(|codec| codec.takes(device, models)).filter(|codec| codec.always || !is_decoded)
    }
}

impl FromIterator<Codec> for Codecs {
    fn from_iter<I: IntoIterator<Item = Codec>>(codecs: I) -> Self {
        Self(codecs.into_iter().collect())
    }
}

impl FormatOptions for Codecs {}

impl Codec {
    fn takes(&self, device: &str, models: &[&str]) -> bool {
        self.device.as_ref().is_none_or(|pattern| pattern.matches(device))
            && self.model.as_ref().is_none_or(|pattern| models.iter().any(|model| pattern.matches(model)))
    }
}

/// A script's file alone, or a map with `script`.
struct CodecShape;

fn shape() -> impl Shape<Value = Codec> {
    CodecShape
}

impl CodecShape {
    fn full() -> impl Shape<Value = Codec> {
        Object::new("Codec", "What decodes frames, and which.", |fields: &Fields<'_>| {
            let maker = fields.required(
                "script",
                "A file `NAME.js` beside this one with a codec of The Things Stack or ChirpStack, or `cayenne_lpp`.",
                MakerShape,
            );
            let glob = || Parsed::new(|text| Ok::<_, String>(Glob(text.to_owned())));
            let device = fields.optional(
                "device",
                "The devices whose frames it decodes: a name with `*` and `?`.",
                glob(),
            );
            let model = fields.optional(
                "model",
                "The models of devices, or their device profiles, as the network calls them: a name with `*` and `?`.",
                glob(),
            );
            let always = fields.or(
                "always",
                "Whether it decodes what the network has decoded already, too.",
                Flag,
                false,
            );
            let variables =
                fields.optional("variables", "What the script gets as `variables` (ChirpStack).", text_map());
            Some(Codec {
                maker: maker?,
                device,
                model,
                always,
                variables: Arc::new(variables.unwrap_or_default()),
            })
        })
    }
}

impl Shape for CodecShape {
    type Value = Codec;

    fn read(&self, node: &Node, report: &Report) -> Option<Codec> {
        if let Value::Text(_) = node.value {
            let maker = MakerShape.read(node, report)?;
            let variables = Arc::default();
            return Some(Codec { maker, device: None, model: None, always: false, variables });
        }
        Self::full().read(node, report)
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"anyOf": [MakerShape.schema(schema), Self::full().schema(schema)]})
    }
}

/// A script beside the pipeline's file, or the codec that is built in.
struct MakerShape;

impl Shape for MakerShape {
    type Value = Maker;

    fn read(&self, node: &Node, report: &Report) -> Option<Maker> {
        let name = scalar::text(node, report)?;
        if name == CAYENNE_LPP {
            return Some(Maker::CayenneLpp);
        }
        if !name.ends_with(".js") || name.contains(['/', '\\']) {
            let text = format!("expected `{CAYENNE_LPP}`, or a file `NAME.js` that lies beside this one");
            report.mistake(node.place, text);
            return None;
        }
        let Some(text) = report.attachment(name) else {
            report.mistake(node.place, format!("there is no `{name}` beside this file"));
            return None;
        };
        let script = Script::of_file(name, text).map_err(|reason| report.mistake(node.place, reason));
        script.map(Maker::Script).ok()
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": "string", "anyOf": [{"const": CAYENNE_LPP}, {"pattern": r"^[^/\\]+\.js$"}]})
    }
}
