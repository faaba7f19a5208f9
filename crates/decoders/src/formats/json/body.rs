//! From the body to its items.

use std::fmt;
use std::rc::Rc;

use event_model::RecordedRequest;

use crate::decode::{FormError, Problem, Problems};
use crate::form;
use crate::json::{Node, unescaped};
use crate::mapping::Mapping;

/// Content types of JSON documents that stand one on a line.
const LINES: [&str; 4] =
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];

/// A body that was read.
pub(in crate::formats) struct Body {
    /// The document; of lines, the array of those that could be read.
    pub(in crate::formats) root: Node,
    /// The lines that could not be read.
    pub(in crate::formats) problems: Problems,
    /// The numbers of the lines that could; empty for one document.
    lines: Vec<usize>,
}

/// One item: an object, if the payload makes sense.
pub(in crate::formats) struct Found<'b> {
    pub(in crate::formats) node: &'b Node,
    pub(in crate::formats) place: Place,
}

/// Where an item stands; as a text, what stands before a path within it in a problem's place.
#[derive(Clone)]
pub(in crate::formats) enum Place {
    Whole,
    Line(usize),
    Element(usize),
    ElementOf(Rc<str>, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Line(line) => write!(out, "line {line}, "),
            Self::Element(index) => write!(out, "[{index}]."),
            Self::ElementOf(list, index) => write!(out, "{list}[{index}]."),
        }
    }
}

impl Body {
    pub(in crate::formats) fn read(request: &RecordedRequest) -> Result<Self, FormError> {
        if !is_json_under_another_name(request) {
            form::expect_json(request, &LINES)?;
        }
        if request.media_type().is_some_and(|media_type| LINES.contains(&media_type.as_str())) {
            return Self::read_lines(&request.body);
        }
        let root = form::parse_json(request)?;
        Ok(Self { root, problems: Problems::default(), lines: Vec::new() })
    }

    /// A line that is no JSON leaves the others alone, unless none is.
    fn read_lines(body: &[u8]) -> Result<Self, FormError> {
        let (mut nodes, mut lines, mut problems) = (Vec::new(), Vec::new(), Problems::default());
        for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Node::parse(line) {
                Ok(node) => {
                    nodes.push(node);
                    lines.push(index + 1);
                }
                Err(error) => {
                    problems.note(|| Problem::new(format!("line {}", index + 1), error.to_string()));
                }
            }
        }
        if nodes.is_empty() {
            let first = problems.first().map_or("the body is empty", |problem| &problem.reason);
            return Err(FormError::Malformed(first.to_owned()));
        }
        Ok(Self { root: Node::List(nodes), problems, lines })
    }

    /// The items: the elements of the mapping's array, else those of the body where it is an array, else the body.
    pub(in crate::formats) fn items(&self, mapping: Option<&Mapping>) -> Result<Vec<Found<'_>>, Problem> {
        items(&self.root, &self.lines, mapping)
    }
}

/// The items of `root`, whose elements came in `lines`; none where it is one document.
pub(super) fn items<'n>(
    root: &'n Node,
    lines: &[usize],
    mapping: Option<&Mapping>,
) -> Result<Vec<Found<'n>>, Problem> {
    let elements = || {
        root.as_list().unwrap_or_default().iter().enumerate().map(|(index, node)| {
            let place = lines.get(index).map_or(Place::Element(index), |line| Place::Line(*line));
            Found { node, place }
        })
    };
    match mapping.and_then(|mapping| mapping.items.as_deref()) {
        Some(pointer) if lines.is_empty() => Ok(items_at(root, pointer, &Place::Whole)?.collect()),
        Some(pointer) => {
            let mut items = Vec::new();
            for line in elements() {
                items.extend(items_at(line.node, pointer, &line.place)?);
            }
            Ok(items)
        }
        None if root.as_list().is_some() => Ok(elements().collect()),
        None => Ok(vec![Found { node: root, place: Place::Whole }]),
    }
}

fn items_at<'n>(
    root: &'n Node,
    pointer: &str,
    place: &Place,
) -> Result<impl Iterator<Item = Found<'n>>, Problem> {
    let path = format!("{place}{}", dotted(pointer));
    let items = match root.pointer(pointer) {
        Some(Node::List(items)) => items,
        Some(other) => {
            return Err(Problem::new(path, format!("expected an array of items, found {}", other.kind())));
        }
        None => return Err(Problem::new(path, "expected an array of items, found nothing")),
    };
    let path: Rc<str> = path.into();
    let found = move |(index, node)| Found { node, place: Place::ElementOf(Rc::clone(&path), index) };
    Ok(items.iter().enumerate().map(found))
}

/// Content types that senders state who cannot state another: the defaults of `curl -d` and of libraries that are given a
/// text or bytes.
const UNAWARE: [&str; 3] = ["application/octet-stream", "application/x-www-form-urlencoded", "text/plain"];

/// Whether the body begins as an object or an array under such a type. The source has said that it is JSON; RFC 9110,
/// section 8.3, leaves it to the recipient to look at content whose type was set wrong.
fn is_json_under_another_name(request: &RecordedRequest) -> bool {
    let body = request.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&request.body).trim_ascii_start();
    request.media_type().is_some_and(|media_type| UNAWARE.contains(&media_type.as_str()))
        && matches!(body.first(), Some(b'{' | b'['))
}

/// A JSON pointer as people write paths: `/a/b/0` is `a.b[0]`.
pub(super) fn dotted(pointer: &str) -> String {
    let tokens = pointer.trim_start_matches('^').split('/').skip(1);
    let mut path = String::new();
    for token in tokens.map(unescaped) {
        if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit()) {
            path = format!("{path}[{token}]");
        } else if path.is_empty() {
            path = token.into_owned();
        } else {
            path = format!("{path}.{token}");
        }
    }
    path
}
