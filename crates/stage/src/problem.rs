use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

/// An answer of `status` that says why: problem+json (RFC 9457).
pub fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    HttpResponse::build(status).content_type("application/problem+json").body(body.to_string())
}
