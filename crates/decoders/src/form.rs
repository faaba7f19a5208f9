//! Checks of a request's form that formats share: method, content type, JSON.

use event_model::{RecordedRequest, form};

use crate::decode::FormError;
use crate::json::{Member, Node, Object};

/// The content types of JSON; any `application/*+json` counts too.
pub const JSON: [&str; 2] = ["application/json", "text/json"];

/// Refuses another method.
///
/// # Errors
/// [`FormError::MethodNotAllowed`].
pub fn expect_method(request: &RecordedRequest, allowed: &[&str]) -> Result<(), FormError> {
    if allowed.contains(&request.method.as_str()) {
        return Ok(());
    }
    Err(FormError::MethodNotAllowed { found: request.method.clone(), expected: allowed.join(", ") })
}

/// Refuses another content type than JSON's or one of `more`. None at all is taken: small devices often send none.
///
/// # Errors
/// [`FormError::UnsupportedMediaType`].
pub fn expect_json(request: &RecordedRequest, more: &[&str]) -> Result<(), FormError> {
    let Some(found) = request.media_type() else { return Ok(()) };
    let is_json =
        JSON.contains(&found.as_str()) || found.starts_with("application/") && found.ends_with("+json");
    if is_json || more.contains(&found.as_str()) {
        return Ok(());
    }
    Err(FormError::UnsupportedMediaType { found, expected: [&JSON[..1], more].concat().join(", ") })
}

/// Reads the body as JSON.
///
/// # Errors
/// [`FormError::Malformed`].
pub fn parse_json(request: &RecordedRequest) -> Result<Node, FormError> {
    json_of(&request.body)
}

/// Reads the body as one JSON object.
///
/// # Errors
/// [`FormError::Malformed`] where it is no JSON, [`FormError::Unprocessable`] where it is another JSON value.
pub fn parse_object(request: &RecordedRequest) -> Result<Node, FormError> {
    object_of(&request.body)
}

/// Reads a text as one JSON object.
///
/// # Errors
/// As [`parse_object`].
pub fn object_of(text: &[u8]) -> Result<Node, FormError> {
    match json_of(text)? {
        node @ Node::Object(_) => Ok(node),
        other => Err(no_object(&other)),
    }
}

/// The refusal of a JSON value that is no object.
pub fn no_object(node: &Node) -> FormError {
    FormError::Unprocessable(format!("expected a JSON object, found {}", node.kind()))
}

fn json_of(text: &[u8]) -> Result<Node, FormError> {
    Node::parse(text).map_err(|error| FormError::Malformed(error.to_string()))
}

/// What stands behind `/hooks/<source>/` in a path, as it is written; nothing where nothing does.
pub fn source_path(path: &str) -> &str {
    path.trim_start_matches('/').splitn(3, '/').nth(2).unwrap_or_default()
}

/// The first value of `key` in the request's query, decoded.
pub fn query_value(request: &RecordedRequest, key: &str) -> Option<String> {
    let value = form::fields(&request.query).find(|field| field.raw_name == key)?;
    Some(value.value().into_owned())
}

/// Reads the body as JSON or, where its content type says so, as a form; where there is none, the query. Other content types
/// than JSON's, a form's and `text/plain` are refused.
///
/// # Errors
/// [`FormError::UnsupportedMediaType`]; [`FormError::Malformed`] where it is neither, or has no fields.
pub fn parse_json_or_form(request: &RecordedRequest) -> Result<Node, FormError> {
    let is_form = request.media_type().as_deref() == Some(FORM);
    let fields = if request.body.trim_ascii().is_empty() {
        object_of_fields(&request.query)
    } else if is_form {
        let text = std::str::from_utf8(&request.body);
        object_of_fields(text.map_err(|_| FormError::Malformed("the form is not valid UTF-8".to_owned()))?)
    } else {
        expect_json(request, &[FORM, "text/plain"])?;
        return parse_json(request);
    };
    if fields.is_empty() {
        return Err(FormError::Malformed(
            "expected fields (name=value&...) in the query or the body".to_owned(),
        ));
    }
    Ok(Node::Object(Box::new(fields)))
}

/// The content type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form or a query as an object of texts; of a name that is repeated the last counts. Fields without a name
/// are left out.
pub fn object_of_fields(text: &str) -> Object {
    let mut fields = Object::default();
    for field in form::fields(text) {
        let name = field.name();
        if name.trim().is_empty() {
            continue;
        }
        let node = Node::Text(field.value().trim().into());
        let (at, before) = fields.insert_full(name.trim().into(), Member { node, repeated: false });
        fields[at].repeated = before.is_some();
    }
    fields
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;

    use super::{expect_json, expect_method, object_of_fields, query_value};

    fn request(head: &str) -> RecordedRequest {
        RecordedRequest::parse(format!("{head}\n\n").as_bytes()).unwrap()
    }

    #[test]
    fn json_comes_under_many_content_types() {
        for content_type in
            ["application/json; charset=utf-8", "Application/JSON", "text/json", "application/vnd.x+json"]
        {
            assert!(
                expect_json(&request(&format!("POST / HTTP/1.1\nContent-Type: {content_type}")), &[]).is_ok()
            );
        }
        assert!(expect_json(&request("POST / HTTP/1.1"), &[]).is_ok());
        assert!(expect_json(&request("POST / HTTP/1.1\nContent-Type: text/plain"), &[]).is_err());
        assert!(expect_method(&request("GET / HTTP/1.1"), &["POST"]).is_err());
    }

    #[test]
    fn fields_are_members_of_an_object() {
        let fields = object_of_fields("a=1+2&&=x&b=%C3%BC&a=3&c");
        let texts: Vec<_> = fields
            .iter()
            .map(|(key, member)| (key.as_str(), member.node.as_str().unwrap(), member.repeated))
            .collect();
        assert_eq!(texts, [("a", "3", true), ("b", "ü", false), ("c", "", false)]);
    }

    #[test]
    fn query_values_are_decoded() {
        assert_eq!(
            query_value(&request("POST /x?a=1&event=u%70+x HTTP/1.1"), "event").as_deref(),
            Some("up x")
        );
        assert_eq!(query_value(&request("POST /x HTTP/1.1"), "event"), None);
    }
}
