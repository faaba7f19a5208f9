//! Request bodies: read within bounds of size and time, and cut off where they break them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use thiserror::Error;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyFault {
    /// It is larger than the bound.
    #[error("the body is larger than the bound")]
    TooLarge,
    /// It was not there in time.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// The connection ended, or broke its own framing, before the body did.
    #[error("the body ended early")]
    CutShort,
}

/// Reads a whole body of at most `bound` bytes within `limit`.
///
/// # Errors
/// [`BodyFault`]; the answer then goes through [`close_unread`].
pub async fn read(payload: &mut Payload, bound: usize, limit: Duration) -> Result<Bytes, BodyFault> {
    tokio::time::timeout(limit, read_all(payload, bound)).await.unwrap_or(Err(BodyFault::TooSlow))
}

async fn read_all(payload: &mut Payload, bound: usize) -> Result<Bytes, BodyFault> {
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let mut whole = first.map_err(|_| BodyFault::CutShort)?;
    if whole.len() > bound {
        return Err(BodyFault::TooLarge);
    }
    // Nearly all bodies come in one piece, which is then not copied.
    let Some(second) = payload.next().await else { return Ok(whole) };
    let mut joined = BytesMut::from(&*std::mem::take(&mut whole));
    let mut next = Some(second);
    while let Some(piece) = next {
        let piece = piece.map_err(|_| BodyFault::CutShort)?;
        if joined.len() + piece.len() > bound {
            return Err(BodyFault::TooLarge);
        }
        joined.extend_from_slice(&piece);
        next = payload.next().await;
    }
    Ok(joined.freeze())
}

/// An answer to a request whose body was not read to its end: the connection is closed behind it.
///
/// actix-http reads a chunked body that nobody holds any more to its end, however long that takes, before it goes on. So
/// the body is held until the answer is written.
pub fn close_unread(mut answer: HttpResponse, payload: Payload) -> HttpResponse {
    answer.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    answer.map_body(|_, body| BoxBody::new(Holding { body, _payload: payload }))
}

struct Holding {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
