//! `freshet codec test`.

use std::path::PathBuf;
use std::sync::Arc;
use std::{io, iter};

use codecs::Codecs;
use decoders::codec::{CAYENNE_LPP, Frame, Output, Script, cayenne_lpp};
use decoders::json::Node;
use event_model::Name;
use jiff::Timestamp;
use runtime::Failure;
use serde::Serialize;
use serde_json::Value;

use super::Done;
use crate::output::{self, Format};
use crate::words;

/// What can be done with a codec.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet codec test`.
    #[command(about = "Show what a device's codec makes of a frame; nothing is sent and nothing stored")]
    Test(TestArgs),
}

/// What `freshet codec test` is given.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// A script of The Things Stack or ChirpStack (.js), or `cayenne_lpp`
    file: PathBuf,
    /// The frame, in hexadecimal digits
    #[arg(value_parser = frame)]
    frame: FrameBytes,
    /// The LoRaWAN port (`fPort`)
    #[arg(long, default_value_t = 1)]
    port: u8,
    /// What the script gets as `variables`
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    variable: Vec<(String, String)>,
    /// When the frame is taken to have been received, which is also the script's clock; now if not given
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    received_at: Option<Timestamp>,
}

/// The bytes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FrameBytes(Vec<u8>);

/// Digits, two a byte, with or without separators between bytes.
fn frame(text: &str) -> Result<FrameBytes, &'static str> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|character| !matches!(character, ' ' | ':' | '-'))
        .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.ok_or("expected hexadecimal digits")?;
    let (pairs, []) = digits.as_chunks::<2>() else { return Err("expected two digits a byte") };
    Ok(FrameBytes(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What a codec makes of the frame.
#[derive(Debug, Serialize)]
struct Made {
    data: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalised: Option<Value>,
    warnings: Vec<String>,
}

/// Does what the command line says.
///
/// # Errors
/// Where the script cannot be read or run, or refuses the frame.
pub async fn run(command: &Command, format: Format) -> Result<Done, Failure> {
    let Command::Test(args) = command;
    let made = match args.output().await? {
        Output::Decoded { data, normalised, warnings } => {
            Made { data: json(&data), normalised: normalised.as_ref().map(json), warnings }
        }
        Output::Refused(reason) => return Err(Failure::new(output::printable(&reason))),
    };
    match format {
        Format::Json => output::json(&made)?,
        Format::Table => {
            for value in iter::once(&made.data).chain(&made.normalised) {
                output::write_line(&output::printable(&format!("{value:#}")))?;
            }
            for warning in &made.warnings {
                eprintln!("warning: {}", output::printable(warning));
            }
        }
    }
    Ok(Done::Well)
}

impl TestArgs {
    async fn output(&self) -> Result<Output, Failure> {
        let name = self.file.display().to_string();
        if name == CAYENNE_LPP {
            let decoded = |data| Output::Decoded { data, normalised: None, warnings: Vec::new() };
            return Ok(cayenne_lpp::decode(&self.frame.0).map_or_else(Output::Refused, decoded));
        }
        let unreadable = |error: &io::Error| Failure::because(format!("{name} cannot be read"), error);
        let text = std::fs::read(&self.file).map_err(|error| unreadable(&error))?;
        let frame = Frame {
            script: Script::of_file(&name, &text).map_err(Failure::new)?,
            device: Name::default(),
            port: self.port,
            bytes: self.frame.0.clone(),
            received_at: self.received_at.unwrap_or_else(|| runtime::Clock::system().now()),
            variables: Arc::new(self.variable.iter().cloned().collect()),
        };
        let codecs = Codecs::default();
        codecs.run(&frame).await.map_err(|error| Failure::because("the script cannot be run", &error))
    }
}

/// What a script gave, which is JSON.
fn json(node: &Node) -> Value {
    serde_json::from_str(&node.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{FrameBytes, frame};

    #[test]
    fn a_frame_is_written_with_or_without_separators() {
        for text in ["0367fF", "03 67 ff", "03:67:FF", "03-67-FF"] {
            assert_eq!(frame(text), Ok(FrameBytes(vec![3, 0x67, 0xff])), "{text}");
        }
        assert_eq!(frame("036"), Err("expected two digits a byte"));
        assert_eq!(frame("0x03"), Err("expected hexadecimal digits"));
    }
}
