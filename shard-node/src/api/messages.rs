//! `POST /v1/messages`: sends messages.

use super::error::Failure;
use super::types::{NewMessage, SendRequest, SendResponse, SendResult, SentMessage};
use super::{ApiState, BATCH_MESSAGES_MAX};
use crate::driver::{Accepted, DriverHandle, Ended, Outgoing};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use queue::engine::{Enqueue, EnqueueError};
use queue::ids::{AccountId, ShardId};
use queue::message::Body;
use std::time::Duration;

/// How long NEAR may take to say whether a shard that isn't known yet is registered.
pub(super) const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers once all that was accepted is durable.
pub(super) async fn send(
    State(state): State<ApiState>,
    request: Result<Json<SendRequest>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(request) = request?;
    match request {
        SendRequest::One(message) => {
            let result = enqueue(&state, vec![message]).await?.pop();
            let accepted = result.expect("one result for one message")?;
            Ok(Json(sent(accepted)).into_response())
        }
        SendRequest::Many { messages } => {
            if messages.len() > BATCH_MESSAGES_MAX {
                let reason =
                    format!("{} messages at once are more than the limit of {BATCH_MESSAGES_MAX}", messages.len());
                return Err(Failure::bad_request(reason));
            }
            let results = enqueue(&state, messages).await?.into_iter().map(|result| match result {
                Ok(accepted) => SendResult::Sent(sent(accepted)),
                Err(error) => SendResult::Refused { error: Failure::from(error).body },
            });
            Ok(Json(SendResponse { results: results.collect() }).into_response())
        }
    }
}

async fn enqueue(state: &ApiState, messages: Vec<NewMessage>) -> Result<Vec<Result<Accepted, EnqueueError>>, Failure> {
    let own = own_account(&state.facts.shard)?;
    let request = |message: NewMessage| {
        let NewMessage { to: receiver, from, payload, expires_in_ms, key } = message;
        let sender = from.unwrap_or_else(|| own.clone());
        let message = Enqueue { sender, receiver, body: Body::Data(payload), deadline_ns: None, key };
        Outgoing { message, expires_in_ms }
    };
    let requests: Vec<Outgoing> = messages.into_iter().map(request).collect();
    Ok(enqueue_knowing_new_shards(&state.driver, requests).await?)
}

/// Enqueues; what is for a shard that the node doesn't know is tried once more after NEAR was
/// asked. All messages to one shard share that fate, so that their order stays.
async fn enqueue_knowing_new_shards(
    driver: &DriverHandle,
    requests: Vec<Outgoing>,
) -> Result<Vec<Result<Accepted, EnqueueError>>, Ended> {
    let mut results = driver.enqueue(requests.clone()).await?;
    let unknown = |result: &Result<Accepted, EnqueueError>| matches!(result, Err(EnqueueError::UnknownShard(_)));
    let retried: Vec<usize> =
        results.iter().enumerate().filter(|(_, result)| unknown(result)).map(|(at, _)| at).collect();
    if retried.is_empty() {
        return Ok(results);
    }
    if let Ok(answer) = tokio::time::timeout(REFRESH_TIMEOUT, driver.refresh_registry()).await {
        answer?;
        let again = retried.iter().map(|at| requests[*at].clone()).collect();
        for (at, result) in retried.into_iter().zip(driver.enqueue(again).await?) {
            results[at] = result;
        }
    }
    Ok(results)
}

pub(super) fn own_account(shard: &ShardId) -> Result<AccountId, Failure> {
    shard.as_str().parse().map_err(Failure::bad_request)
}

fn sent(accepted: Accepted) -> SentMessage {
    SentMessage { peer: accepted.peer, nonce: accepted.nonce, accepted_at_ns: accepted.accepted_at_ns }
}
