//! `GET /v1/inbox`: the messages that were delivered, in order.

use super::error::Failure;
use super::types::{InboxContent, InboxMessage, InboxOutcome, InboxQuery, InboxResponse, InboxResult};
use super::{ApiState, INBOX_MESSAGES_MAX, WAIT_MAX, closed};
use crate::driver::{Delivered, InboxRange};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use queue::message::{Body, Message, Outcome, RequestResult};
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
    let mut shown = InboxMessage {
        position: entry.position,
        peer: entry.peer,
        incarnation: entry.incarnation,
        nonce: entry.nonce,
        message: None,
        result: None,
        tombstone: None,
        durable_at_ns,
    };
    let bytes = match entry.content {
        Ok(bytes) => bytes,
        Err(tombstone) => return Ok(InboxMessage { tombstone: Some(tombstone), ..shown }),
    };
    // Only what decodes is ever delivered, and no calls: anything else is damage.
    let damaged = |reason: String| StoreError::Damaged(format!("a delivered message can't be read: {reason}"));
    let message = Message::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
    let (sender, receiver) = (message.sender, message.receiver);
    match message.body {
        Body::Data(payload) => shown.message = Some(InboxContent { sender, receiver, payload }),
        Body::Result(RequestResult { request_nonce, outcome }) => {
            shown.result = Some(InboxResult { request_nonce, receiver, outcome: outcome_shown(outcome) });
        }
        Body::Call(_) => return Err(damaged("it is a call".to_owned()).into()),
    }
    Ok(shown)
}

fn outcome_shown(outcome: Outcome) -> InboxOutcome {
    match outcome {
        Outcome::Success(value) => InboxOutcome::Success { value },
        Outcome::Failure(reason) => InboxOutcome::Failure { reason },
        Outcome::Tombstone(reason) => InboxOutcome::Tombstone { reason },
    }
}
