//! `POST /v1/lanes/{peer}/accept-incarnation`, `GET /v1/lanes/{peer}/unsettled` and
//! `POST /v1/lanes/{peer}/settle`.

use super::ApiState;
use super::error::Failure;
use super::types::{AcceptQuery, SettleRequest, UnsettledQuery};
use crate::driver::PastLane;
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use queue::engine::{AcceptError, AcceptedIncarnation, RulingError, Unsettled};
use queue::ids::ShardId;
use serde_json::{Value, json};

/// Most requests in one answer of what is unsettled.
const UNSETTLED_MAX: usize = 1_000;

/// Accepts a peer's incarnation; answers once that is durable.
pub(super) async fn accept(
    State(state): State<ApiState>,
    peer: Result<Path<ShardId>, PathRejection>,
    query: Result<Query<AcceptQuery>, QueryRejection>,
) -> Result<Json<AcceptedIncarnation>, Failure> {
    let (Path(peer), Query(query)) = (peer?, query?);
    Ok(Json(state.driver.accept_incarnation(peer, query.incarnation).await??))
}

/// Answers with requests of which it is unknown what became.
pub(super) async fn unsettled(
    State(state): State<ApiState>,
    peer: Result<Path<ShardId>, PathRejection>,
    query: Result<Query<UnsettledQuery>, QueryRejection>,
) -> Result<Json<Unsettled>, Failure> {
    let (Path(peer), Query(query)) = (peer?, query?);
    let limit = query.limit.unwrap_or(UNSETTLED_MAX);
    if !(1..=UNSETTLED_MAX).contains(&limit) {
        return Err(Failure::bad_request(format!("limit {limit} is not 1 to {UNSETTLED_MAX}")));
    }
    let lane = PastLane { peer, incarnation: query.incarnation };
    Ok(Json(state.driver.unsettled(lane, query.from, limit).await??))
}

/// Settles requests by hand; answers once that is durable.
pub(super) async fn settle(
    State(state): State<ApiState>,
    peer: Result<Path<ShardId>, PathRejection>,
    request: Result<Json<SettleRequest>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    let (Path(peer), Json(request)) = (peer?, request?);
    let lane = PastLane { peer, incarnation: request.incarnation };
    state.driver.rule(lane, request.nonces, request.ruling).await??;
    Ok(Json(json!({})))
}

impl From<AcceptError> for Failure {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            AcceptError::Current { .. } => Failure::new(StatusCode::CONFLICT, "nothing_to_accept", error),
            AcceptError::Other { .. } => Failure::new(StatusCode::CONFLICT, "other_incarnation", error),
            AcceptError::Starting => Failure::new(StatusCode::SERVICE_UNAVAILABLE, "starting", error).retry_soon(),
            AcceptError::Stop(_) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", error),
        }
    }
}

impl From<RulingError> for Failure {
    fn from(error: RulingError) -> Self {
        match error {
            RulingError::Message(error) => error.into(),
            RulingError::Known { .. } => Failure::new(StatusCode::CONFLICT, "outcome_known", error),
            RulingError::Result { .. } => Failure::new(StatusCode::CONFLICT, "is_a_result", error),
            RulingError::TooMany(_) => Failure::bad_request(error),
        }
    }
}
