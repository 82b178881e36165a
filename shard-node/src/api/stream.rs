//! `POST /v1/messages/stream`: takes messages for as long as they come, and tells while they do how
//! many are durable. `GET /v1/feeds/{feed}`.

mod ingest;
mod splitter;

use super::error::{Failure, RETRY_MS};
use super::messages::own_account;
use super::types::{FeedResponse, StreamProgress, StreamQuery};
use super::{ApiState, STREAMS_MAX};
use crate::driver::{Batch, Ended, Run};
use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use ingest::Ingest;
use queue::engine::FeedName;
use queue::ids::AccountId;
use splitter::{Format, PAYLOADS_NEED_TO, Splitter};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Where streams of messages go.
pub(crate) const STREAM_PATH: &str = "/v1/messages/stream";

/// Media type of payloads with their lengths.
pub(crate) const PAYLOADS_MEDIA_TYPE: &str = "application/vnd.private-shard.payloads";

/// Media type of one JSON object a line.
const LINES_MEDIA_TYPE: &str = "application/x-ndjson";

/// How long a stream that is taken no further is still read: a sender that hasn't looked at the
/// answer yet should find it, not a broken connection.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers at once if nothing of the stream could be taken, otherwise while it is taken.
pub(super) async fn send(
    State(state): State<ApiState>,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = body.into_data_stream();
    match open(&state, query, &headers).await {
        Ok(opened) => opened.answer(state, body),
        Err(failure) => {
            tokio::spawn(drain(body));
            failure.into_response()
        }
    }
}

/// Tells how many messages of a feed are durable.
pub(super) async fn feed(
    State(state): State<ApiState>,
    feed: Result<Path<FeedName>, PathRejection>,
) -> Result<Json<FeedResponse>, Failure> {
    let Path(feed) = feed?;
    let batch = Batch { runs: Vec::new(), feed: Some((feed, 0)) };
    let found = state.driver.enqueue_batch(batch).await?;
    found.durable.await.map_err(|_| Ended)?;
    if let Some(error) = found.refused {
        return Err(error.into());
    }
    Ok(Json(FeedResponse { durable: found.feed_taken.unwrap_or(0) }))
}

/// A stream of which something could be taken.
struct Opened {
    splitter: Splitter,
    feed: Option<(FeedName, u64)>,
    /// Messages of the feed that are durable already.
    durable: u64,
    room: OwnedSemaphorePermit,
}

async fn open(
    state: &ApiState,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Opened, Failure> {
    let Query(StreamQuery { to, from, feed, at }) = query?;
    let format = format(headers)?;
    if format == Format::Payloads && to.is_none() {
        return Err(Failure::bad_request(PAYLOADS_NEED_TO));
    }
    if feed.is_none() && at.is_some() {
        return Err(Failure::bad_request("`at` is a position in a feed: name the feed as `feed` in the query"));
    }
    let room = state.streams.clone().try_acquire_owned().map_err(|_| {
        let text = format!("{STREAMS_MAX} streams are open already: close one, or try again later");
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "busy", text).retry_in(RETRY_MS)
    })?;
    let from = from.map_or_else(|| own_account(&state.facts.shard), Ok)?;
    let first = at.unwrap_or(0);
    let feed = feed.map(|feed| (feed, first));
    let durable = ask(state, &from, to.as_ref(), feed.clone()).await?;
    Ok(Opened { splitter: Splitter::new(format, from, to, first), feed, durable, room })
}

/// Asks whether something between these accounts could be taken, and how far the feed is.
async fn ask(
    state: &ApiState,
    from: &AccountId,
    to: Option<&AccountId>,
    feed: Option<(FeedName, u64)>,
) -> Result<u64, Failure> {
    let run =
        |to: &AccountId| Run { sender: from.clone(), receiver: to.clone(), payloads: queue::stream::Stream::default() };
    let batch = Batch { runs: to.map(run).into_iter().collect(), feed };
    let found = ingest::take_knowing_new_shards(state.driver.clone(), batch).await?;
    if let Some(error) = found.refused {
        return Err(error.into());
    }
    found.durable.await.map_err(|_| Ended)?;
    Ok(found.feed_taken.unwrap_or(0))
}

impl Opened {
    fn answer(self, state: ApiState, body: BodyDataStream) -> Response {
        let Opened { splitter, feed, durable, room } = self;
        let (progress, seen) = watch::channel(StreamProgress { durable, ..StreamProgress::default() });
        let ingest = Ingest::new(state.driver, body, splitter, feed, progress, state.closing);
        tokio::spawn(async move {
            ingest.run().await;
            drop(room);
        });
        ([(CONTENT_TYPE, LINES_MEDIA_TYPE)], Body::from_stream(lines(seen))).into_response()
    }
}

/// A line whenever there is progress: a reader who is slow sees fewer of them, and holds up nothing.
fn lines(mut seen: watch::Receiver<StreamProgress>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    seen.mark_changed();
    stream::unfold(seen, |mut seen| async {
        seen.changed().await.ok()?;
        let progress = seen.borrow_and_update().clone();
        let mut line = serde_json::to_vec(&progress).expect("names and numbers always have a JSON");
        line.push(b'\n');
        Some((Ok(line.into()), seen))
    })
}

fn format(headers: &HeaderMap) -> Result<Format, Failure> {
    let found = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = found.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(PAYLOADS_MEDIA_TYPE.as_bytes()) {
        Ok(Format::Payloads)
    } else if essence.eq_ignore_ascii_case(LINES_MEDIA_TYPE.as_bytes()) {
        Ok(Format::Lines)
    } else {
        let found = String::from_utf8_lossy(found);
        let text = format!("the content type is {found:?}, expected {PAYLOADS_MEDIA_TYPE} or {LINES_MEDIA_TYPE}");
        Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text))
    }
}

/// Reads and forgets what still comes, for a while.
async fn drain(mut body: BodyDataStream) {
    let read = async { while let Some(Ok(_)) = body.next().await {} };
    // The sender has had its time.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, read).await;
}
