//! Errors of the local API: an HTTP status, a stable code for programs, a text for people.

use super::types::{ErrorBody, ErrorResponse};
use crate::driver::{BatchError, Ended, InboxError, WaitError};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use queue::engine::{EnqueueError, InboxError as EngineInboxError, OutcomeError, ProveError, TermsError};
use queue::store::StoreError;

/// When a caller who came too early may try again, in milliseconds.
pub(super) const RETRY_MS: u64 = 1_000;

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    pub(super) body: ErrorBody,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &str, message: impl ToString) -> Self {
        let body = ErrorBody { code: code.to_owned(), message: message.to_string(), retry_ms: None, first: None };
        Failure { status, body }
    }

    pub(super) fn retry_in(mut self, retry_ms: u64) -> Self {
        self.body.retry_ms = Some(retry_ms);
        self
    }

    /// The same for a caller who came too early.
    pub(super) fn retry_soon(self) -> Self {
        self.retry_in(RETRY_MS)
    }

    /// A request that makes no sense.
    pub(super) fn bad_request(message: impl ToString) -> Self {
        Failure::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorResponse { error: self.body })).into_response()
    }
}

impl From<EnqueueError> for Failure {
    fn from(error: EnqueueError) -> Self {
        let (status, code) = match &error {
            EnqueueError::Kind(_) => (StatusCode::BAD_REQUEST, "kind_not_accepted"),
            EnqueueError::Sender { .. } => (StatusCode::FORBIDDEN, "sender_not_yours"),
            EnqueueError::Local(_) => (StatusCode::BAD_REQUEST, "receiver_is_local"),
            EnqueueError::NearHasNoLane(_) => (StatusCode::NOT_FOUND, "near_has_no_lane"),
            EnqueueError::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            EnqueueError::UnknownShard(_) => (StatusCode::NOT_FOUND, "unknown_shard"),
            EnqueueError::LaneClosed(_) => (StatusCode::FORBIDDEN, "lane_closed"),
            EnqueueError::LaneStopped(_) => (StatusCode::FORBIDDEN, "lane_stopped"),
            EnqueueError::Terms(error) => status_of_terms(error),
            EnqueueError::Over { .. } => (StatusCode::CONFLICT, "lane_over"),
            EnqueueError::KeyPast { .. } => (StatusCode::CONFLICT, "key_past"),
            EnqueueError::Frozen { .. } => (StatusCode::CONFLICT, "lane_frozen"),
            EnqueueError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            EnqueueError::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            EnqueueError::CallWindow { .. } => (StatusCode::TOO_MANY_REQUESTS, "call_window"),
            EnqueueError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
            EnqueueError::DeadlinePassed { .. } => (StatusCode::BAD_REQUEST, "deadline_passed"),
            EnqueueError::NoTime => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            EnqueueError::KeyReused { .. } => (StatusCode::CONFLICT, "key_reused"),
            EnqueueError::KeysFull => (StatusCode::TOO_MANY_REQUESTS, "keys_full"),
            EnqueueError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store_failed"),
        };
        let failure = Failure::new(status, code, &error);
        match error {
            EnqueueError::Busy { retry_ms, .. } | EnqueueError::CallWindow { retry_ms, .. } => {
                failure.retry_in(retry_ms)
            }
            EnqueueError::Starting | EnqueueError::NoTime => failure.retry_in(RETRY_MS),
            _ => failure,
        }
    }
}

fn status_of_terms(error: &TermsError) -> (StatusCode, &'static str) {
    match error {
        TermsError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        TermsError::CallGas { .. } => (StatusCode::FORBIDDEN, "call_gas"),
        TermsError::NoCalls(_) => (StatusCode::FORBIDDEN, "no_calls"),
        TermsError::NotPermitted { .. } => (StatusCode::FORBIDDEN, "not_permitted"),
        TermsError::Unreadable { .. } => (StatusCode::FORBIDDEN, "permissions_unreadable"),
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Enqueue(error) => error.into(),
            BatchError::Gap { .. } => Failure::new(StatusCode::CONFLICT, "feed_gap", error),
            BatchError::Store(error) => error.into(),
        }
    }
}

impl From<Ended> for Failure {
    fn from(error: Ended) -> Self {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", error)
    }
}

impl From<InboxError> for Failure {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Engine(EngineInboxError::Store(error)) => error.into(),
            InboxError::Engine(EngineInboxError::Pruned { first, .. }) => {
                let mut failure = Failure::new(StatusCode::GONE, "pruned", error);
                failure.body.first = Some(first);
                failure
            }
            InboxError::TooMany(_) => Failure::new(StatusCode::TOO_MANY_REQUESTS, "busy", error).retry_in(RETRY_MS),
        }
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            WaitError::NotAccepted { .. } => Failure::new(StatusCode::NOT_FOUND, "not_accepted", error),
            WaitError::TooMany(_) => Failure::new(StatusCode::TOO_MANY_REQUESTS, "busy", error).retry_in(RETRY_MS),
        }
    }
}

impl From<OutcomeError> for Failure {
    fn from(error: OutcomeError) -> Self {
        match error {
            OutcomeError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            OutcomeError::NoPastLane { .. } => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            OutcomeError::NotThere { .. } => Failure::new(StatusCode::NOT_FOUND, "not_accepted", error),
            OutcomeError::Pruned { .. } => Failure::new(StatusCode::GONE, "pruned", error),
            OutcomeError::Store(error) => error.into(),
        }
    }
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            ProveError::NotThere { .. } => Failure::new(StatusCode::NOT_FOUND, "not_there", error).retry_in(RETRY_MS),
            ProveError::Pruned { first, .. } => {
                let mut failure = Failure::new(StatusCode::GONE, "pruned", error);
                failure.body.first = Some(first);
                failure
            }
            ProveError::CatchingUp { .. } => {
                Failure::new(StatusCode::SERVICE_UNAVAILABLE, "catching_up", error).retry_in(RETRY_MS)
            }
            ProveError::Store(error) => error.into(),
        }
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the request body is longer than {} bytes: send fewer messages at once", super::BODY_BYTES_MAX),
            ),
            _ => Failure::bad_request(rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Failure::bad_request(rejection.body_text())
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Failure::bad_request(rejection.body_text())
    }
}

/// Answers requests for anything that isn't there.
pub(super) async fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "not_found", "no such resource: specs/api.md lists what there is")
}
