//! Frames that a network passed on without decoding them, and what a device's codec makes of them.
//!
//! Nothing here runs a script: decoding notes the frames that wait for one, and is done again with what the scripts gave.

pub mod cayenne_lpp;
mod options;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use event_model::{Name, hex};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::json::Node;

pub use options::{Codec, Codecs, Maker};

/// The name of the codec that is built in.
pub const CAYENNE_LPP: &str = "cayenne_lpp";

/// The longest script, in bytes: the largest public one has 54 KB.
pub const MAX_SCRIPT_BYTES: usize = 64 * 1024;
/// The longest frame that a codec is given, in bytes: the largest application payload of LoRaWAN has 242 (RP002-1.0.4).
pub const MAX_FRAME_BYTES: usize = 1024;
/// The longest text that a codec may give for a frame, in bytes of JSON.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;
/// The most frames of one payload that wait for a script; each may take 100 ms.
pub const MAX_FRAMES: usize = 256;
/// How deep what a codec gives may be nested.
pub const MAX_OUTPUT_DEPTH: usize = 16;

/// A codec's script in JavaScript, as The Things Stack and ChirpStack take it.
#[derive(Clone)]
pub struct Script {
    /// The name of its file, for people.
    pub name: Arc<str>,
    /// Its text, at most [`MAX_SCRIPT_BYTES`].
    pub text: Arc<str>,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
}

impl Script {
    /// The script `text` of the file `name`.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let hash = Sha256::digest(text.as_bytes()).into();
        Self { name: name.into(), text, hash }
    }

    /// That of the file `name` with these bytes.
    ///
    /// # Errors
    /// The reason, where it is longer than [`MAX_SCRIPT_BYTES`] or not UTF-8.
    pub fn of_file(name: &str, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_SCRIPT_BYTES {
            return Err(format!("`{name}` is longer than {MAX_SCRIPT_BYTES} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8"))?;
        Ok(Self::new(name, text.strip_prefix('\u{feff}').unwrap_or(text)))
    }
}

/// By the hash of its text.
impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Script {}

impl Hash for Script {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// Without its text, which is long.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} {})", self.name, hex(&self.hash))
    }
}

/// A frame and all that its codec is given: the same frame gives the same output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The script that decodes it.
    pub script: Script,
    /// The device that sent it.
    pub device: Name,
    /// The LoRaWAN port, 0 to 255 (`fPort`).
    pub port: u8,
    /// Its payload, decrypted; at most [`MAX_FRAME_BYTES`].
    pub bytes: Vec<u8>,
    /// When it was received (`recvTime`); it is also the script's clock.
    pub received_at: Timestamp,
    /// ChirpStack's `variables` of the device.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// What a codec made of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// It decoded the frame.
    Decoded {
        /// What `decodeUplink` or its older names gave as `data`: an object.
        data: Node,
        /// What `normalizeUplink` gave as `data`, an object or a list of them, in The Things Stack's schema; `None` where there is none.
        normalised: Option<Node>,
        /// What the script warned of.
        warnings: Vec<String>,
    },
    /// Its errors, what it threw, or the limit that it broke: no use in trying again.
    Refused(String),
}

/// What scripts made of the frames of a payload.
#[derive(Debug, Clone, Default)]
pub struct Outputs(HashMap<Frame, Output>);

impl Outputs {
    /// What a script made of this frame, where it was asked.
    pub fn of(&self, frame: &Frame) -> Option<&Output> {
        self.0.get(frame)
    }
}

impl FromIterator<(Frame, Output)> for Outputs {
    fn from_iter<I: IntoIterator<Item = (Frame, Output)>>(outputs: I) -> Self {
        Self(outputs.into_iter().collect())
    }
}
