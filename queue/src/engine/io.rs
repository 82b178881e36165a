//! What goes into an engine and what comes out of it.

use super::keys::IdempotencyKey;
use super::past::PastStatus;
use super::terms::TermsError;
use crate::checkpoint::Checkpoint;
use crate::contract::LaneTerms;
use crate::frame::EncodedFrame;
use crate::ids::{AccountId, ShardId};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{Body, MessageError, Tombstone};
use crate::store::{StoreError, TurnId};
use serde::{Deserialize, Serialize};

/// The time at which something happens, as the driver tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Nanoseconds on a clock that never steps, from any start.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch, on the machine's own clock.
    pub unix_ns: u64,
}

/// A registered shard, as the contract lists it at `final`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredShard {
    /// Its name.
    pub shard: ShardId,
    /// How often it started its lanes anew.
    pub incarnation: u32,
    /// Its newest key epoch.
    pub key_epoch: u32,
    /// First height of that epoch.
    pub epoch_first_height: u64,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueue {
    /// The account that speaks.
    pub sender: AccountId,
    /// The account that is spoken to.
    pub receiver: AccountId,
    /// What is said: data or a call.
    pub body: Body,
    /// Runs only in a block with a smaller time, in nanoseconds since the Unix epoch; the lane's
    /// default if left out.
    pub deadline_ns: Option<u64>,
    /// The caller's own name for the message: enqueued again under the same one, it is the same
    /// message.
    pub key: Option<IdempotencyKey>,
}

/// An enqueued message. It is accepted once its turn is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The destination.
    pub peer: ShardId,
    /// The message's nonce in the lane.
    pub nonce: u64,
    /// The turn that has to become durable.
    pub turn: TurnId,
}

/// Why a message was not enqueued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// Results answer requests; nobody sends them on their own.
    #[error("message kind {0} is not accepted: send data or a call")]
    Kind(&'static str),
    /// The message breaks a rule of its kind.
    #[error("the destination would bury the message: {0}")]
    Malformed(MessageError),
    /// The deadline has passed.
    #[error(
        "the deadline {deadline_ns} is not after {time_ns}, the time of a block made now: the message would expire unseen"
    )]
    DeadlinePassed {
        /// The deadline, in nanoseconds since the Unix epoch.
        deadline_ns: u64,
        /// The time that a block made now would have.
        time_ns: u64,
    },
    /// No final NEAR block was seen yet, so that a default deadline or a key has no time to count
    /// from.
    #[error("this node is starting: it has not yet seen a final NEAR block, and knows no time; is NEAR reachable?")]
    NoTime,
    /// The key stands for another message.
    #[error(
        "idempotency key {key} was used for another message, nonce {nonce} to {peer}: use a new key for a new message"
    )]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
        /// The other message's destination.
        peer: ShardId,
        /// Its nonce.
        nonce: u64,
    },
    /// No room for another idempotency key.
    #[error("{max} idempotency keys of the last 24 hours are kept, which is the limit: send without a key, or later", max = super::keys::KEYS_MAX)]
    KeysFull,
    /// The lane has as many calls without a result as its call window allows.
    #[error(
        "busy: {calls} calls to {peer} have no result yet, the call window is {call_window}; try again in {retry_ms} ms"
    )]
    CallWindow {
        /// The destination.
        peer: ShardId,
        /// Calls without a result.
        calls: usize,
        /// The call window.
        call_window: usize,
        /// When to try again, in milliseconds.
        retry_ms: u64,
    },
    /// The store failed: the node is about to stop.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sender isn't an account of this shard.
    #[error("sender {sender} does not belong to shard {shard}: send as {shard} or an account below it")]
    Sender {
        /// The sender.
        sender: AccountId,
        /// This shard.
        shard: ShardId,
    },
    /// The receiver is an account of this shard, or implicit.
    #[error("receiver {0} is local to this shard: lanes carry messages to other shards")]
    Local(AccountId),
    /// The receiver lives on public NEAR, to which there is no lane yet.
    #[error("receiver {0} is on public NEAR, and near has no lane")]
    NearHasNoLane(AccountId),
    /// The node has not yet read its lanes in the contract, or not found the tip there in its own records.
    #[error(
        "this node is starting: it has not yet seen its lanes and its tip in the bridge contract; is NEAR reachable? \
         `shard-node status` tells"
    )]
    Starting,
    /// No such shard is registered.
    #[error("shard {0} is not registered with the bridge: check the name, or have its owner run `shard-node init`")]
    UnknownShard(ShardId),
    /// The configuration closes the lane.
    #[error("the lane to {0} is closed by this node's configuration (lanes.closed)")]
    LaneClosed(ShardId),
    /// Either shard has stopped requests in the bridge contract, or evidence froze the lane there.
    #[error("requests to {0} are stopped in the bridge contract: `shard-node lane show {0}` says by whom")]
    LaneStopped(ShardId),
    /// Both shards have agreed upon less.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The peer has lost its data, and the lane with it.
    #[error("the lane to {peer} is over: {reason}")]
    Over {
        /// The destination.
        peer: ShardId,
        /// What has to be done.
        reason: String,
    },
    /// The key stands for a message to an incarnation of the peer that is over.
    #[error(
        "idempotency key {key} was used for nonce {nonce} to incarnation {incarnation} of {peer}, which is over: \
         see what became of it, and send again under a new key if it never happened"
    )]
    KeyPast {
        /// The key.
        key: IdempotencyKey,
        /// The message's destination.
        peer: ShardId,
        /// Its nonce.
        nonce: u64,
        /// The destination's incarnation.
        incarnation: u32,
    },
    /// The lane is frozen after a signed contradiction.
    #[error("the lane to {peer} is frozen: {reason}")]
    Frozen {
        /// The destination.
        peer: ShardId,
        /// The contradiction.
        reason: String,
    },
    /// The encoded message would be too long.
    #[error("message has {found} bytes encoded, more than the limit of {MESSAGE_BYTES_MAX}: split it")]
    TooLarge {
        /// Its encoded length.
        found: usize,
    },
    /// The lane holds as many bytes of unacknowledged requests as its backlog limit allows.
    #[error(
        "busy: {backlog_bytes} bytes to {peer} are not yet acknowledged, the limit is {backlog_bytes_max}; try again in {retry_ms} ms"
    )]
    Busy {
        /// The destination.
        peer: ShardId,
        /// Bytes of requests not yet acknowledged.
        backlog_bytes: u64,
        /// The backlog limit.
        backlog_bytes_max: u64,
        /// When to try again, in milliseconds.
        retry_ms: u64,
    },
}

/// Which of the two lanes with a peer a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The lane from the peer to this shard: its stream is opened by this node.
    Inbound,
    /// The lane from this shard to the peer: its stream is opened by the peer.
    Outbound,
}

/// What the driver has to do, in this order, once poured out by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send an encoded frame on the lane's stream.
    Frame {
        /// To this peer.
        peer: ShardId,
        /// On the stream of this lane.
        lane: Direction,
        /// What to send.
        frame: EncodedFrame,
    },
    /// Endorse the checkpoint and have the contract attest it; answer with
    /// [`super::Engine::handle_attest_result`].
    Attest(Checkpoint),
    /// Ask for the contract's tip at `final`; answer with [`super::Engine::handle_tip`].
    FetchTip,
}

/// Why a peer's connection has to be dropped. Nothing that was verified is touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("peer {peer}: {reason}")]
pub struct PeerError {
    /// The culprit.
    pub peer: ShardId,
    /// What it did.
    pub reason: String,
}

/// What an attempt to attest cost, whether or not it gave a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttestCost {
    /// Burnt gas, in gas units (10^12 = 1 Tgas).
    pub gas: u64,
    /// Deposits, in yoctoNEAR.
    pub deposit_yocto: u128,
}

/// Why no signature came for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestFailure {
    /// NEAR or its signer can't be reached or didn't answer: retried.
    #[error("signer unavailable: {0}")]
    Unavailable(String),
    /// The contract refused the checkpoint: retried slowly, for an operator to mend.
    #[error("rejected by the bridge contract: {0}")]
    Rejected(String),
}

/// Why the engine can't go on: the process stops and says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The contract's tip isn't in this node's own records: the home is an old or foreign copy.
    #[error(
        "the bridge contract's tip for shard {shard} is height {tip}, which is not in this home's records (they end {own}): \
         this is not the newest copy of the shard's state. Start the node that has it; nothing was sealed or sent. \
         If it is lost for good, the shard begins anew with `shard-node shard recover`"
    )]
    NotNewest {
        /// This shard.
        shard: ShardId,
        /// Height and hash of the tip.
        tip: String,
        /// The newest own record.
        own: String,
    },
    /// The shard began anew elsewhere, or this store never took part in it.
    #[error(
        "the bridge contract has shard {shard} in incarnation {found}, this home's store is of incarnation {expected}: \
         the shard began anew without it. Start the node that `shard-node shard recover` was run for; nothing of this \
         home can be attested any more"
    )]
    OtherIncarnation {
        /// This shard.
        shard: ShardId,
        /// The contract's incarnation.
        found: u32,
        /// The store's.
        expected: u32,
    },
    /// The home was written for other identities than the configuration has.
    #[error("this home belongs to {found}, the configuration says {expected}")]
    OtherHome {
        /// What the home was written for.
        found: String,
        /// What the configuration says.
        expected: String,
    },
    /// The home was written by another version of the software.
    #[error("this home has store format {found}, this software knows {expected}: run the version that wrote it")]
    OtherFormat {
        /// The home's format.
        found: u32,
        /// This software's.
        expected: u32,
    },
}

/// One message of the inbox, in the order of delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// Position in the inbox, from 0, over all lanes.
    pub position: u64,
    /// The source.
    pub peer: ShardId,
    /// The source's incarnation: nonces are counted anew in each.
    pub incarnation: u32,
    /// The message's nonce in its lane.
    pub nonce: u64,
    /// The turn that delivered it.
    pub turn: TurnId,
    /// The encoded message, or why its nonce was settled without it.
    pub content: Result<Vec<u8>, Tombstone>,
}

/// Why the inbox can't be read from a position on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// What stood there isn't kept any more.
    #[error(
        "position {position} of the inbox is pruned: read on from {first}; \
         a larger inbound_retention_bytes_max keeps more"
    )]
    Pruned {
        /// The position asked for.
        position: u64,
        /// The position to read on from: nothing between the two is kept.
        first: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A node's state, for people and machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// This shard.
    pub shard: ShardId,
    /// Whether the contract's tip was found in the node's own records.
    pub resumed: bool,
    /// Height of the newest attested checkpoint.
    pub attested_height: Option<u64>,
    /// Height of a sealed checkpoint that waits for its signature.
    pub pending_height: Option<u64>,
    /// What attesting waits for, if anything.
    pub attesting: Option<String>,
    /// When the attestation budget lets checkpoints be sealed again, in nanoseconds since the Unix
    /// epoch, if it holds one back.
    #[serde(default)]
    pub budget_until_ns: Option<u64>,
    /// The lanes to other shards.
    pub outbound: Vec<OutboundStatus>,
    /// The lanes from other shards.
    pub inbound: Vec<InboundStatus>,
    /// Messages in the inbox, tombstones included.
    pub inbox_size: u64,
    /// This shard's incarnation.
    #[serde(default)]
    pub incarnation: u32,
    /// The lanes with incarnations of peers that are over.
    #[serde(default)]
    pub past: Vec<PastStatus>,
}

/// Numbers of messages of a lane to another shard, each a size of the lane log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundStatus {
    /// The destination.
    pub peer: ShardId,
    /// Durable here.
    pub accepted: u64,
    /// Covered by a sealed checkpoint.
    pub sealed: u64,
    /// Covered by an attested checkpoint.
    pub attested: u64,
    /// Durable at the destination, as it says itself.
    pub delivered: u64,
    /// Covered by an attested head of the destination.
    pub acknowledged: u64,
    /// Settled, with all before it: it is known what became of them.
    #[serde(default)]
    pub settled: u64,
    /// Calls without a result.
    #[serde(default)]
    pub calls: u64,
    /// Bytes of requests accepted and not yet acknowledged.
    pub backlog_bytes: u64,
    /// Whether the destination is connected.
    pub connected: bool,
    /// What the lane waits for, if anything.
    pub waiting_for: Option<String>,
    /// The contradiction that froze the lane.
    pub frozen: Option<String>,
    /// Whether either shard has stopped requests in the contract, or evidence froze the lane there.
    #[serde(default)]
    pub stopped: bool,
    /// What both shards have agreed upon in the contract, which this node's own limits may narrow.
    #[serde(default)]
    pub terms: Option<LaneTerms>,
    /// The peer's incarnation in which the lane is.
    #[serde(default)]
    pub peer_incarnation: u32,
    /// A later one that the peer has begun: the lane waits for the operator to accept it.
    #[serde(default)]
    pub awaits_incarnation: Option<u32>,
}

/// A lane from another shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundStatus {
    /// The source.
    pub peer: ShardId,
    /// Messages verified, decided and durable here.
    pub delivered: u64,
    /// Messages of which an attested checkpoint of this shard says so.
    pub acknowledged: u64,
    /// Messages durable here, with those that wait for their release.
    pub staged: u64,
    /// Bytes that wait for their release.
    pub staged_bytes: u64,
    /// Whether the source is connected.
    pub connected: bool,
    /// What the lane waits for, if anything.
    pub waiting_for: Option<String>,
    /// The contradiction that froze the lane.
    pub frozen: Option<String>,
    /// The peer's incarnation in which the lane is.
    #[serde(default)]
    pub peer_incarnation: u32,
    /// A later one that the peer has begun: the lane waits for the operator to accept it.
    #[serde(default)]
    pub awaits_incarnation: Option<u32>,
}

/// Why a message's proof can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// There is no lane from this shard.
    #[error("there is no lane from {0} to this shard: nothing was ever received from it")]
    NoLane(ShardId),
    /// The lane has fewer messages.
    #[error("the lane from {peer} has {size} messages, nonce {nonce} is not there yet")]
    NotThere {
        /// The source.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// How many messages there are.
        size: u64,
    },
    /// It was delivered, and isn't kept any more.
    #[error(
        "nonce {nonce} of the lane from {peer} is pruned: messages from {first} on are kept; \
         a larger inbound_retention_bytes_max keeps more"
    )]
    Pruned {
        /// The source.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// The first message that is kept.
        first: u64,
    },
    /// The lane's newest attested head is ahead of what has arrived.
    #[error(
        "the lane from {peer} is catching up: {size} of {attested} attested messages are here; try again when it has"
    )]
    CatchingUp {
        /// The source.
        peer: ShardId,
        /// Messages here.
        size: u64,
        /// Messages that the newest head covers.
        attested: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
