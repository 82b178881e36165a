//! A stream under way: reads, has batches taken, and tells what is durable.
//!
//! One batch at a time is with the driver, and the next one gathers meanwhile: a lone message goes
//! at once, a flood goes in large batches. What isn't taken isn't read: the sender waits.

use super::super::error::Failure;
use super::super::messages::REFRESH_TIMEOUT;
use super::super::types::{LaneSpan, StreamProgress};
use super::drain;
use super::splitter::Splitter;
use crate::api::closed;
use crate::driver::{Batch, BatchError, DriverHandle, Ended, TakenBatch};
use axum::body::{BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use queue::engine::{EnqueueError, FeedName};
use queue::ids::ShardId;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// A batch that gathers this many bytes is read no further: some thousand messages, for which the
/// cost of handing them over is lost.
const BATCH_BYTES: usize = 1024 * 1024;

/// Most batches that are taken and not yet durable: more than a slow sync's worth of full ones.
const IN_FLIGHT_MAX: usize = 16;

/// How often a full lane is tried. A try costs the driver next to nothing, and room shouldn't stay
/// unused for as long as callers are told to wait.
const FULL_PAUSE: Duration = Duration::from_millis(50);

type Submitted = Pin<Box<dyn Future<Output = Result<TakenBatch, Ended>> + Send>>;

/// A stream under way.
pub(super) struct Ingest {
    driver: DriverHandle,
    body: BodyDataStream,
    input: Input,
    splitter: Splitter,
    /// The batch to be taken next, as far as it was refused before.
    batch: Batch,
    /// When it is tried again.
    paused_until: Option<Instant>,
    submitted: Option<Submitted>,
    /// How many messages were taken, counted as [`StreamProgress::durable`] is.
    taken: u64,
    in_flight: VecDeque<InFlight>,
    progress: watch::Sender<StreamProgress>,
    closing: watch::Receiver<bool>,
}

/// A batch that is taken and not yet known to be durable.
struct InFlight {
    /// Messages taken up to its end.
    taken: u64,
    lanes: BTreeMap<ShardId, Range<u64>>,
    durable: oneshot::Receiver<u64>,
}

enum Input {
    Open,
    /// Nothing more comes: the stream is complete, or what came can't be read.
    Ended(Result<(), Failure>),
}

enum Event {
    Read(Option<Result<Bytes, axum::Error>>),
    Taken(Result<TakenBatch, Ended>),
    Durable(Result<u64, Ended>),
    TryAgain,
    Closing,
}

impl Ingest {
    pub(super) fn new(
        driver: DriverHandle,
        body: BodyDataStream,
        splitter: Splitter,
        feed: Option<(FeedName, u64)>,
        progress: watch::Sender<StreamProgress>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Ingest {
            driver,
            body,
            input: Input::Open,
            splitter,
            taken: feed.as_ref().map_or(0, |(_, at)| *at),
            batch: Batch { runs: Vec::new(), feed },
            paused_until: None,
            submitted: None,
            in_flight: VecDeque::new(),
            progress,
            closing,
        }
    }

    /// Takes the stream to its end, or as far as it can be. The last word is said once all that was
    /// taken is durable, so that its count is exact.
    pub(super) async fn run(mut self) {
        let result = self.take_all().await;
        let result = self.settle().await.and(result);
        self.progress.send_modify(|progress| {
            progress.waiting = None;
            progress.done = result.is_ok();
            progress.error = result.err().map(|failure| failure.body);
        });
        drain(self.body).await;
    }

    async fn take_all(&mut self) -> Result<(), Failure> {
        loop {
            self.submit();
            if self.is_idle()
                && let Input::Ended(result) = std::mem::replace(&mut self.input, Input::Open)
            {
                return result;
            }
            match self.next_event().await {
                Event::Read(chunk) => self.read(chunk),
                Event::Taken(taken) => self.handle_taken(taken?)?,
                Event::Durable(at_ns) => self.handle_durable(at_ns?),
                Event::TryAgain => self.paused_until = None,
                Event::Closing => return Err(Ended.into()),
            }
        }
    }

    /// Waits until all that was taken is durable.
    async fn settle(&mut self) -> Result<(), Failure> {
        if let Some(submitted) = self.submitted.take() {
            // Whatever ended the stream comes before a refusal.
            let _ = self.handle_taken(submitted.await?);
        }
        while let Some(first) = self.in_flight.front_mut() {
            let at_ns = (&mut first.durable).await.map_err(|_| Ended)?;
            self.handle_durable(at_ns);
        }
        Ok(())
    }

    async fn next_event(&mut self) -> Event {
        let wants_more = matches!(self.input, Input::Open) && self.splitter.bytes() < BATCH_BYTES;
        let oldest = self.in_flight.front_mut().map(|oldest| &mut oldest.durable);
        tokio::select! {
            taken = if_any(self.submitted.as_mut()) => {
                self.submitted = None;
                Event::Taken(taken)
            }
            durable = if_any(oldest) => Event::Durable(durable.map_err(|_| Ended)),
            chunk = self.body.next(), if wants_more => Event::Read(chunk),
            () = if_any(self.paused_until.map(tokio::time::sleep_until)) => Event::TryAgain,
            () = closed(self.closing.clone()) => Event::Closing,
            // A sender that is gone; nobody reads the reason.
            () = self.progress.closed() => Event::Closing,
        }
    }

    fn is_idle(&self) -> bool {
        self.submitted.is_none() && self.batch.runs.is_empty() && self.splitter.bytes() == 0
    }

    /// Hands over what there is, if it is its turn.
    fn submit(&mut self) {
        if self.submitted.is_some() || self.paused_until.is_some() || self.in_flight.len() >= IN_FLIGHT_MAX {
            return;
        }
        if self.batch.runs.is_empty() {
            self.batch.runs = self.splitter.take();
        }
        if !self.batch.runs.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.submitted = Some(Box::pin(take_knowing_new_shards(self.driver.clone(), batch)));
        }
    }

    fn read(&mut self, chunk: Option<Result<Bytes, axum::Error>>) {
        let result = match chunk {
            Some(Ok(chunk)) => match self.splitter.push(&chunk) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
            None => self.splitter.finish(),
            Some(Err(error)) => Err(Failure::bad_request(format!("the stream broke: {error}"))),
        };
        self.input = Input::Ended(result);
    }

    fn handle_taken(&mut self, found: TakenBatch) -> Result<(), Failure> {
        let TakenBatch { taken, lanes, rest, refused, durable, .. } = found;
        self.taken += taken;
        self.batch = rest;
        if taken > 0 {
            self.in_flight.push_back(InFlight { taken: self.taken, lanes, durable });
        }
        let Some(failure) = refused.map(Failure::from) else {
            self.tell_waiting(None);
            return Ok(());
        };
        if failure.body.retry_ms.is_none() {
            return Err(failure);
        }
        self.paused_until = Some(Instant::now() + FULL_PAUSE);
        self.tell_waiting(Some(failure));
        Ok(())
    }

    fn tell_waiting(&self, failure: Option<Failure>) {
        let waiting = failure.map(|failure| failure.body);
        self.progress.send_if_modified(|progress| {
            let is_news = progress.waiting.is_some() != waiting.is_some();
            progress.waiting = waiting;
            is_news
        });
    }

    /// The oldest batch in flight is durable.
    fn handle_durable(&mut self, accepted_at_ns: u64) {
        let Some(InFlight { taken, lanes, .. }) = self.in_flight.pop_front() else { return };
        self.progress.send_modify(|progress| {
            progress.durable = progress.durable.max(taken);
            progress.accepted_at_ns = accepted_at_ns;
            for (peer, nonces) in lanes {
                let new = LaneSpan { first_nonce: nonces.start, nonce_end: nonces.end };
                progress.lanes.entry(peer).or_insert(new).nonce_end = nonces.end;
            }
        });
    }
}

/// Waits for a future if there is one, otherwise for ever.
async fn if_any<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Has a batch taken; if it stops at a shard that the node doesn't know, NEAR is asked once.
pub(super) async fn take_knowing_new_shards(driver: DriverHandle, batch: Batch) -> Result<TakenBatch, Ended> {
    let first = driver.enqueue_batch(batch).await?;
    if !matches!(first.refused, Some(BatchError::Enqueue(EnqueueError::UnknownShard(_)))) {
        return Ok(first);
    }
    let Ok(answer) = tokio::time::timeout(REFRESH_TIMEOUT, driver.refresh_registry()).await else { return Ok(first) };
    answer?;
    let mut both = driver.enqueue_batch(first.rest).await?;
    both.taken += first.taken;
    for (peer, nonces) in first.lanes {
        let start = nonces.start;
        both.lanes.entry(peer).or_insert(nonces).start = start;
    }
    Ok(both)
}
