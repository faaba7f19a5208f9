//! The body: read within bounds of size and time, then decompressed within the same bound of size.

use std::io::{self, Read};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_web::http::{Method, Version};
use actix_web::web::{Bytes, Payload};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use stage::body::BodyFault;

use crate::problem::Problem;

/// Reads the body as it was sent.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    bound: usize,
    limit: Duration,
) -> Result<Bytes, Problem> {
    let length =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bound) {
        return Err(Problem::too_large(bound));
    }
    // actix-http reads such a body to the end of the connection.
    if request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
    {
        return Err(Problem::no_web_socket());
    }
    let says_nothing = length.is_none() && !request.headers().contains_key(TRANSFER_ENCODING);
    if says_nothing && request.version() <= Version::HTTP_11 && request.method() != Method::GET {
        return Err(Problem::length_required());
    }
    stage::body::read(payload, bound, limit).await.map_err(|fault| match fault {
        BodyFault::TooLarge => Problem::too_large(bound),
        BodyFault::TooSlow => Problem::too_slow(),
        BodyFault::CutShort => Problem::cut_short(),
    })
}

/// Undoes the one content coding that the request names.
pub(crate) fn decompressed(request: &HttpRequest, body: Bytes, bound: usize) -> Result<Bytes, Problem> {
    let mut codings = request.headers().get_all(CONTENT_ENCODING);
    let coding = codings.next().map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    if codings.next().is_some() {
        return Err(Problem::unsupported_encoding());
    }
    match coding.as_deref() {
        None | Some("" | "identity") => Ok(body),
        Some("gzip" | "x-gzip") => inflate(MultiGzDecoder::new(&*body), bound),
        // RFC 9110 means zlib by `deflate`; some senders leave its frame out.
        Some("deflate") if is_zlib(&body) => inflate(ZlibDecoder::new(&*body), bound),
        Some("deflate") => inflate(DeflateDecoder::new(&*body), bound),
        Some(_) => Err(Problem::unsupported_encoding()),
    }
}

/// RFC 1950, section 2.2: the method is 8, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0F == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

fn inflate(decoder: impl Read, bound: usize) -> Result<Bytes, Problem> {
    let mut body = Vec::new();
    let one_more = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    let read: io::Result<usize> = decoder.take(one_more).read_to_end(&mut body);
    match read {
        Ok(length) if length > bound => Err(Problem::too_large(bound)),
        Ok(_) => Ok(body.into()),
        Err(_) => Err(Problem::malformed("the body is not what its content encoding says")),
    }
}
