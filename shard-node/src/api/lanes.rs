//! `GET /v1/lanes/{peer}/wait` and `GET /v1/proofs/{lane}/{nonce}`.

use super::error::Failure;
use super::types::{WaitQuery, WaitResponse};
use super::{ApiState, WAIT_MAX, closed};
use crate::driver::SentMessage;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
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
    let message = SentMessage { peer: peer.clone(), nonce: query.nonce };
    tokio::select! {
        result = state.driver.wait(message.clone(), query.state) => {
            result??;
            return Ok(Json(WaitResponse { reached: true, waiting_for: None }));
        }
        () = tokio::time::sleep(wait) => {}
        () = closed(state.closing.clone()) => {}
    }
    let status = state.driver.status().await?.engine;
    let reached = query.state.is_reached(&status, &message)?;
    let lane = status.outbound.into_iter().find(|lane| lane.peer == peer && !reached);
    Ok(Json(WaitResponse { reached, waiting_for: lane.and_then(|lane| lane.waiting_for) }))
}

/// The file that proves a received message.
pub(super) async fn prove(
    State(state): State<ApiState>,
    path: Result<Path<(ShardId, u64)>, PathRejection>,
) -> Result<Json<MessageProof>, Failure> {
    let Path((lane, nonce)) = path?;
    Ok(Json(state.driver.prove(lane, nonce).await??))
}
