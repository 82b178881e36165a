//! `GET /v1/lanes/{peer}/messages/{nonce}/delivery-proof` and `…/expiry-proof`.

use super::ApiState;
use super::error::Failure;
use super::types::MessageQuery;
use crate::driver::SentMessage;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use queue::engine::{MessageState, OutcomeError, SettlementProofError};
use queue::ids::ShardId;
use queue::proof::{DeliveryProof, ExpiryProof};

/// The file that proves that a sent message was delivered, or at least decided.
pub(super) async fn delivery(
    State(state): State<ApiState>,
    path: Result<Path<(ShardId, u64)>, PathRejection>,
    query: Result<Query<MessageQuery>, QueryRejection>,
) -> Result<Json<Box<DeliveryProof>>, Failure> {
    Ok(Json(state.driver.prove_delivery(message(path?, query?)).await??))
}

/// The file that proves that a sent message never ran and never will.
pub(super) async fn expiry(
    State(state): State<ApiState>,
    path: Result<Path<(ShardId, u64)>, PathRejection>,
    query: Result<Query<MessageQuery>, QueryRejection>,
) -> Result<Json<Box<ExpiryProof>>, Failure> {
    Ok(Json(state.driver.prove_expiry(message(path?, query?)).await??))
}

fn message(
    Path((peer, nonce)): Path<(ShardId, u64)>,
    Query(MessageQuery { incarnation }): Query<MessageQuery>,
) -> SentMessage {
    SentMessage { peer, incarnation, nonce }
}

impl From<SettlementProofError> for Failure {
    fn from(error: SettlementProofError) -> Self {
        let text = error.to_string();
        match error {
            SettlementProofError::Message(error) => unknown(error),
            SettlementProofError::NotAttested { .. } | SettlementProofError::NotDecided { .. } => {
                Failure::new(StatusCode::NOT_FOUND, "not_there", text).retry_soon()
            }
            SettlementProofError::NeverRan { .. } => Failure::new(StatusCode::CONFLICT, "never_ran", text),
            SettlementProofError::NotExpired { state: MessageState::Settled(_), .. } => {
                Failure::new(StatusCode::CONFLICT, "not_expired", text)
            }
            SettlementProofError::NotExpired { .. } => {
                Failure::new(StatusCode::CONFLICT, "not_expired", text).retry_soon()
            }
            SettlementProofError::Result { error, .. } => {
                let mut failure = Failure::from(error);
                failure.body.message = text;
                failure
            }
        }
    }
}

fn unknown(error: OutcomeError) -> Failure {
    match error {
        OutcomeError::NoLane(_) | OutcomeError::NoPastLane { .. } => {
            Failure::new(StatusCode::NOT_FOUND, "no_lane", error)
        }
        OutcomeError::NotThere { .. } => Failure::new(StatusCode::NOT_FOUND, "not_accepted", error),
        OutcomeError::Pruned { .. } => Failure::new(StatusCode::GONE, "pruned", error),
        OutcomeError::Store(error) => error.into(),
    }
}
