//! JSON of the local API, as server and client both use it.

use crate::driver::NearState;
use queue::codec;
use queue::engine::{Direction, FeedName, IdempotencyKey, MessageState, Ruling, Status};
use queue::evidence::Evidence;
use queue::ids::{AccountId, Lane, ShardId};
use queue::message::Tombstone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// The account that is spoken to.
    pub to: AccountId,
    /// The account that speaks; the shard's own if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AccountId>,
    /// The content, in base64.
    #[serde(rename = "payload_base64", with = "codec::base64_bytes")]
    pub payload: Vec<u8>,
    /// Its deadline, in milliseconds from when the node takes it; the lane's default if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// The caller's own name for the message: sent again under the same one, it is the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<IdempotencyKey>,
}

impl NewMessage {
    /// A message from the shard's own account, with the lane's default deadline and no key.
    pub fn new(to: AccountId, payload: Vec<u8>) -> Self {
        NewMessage { to, from: None, payload, expires_in_ms: None, key: None }
    }
}

/// Body of `POST /v1/messages`: one message, or many, sent in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SendRequest {
    /// Many messages: answered with a [`SendResponse`].
    Many {
        /// At most [`super::BATCH_MESSAGES_MAX`].
        messages: Vec<NewMessage>,
    },
    /// One message: answered with a [`SentMessage`], or an error.
    One(NewMessage),
}

/// A message that was accepted: it is durable at its source, and will arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// The destination.
    pub peer: ShardId,
    /// Its nonce in the lane.
    pub nonce: u64,
    /// When it was durable, in nanoseconds since the Unix epoch.
    pub accepted_at_ns: u64,
}

/// Answer to many messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResponse {
    /// One result for each message, in order.
    pub results: Vec<SendResult>,
}

/// What became of one of many messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SendResult {
    /// Accepted.
    Sent(SentMessage),
    /// Refused; the others are not affected.
    Refused {
        /// Why.
        error: ErrorBody,
    },
}

/// Query of `POST /v1/messages/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// The account that is spoken to; lines of JSON may name others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AccountId>,
    /// The account that speaks; the shard's own if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AccountId>,
    /// The feed that the stream continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<FeedName>,
    /// Position in the feed of the stream's first message, from 0. What the feed has already is
    /// not taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// A line of a stream of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamLine {
    /// The account that is spoken to; the query's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AccountId>,
    /// The account that speaks; the query's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AccountId>,
    /// The content, in base64.
    #[serde(rename = "payload_base64", with = "codec::base64_bytes")]
    pub payload: Vec<u8>,
}

/// How far a stream is. Each line of the answer tells all of it; the last one has `done` or `error`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamProgress {
    /// How many messages are durable, from the stream's first on; of a feed, from its first on.
    pub durable: u64,
    /// Where the stream's messages stand in each lane.
    pub lanes: BTreeMap<ShardId, LaneSpan>,
    /// When the newest was seen to be durable, in nanoseconds since the Unix epoch; 0 before that.
    pub accepted_at_ns: u64,
    /// What the node waits for before it takes more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<ErrorBody>,
    /// The stream has ended, and all of it is durable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// Why nothing more is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// Nonces of a stream's messages in one lane. Messages of others may stand between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneSpan {
    /// Nonce of the first.
    pub first_nonce: u64,
    /// One more than the nonce of the newest that is durable.
    pub nonce_end: u64,
}

/// Answer to `GET /v1/feeds/{feed}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedResponse {
    /// How many of its messages are durable; 0 for one that isn't remembered.
    pub durable: u64,
}

/// An error, as answers carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For programs; doesn't change between versions.
    pub code: String,
    /// For people.
    pub message: String,
    /// When to try again, in milliseconds, if that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// Of what is pruned: the nonce or the position from which on something is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
}

/// Body of every answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// The error.
    pub error: ErrorBody,
}

/// Query of `GET /v1/inbox`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxQuery {
    /// Position of the first message.
    #[serde(default)]
    pub from: u64,
    /// Most messages, 1 to [`super::INBOX_MESSAGES_MAX`].
    pub limit: Option<usize>,
    /// How long to wait for a message, in milliseconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// Answer to `GET /v1/inbox`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxResponse {
    /// The messages, in the order of delivery.
    pub entries: Vec<InboxMessage>,
    /// The `from` that continues after them.
    pub next: u64,
}

/// A message of the inbox, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// Position in the inbox, from 0, over all lanes.
    pub position: u64,
    /// The source.
    pub peer: ShardId,
    /// The source's incarnation: nonces are counted anew in each.
    #[serde(default)]
    pub incarnation: u32,
    /// Its nonce in the lane.
    pub nonce: u64,
    /// What it says, if it is data.
    #[serde(flatten)]
    pub message: Option<InboxContent>,
    /// What became of a message of this shard, if it is a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<InboxResult>,
    /// Why its nonce was settled without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstone: Option<Tombstone>,
    /// When it was durable here, in nanoseconds since the Unix epoch; `null` if that was before
    /// the node's start.
    pub durable_at_ns: Option<u64>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxContent {
    /// The account that spoke.
    pub sender: AccountId,
    /// The account that is spoken to.
    pub receiver: AccountId,
    /// The content, in base64.
    #[serde(rename = "payload_base64", with = "codec::base64_bytes")]
    pub payload: Vec<u8>,
}

/// A result: what became of message `request_nonce` of this shard's own lane to the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxResult {
    /// The message's nonce.
    pub request_nonce: u64,
    /// The account that the result is for.
    pub receiver: AccountId,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: InboxOutcome,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum InboxOutcome {
    /// It ran.
    Success {
        /// What it returned, in base64.
        #[serde(rename = "value_base64", with = "codec::base64_bytes")]
        value: Vec<u8>,
    },
    /// It did not happen.
    Failure {
        /// Why, for people.
        reason: String,
    },
    /// It was never run, and never will be.
    Tombstone {
        /// Why.
        reason: Tombstone,
    },
}

/// Which of the two lanes with a peer is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneSide {
    /// The lane to the peer.
    To,
    /// The lane from the peer.
    From,
}

impl From<LaneSide> for Direction {
    fn from(side: LaneSide) -> Self {
        match side {
            LaneSide::To => Direction::Outbound,
            LaneSide::From => Direction::Inbound,
        }
    }
}

/// Query of `GET /v1/lanes/{peer}/batch`: both of `begin` and `end` or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchQuery {
    /// Which lane.
    pub side: LaneSide,
    /// First message.
    pub begin: Option<u64>,
    /// One after the last message.
    pub end: Option<u64>,
}

/// Answer to `POST /v1/batches`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportResponse {
    /// The file's lane.
    pub lane: Lane,
    /// First message of the file.
    pub begin: u64,
    /// One after its last message.
    pub end: u64,
    /// Messages that it brought: the others were here already.
    pub taken: u64,
    /// Messages of the lane that are here with them, durably.
    pub size: u64,
}

/// Query of `POST /v1/lanes/{peer}/resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeQuery {
    /// Which lane.
    pub side: LaneSide,
}

/// Query of `POST /v1/lanes/{peer}/accept-incarnation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptQuery {
    /// The incarnation that the operator has looked at: no other is accepted.
    pub incarnation: u32,
}

/// Query of `GET /v1/lanes/{peer}/unsettled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsettledQuery {
    /// The peer's incarnation that is over.
    pub incarnation: u32,
    /// The first nonce to look at.
    #[serde(default)]
    pub from: u64,
    /// Most requests, 1 to 1,000.
    pub limit: Option<usize>,
}

/// Body of `POST /v1/lanes/{peer}/settle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleRequest {
    /// The peer's incarnation that is over.
    pub incarnation: u32,
    /// The requests, at most 1,000.
    pub nonces: BTreeSet<u64>,
    /// What became of them.
    #[serde(rename = "as")]
    pub ruling: Ruling,
}

/// Query of `GET /v1/lanes/{peer}/messages/{nonce}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageQuery {
    /// The peer's incarnation, if it is one that is over.
    pub incarnation: Option<u32>,
}

/// Answer to `GET /v1/evidence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceResponse {
    /// What froze lanes since the node began; each is an evidence file.
    pub evidence: Vec<Evidence>,
}

/// Query of `GET /v1/lanes/{peer}/wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// The message's nonce in the lane to the peer.
    pub nonce: u64,
    /// What to wait for.
    pub state: crate::driver::Milestone,
    /// How long, in milliseconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// Answer to `GET /v1/lanes/{peer}/wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitResponse {
    /// Whether the message has come so far.
    pub reached: bool,
    /// What its lane waits for, if it hasn't.
    pub waiting_for: Option<String>,
}

/// Answer to `GET /v1/lanes/{peer}/messages/{nonce}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageResponse {
    /// The destination.
    pub peer: ShardId,
    /// The message's nonce in the lane.
    pub nonce: u64,
    /// How far it has come, and what became of it.
    #[serde(flatten)]
    pub state: MessageState,
}

/// Answer to `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusResponse {
    /// The software's version.
    pub version: String,
    /// Milliseconds since the node's start.
    pub uptime_ms: u64,
    /// NEAR, as the node reaches it.
    pub near: NearStatus,
    /// The engine's state.
    #[serde(flatten)]
    pub engine: Status,
}

/// NEAR, as the node reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearStatus {
    /// Address of the RPC server.
    pub rpc: String,
    /// The bridge contract's account.
    pub bridge: String,
    /// Whether it answers.
    #[serde(flatten)]
    pub state: NearState,
}
