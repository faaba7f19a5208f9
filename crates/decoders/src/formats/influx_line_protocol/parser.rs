//! A parser for InfluxDB line protocol, after the grammar that its authors publish (`line-protocol.ebnf` in
//! github.com/influxdata/line-protocol).
//!
//! ```text
//! measurement{,tag=value} field=value{,field=value}[ timestamp]
//! ```
//!
//! A backslash escapes only what would end its token; before anything else it stands for itself. Control characters
//! end every token but a string. A line that cannot be read ends at its newline, and the next one is read afresh.

use std::borrow::Cow;

use super::number;
use super::point::{FieldValue, Point, SyntaxError, SyntaxErrorKind, Tag};

/// The points of `input`, line by line, without comments and empty lines.
pub fn parse(input: &[u8]) -> Parser<'_> {
    Parser { input, at: 0, line: 1, line_start: 0 }
}

/// Iterates over the points of a text; see [`parse`].
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    input: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
}

/// What ends a measurement, and what a backslash escapes in it.
const MEASUREMENT: &[u8] = b" ,";
/// The same for keys and tag values.
const KEY: &[u8] = b" ,=";

impl<'a> Iterator for Parser<'a> {
    type Item = Result<Point<'a>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.skip_spaces();
            match self.peek()? {
                _ if self.at_line_end() => self.skip_line(),
                b'#' => {
                    if let Err(error) = self.comment() {
                        self.skip_line();
                        return Some(Err(error));
                    }
                }
                _ => break,
            }
        }
        let point = self.point();
        self.skip_line();
        Some(point)
    }
}

impl<'a> Parser<'a> {
    fn point(&mut self) -> Result<Point<'a>, SyntaxError> {
        let line = self.line;
        let mut point = || {
            let measurement = self.token(MEASUREMENT, SyntaxErrorKind::ExpectedMeasurement)?;
            let tags = self.tags()?;
            if self.skip_spaces() == 0 && !self.at_line_end() {
                return Err(self.error(SyntaxErrorKind::UnexpectedText));
            }
            let fields = self.fields()?;
            let timestamp = self.timestamp()?;
            Ok(Point { line, measurement, tags, fields, timestamp })
        };
        point().map_err(|error| SyntaxError { line, ..error })
    }

    fn tags(&mut self) -> Result<Vec<Tag<'a>>, SyntaxError> {
        let mut tags = Vec::new();
        while self.eat(b',') {
            let key = self.token(KEY, SyntaxErrorKind::ExpectedTagKey)?;
            self.equals()?;
            let value = self.token(KEY, SyntaxErrorKind::ExpectedTagValue)?;
            tags.push((key, value));
        }
        let mut keys: Vec<&str> = tags.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.error(SyntaxErrorKind::DuplicateTag));
        }
        Ok(tags)
    }

    fn fields(&mut self) -> Result<Vec<(Cow<'a, str>, FieldValue<'a>)>, SyntaxError> {
        let mut fields = Vec::with_capacity(1);
        loop {
            let key = self.token(KEY, SyntaxErrorKind::ExpectedFieldKey)?;
            self.equals()?;
            fields.push((key, self.field_value()?));
            if !self.eat(b',') {
                return Ok(fields);
            }
        }
    }

    fn field_value(&mut self) -> Result<FieldValue<'a>, SyntaxError> {
        if self.peek() == Some(b'"') {
            return self.string().map(FieldValue::Text);
        }
        let start = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b' ' | b',') && !byte.is_ascii_control()) {
            self.at += 1;
        }
        let token = &self.input[start..self.at];
        number::unquoted(token)
            .map_err(|kind| SyntaxError { column: start - self.line_start + 1, ..self.error(kind) })
    }

    /// A quoted string: `\"` and `\\` are escapes; any other backslash stands for itself, as in `InfluxDB`'s own parser
    /// (`unescapeStringField` in `models/points.go`) and in the corpus of influxdata/line-protocol-corpus.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            match self.input.get(end) {
                // Nothing is consumed, so that the lines that follow the quote are still read.
                None => return Err(self.error(SyntaxErrorKind::UnterminatedString)),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        let raw =
            std::str::from_utf8(&self.input[start..end]).map_err(|_| self.error(SyntaxErrorKind::NotUtf8))?;
        for (offset, _) in raw.bytes().enumerate().filter(|(_, byte)| *byte == b'\n') {
            self.line += 1;
            self.line_start = start + offset + 1;
        }
        self.at = end + 1;
        Ok(if escaped { Cow::Owned(unescape(raw, b"\"\\")) } else { Cow::Borrowed(raw) })
    }

    fn timestamp(&mut self) -> Result<Option<i64>, SyntaxError> {
        let spaces = self.skip_spaces();
        if self.at_line_end() {
            return Ok(None);
        }
        if spaces == 0 {
            return Err(self.error(SyntaxErrorKind::UnexpectedText));
        }
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b' ' && !byte.is_ascii_control()) {
            self.at += 1;
        }
        let time = number::timestamp(&self.input[start..self.at]).map_err(|kind| self.error(kind))?;
        self.skip_spaces();
        if self.at_line_end() { Ok(Some(time)) } else { Err(self.error(SyntaxErrorKind::UnexpectedText)) }
    }

    /// A comment: anything printable, and tabs, up to the end of the line.
    fn comment(&mut self) -> Result<(), SyntaxError> {
        while self.peek().is_some_and(|byte| byte == b'\t' || !byte.is_ascii_control()) {
            self.at += 1;
        }
        if self.at_line_end() { Ok(()) } else { Err(self.error(SyntaxErrorKind::UnexpectedText)) }
    }

    /// A token that ends before any of `specials` or a control character; `missing` is the error where it is empty.
    fn token(&mut self, specials: &[u8], missing: SyntaxErrorKind) -> Result<Cow<'a, str>, SyntaxError> {
        let start = self.at;
        let mut escaped = false;
        while let Some(byte) = self.peek() {
            let next_is_special = self.input.get(self.at + 1).is_some_and(|next| specials.contains(next));
            if byte == b'\\' && next_is_special {
                escaped = true;
                self.at += 2;
            } else if specials.contains(&byte) || byte.is_ascii_control() {
                break;
            } else {
                self.at += 1;
            }
        }
        if start == self.at {
            return Err(self.error(missing));
        }
        let raw = std::str::from_utf8(&self.input[start..self.at])
            .map_err(|_| self.error(SyntaxErrorKind::NotUtf8))?;
        Ok(if escaped { Cow::Owned(unescape(raw, specials)) } else { Cow::Borrowed(raw) })
    }

    fn equals(&mut self) -> Result<(), SyntaxError> {
        if self.eat(b'=') { Ok(()) } else { Err(self.error(SyntaxErrorKind::ExpectedEquals)) }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_spaces(&mut self) -> usize {
        let spaces = self.input[self.at..].iter().take_while(|byte| **byte == b' ').count();
        self.at += spaces;
        spaces
    }

    /// Goes to the start of the next line, whatever is left of this one.
    fn skip_line(&mut self) {
        let rest = &self.input[self.at..];
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(length) => {
                self.at += length + 1;
                self.line += 1;
                self.line_start = self.at;
            }
            None => self.at = self.input.len(),
        }
    }

    fn at_line_end(&self) -> bool {
        matches!(&self.input[self.at..], [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..])
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn error(&self, kind: SyntaxErrorKind) -> SyntaxError {
        SyntaxError { line: self.line, column: self.at - self.line_start + 1, kind }
    }
}

fn unescape(raw: &str, specials: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = chars
            .next_if(|next| char == '\\' && u8::try_from(*next).is_ok_and(|byte| specials.contains(&byte)));
        text.push(escaped.unwrap_or(char));
    }
    text
}
