//! The answer to a request that is not taken: problem+json (RFC 9457).

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use decoders::Decoder;
use payload::Refusal;

/// The methods that any format may take.
pub(crate) const METHODS: &str = "GET, POST, PUT, OPTIONS";

/// Why a request is not taken. The texts help the sender and hold neither a secret nor the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, String)>,
    /// The rest of the body was not read, so the connection cannot go on.
    closes: bool,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None, closes: false }
    }

    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 400 and not 408, which clients may answer by sending the same again at once.
    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the body arrived too slowly").closing()
    }

    pub(crate) fn cut_short() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the body ended early").closing()
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "no credential of this source fits the request")
            .with(WWW_AUTHENTICATE, "Bearer")
            .closing()
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no source at this address").closing()
    }

    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this address takes {allowed}"))
            .with(ALLOW, allowed)
            .closing()
    }

    pub(crate) fn length_required() -> Self {
        Self::new(
            StatusCode::LENGTH_REQUIRED,
            "the request says neither how long its body is nor that it is chunked",
        )
        .closing()
    }

    pub(crate) fn no_web_socket() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "this address speaks no WebSocket").closing()
    }

    pub(crate) fn too_large(bound: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {bound} bytes")).closing()
    }

    /// Says, where the body was too large, which setting of the format's senders makes it smaller.
    pub(crate) fn advised(mut self, format: &dyn Decoder) -> Self {
        if self.status == StatusCode::PAYLOAD_TOO_LARGE
            && let Some(advice) = format.advice_for_large_bodies()
        {
            self.detail = format!("{}: {advice}", self.detail);
        }
        self
    }

    pub(crate) fn unsupported_encoding() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content encoding is none of gzip, deflate, identity",
        )
        .with(ACCEPT_ENCODING, "gzip, deflate")
    }

    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(crate) fn above_rate(wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "this source is above its rate")
            .with(RETRY_AFTER, wait.as_secs().to_string())
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "more of this source is under way than there is room for")
            .with(RETRY_AFTER, "1")
    }

    pub(crate) fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, "5")
    }

    /// The status, for the log.
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The detail, for the log.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether the connection has to end here.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// The answer, in words that the clients of `format` read, too.
    pub(crate) fn answer(self, format: Option<&dyn Decoder>) -> HttpResponse {
        let members = format.map(|format| format.error_members(self.status(), &self.detail));
        let mut answer = stage::problem_with(self.status, &self.detail, members.unwrap_or_default());
        if let Some((name, value)) =
            self.header.and_then(|(name, value)| Some((name, value.try_into().ok()?)))
        {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let problem = Self::new(status, refusal.to_string());
        match refusal.allowed_methods() {
            Some(allowed) => problem.with(ALLOW, allowed),
            None => problem,
        }
    }
}
