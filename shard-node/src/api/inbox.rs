//! `GET /v1/inbox`: the messages that were delivered, in order.

use super::error::Failure;
use super::types::{InboxContent, InboxMessage, InboxQuery, InboxResponse};
use super::{ApiState, INBOX_MESSAGES_MAX, WAIT_MAX, closed};
use crate::driver::{Delivered, InboxRange};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use queue::message::{Body, Message};
use queue::store::StoreError;
use std::time::Duration;

/// Messages per answer, unless asked otherwise.
const LIMIT_DEFAULT: usize = 100;

/// Answers at once if there is something to read, otherwise when there is or the wait is over.
pub(super) async fn read(
    State(state): State<ApiState>,
    query: Result<Query<InboxQuery>, QueryRejection>,
) -> Result<Json<InboxResponse>, Failure> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=INBOX_MESSAGES_MAX).contains(&limit) {
        return Err(Failure::bad_request(format!("limit is {limit}, expected 1 to {INBOX_MESSAGES_MAX}")));
    }
    let range = InboxRange { from: query.from, limit, wait: query.wait_ms > 0 };
    let wait = Duration::from_millis(query.wait_ms).min(WAIT_MAX);
    let delivered = tokio::select! {
        delivered = state.driver.inbox(range) => delivered??,
        () = tokio::time::sleep(wait), if range.wait => Vec::new(),
        () = closed(state.closing.clone()), if range.wait => Vec::new(),
    };
    let entries = delivered.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    let next = entries.last().map_or(query.from, |last| last.position.saturating_add(1));
    Ok(Json(InboxResponse { entries, next }))
}

fn message(delivered: Delivered) -> Result<InboxMessage, Failure> {
    let Delivered { entry, durable_at_ns } = delivered;
    let (message, tombstone) = match entry.content {
        Ok(bytes) => (Some(content(&bytes)?), None),
        Err(tombstone) => (None, Some(tombstone)),
    };
    Ok(InboxMessage {
        position: entry.position,
        peer: entry.peer,
        nonce: entry.nonce,
        message,
        tombstone,
        durable_at_ns,
    })
}

/// Only well-formed data messages are ever delivered: anything else is damage.
fn content(bytes: &[u8]) -> Result<InboxContent, Failure> {
    let damaged = |reason: String| StoreError::Damaged(format!("a delivered message can't be read: {reason}"));
    let message = Message::decode(bytes).map_err(|error| damaged(error.to_string()))?;
    match message.body {
        Body::Data(payload) => Ok(InboxContent { sender: message.sender, receiver: message.receiver, payload }),
        other => Err(damaged(format!("its kind is {}", other.kind())).into()),
    }
}
