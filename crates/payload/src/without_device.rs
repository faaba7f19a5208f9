//! A request without what it says of one device.

use bytes::Bytes;
use event_model::{RecordedRequest, Sample};
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::accepted::Accepted;
use crate::origin::Origin;

/// The shortest name that is looked for in the text of a request: a shorter one stands in every other.
const SHORTEST: usize = 4;

/// What is left of a request without a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Without {
    /// All of it: it does not name the device.
    All,
    /// The other items of a list, which say of other devices what the whole did.
    Rest(RecordedRequest),
    /// Nothing.
    Nothing,
}

/// What is left of a request that was received at `received_at`, without the device of these names. A body that is a JSON array, or lines, is
/// a list, where what is left of it gives the readings of all other devices; of anything else, and of frames that a script decodes,
/// nothing is left.
pub fn without_device(
    origin: Origin<'_>,
    request: &RecordedRequest,
    received_at: Timestamp,
    names: &[String],
) -> Without {
    let read =
        |request: &RecordedRequest| Accepted::of(origin, request.clone(), received_at).ok()?.without_codec();
    let of_device = |sample: &Sample| names.iter().any(|name| *name == *sample.device);
    let device = Device { names, read: &read };
    if !device.is_named_in(request) {
        return Without::All;
    }
    if device.is_named_in_head(request) {
        return Without::Nothing;
    }
    let Some(whole) = read(request) else { return Without::Nothing };
    let Some(rest) = List::of(&request.body).and_then(|list| list.without(request, &device)) else {
        return Without::Nothing;
    };
    let rest = RecordedRequest { body: rest, ..request.clone() };
    let others = whole.decoded.samples.iter().filter(|sample| !of_device(sample));
    match read(&rest) {
        Some(left) if !device.is_named_in(&rest) && others.eq(&left.decoded.samples) => Without::Rest(rest),
        _ => Without::Nothing,
    }
}

struct Device<'a, R> {
    names: &'a [String],
    read: &'a R,
}

impl<'p, R: Fn(&RecordedRequest) -> Option<Accepted<'p>>> Device<'_, R> {
    fn is_named_in(&self, request: &RecordedRequest) -> bool {
        if self.is_named_in_head(request) || self.stands_in(&request.body) {
            return true;
        }
        let Some(accepted) = (self.read)(request) else { return false };
        let is_it = |name: &str| self.names.iter().any(|own| own == name);
        accepted.decoded.samples.iter().any(|sample| is_it(&sample.device))
            || accepted.inspection.device.as_deref().is_some_and(is_it)
    }

    fn is_named_in_head(&self, request: &RecordedRequest) -> bool {
        let head = RecordedRequest { body: Bytes::new(), ..request.clone() };
        self.stands_in(&head.to_bytes())
    }

    /// Whether one of its names stands in a text, in whatever case.
    fn stands_in(&self, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text).to_lowercase();
        let long = self.names.iter().filter(|name| name.len() >= SHORTEST);
        long.map(|name| name.to_lowercase()).any(|name| text.contains(&name))
    }
}

/// A body as its items.
enum List<'a> {
    Array(Vec<&'a RawValue>),
    Lines(Vec<&'a str>),
}

impl<'a> List<'a> {
    /// `None` where it is no list, or has one item only.
    fn of(body: &'a [u8]) -> Option<Self> {
        if let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(body) {
            return (items.len() > 1).then_some(Self::Array(items));
        }
        let text = std::str::from_utf8(body).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        (lines.len() > 1).then_some(Self::Lines(lines))
    }

    /// The items that do not name the device, as a body; `None` where there is none.
    fn without<'p, R: Fn(&RecordedRequest) -> Option<Accepted<'p>>>(
        &self,
        request: &RecordedRequest,
        device: &Device<'_, R>,
    ) -> Option<Bytes> {
        let stays =
            |body: String| !device.is_named_in(&RecordedRequest { body: body.into(), ..request.clone() });
        let (items, around, between): (Vec<&str>, _, _) = match self {
            Self::Array(items) => (
                items.iter().map(|item| item.get()).filter(|item| stays(format!("[{item}]"))).collect(),
                ["[", "]"],
                ",",
            ),
            Self::Lines(lines) => {
                (lines.iter().copied().filter(|line| stays((*line).to_owned())).collect(), ["", "\n"], "\n")
            }
        };
        let [begin, end] = around;
        (!items.is_empty()).then(|| format!("{begin}{}{end}", items.join(between)).into())
    }
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;
    use jiff::Timestamp;
    use pipeline_config::Pipeline;

    use super::{Without, without_device};
    use crate::origin::Origin;

    fn without(format: &str, head: &str, body: &str, device: &str) -> Without {
        let text = format!("sources: {{s: {{format: {format}}}}}");
        let pipeline = Pipeline::parse(&text, "freshet.yaml").unwrap();
        let request = RecordedRequest::parse(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        let origin = Origin::named(&pipeline, "s").unwrap();
        without_device(origin, &request, Timestamp::UNIX_EPOCH, &[device.to_owned()])
    }

    const JSON: &str = "POST /hooks/s HTTP/1.1\r\ncontent-type: application/json";

    fn rest(of: Without) -> String {
        match of {
            Without::Rest(request) => String::from_utf8(request.body.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_other_items_of_an_array_stay_byte_for_byte() {
        let body = r#"[{"device":"attic", "t": 1.50}, {"device":"Cellar","t":2},{"device":"roof","t":3e0}]"#;
        assert_eq!(
            rest(without("json", JSON, body, "Cellar")),
            r#"[{"device":"attic", "t": 1.50},{"device":"roof","t":3e0}]"#
        );
        assert_eq!(without("json", JSON, body, "shed"), Without::All);
    }

    #[test]
    fn of_a_request_of_the_device_alone_nothing_stays() {
        assert_eq!(without("json", JSON, r#"{"device":"attic","t":1}"#, "attic"), Without::Nothing);
        assert_eq!(without("json", JSON, r#"[{"device":"attic","t":1}]"#, "attic"), Without::Nothing);
        let both = r#"[{"device":"attic","t":1},{"device":"attic","t":2}]"#;
        assert_eq!(without("json", JSON, both, "attic"), Without::Nothing);
    }

    #[test]
    fn lines_are_a_list() {
        let head = "POST /hooks/s HTTP/1.1\r\ncontent-type: text/plain";
        let body = "weather,device=attic t=1 1000000000\nweather,device=roof t=2 1000000000\n";
        let Without::Rest(left) = without("influx_line_protocol", head, body, "attic") else {
            panic!("lines are a list")
        };
        assert_eq!(&*left.body, b"weather,device=roof t=2 1000000000\n");
    }

    #[test]
    fn where_items_depend_on_each_other_nothing_stays() {
        // SenML's base name and time hold for the records that follow (RFC 8428, section 4.1).
        let body =
            r#"[{"bn":"attic/","bt":1000000000,"n":"t","v":1},{"n":"u","v":2},{"bn":"roof/","n":"t","v":3}]"#;
        let head = "POST /hooks/s HTTP/1.1\r\ncontent-type: application/senml+json";
        assert_eq!(without("senml_json", head, body, "attic"), Without::Nothing);
    }

    #[test]
    fn what_names_it_beside_its_body_goes() {
        let head = "POST /hooks/s?from=attic HTTP/1.1\r\ncontent-type: application/json";
        let body = r#"[{"device":"roof","t":1},{"device":"shed","t":2}]"#;
        assert_eq!(without("json", head, body, "attic"), Without::Nothing);
    }

    #[test]
    fn what_cannot_be_read_goes_where_it_names_the_device() {
        assert_eq!(without("json", JSON, r#"{"device":"attic","#, "attic"), Without::Nothing);
        assert_eq!(without("json", JSON, r#"{"device":"roof","#, "attic"), Without::All);
    }
}
