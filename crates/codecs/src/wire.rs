//! What goes between a stage and the process that runs its scripts: each message is JSON behind its length, as four bytes in network order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// The longest message, in bytes: a script of 64 KiB, each of whose bytes may be escaped.
pub(crate) const MAX_MESSAGE: usize = 1024 * 1024;

/// A frame to decode.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) script: Cow<'a, str>,
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) port: u8,
    /// Milliseconds since 1970-01-01.
    pub(crate) received_at: i64,
    pub(crate) variables: Cow<'a, BTreeMap<String, String>>,
}

/// What the process itself says of a script, in the shape that the prelude has for it.
#[derive(Debug, Serialize)]
pub(crate) struct Refused<'a> {
    pub(crate) refused: &'a str,
}

/// The length of a message, as it is written.
///
/// # Errors
/// Where it is longer than [`MAX_MESSAGE`].
pub(crate) fn length(message: &[u8]) -> io::Result<[u8; 4]> {
    match u32::try_from(message.len()) {
        Ok(length) if message.len() <= MAX_MESSAGE => Ok(length.to_be_bytes()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long")),
    }
}

/// The length that was read.
///
/// # Errors
/// As [`length`].
pub(crate) fn length_of(bytes: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(bytes) as usize;
    if length <= MAX_MESSAGE {
        return Ok(length);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"))
}

/// The next message; `None` where there is none any more.
///
/// # Errors
/// Where it ends within one.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut message = vec![0; length_of(length)?];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Writes a message.
///
/// # Errors
/// Where nobody reads it, or it is too long.
pub(crate) fn write(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    to.write_all(&length(message)?)?;
    to.write_all(message)?;
    to.flush()
}
