//! `GET /v1/status` and `GET /health`.

use super::ApiState;
use super::error::Failure;
use super::types::{NearStatus, StatusResponse};
use axum::Json;
use axum::extract::State;
use queue::ids::ShardId;

/// What doesn't change while a node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The node's shard.
    pub shard: ShardId,
    /// Address of the NEAR RPC server.
    pub near_rpc: String,
    /// The bridge contract's account.
    pub bridge: String,
}

/// Answers with the state of node, lanes and NEAR.
pub(super) async fn read(State(state): State<ApiState>) -> Result<Json<StatusResponse>, Failure> {
    let node = state.driver.status().await?;
    Ok(Json(StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: u64::try_from(state.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        near: NearStatus { rpc: state.facts.near_rpc.clone(), bridge: state.facts.bridge.clone(), state: node.near },
        engine: node.engine,
    }))
}

/// Says that the process serves requests.
pub(super) async fn health() -> &'static str {
    "ok"
}
