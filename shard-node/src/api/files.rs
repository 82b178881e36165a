//! `GET /v1/lanes/{peer}/batch` and `POST /v1/batches`: batch files out and in, in constant memory.

use super::ApiState;
use super::error::Failure;
use super::types::{BatchQuery, ImportResponse};
use crate::driver::{DriverHandle, PeerLane};
use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use queue::batch::{BATCH_MESSAGE_BYTES_MAX, BatchError, BatchParser, BatchPiece, BatchVerifier};
use queue::digest::Native;
use queue::engine::{Export, ExportError, ImportError};
use queue::ids::ShardId;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Parts that wait for a slow reader of an export, a megabyte each.
const PARTS_AHEAD: usize = 2;

/// Most bytes of a refused upload that are read to its end, so that the client gets the answer: the
/// longest file.
const DRAIN_BYTES_MAX: u64 = 2 * BATCH_MESSAGE_BYTES_MAX;

/// Answers with a batch file. One that fails on the way breaks off, which the file's own end tells.
pub(super) async fn export(
    State(state): State<ApiState>,
    peer: Result<Path<ShardId>, PathRejection>,
    query: Result<Query<BatchQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let (Path(peer), Query(query)) = (peer?, query?);
    let range = match (query.begin, query.end) {
        (None, None) => None,
        (Some(begin), Some(end)) => Some(begin..end),
        _ => return Err(Failure::bad_request("begin and end are given both or not at all")),
    };
    let lane = PeerLane { direction: query.side.into(), peer };
    let (header, export) = state.driver.export(lane, range).await??;
    let (sender, parts) = mpsc::channel(PARTS_AHEAD);
    tokio::spawn(send_parts(state.driver, export, sender));
    let body = Body::from_stream(FileBody { begin: Some(header.encode()), parts });
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

async fn send_parts(driver: DriverHandle, mut export: Export, parts: mpsc::Sender<Result<Bytes, Failure>>) {
    loop {
        let part = match driver.export_part(export).await.map_err(Failure::from) {
            Ok(Ok((Some(part), rest))) => {
                export = rest;
                part
            }
            Ok(Ok((None, _))) => return,
            Ok(Err(error)) => return break_off(&parts, error.into()).await,
            Err(failure) => return break_off(&parts, failure).await,
        };
        // A reader that is gone wants no more.
        if parts.send(Ok(part.encode().into())).await.is_err() {
            return;
        }
    }
}

/// Ends a file before its end. Whether anybody still reads makes no difference.
async fn break_off(parts: &mpsc::Sender<Result<Bytes, Failure>>, failure: Failure) {
    tracing::warn!(reason = failure.body.message, "an export breaks off");
    let _ = parts.send(Err(failure)).await;
}

/// The bytes of a file as they come.
struct FileBody {
    begin: Option<Vec<u8>>,
    parts: mpsc::Receiver<Result<Bytes, Failure>>,
}

impl Stream for FileBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(begin) = self.begin.take() {
            return Poll::Ready(Some(Ok(begin.into())));
        }
        let broken = |failure: Failure| axum::Error::new(std::io::Error::other(failure.body.message));
        self.parts.poll_recv(context).map(|part| part.map(|part| part.map_err(broken)))
    }
}

/// Takes a batch file; answers once all that it brought is durable.
pub(super) async fn import(State(state): State<ApiState>, mut body: Body) -> Result<Json<ImportResponse>, Failure> {
    let mut import = Import { driver: state.driver, parser: BatchParser::default(), verifier: None, taken: 0, size: 0 };
    match import.read(&mut body).await {
        Ok(response) => Ok(Json(response)),
        Err(mut failure) => {
            if import.taken > 0 {
                let before = format!(" ({} messages before were taken, the lane has {})", import.taken, import.size);
                failure.body.message.push_str(&before);
            }
            drain(&mut body).await;
            Err(failure)
        }
    }
}

/// A file that is being read.
struct Import {
    driver: DriverHandle,
    parser: BatchParser,
    verifier: Option<BatchVerifier>,
    taken: u64,
    size: u64,
}

impl Import {
    async fn read(&mut self, body: &mut Body) -> Result<ImportResponse, Failure> {
        while let Some(bytes) = next_bytes(body).await? {
            self.parser.push(&bytes);
            while let Some(piece) = self.parser.next_piece()? {
                match (piece, &mut self.verifier) {
                    (BatchPiece::Part(part), Some(verifier)) => {
                        let part = verifier.verify_part::<Native>(part)?;
                        let imported = self.driver.import_part(part).await??;
                        self.taken += imported.taken;
                        self.size = imported.size;
                    }
                    (BatchPiece::Header(header), None) => {
                        self.verifier = Some(self.driver.check_batch(header).await??);
                    }
                    _ => return Err(BatchError::Format.into()),
                }
            }
        }
        let verified = self.verifier.take().ok_or(BatchError::Format)?.finish()?;
        if !self.parser.is_empty() {
            return Err(BatchError::AfterEnd.into());
        }
        let (taken, size) = (self.taken, self.size);
        Ok(ImportResponse { lane: verified.lane, begin: verified.begin, end: verified.end, taken, size })
    }
}

/// The next bytes of a request's body; `None` at its end.
async fn next_bytes(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame.transpose() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => {
                // Trailers are nothing to a file.
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Err(error) => return Err(Failure::bad_request(error)),
        }
    }
}

async fn drain(body: &mut Body) {
    let mut bytes = 0;
    while bytes < DRAIN_BYTES_MAX {
        match next_bytes(body).await {
            Ok(Some(read)) => bytes += u64::try_from(read.len()).unwrap_or(u64::MAX),
            _ => return,
        }
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "batch_proves_nothing", error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            ExportError::NotAttested(_) => Failure::new(StatusCode::NOT_FOUND, "not_there", error).retry_soon(),
            ExportError::Range { .. } | ExportError::NotKept { .. } => {
                Failure::new(StatusCode::NOT_FOUND, "not_there", error)
            }
            ExportError::TooLong { .. } => Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error),
            ExportError::CatchingUp { .. } => {
                Failure::new(StatusCode::SERVICE_UNAVAILABLE, "catching_up", error).retry_soon()
            }
            ExportError::Frozen { .. } => Failure::new(StatusCode::CONFLICT, "lane_frozen", error),
            ExportError::Store(error) => error.into(),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Batch(error) => error.into(),
            ImportError::NotMine { .. } => Failure::new(StatusCode::CONFLICT, "not_mine", error),
            ImportError::NoLane(_) => Failure::new(StatusCode::NOT_FOUND, "no_lane", error),
            ImportError::Starting => Failure::new(StatusCode::SERVICE_UNAVAILABLE, "starting", error).retry_soon(),
            ImportError::Gap { .. } => Failure::new(StatusCode::CONFLICT, "gap", error),
            ImportError::Refused(_) => Failure::new(StatusCode::CONFLICT, "refused", error),
            ImportError::Frozen { .. } => Failure::new(StatusCode::CONFLICT, "lane_frozen", error),
            ImportError::Stopped(_) => Failure::new(StatusCode::CONFLICT, "upgrade_needed", error),
            ImportError::Store(error) => error.into(),
        }
    }
}
