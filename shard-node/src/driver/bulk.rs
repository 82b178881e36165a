//! Enqueue in bulk: batches of payloads, taken in order up to the first that is refused.

use super::Driver;
use super::command::answer;
use queue::engine::{EnqueueError, FeedName};
use queue::ids::{AccountId, ShardId};
use queue::store::{Store, StoreError, TurnId};
use queue::stream::Stream;
use std::collections::BTreeMap;
use std::ops::Range;
use tokio::sync::oneshot;

/// Payloads between two accounts.
#[derive(Debug, Clone)]
pub struct Run {
    /// The account that speaks.
    pub sender: AccountId,
    /// The account that is spoken to.
    pub receiver: AccountId,
    /// What is said. None only asks whether anything could be taken.
    pub payloads: Stream,
}

/// Runs to take in their order.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The runs.
    pub runs: Vec<Run>,
    /// The feed that they belong to, and the position of their first message in it, from 0.
    pub feed: Option<(FeedName, u64)>,
}

/// Why a batch was not taken further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The first message that wasn't taken was refused.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The batch doesn't continue its feed.
    #[error(
        "feed {feed} has {taken} messages so far, and the next one was sent as its message {at}: continue at {taken}"
    )]
    Gap {
        /// The feed.
        feed: FeedName,
        /// How many of its messages were taken.
        taken: u64,
        /// Position of the first message that was sent.
        at: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was taken of a batch. It is accepted once `durable` tells.
#[derive(Debug)]
pub struct TakenBatch {
    /// How many messages, from the first on. Those that the feed had before are among them.
    pub taken: u64,
    /// How many messages the feed has, if it is one.
    pub feed_taken: Option<u64>,
    /// Nonces that the messages have, for each lane in order; runs of others may stand between.
    pub lanes: BTreeMap<ShardId, Range<u64>>,
    /// What was not taken, if it is worth another try.
    pub rest: Batch,
    /// Why not all was taken.
    pub refused: Option<BatchError>,
    /// Gets the time at which all that was taken was seen to be durable, in nanoseconds since the
    /// Unix epoch.
    pub durable: oneshot::Receiver<u64>,
}

impl<S: Store> Driver<S> {
    /// Answers at once; `durable` follows.
    pub(super) fn take_batch(&mut self, mut batch: Batch, reply: oneshot::Sender<TakenBatch>) {
        let (durable_sender, durable) = oneshot::channel();
        let mut taken = Taken::default();
        let refused = self.try_take(&mut batch, &mut taken).err();
        self.replies.push_batch(taken.turn, durable_sender);
        let Taken { count, feed_taken, lanes, .. } = taken;
        answer(reply, TakenBatch { taken: count, feed_taken, lanes, rest: batch, refused, durable });
    }

    /// Takes from the front of `batch` what can be taken.
    fn try_take(&mut self, batch: &mut Batch, taken: &mut Taken) -> Result<(), BatchError> {
        self.skip_known(batch, taken)?;
        let before = taken.count;
        let result = self.take_runs(&mut batch.runs, taken);
        let count = taken.count - before;
        if let Some((feed, at)) = batch.feed.as_mut().filter(|_| count > 0) {
            *at += count;
            taken.feed_taken = Some(*at);
            self.engine.handle_feed_taken(feed, *at)?;
        }
        result
    }

    fn take_runs(&mut self, runs: &mut Vec<Run>, taken: &mut Taken) -> Result<(), BatchError> {
        let now = self.clock.now();
        let mut done = 0;
        let result = runs.iter_mut().try_for_each(|Run { sender, receiver, payloads }| {
            let run = self.engine.handle_enqueue_payloads(sender, receiver, payloads.messages(), now)?;
            let count = run.nonces.end - run.nonces.start;
            if count > 0 {
                taken.add(run.peer, run.nonces, run.turn);
            }
            if let Some(error) = run.refused {
                payloads.skip(count);
                return Err(BatchError::from(error));
            }
            done += 1;
            Ok(())
        });
        runs.drain(..done);
        result
    }

    /// Takes the messages that the feed has already for taken.
    fn skip_known(&mut self, batch: &mut Batch, taken: &mut Taken) -> Result<(), BatchError> {
        let Some((feed, at)) = &mut batch.feed else { return Ok(()) };
        let state = self.engine.feed(feed)?;
        taken.feed_taken = Some(state.taken);
        taken.turn = state.turn;
        let Some(mut known) = state.taken.checked_sub(*at) else {
            return Err(BatchError::Gap { feed: feed.clone(), taken: state.taken, at: *at });
        };
        for run in &mut batch.runs {
            let count = known.min(run.payloads.count());
            run.payloads.skip(count);
            known -= count;
            *at += count;
            taken.count += count;
        }
        // A run without payloads asks; one that has none left has its answer.
        if taken.count > 0 {
            batch.runs.retain(|run| !run.payloads.is_empty());
        }
        Ok(())
    }
}

/// What was taken so far.
#[derive(Debug, Default)]
struct Taken {
    count: u64,
    feed_taken: Option<u64>,
    lanes: BTreeMap<ShardId, Range<u64>>,
    /// The newest turn that has to become durable.
    turn: TurnId,
}

impl Taken {
    fn add(&mut self, peer: ShardId, nonces: Range<u64>, turn: TurnId) {
        self.count += nonces.end - nonces.start;
        self.turn = turn;
        let lane = self.lanes.entry(peer).or_insert_with(|| nonces.clone());
        lane.end = nonces.end;
    }
}
