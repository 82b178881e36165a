//! `GET /v1/evidence` and `POST /v1/lanes/{peer}/resume`.

use super::ApiState;
use super::error::Failure;
use super::types::{EvidenceResponse, ResumeQuery};
use crate::driver::PeerLane;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use queue::engine::ResumeError;
use queue::ids::ShardId;
use serde_json::{Value, json};

/// Answers with what froze lanes.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<EvidenceResponse>, Failure> {
    Ok(Json(EvidenceResponse { evidence: state.driver.evidence().await?? }))
}

/// Takes back a freeze; answers once that is durable.
pub(super) async fn resume(
    State(state): State<ApiState>,
    peer: Result<Path<ShardId>, PathRejection>,
    query: Result<Query<ResumeQuery>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let (Path(peer), Query(query)) = (peer?, query?);
    let lane = PeerLane { direction: query.side.into(), peer };
    state.driver.resume(lane).await??;
    Ok(Json(json!({})))
}

impl From<ResumeError> for Failure {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            ResumeError::NotFrozen => Failure::new(StatusCode::CONFLICT, "not_frozen", error),
        }
    }
}
