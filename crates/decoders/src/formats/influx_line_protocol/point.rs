//! What a line says: a point, and why a line is none.

use std::borrow::Cow;

use thiserror::Error;

/// One point: the content of one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Point<'a> {
    /// The line that it begins in, from 1. A string may hold newlines, so a point can end in a later line.
    pub line: usize,
    /// The measurement.
    pub measurement: Cow<'a, str>,
    /// The tags in the order of the line; no key occurs twice.
    pub tags: Vec<Tag<'a>>,
    /// The fields in the order of the line; at least one.
    pub fields: Vec<(Cow<'a, str>, FieldValue<'a>)>,
    /// The timestamp as written, in the precision of the request.
    pub timestamp: Option<i64>,
}

/// A tag: key and value.
pub type Tag<'a> = (Cow<'a, str>, Cow<'a, str>);

impl Point<'_> {
    /// The value of the tag `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }
}

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// `1.5`, `1e3`; always finite.
    Float(f64),
    /// `42i`.
    Integer(i64),
    /// `42u`.
    Unsigned(u64),
    /// `t`, `true`, `F`, ...
    Boolean(bool),
    /// `"text"`.
    Text(Cow<'a, str>),
}

/// Why a line holds no point, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} (column {column})")]
pub struct SyntaxError {
    /// The line that the point begins in, from 1.
    pub line: usize,
    /// The byte at which reading stopped, counted from 1 from the start of its own line.
    pub column: usize,
    /// What is wrong.
    pub kind: SyntaxErrorKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SyntaxErrorKind {
    /// The line begins with what no measurement begins with.
    #[error("expected a measurement")]
    ExpectedMeasurement,
    /// There is nothing between `,` and `=`.
    #[error("expected a tag key")]
    ExpectedTagKey,
    /// There is nothing after `=`.
    #[error("expected a tag value")]
    ExpectedTagValue,
    /// The fields are missing, or a `,` is followed by none.
    #[error("expected a field key")]
    ExpectedFieldKey,
    /// There is nothing after `=`.
    #[error("expected a field value")]
    ExpectedFieldValue,
    /// A key is not followed by `=`.
    #[error("expected `=` after the key")]
    ExpectedEquals,
    /// Two tags have the same key.
    #[error("a tag key occurs twice")]
    DuplicateTag,
    /// A value that begins like a flag and is none.
    #[error("not a boolean")]
    Boolean,
    /// A value that begins like a number and is none.
    #[error("not a number")]
    Number,
    /// A number that does not fit 64 bits.
    #[error("the number is out of range")]
    OutOfRange,
    /// A value of no known type.
    #[error("the field value has no known type")]
    UnknownType,
    /// A string without its closing quote.
    #[error("the string does not end")]
    UnterminatedString,
    /// The last part of the line is no integer.
    #[error("not a timestamp")]
    Timestamp,
    /// Something follows where the line should end.
    #[error("unexpected text")]
    UnexpectedText,
    /// Bytes that are no UTF-8.
    #[error("not valid UTF-8")]
    NotUtf8,
}
