//! What an engine keeps in its store: keys and records. Specified in `specs/store.md`.
//!
//! Numbers in keys are big-endian, so that keys sort as their numbers do.

use super::deadlines::{LaneNotes, NodeNotes};
use super::feeds::FeedName;
use crate::checkpoint::Checkpoint;
use crate::codec;
use crate::digest::Hash;
use crate::heads::Head;
use crate::ids::{BridgeDomain, Lane, ShardId};
use crate::log::CompactRange;
use crate::message::{Decision, MessageError, Tombstone};
use crate::proof::HeadProof;
use crate::store::{Store, StoreError, TurnId};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Subtrees from this level up are stored; smaller ones are hashed again from at most 64 messages.
pub(super) const STORED_LEVEL_MIN: u32 = 6;

/// Most [`NodeRecord`]s in one row, unless one message completes more: few enough that finding one
/// costs little.
pub(super) const NODES_PER_ROW: usize = 32;

/// Longest record, in bytes: an inbox record with a tombstone for each message of a batch.
const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Key of [`HomeRecord`].
pub(super) const HOME: &[u8] = b"home";
/// Key of the time of the newest block, a `u64`.
pub(super) const BLOCK_TIME: &[u8] = b"block-time";
/// Key of [`AttestorRecord`].
pub(super) const ATTESTOR: &[u8] = b"attestor";
/// Key of this shard's incarnation, a `u32`; without it the first, 0.
pub(super) const INCARNATION: &[u8] = b"incarnation";
/// Prefix of [`SuccessorRecord`]s.
pub(super) const SUCCESSOR: &[u8] = b"successor/";
/// Prefix of [`PastRecord`]s.
pub(super) const PAST: &[u8] = b"past/";
/// Key of the number of messages in the inbox, a `u64`.
pub(super) const INBOX_SIZE: &[u8] = b"inbox-size";
/// Prefix of [`InboxRecord`]s.
pub(super) const INBOX: &[u8] = b"inbox/";
/// Prefix of [`FeedRecord`]s.
pub(super) const FEED: &[u8] = b"feed/";
/// Prefix of [`OutboundRecord`]s.
pub(super) const OUTBOUND: &[u8] = b"outbound/";
/// Prefix of [`crate::evidence::Evidence`].
pub(super) const EVIDENCE: &[u8] = b"evidence/";
/// Prefix of [`InboundRecord`]s.
pub(super) const INBOUND: &[u8] = b"inbound/";
/// Prefix of leaf hashes of messages that were too large to be kept.
const LEAF: &[u8] = b"leaf/";
/// Prefix of [`PrunedRecord`]s.
pub(super) const PRUNED: &[u8] = b"pruned/";
/// Prefix of [`SettlementRecord`]s.
pub(super) const SETTLEMENT: &[u8] = b"settlement/";
/// Key of [`SpentRecord`].
pub(super) const SPENT: &[u8] = b"spent";
/// Prefix of [`KeyRecord`]s.
pub(super) const KEY: &[u8] = b"key/";
/// Prefix of idempotency keys in the order of their times.
pub(super) const KEY_TIME: &[u8] = b"key-time/";
/// Key of the number of idempotency keys, a `u64`.
pub(super) const KEY_COUNT: &[u8] = b"key-count";

/// Whose home this is.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct HomeRecord {
    pub(super) format: u32,
    pub(super) shard: ShardId,
    pub(super) domain: BridgeDomain,
}

/// Where attesting stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct AttestorRecord {
    /// The newest attested checkpoint; or the recorded one behind which this incarnation began.
    pub(super) attested: Option<Checkpoint>,
    /// The sealed checkpoint that follows it, without a signature so far.
    pub(super) pending: Option<Sealed>,
}

/// A sealed checkpoint and the heads that it covers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Sealed {
    pub(super) checkpoint: Checkpoint,
    pub(super) heads: Vec<Head>,
}

/// A lane to another shard.
///
/// Invariant: `attested <= sealed <= log.size()`, and `acknowledged <= sealed`: it is above `attested`
/// where a crash has lost a signature that the peer has seen.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct OutboundRecord {
    pub(super) lane: Lane,
    pub(super) log: CompactRange,
    /// Bytes of all messages, each with its length, since the lane began.
    pub(super) bytes: u64,
    pub(super) sealed: u64,
    pub(super) attested: u64,
    /// Size, root and bytes of the prefix that the peer's newest attested head acknowledges.
    pub(super) acknowledged: u64,
    pub(super) acknowledged_root: Hash,
    pub(super) acknowledged_bytes: u64,
    /// This shard's newest attested head for the peer.
    pub(super) head: Option<HeadProof>,
    pub(super) frozen: Option<String>,
}

/// A lane from another shard.
///
/// Invariant: `acknowledged <= log.size() <= staged.log.size()`; `head`'s sent size is at least
/// `log.size()`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct InboundRecord {
    pub(super) lane: Lane,
    pub(super) log: CompactRange,
    /// Bytes of all messages, each with its length, since the lane began.
    pub(super) bytes: u64,
    /// What this shard's newest sealed checkpoint says to have received.
    pub(super) sealed: u64,
    /// The same of the newest attested one.
    pub(super) acknowledged: u64,
    /// The source's newest attested head for this shard.
    pub(super) head: Option<HeadProof>,
    pub(super) frozen: Option<String>,
    pub(super) staged: StagedRecord,
}

/// The lane with what is staged behind what is verified.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct StagedRecord {
    pub(super) log: CompactRange,
    /// Bytes of all messages, each with its length, since the lane began.
    pub(super) bytes: u64,
    /// Sizes at which the source may have the lane attested, in order.
    pub(super) marks: Vec<MarkRecord>,
}

/// The lane at a size.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct MarkRecord {
    pub(super) log: CompactRange,
    pub(super) bytes: u64,
}

/// A run of staged messages, and what was found when they arrived; its key is the nonce after the
/// last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct StagedRun {
    pub(super) first_nonce: u64,
    pub(super) end: u64,
    /// The nearest deadline: a block of this time or later has to decide each message anew.
    pub(super) deadline_min_ns: u64,
    /// Nonces that will be settled without a delivery.
    pub(super) tombstones: Vec<(u64, Tombstone)>,
    /// The first message of a version that this software doesn't know.
    pub(super) stops_at: Option<u64>,
    /// Whether there are results, which are settled by the time of their release.
    pub(super) has_results: bool,
}

impl NodeRecord {
    /// The size of the lane at which the subtree is complete; any other of a damaged record, without
    /// a panic.
    pub(super) fn completed(&self) -> u64 {
        self.index.wrapping_add(1).checked_shl(self.level).unwrap_or(0)
    }
}

impl StagedRun {
    pub(super) fn new(first_nonce: u64) -> Self {
        let (deadline_min_ns, tombstones) = (u64::MAX, Vec::new());
        StagedRun { first_nonce, end: first_nonce, deadline_min_ns, tombstones, stops_at: None, has_results: false }
    }

    pub(super) fn note_deadline(&mut self, deadline_ns: Option<u64>) {
        self.deadline_min_ns = self.deadline_min_ns.min(deadline_ns.unwrap_or(u64::MAX));
    }

    /// Notes what was decided about a message for a block at time 0.
    pub(super) fn note(&mut self, nonce: u64, decision: Result<Decision, MessageError>) {
        match decision {
            Ok(Decision::Deliver(message)) => {
                self.has_results |= message.is_result();
                self.note_deadline(message.request_deadline_ns());
            }
            // By the time of its release it may have expired instead.
            Ok(Decision::Bury(Tombstone::NoContracts | Tombstone::Expired)) => self.deadline_min_ns = 0,
            Ok(Decision::Bury(reason)) => self.tombstones.push((nonce, reason)),
            Err(_) => self.stops_at = self.stops_at.or(Some(nonce)),
        }
    }
}

/// A run of delivered messages; its key is the position after the last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct InboxRecord {
    pub(super) lane: Lane,
    pub(super) first_nonce: u64,
    pub(super) count: u64,
    /// The turn that delivered it.
    pub(super) turn: u64,
    /// Nonces that were settled without a delivery.
    pub(super) tombstones: Vec<(u64, Tombstone)>,
}

/// How far the messages of a lane from another shard are pruned.
///
/// Invariant: `below` is a multiple of 64, and not above the lane's verified size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct PrunedRecord {
    /// Messages below are not kept.
    pub(super) below: u64,
    /// Their bytes, each with its length.
    pub(super) bytes: u64,
}

/// How far a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct FeedRecord {
    /// How many of its messages were taken.
    pub(super) taken: u64,
    /// The turn that took the last one.
    pub(super) turn: u64,
}

/// A stored perfect subtree of a lane log, with the lane's bytes up to its end.
///
/// Subtrees that are completed by one turn stand together, because a row costs more than what is in
/// it; the key is the size at which the last of them is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct NodeRecord {
    pub(super) level: u32,
    pub(super) index: u64,
    pub(super) hash: Hash,
    pub(super) bytes_end: u64,
    pub(super) notes: NodeNotes,
}

/// How far the messages of a lane to another shard are settled.
///
/// Invariant: `reached` is at most what the peer has acknowledged, `pruned` too.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct SettlementRecord {
    pub(super) notes: LaneNotes,
    /// Bytes of results among what the peer has acknowledged.
    pub(super) acknowledged_result_bytes: u64,
    /// All messages below were decided, and the tombstones for them have arrived.
    pub(super) reached: u64,
    /// Received and sent sizes of heads of the peer that the reverse lane has not reached: the first
    /// one, and the newest.
    pub(super) ahead: Vec<(u64, u64)>,
    /// Calls without a result, with their deadlines (`u64::MAX` for none); at most as many as the widest
    /// call window was.
    pub(super) open_calls: BTreeMap<u64, u64>,
    /// Messages below are not kept.
    pub(super) pruned: u64,
}

/// The result that settled a request.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct OutcomeRecord {
    /// Its nonce in the reverse lane.
    pub(super) result_nonce: u64,
    pub(super) outcome: OutcomeKind,
}

/// A result without what it returned, which stands in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(super) enum OutcomeKind {
    Success = 0,
    Failure = 1,
    Tombstone(Tombstone) = 2,
}

/// Two consecutive heads of a peer, between which it went past messages `begin` to the row's end;
/// each is kept if it proves something that no newer head does.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct HeadRow {
    pub(super) begin: u64,
    /// Proves that some of them expired before they were received.
    pub(super) before: Option<HeadProof>,
    /// Proves that some of them were received before their deadlines.
    pub(super) after: Option<HeadProof>,
}

/// An idempotency key, and the message that was accepted under it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct KeyRecord {
    pub(super) peer: ShardId,
    pub(super) nonce: u64,
    pub(super) turn: TurnId,
    /// Leaf hash of the request without salt and deadline.
    pub(super) content: Hash,
}

/// What attesting has cost on one day of the node's block time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct SpentRecord {
    /// Days since the Unix epoch.
    pub(super) day: u64,
    pub(super) gas: u64,
    pub(super) deposit_yocto: u128,
}

/// A peer has begun an incarnation that the operator has not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct SuccessorRecord {
    /// The newest that was seen.
    pub(super) incarnation: u32,
    /// The lowest first height of its key epochs that was seen: no checkpoint of the incarnation of
    /// the lanes lies at or above it.
    pub(super) first_height: u64,
}

/// The two lanes with a peer in an incarnation of it that is over.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct PastRecord {
    pub(super) outbound: OutboundRecord,
    pub(super) inbound: InboundRecord,
    pub(super) settlement: SettlementRecord,
    /// Messages from here on are settled as never received, if that is known.
    pub(super) never_received_from: Option<u64>,
    /// The last turn that wrote to the lanes.
    pub(super) last_turn: TurnId,
}

/// What an operator has found out about a request whose outcome was unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Ruling {
    /// It did not happen.
    Failed = 0,
    /// It happened: the peer took the data, or ran the call.
    Succeeded = 1,
}

pub(super) fn outbound_key(peer: &ShardId) -> Vec<u8> {
    [OUTBOUND, peer.as_str().as_bytes()].concat()
}

pub(super) fn inbound_key(peer: &ShardId) -> Vec<u8> {
    [INBOUND, peer.as_str().as_bytes()].concat()
}

/// Key of the evidence that froze a lane in a turn.
pub(super) fn evidence_key(lane: &Lane, turn: TurnId) -> Vec<u8> {
    numbered(EVIDENCE, lane, Some(turn))
}

/// How the keys of a lane's evidence begin.
pub(super) fn evidence_prefix(lane: &Lane) -> Vec<u8> {
    numbered(EVIDENCE, lane, None)
}

/// Key of the [`StagedRun`] that ends at a nonce.
pub(super) fn staged_key(lane: &Lane, end: u64) -> Vec<u8> {
    numbered(b"staged/", lane, Some(end))
}

/// How the keys of a lane's staged runs begin.
pub(super) fn staged_prefix(lane: &Lane) -> Vec<u8> {
    numbered(b"staged/", lane, None)
}

/// Key of what shows that a peer says to have run a request that it attested to be expired: the
/// nonce of the result, and the head; without a nonce, what the keys of the lane begin with.
pub(super) fn expiry_evidence_key(lane: &Lane, request_nonce: impl Into<Option<u64>>) -> Vec<u8> {
    numbered(b"expiry-evidence/", lane, request_nonce.into())
}

/// Key of the peer's [`SuccessorRecord`].
pub(super) fn successor_key(peer: &ShardId) -> Vec<u8> {
    [SUCCESSOR, peer.as_str().as_bytes()].concat()
}

/// Key of the [`PastRecord`] of a peer's incarnation.
pub(super) fn past_key(peer: &ShardId, incarnation: u32) -> Vec<u8> {
    [PAST, peer.as_str().as_bytes(), b"/", &incarnation.to_be_bytes()].concat()
}

/// Key of the [`Ruling`] on a request of a lane that is over; without a nonce, what the keys of the
/// lane begin with.
pub(super) fn ruling_key(lane: &Lane, nonce: impl Into<Option<u64>>) -> Vec<u8> {
    numbered(b"ruling/", lane, nonce.into())
}

pub(super) fn settlement_key(peer: &ShardId) -> Vec<u8> {
    [SETTLEMENT, peer.as_str().as_bytes()].concat()
}

/// Key of the [`OutcomeRecord`] of a request; without a nonce, what the keys of the lane begin with.
pub(super) fn outcome_key(lane: &Lane, nonce: impl Into<Option<u64>>) -> Vec<u8> {
    numbered(b"outcome/", lane, nonce.into())
}

/// Key of the [`HeadRow`] that ends at a nonce; without one, what the keys of the lane begin with.
pub(super) fn head_row_key(lane: &Lane, end: Option<u64>) -> Vec<u8> {
    numbered(b"peer-heads/", lane, end)
}

fn numbered(prefix: &[u8], lane: &Lane, number: Option<u64>) -> Vec<u8> {
    let number = number.map(u64::to_be_bytes);
    [prefix, &codec::encode(lane), number.as_ref().map_or(&[][..], |digits| &digits[..])].concat()
}

pub(super) fn feed_key(name: &FeedName) -> Vec<u8> {
    [FEED, name.as_str().as_bytes()].concat()
}

pub(super) fn inbox_key(end: u64) -> Vec<u8> {
    [INBOX, &end.to_be_bytes()].concat()
}

pub(super) fn inbox_end(key: &[u8]) -> Result<u64, StoreError> {
    let digits = key.strip_prefix(INBOX).and_then(|rest| rest.try_into().ok());
    digits.map(u64::from_be_bytes).ok_or_else(|| StoreError::Damaged("a key of the inbox has no position".to_owned()))
}

/// Key of the [`NodeRecord`]s of which the last is complete at this size of the lane.
pub(super) fn nodes_key(lane: &Lane, completed: u64) -> Vec<u8> {
    [&nodes_prefix(lane)[..], &completed.to_be_bytes()].concat()
}

/// How the keys of a lane's subtrees begin.
pub(super) fn nodes_prefix(lane: &Lane) -> Vec<u8> {
    [&b"nodes/"[..], &codec::encode(lane)].concat()
}

/// Key of the leaf hash of a message that was too large to be kept.
pub(super) fn leaf_key(lane: &Lane, nonce: u64) -> Vec<u8> {
    numbered(LEAF, lane, Some(nonce))
}

/// How the keys of a lane's leaf hashes begin.
pub(super) fn leaf_prefix(lane: &Lane) -> Vec<u8> {
    numbered(LEAF, lane, None)
}

/// Key of the [`PrunedRecord`] of a lane from a peer.
pub(super) fn pruned_key(lane: &Lane) -> Vec<u8> {
    numbered(PRUNED, lane, None)
}

/// Decodes a record.
///
/// # Errors
/// [`StoreError::Damaged`] names the record.
pub(super) fn decode_record<T: BorshDeserialize>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(what, bytes, RECORD_BYTES_MAX).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Reads a record, if there is one.
///
/// # Errors
/// [`StoreError`].
pub(super) fn read_record<T: BorshDeserialize>(
    store: &impl Store,
    what: &'static str,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    store.get(key)?.map(|bytes| decode_record(what, &bytes)).transpose()
}
