//! Strict JSON (RFC 8259) as an ordered tree that forgets nothing a decoder needs to judge a payload.
//!
//! Unlike `serde_json::Value` it keeps a number's own spelling (an integer of 20 digits, `1e999`), the order of
//! keys, and which key was written more than once. Nesting is bounded, so that no body can exhaust the stack. Half of a
//! surrogate pair, which the grammar allows and no text can hold (RFC 8259, section 8.2), is read as U+FFFD.

use std::borrow::Cow;
use std::fmt;

use foldhash::quality::RandomState;
use hifijson::num::LexWrite as _;
use hifijson::str::LexAlloc as _;
use hifijson::token::Lex as _;
use hifijson::{Error, Expect, SliceLexer};
use indexmap::IndexMap;
use smol_str::SmolStr;
use thiserror::Error;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 96;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number as it is written.
    Number(Number),
    /// A string.
    Text(SmolStr),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Box<Object>),
}

/// An object's members in the order of their first appearance. Short keys and texts lie within them, not beside.
pub type Object = IndexMap<SmolStr, Member, RandomState>;

/// Members for which the outermost object of a document has room from the start.
const FIRST_MEMBERS: usize = 14;

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The value; where the key was repeated, the last one.
    pub node: Node,
    /// The key was written more than once.
    pub repeated: bool,
}

/// A number as it is written: most of a payload's are looked at by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(SmolStr);

/// Why a body is no JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// There is nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// RFC 8259, section 8.1: JSON is UTF-8.
    #[error("the body is not UTF-8: byte {0} begins no character")]
    NotUtf8(usize),
    /// The text breaks the grammar.
    #[error("not JSON: line {line}, column {column}: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What was found.
        reason: String,
    },
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("the JSON nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl JsonError {
    /// The text is broken behind `read`.
    fn syntax(read: &[u8], reason: String) -> Self {
        let line = read.iter().filter(|byte| **byte == b'\n').count();
        let begun = read.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        // Each character has one byte that continues none.
        let column = begun.iter().filter(|byte| !matches!(byte, 0x80..0xC0)).count();
        Self::Syntax { line: line + 1, column: column + 1, reason }
    }
}

impl Number {
    /// `text` is in RFC 8259's grammar of numbers, which is a part of Rust's, or is taken for what is no number.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The spelling in the payload.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The nearest double; infinite where the number is beyond a double's range.
    pub fn value(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether it is an integer that has no exact double. One beyond 128 bits has more digits than any sender means; its double is
    /// never taken as exact.
    pub fn lost_digits(&self) -> bool {
        let is_exact = || self.0.parse::<i128>().is_ok_and(|exact| self.value() as i128 == exact);
        self.0.len() > f64::DIGITS as usize && !self.0.contains(['.', 'e', 'E']) && !is_exact()
    }
}

impl Node {
    /// Reads one JSON document; a byte order mark before it is passed over.
    ///
    /// # Errors
    /// [`JsonError`] where the bytes are no JSON document.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8(error.valid_up_to()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Err(JsonError::Empty);
        }
        let text = paired(text.as_bytes());
        let mut lexer = SliceLexer::new(&text);
        let read = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| value(next, lexer, MAX_DEPTH));
        read.map_err(|error| match error {
            Error::Depth => JsonError::TooDeep,
            other => JsonError::syntax(&text[..text.len() - lexer.as_slice().len()], other.to_string()),
        })
    }

    /// What JSON calls this kind of value, with its article, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The member `key` of an object; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let node = &self.as_object()?.get(key)?.node;
        (*node != Self::Null).then_some(node)
    }

    /// The value below `keys`, one object in the other; `null` counts as absent.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The value that a JSON pointer (RFC 6901) names; `null` is a value.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        self.find(pointer).map(|(node, _)| node)
    }

    /// The value that a JSON pointer names, and whether a key on the way to it was repeated.
    pub fn find(&self, pointer: &str) -> Option<(&Self, bool)> {
        if pointer.is_empty() {
            return Some((self, false));
        }
        pointer.strip_prefix('/')?.split('/').try_fold((self, false), |(node, repeated), token| {
            let token = unescaped(token);
            match node {
                Self::Object(members) => {
                    members.get(&*token).map(|member| (&member.node, repeated || member.repeated))
                }
                Self::List(items) => items.get(token.parse::<usize>().ok()?).map(|item| (item, repeated)),
                _ => None,
            }
        })
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// The elements, if it is an array.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The text of a string, or the spelling of a number: what may name a thing.
    pub fn as_name(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.text()),
            _ => None,
        }
    }
}

impl fmt::Display for Node {
    /// As JSON. Numbers keep their spelling; of a repeated key the last value is left.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Number(number) => out.write_str(number.text()),
            Self::Text(text) => write!(out, "{}", serde_json::Value::from(text.as_str())),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if index == 0 { "[" } else { "," })?;
                }
                out.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Self::Object(members) => {
                for (index, (key, member)) in members.iter().enumerate() {
                    let begin = if index == 0 { "{" } else { "," };
                    write!(out, "{begin}{}:{}", serde_json::Value::from(key.as_str()), member.node)?;
                }
                out.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// A token of a JSON pointer as the key that it stands for (RFC 6901, section 4).
pub(crate) fn unescaped(token: &str) -> Cow<'_, str> {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~").into() } else { token.into() }
}

/// A JSON text in which each half of a surrogate pair that stands alone is written as U+FFFD, in as many bytes.
fn paired(text: &[u8]) -> Cow<'_, [u8]> {
    let mut paired = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[at..]) {
        at += found;
        at += match surrogate(&text[at..]) {
            Some(0xD800..0xDC00) if matches!(surrogate(&text[at + 6..]), Some(0xDC00..0xE000)) => 12,
            Some(0xD800..0xE000) => {
                paired.to_mut()[at + 2..at + 6].copy_from_slice(b"FFFD");
                6
            }
            _ => 2.min(text.len() - at),
        };
    }
    paired
}

/// The number of the escape `\uXXXX` with which `text` begins.
fn surrogate(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// The value that begins with `next`, in which arrays and objects nest at most `depth` deep.
fn value(next: u8, lexer: &mut SliceLexer<'_>, depth: usize) -> Result<Node, Error> {
    let within = || depth.checked_sub(1).ok_or(Error::Depth);
    match next {
        b'"' => Ok(Node::Text(lexer.discarded().str_string()?.into())),
        b'-' | b'0'..=b'9' => Ok(Node::Number(Number::new(lexer.num_string().validated()?.0))),
        b'{' => Ok(Node::Object(Box::new(object(lexer, within()?)?))),
        b'[' => {
            let (mut items, depth) = (Vec::new(), within()?);
            lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
                items.push(value(next, lexer, depth)?);
                Ok::<_, Error>(())
            })?;
            items.shrink_to_fit();
            Ok(Node::List(items))
        }
        _ => match lexer.null_or_bool() {
            Some(flag) => Ok(flag.map_or(Node::Null, Node::Flag)),
            None => Err(Expect::Value.into()),
        },
    }
}

fn object(lexer: &mut SliceLexer<'_>, depth: usize) -> Result<Object, Error> {
    let is_outermost = depth + 1 == MAX_DEPTH;
    // Within it there may be as many objects as the body has bytes: those begin empty.
    let room = if is_outermost { FIRST_MEMBERS } else { 0 };
    let mut members = Object::with_capacity_and_hasher(room, RandomState::default());
    lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
        lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
        let key = lexer.str_string()?.into();
        lexer.expect(SliceLexer::ws_peek, b':').ok_or(Expect::Colon)?;
        let node = value(lexer.ws_peek().ok_or(Expect::Value)?, lexer, depth)?;
        let (at, before) = members.insert_full(key, Member { node, repeated: false });
        members[at].repeated = before.is_some();
        Ok::<_, Error>(())
    })?;
    if !is_outermost {
        members.shrink_to_fit();
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::{JsonError, MAX_DEPTH, Node};

    #[test]
    fn of_a_repeated_key_the_last_wins_and_is_marked() {
        let node = Node::parse(br#"{"a":1,"b":2,"a":3}"#).unwrap();
        let members = node.as_object().unwrap();
        assert!(members["a"].repeated && !members["b"].repeated);
        assert_eq!(node.get("a").unwrap().as_name(), Some("3"));
    }

    #[test]
    fn a_number_keeps_its_spelling() {
        let number = |text: &str| match Node::parse(text.as_bytes()).unwrap() {
            Node::Number(number) => number,
            other => panic!("{other:?}"),
        };
        assert!(number("1e999").value().is_infinite());
        assert!(number("12345678901234567890").lost_digits());
        assert!(number("9007199254740993").lost_digits());
        assert!(!number("9007199254740992").lost_digits() && !number("1e20").lost_digits());
        assert!(number(&"9".repeat(60)).lost_digits());
    }

    #[test]
    fn half_of_a_surrogate_pair_costs_its_own_character_alone() {
        for (written, read) in [
            (r"a\uD800b", "a\u{fffd}b"),
            (r"\udfff", "\u{fffd}"),
            (r"\ud800\ud83d\ude00\udc00", "\u{fffd}😀\u{fffd}"),
            (r"\uD83D\uDE00", "😀"),
            (r"\\uD800", r"\uD800"),
            (r"\\\uD800\u00e9", "\\\u{fffd}é"),
        ] {
            let node = Node::parse(format!(r#"{{"{written}":"{written}"}}"#).as_bytes()).unwrap();
            let (key, member) = node.as_object().unwrap().first().unwrap();
            assert_eq!((key.as_str(), member.node.as_str()), (read, Some(read)), "{written}");
        }
        for broken in [r#""\uD8"#, r#""\uD80z""#, r#""\"#, r#"["\ud800\"]"#] {
            assert!(Node::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_was_read_is_written_again() {
        let text = r#"{"a":[1e999,-0.50,null,{}],"b":{"c\"":"ü\n","d":[]},"e":true}"#;
        assert_eq!(Node::parse(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert!(Node::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(Node::parse(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep));
        assert_eq!(Node::parse(&b"[".repeat(100_000)), Err(JsonError::TooDeep));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["{\"a\":1,}", "{\"a\":NaN}", "{} {}", "{\"a\":01}", "a=b", "{\"a\":0x1F}", "[1"] {
            assert!(matches!(Node::parse(body.as_bytes()), Err(JsonError::Syntax { .. })), "{body}");
        }
        assert_eq!(Node::parse(b" \n"), Err(JsonError::Empty));
        assert_eq!(Node::parse(b"{\"a\":\"\xff\"}"), Err(JsonError::NotUtf8(6)));
        assert_eq!(Node::parse(b"\xef\xbb\xbfnull"), Ok(Node::Null));
    }

    #[test]
    fn pointers_follow_rfc_6901() {
        let node = Node::parse(br#"{"a/b":{"m~n":[10,20]}}"#).unwrap();
        assert_eq!(node.pointer("/a~1b/m~0n/1").unwrap().as_name(), Some("20"));
        assert_eq!(node.pointer("/a~1b/x"), None);
        assert_eq!(node.pointer("a"), None);
    }
}
