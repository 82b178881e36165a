//! `GET /v1/lanes/{peer}/wait`, `GET /v1/lanes/{peer}/messages/{nonce}` and
//! `GET /v1/proofs/{lane}/{nonce}`.

use super::error::Failure;
use super::types::{MessageQuery, MessageResponse, WaitQuery, WaitResponse};
use super::{ApiState, WAIT_MAX, closed};
use crate::driver::{Milestone, SentMessage};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use queue::engine::MessageState;
use queue::ids::ShardId;
use queue::proof::MessageProof;
use std::time::Duration;

/// Answers when the message has come so far, or the wait is over.
pub(super) async fn wait(
    State(state): State<ApiState>,
    peer: Result<Path<ShardId>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<WaitResponse>, Failure> {
    let (Path(peer), Query(query)) = (peer?, query?);
    let wait = Duration::from_millis(query.wait_ms).min(WAIT_MAX);
    let message = SentMessage { peer: peer.clone(), incarnation: None, nonce: query.nonce };
    tokio::select! {
        result = state.driver.wait(message.clone(), query.state) => {
            result??;
            return Ok(Json(WaitResponse { reached: true, waiting_for: None }));
        }
        () = tokio::time::sleep(wait) => {}
        () = closed(state.closing.clone()) => {}
    }
    let status = state.driver.status().await?.engine;
    let mut reached = query.state.is_reached(&status, &message)?;
    if query.state == Milestone::Settled {
        // Also waits until what the status says is durable.
        reached |= matches!(state.driver.outcome(message).await?, Ok(MessageState::Settled(_)));
    }
    let lane = status.outbound.into_iter().find(|lane| lane.peer == peer && !reached);
    Ok(Json(WaitResponse { reached, waiting_for: lane.and_then(|lane| lane.waiting_for) }))
}

/// How far a message has come, and what became of it.
pub(super) async fn message(
    State(state): State<ApiState>,
    path: Result<Path<(ShardId, u64)>, PathRejection>,
    query: Result<Query<MessageQuery>, QueryRejection>,
) -> Result<Json<MessageResponse>, Failure> {
    let (Path((peer, nonce)), Query(query)) = (path?, query?);
    let message = SentMessage { peer: peer.clone(), incarnation: query.incarnation, nonce };
    let state = state.driver.outcome(message).await??;
    Ok(Json(MessageResponse { peer, nonce, state }))
}

/// The file that proves a received message.
pub(super) async fn prove(
    State(state): State<ApiState>,
    path: Result<Path<(ShardId, u64)>, PathRejection>,
    query: Result<Query<MessageQuery>, QueryRejection>,
) -> Result<Json<MessageProof>, Failure> {
    let (Path((peer, nonce)), Query(MessageQuery { incarnation })) = (path?, query?);
    Ok(Json(state.driver.prove(SentMessage { peer, incarnation, nonce }).await??))
}
