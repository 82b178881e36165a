//! The network's RPC over HTTP, as a NEAR node serves it: what to answer comes from `chain`,
//! waiting is done here.

use super::producer::{ProducerHandle, Stopping};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chain::View;
use chain::rpc::{self, Reply, Wait};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Longest request, in bytes, as a NEAR node has it: a contract in base64 fits.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The routes of a NEAR node's RPC.
pub(super) fn app(producer: ProducerHandle) -> Router {
    Router::new()
        .route("/", post(call).options(|| async {}))
        .route("/status", get(status))
        .route("/health", get(|| async { Json(Value::Null) }))
        .route("/network_info", get(|| async { Json(rpc::network_info_page()) }))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(allow_any_origin))
        .with_state(producer)
}

async fn call(State(producer): State<ProducerHandle>, headers: HeaderMap, body: Bytes) -> Result<Response, Stopping> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/json") {
        let text = "Expected request with `Content-Type: application/json`";
        return Ok((StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response());
    }
    let view = producer.views().borrow().clone();
    // A view call runs a contract.
    let reply = tokio::task::spawn_blocking(move || rpc::handle(&body, &view)).await.map_err(|_| Stopping)?;
    let (http_status, body) = match reply {
        Reply::Answer { http_status, body } => (http_status, body),
        Reply::Text { http_status, body } => return Ok((status_code(http_status), body).into_response()),
        Reply::Submit { transaction, wait } => match producer.submit(*transaction).await? {
            Ok(()) => answer(&wait, producer.views()).await,
            Err(error) => wait.refused(error),
        },
        Reply::Wait(wait) => answer(&wait, producer.views()).await,
        Reply::FastForward { blocks, body } => {
            producer.fast_forward(blocks).await?;
            (200, body)
        }
    };
    Ok((status_code(http_status), Json(body)).into_response())
}

/// Asks after every block, until there is an answer or waiting has taken too long.
async fn answer(wait: &Wait, mut views: watch::Receiver<View>) -> (u16, Value) {
    let deadline = Instant::now() + Duration::from_secs(rpc::WAIT_SECONDS);
    loop {
        let view = views.borrow_and_update().clone();
        if let Some(answer) = wait.check(&view) {
            return answer;
        }
        if !matches!(timeout_at(deadline, views.changed()).await, Ok(Ok(()))) {
            return wait.timed_out();
        }
    }
}

async fn status(State(producer): State<ProducerHandle>) -> Json<Value> {
    let view = producer.views().borrow().clone();
    Json(rpc::status_page(&view))
}

async fn metrics(State(producer): State<ProducerHandle>) -> String {
    let height = producer.views().borrow().height();
    format!(
        "# HELP near_block_height_head Height of the newest block\n\
         # TYPE near_block_height_head gauge\n\
         near_block_height_head {height}\n"
    )
}

/// Lets web pages of any origin talk to the network, as a NEAR node does: it holds nobody's secrets.
async fn allow_any_origin(request: Request, next: Next) -> Response {
    let any = HeaderValue::from_static("*");
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, any);
    }
    response
}

fn status_code(http_status: u16) -> StatusCode {
    StatusCode::from_u16(http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl IntoResponse for Stopping {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, self.to_string()).into_response()
    }
}
