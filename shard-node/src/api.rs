//! The local HTTP API: JSON over loopback, for whoever can read the home's token. Specified in
//! `specs/api.md`.

mod auth;
mod error;
mod evidence;
mod files;
mod inbox;
mod incarnations;
mod lanes;
mod messages;
mod proofs;
mod status;
mod stream;
pub mod types;

pub use status::NodeFacts;
pub(crate) use stream::{PAYLOADS_MEDIA_TYPE, STREAM_PATH};

use crate::driver::DriverHandle;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Longest request body, in bytes: one message of 4 MiB in base64, or a batch of small ones.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most messages in one batch: what fits one body at the size of a small message.
pub const BATCH_MESSAGES_MAX: usize = 10_000;

/// Most messages in one answer from the inbox.
pub const INBOX_MESSAGES_MAX: usize = 1_000;

/// Most streams of messages at once: each may hold some 10 MiB that aren't taken yet.
pub const STREAMS_MAX: usize = 32;

/// Longest wait of a long poll.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Why the local API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address is taken or not this machine's.
    #[error(
        "cannot listen for the local API on {address}: {source}; stop what uses the port, or change api_addr in the home's configuration"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The API is for this machine only.
    #[error(
        "the local API may listen on loopback addresses only, found {0}: change api_addr in the home's configuration"
    )]
    NotLoopback(SocketAddr),
}

/// What every request needs.
#[derive(Debug, Clone)]
struct ApiState {
    driver: DriverHandle,
    facts: Arc<NodeFacts>,
    started: Instant,
    /// Room for another stream of messages.
    streams: Arc<Semaphore>,
    /// Becomes true when long polls and streams have to end.
    closing: watch::Receiver<bool>,
}

/// The API, listening and not yet serving.
#[derive(Debug)]
pub struct Api {
    listener: TcpListener,
    token: String,
}

impl Api {
    /// Listens on a loopback address. Requests have to bring `token`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn bind(address: SocketAddr, token: String) -> Result<Self, ApiError> {
        if !address.ip().is_loopback() {
            return Err(ApiError::NotLoopback(address));
        }
        let listener = TcpListener::bind(address).await.map_err(|source| ApiError::Bind { address, source })?;
        Ok(Api { listener, token })
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves requests until `closing` becomes true and those under way are answered.
    ///
    /// # Errors
    /// The system's.
    pub fn serve(
        self,
        driver: DriverHandle,
        facts: NodeFacts,
        closing: watch::Receiver<bool>,
    ) -> impl Future<Output = std::io::Result<()>> + Send + 'static {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let facts = Arc::new(facts);
        let state = ApiState { driver, facts, started: Instant::now(), streams, closing: closing.clone() };
        let router = router(state, &self.token);
        let closed = closed(closing);
        // Answers come in short lines, each of which somebody waits for.
        let listener = self.listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        async move { axum::serve(listener, router).with_graceful_shutdown(closed).await }
    }
}

fn router(state: ApiState, token: &str) -> Router {
    let protected = Router::new()
        .route("/v1/messages", post(messages::send))
        .route(STREAM_PATH, post(stream::send))
        .route("/v1/feeds/{feed}", get(stream::feed))
        .route("/v1/inbox", get(inbox::read))
        .route("/v1/status", get(status::read))
        .route("/v1/lanes/{peer}/wait", get(lanes::wait))
        .route("/v1/lanes/{peer}/messages/{nonce}", get(lanes::message))
        .route("/v1/lanes/{peer}/batch", get(files::export))
        .route("/v1/lanes/{peer}/messages/{nonce}/delivery-proof", get(proofs::delivery))
        .route("/v1/lanes/{peer}/messages/{nonce}/expiry-proof", get(proofs::expiry))
        .route("/v1/lanes/{peer}/resume", post(evidence::resume))
        .route("/v1/lanes/{peer}/accept-incarnation", post(incarnations::accept))
        .route("/v1/lanes/{peer}/unsettled", get(incarnations::unsettled))
        .route("/v1/lanes/{peer}/settle", post(incarnations::settle))
        .route("/v1/batches", post(files::import))
        .route("/v1/evidence", get(evidence::list))
        .route("/v1/proofs/{lane}/{nonce}", get(lanes::prove))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route_layer(axum::middleware::from_fn_with_state(auth::Token::new(token), auth::require_token))
        .with_state(state);
    Router::new().route("/health", get(status::health)).merge(protected).fallback(error::not_found)
}

/// Waits until the API is closing.
async fn closed(mut closing: watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _ = closing.wait_for(|closing| *closing).await;
}
