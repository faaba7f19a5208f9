use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

/// An answer of `status` that says why: problem+json (RFC 9457).
pub fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    problem_with(status, detail, Vec::new())
}

/// The same with further members (RFC 9457, section 3.2).
pub fn problem_with(status: StatusCode, detail: &str, members: Vec<(&str, String)>) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    let mut body =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    for (name, value) in members {
        body[name] = value.into();
    }
    HttpResponse::build(status).content_type("application/problem+json").body(body.to_string())
}
