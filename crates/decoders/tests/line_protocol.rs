//! The line-protocol parser: single rules by example, and what holds for any text.

use std::borrow::Cow;
use std::fmt::Write as _;

use decoders::formats::influx_line_protocol::{FieldValue, Point, SyntaxErrorKind, parse};
use proptest::prelude::*;

fn one(line: &str) -> Point<'_> {
    parse(line.as_bytes()).next().expect("a point").expect("a valid point")
}

fn error(line: &str) -> SyntaxErrorKind {
    parse(line.as_bytes()).next().expect("an error").expect_err("an invalid line").kind
}

#[test]
fn a_backslash_escapes_only_what_would_end_its_token() {
    let point = one(r"a\ b\,c\=d,t\=1\\\ x=v\,w f\ 1=1");
    assert_eq!(point.measurement, r"a b,c\=d");
    assert_eq!(point.tags, [(Cow::from(r"t=1\\ x"), Cow::from("v,w"))]);
    assert_eq!(point.fields[0].0, "f 1");
}

#[test]
fn in_a_string_only_a_quote_and_a_backslash_are_escaped() {
    let text = |line: &'static str| one(line).fields[0].1.clone();
    assert_eq!(text(r#"m path="C:\temp\new\r""#), FieldValue::Text(r"C:\temp\new\r".into()));
    assert_eq!(text(r#"m s="say \"a\\b\"""#), FieldValue::Text(r#"say "a\b""#.into()));
}

#[test]
fn a_bad_line_does_not_lose_its_neighbours() {
    let results: Vec<_> = parse(b"m a=1\nm a=x\n# note\n\n  m a=\"two\nlines\" 7\r\nm a=2").collect();
    let lines: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map_or_else(|e| (e.line, false), |p| (p.line, true)))
        .collect();
    assert_eq!(lines, [(1, true), (2, false), (5, true), (7, true)]);
}

#[test]
fn a_string_that_does_not_end_costs_only_its_own_line() {
    let results: Vec<_> = parse(b"m a=\"open\nm a=1\n").collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0].as_ref().unwrap_err().kind, SyntaxErrorKind::UnterminatedString);
    assert!(results[1].is_ok());
}

#[test]
fn numbers_keep_their_type_and_their_bounds() {
    assert_eq!(one("m v=18446744073709551615u").fields[0].1, FieldValue::Unsigned(u64::MAX));
    assert_eq!(one("m v=-9223372036854775808i").fields[0].1, FieldValue::Integer(i64::MIN));
    assert_eq!(one("m v=.5e-3").fields[0].1, FieldValue::Float(0.0005));
    assert_eq!(error("m v=18446744073709551616u"), SyntaxErrorKind::OutOfRange);
    assert_eq!(error("m v=1e999"), SyntaxErrorKind::OutOfRange);
    assert_eq!(error("m v=-1u"), SyntaxErrorKind::Number);
    assert_eq!(error("m v=+1"), SyntaxErrorKind::UnknownType);
    assert_eq!(error("m v=NaN"), SyntaxErrorKind::UnknownType);
}

#[test]
fn errors_say_where() {
    let error = parse(b"m v=1\nm,host=a,host=b v=1").nth(1).unwrap().unwrap_err();
    assert_eq!((error.line, error.kind), (2, SyntaxErrorKind::DuplicateTag));
    assert_eq!(parse(b"m v=1,w=?").next().unwrap().unwrap_err().column, 9);
}

/// Writes a point the way a careful client does.
fn write(point: &Point<'_>) -> String {
    let escape = |text: &str, specials: &[char]| {
        text.chars().fold(String::new(), |mut out, char| {
            if specials.contains(&char) {
                out.push('\\');
            }
            out.push(char);
            out
        })
    };
    let mut line = escape(&point.measurement, &[',', ' ']);
    let key = |text: &str| escape(text, &[',', ' ', '=']);
    for (name, value) in &point.tags {
        let _ = write!(line, ",{}={}", key(name), key(value));
    }
    for (index, (name, value)) in point.fields.iter().enumerate() {
        let value = match value {
            FieldValue::Float(number) => format!("{number:?}"),
            FieldValue::Integer(number) => format!("{number}i"),
            FieldValue::Unsigned(number) => format!("{number}u"),
            FieldValue::Boolean(flag) => flag.to_string(),
            FieldValue::Text(text) => format!("\"{}\"", escape(text, &['"', '\\'])),
        };
        let _ = write!(line, "{}{}={value}", if index == 0 { ' ' } else { ',' }, key(name));
    }
    if let Some(time) = point.timestamp {
        let _ = write!(line, " {time}");
    }
    line
}

/// Names that can be written: a backslash at the end of a token, or before what is escaped, cannot.
fn name() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-zA-Zµ°0-9_ ,=.:/-]{1,12}".prop_map(Cow::from)
}

fn value() -> impl Strategy<Value = FieldValue<'static>> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(FieldValue::Float),
        any::<i64>().prop_map(FieldValue::Integer),
        any::<u64>().prop_map(FieldValue::Unsigned),
        any::<bool>().prop_map(FieldValue::Boolean),
        any::<String>().prop_map(|text| FieldValue::Text(text.into())),
    ]
}

prop_compose! {
    fn point()(
        measurement in name(),
        tags in prop::collection::btree_map(name(), name(), 0..4),
        fields in prop::collection::vec((name(), value()), 1..5),
        timestamp in any::<Option<i64>>(),
    ) -> Point<'static> {
        Point { line: 1, measurement, tags: tags.into_iter().collect(), fields, timestamp }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(point in point()) {
        let text = write(&point);
        let read: Vec<_> = parse(text.as_bytes()).collect();
        prop_assert_eq!(read, vec![Ok(point)]);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_to_the_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        prop_assert!(parse(&bytes).count() <= lines);
    }

    #[test]
    fn text_in_the_grammars_own_characters_never_panics(text in "[mv,= \\\\\"#\n\r1-3tifu.e-]{0,80}") {
        let _ = parse(text.as_bytes()).count();
    }
}
