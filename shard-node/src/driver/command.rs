//! What others ask of the driver, and the handle by which they ask.

use super::bulk::{Batch, TakenBatch};
use super::files::FilesCommand;
use super::incarnations::IncarnationCommand;
use super::outcomes::OutcomeReply;
use super::proofs::ProofCommand;
use crate::near::AttestGas;
use queue::engine::{Enqueue, EnqueueError, InboxEntry, ProveError, Status};
use queue::ids::ShardId;
use queue::proof::MessageProof;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A message to send, with what is counted from the time at which the node takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message. Its deadline gives way to `expires_in_ms`.
    pub message: Enqueue,
    /// Its deadline, in milliseconds from the block time at which it is taken.
    pub expires_in_ms: Option<u64>,
}

impl From<Enqueue> for Outgoing {
    fn from(message: Enqueue) -> Self {
        Outgoing { message, expires_in_ms: None }
    }
}

/// A message that is durable at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The destination.
    pub peer: ShardId,
    /// The message's nonce in the lane.
    pub nonce: u64,
    /// When it was seen to be durable, in nanoseconds since the Unix epoch.
    pub accepted_at_ns: u64,
}

/// A message of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The message.
    pub entry: InboxEntry,
    /// When it was seen to be durable, in nanoseconds since the Unix epoch; `None` if that was
    /// before the node's start, or long ago.
    pub durable_at_ns: Option<u64>,
}

/// A part of the inbox to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxRange {
    /// Position of the first message.
    pub from: u64,
    /// Most messages.
    pub limit: usize,
    /// Whether to wait until there is one.
    pub wait: bool,
}

/// States of a sent message that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Verified, decided and durable at the destination, as it says itself.
    Delivered,
    /// Covered by an attested head of the destination.
    Acknowledged,
    /// It is known for good what became of it.
    Settled,
}

impl Milestone {
    /// Whether a message has come so far, by the numbers of the engine's state. One that these don't
    /// call settled can still be so by itself: a tombstone or a deadline waits for none before it.
    ///
    /// # Errors
    /// [`WaitError`], if there is no such message.
    pub fn is_reached(self, status: &Status, message: &SentMessage) -> Result<bool, WaitError> {
        let SentMessage { peer, nonce, .. } = message.clone();
        let lane = status.outbound.iter().find(|lane| lane.peer == peer);
        let lane = lane.ok_or_else(|| WaitError::NoLane(peer.clone()))?;
        if nonce >= lane.accepted {
            return Err(WaitError::NotAccepted { peer, nonce, accepted: lane.accepted });
        }
        let size = match self {
            // What is acknowledged was delivered, also if the destination has not said so since.
            Milestone::Delivered => lane.delivered.max(lane.acknowledged),
            Milestone::Acknowledged => lane.acknowledged,
            Milestone::Settled => lane.settled,
        };
        Ok(nonce < size)
    }
}

/// How far NEAR can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NearState {
    /// Whether the last request was answered; false before the first answer.
    pub reachable: bool,
    /// Time of the newest final block seen, in nanoseconds since the Unix epoch.
    pub final_block_time_ns: Option<u64>,
    /// Why it can't be reached.
    pub last_error: Option<String>,
    /// Attestations since the node's start.
    pub attested: AttestTotals,
}

/// Attestations since the node's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttestTotals {
    /// How many calls of `attest` had the signer give a signature. One that finds the signature in
    /// the contract already says nothing of what attesting costs.
    pub count: u64,
    /// Gas that these calls burnt.
    pub gas: AttestGas,
    /// Time that these calls took, from asking until the signature was there, in nanoseconds.
    pub took_ns: u64,
}

impl AttestTotals {
    pub(super) fn add(&mut self, gas: AttestGas, took: Duration) {
        if gas.signer == 0 {
            return;
        }
        self.count += 1;
        self.gas.contract = self.gas.contract.saturating_add(gas.contract);
        self.gas.signer = self.gas.signer.saturating_add(gas.signer);
        self.took_ns = self.took_ns.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The node's state, as the driver sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// The engine's.
    pub engine: Status,
    /// NEAR's.
    pub near: NearState,
}

/// Why waiting for a message's state is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// There is no such lane.
    #[error("there is no lane to {0}: check the name, `shard-node status` lists the lanes")]
    NoLane(ShardId),
    /// The nonce isn't taken yet.
    #[error("nonce {nonce} of the lane to {peer} is not accepted yet: the lane has {accepted} messages")]
    NotAccepted {
        /// The destination.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// How many messages the lane has.
        accepted: u64,
    },
    /// Too many callers wait.
    #[error("{0} callers wait already: try again later")]
    TooMany(usize),
}

/// What the driver is asked. Each answer goes to `reply`; nobody listening is no error.
#[derive(Debug)]
pub(super) enum Command {
    /// Take messages; answered once all of them that were taken are durable.
    Enqueue { requests: Vec<Outgoing>, reply: oneshot::Sender<Vec<Result<Accepted, EnqueueError>>> },
    /// Take payloads in bulk; answered at once.
    EnqueueBatch { batch: Batch, reply: oneshot::Sender<TakenBatch> },
    /// Tell the node's state.
    Status { reply: oneshot::Sender<NodeState> },
    /// Read the inbox.
    Inbox { range: InboxRange, reply: InboxReply },
    /// Say when a message has reached a milestone.
    Wait { message: SentMessage, milestone: Milestone, reply: WaitReply },
    /// Say how far a message has come, once that is durable.
    Outcome { message: SentMessage, reply: OutcomeReply },
    /// Prove a received message.
    Prove { message: SentMessage, reply: oneshot::Sender<Result<MessageProof, ProveError>> },
    /// Prove what became of a sent message.
    SettlementProof(ProofCommand),
    /// Read or take a lane by files.
    Files(FilesCommand),
    /// Accept a peer that began anew, or settle what is unknown of before.
    Incarnation(IncarnationCommand),
    /// Read the registered shards again; answered when NEAR has answered or failed to.
    RefreshRegistry { reply: oneshot::Sender<()> },
    /// Close these lanes and open all others.
    CloseLanes { closed: BTreeSet<ShardId>, reply: oneshot::Sender<()> },
    /// Commit what there is, make it durable, and end.
    Shutdown,
}

pub(super) type InboxReply = oneshot::Sender<Result<Vec<Delivered>, InboxError>>;
pub(super) type WaitReply = oneshot::Sender<Result<(), WaitError>>;

/// Answers a caller. One that doesn't wait any more wants no answer.
pub(super) fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    let _ = reply.send(value);
}

/// A message by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The shard at the other end of its lane.
    pub peer: ShardId,
    /// That shard's incarnation, if it is one that is over.
    pub incarnation: Option<u32>,
    /// The nonce.
    pub nonce: u64,
}

/// Why the inbox can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// It is pruned, or the store failed.
    #[error(transparent)]
    Engine(#[from] queue::engine::InboxError),
    /// Too many callers wait.
    #[error("{0} callers wait already: try again later")]
    TooMany(usize),
}

/// The driver has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node is shutting down")]
pub struct Ended;

/// Asks the driver. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DriverHandle {
    pub(super) commands: mpsc::Sender<Command>,
}

impl DriverHandle {
    /// Enqueues messages in this order. Answers once all that were taken are durable.
    ///
    /// # Errors
    /// [`Ended`]; messages may have been taken.
    pub async fn enqueue(&self, requests: Vec<Outgoing>) -> Result<Vec<Result<Accepted, EnqueueError>>, Ended> {
        self.ask(|reply| Command::Enqueue { requests, reply }).await
    }

    /// Enqueues payloads in bulk, up to the first that is refused. Answers as soon as that is known;
    /// what was taken is accepted when [`TakenBatch::durable`] tells.
    ///
    /// # Errors
    /// [`Ended`]; messages may have been taken.
    pub async fn enqueue_batch(&self, batch: Batch) -> Result<TakenBatch, Ended> {
        self.ask(|reply| Command::EnqueueBatch { batch, reply }).await
    }

    /// The node's state.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn status(&self) -> Result<NodeState, Ended> {
        self.ask(|reply| Command::Status { reply }).await
    }

    /// Reads the inbox. With [`InboxRange::wait`], for as long as the caller waits.
    ///
    /// # Errors
    /// [`Ended`], or [`InboxError`].
    pub async fn inbox(&self, range: InboxRange) -> Result<Result<Vec<Delivered>, InboxError>, Ended> {
        self.ask(|reply| Command::Inbox { range, reply }).await
    }

    /// Waits until a message has reached a milestone, for as long as the caller waits.
    ///
    /// # Errors
    /// [`Ended`], or [`WaitError`].
    pub async fn wait(&self, message: SentMessage, milestone: Milestone) -> Result<Result<(), WaitError>, Ended> {
        self.ask(|reply| Command::Wait { message, milestone, reply }).await
    }

    /// Proves a received message.
    ///
    /// # Errors
    /// [`Ended`], or [`ProveError`].
    pub async fn prove(&self, message: SentMessage) -> Result<Result<MessageProof, ProveError>, Ended> {
        self.ask(|reply| Command::Prove { message, reply }).await
    }

    /// Has the registered shards read again, and waits until NEAR has answered or failed to.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn refresh_registry(&self) -> Result<(), Ended> {
        self.ask(|reply| Command::RefreshRegistry { reply }).await
    }

    /// Has the lanes with these shards closed and all others open, as the configuration says. What
    /// was accepted on a lane before stays there. Followed by a [`super::Request::SetPeers`], once
    /// the registered shards are known.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn close_lanes(&self, closed: BTreeSet<ShardId>) -> Result<(), Ended> {
        self.ask(|reply| Command::CloseLanes { closed, reply }).await
    }

    /// Asks the driver to commit, sync and end.
    pub async fn shut_down(&self) {
        // A driver that has ended already is what is asked for.
        let _ = self.commands.send(Command::Shutdown).await;
    }

    pub(super) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }
}
