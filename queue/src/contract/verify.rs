//! What the contract says of proof files, to whoever asks. Specified in `specs/contract-verify.md`.

use super::shards::ShardStatus;
use crate::codec;
use crate::ids::{Lane, ShardId};
use serde::{Deserialize, Serialize};

/// Arguments of `verify_message`, `verify_delivery` and `verify_expiry`: the file, as
/// `shard-node prove` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyArgs<P> {
    /// [`crate::proof::MessageProof`], [`crate::proof::DeliveryProof`] or
    /// [`crate::proof::ExpiryProof`].
    pub proof: P,
}

/// What a proof shows, or why it shows nothing. A file that is wrong is an answer, not a failed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Verification {
    /// It holds, under keys that the contract fetched itself.
    Proven(Proven),
    /// It doesn't.
    Refused(NotProven),
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Always true.
    pub verified: bool,
    /// What is shown of the message.
    pub shows: Shows,
    /// The reason, where there is one: why it never runs, or why no more than *decided* is known.
    pub reason: Option<String>,
    /// The message's lane.
    pub lane: Lane,
    /// Its index in the lane.
    pub nonce: u64,
    /// The attested heads that show it; of an expiry the source's first.
    pub attested: Vec<AttestedHead>,
}

/// What a proof shows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shows {
    /// Its source sent it.
    Sent,
    /// An honest destination has delivered it.
    Delivered,
    /// The destination has decided it, one way or the other.
    Decided,
    /// It never ran, and never will.
    NeverRuns,
}

/// An attested head that is part of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestedHead {
    /// The shard that attested it.
    pub shard: ShardId,
    /// Height of its checkpoint.
    pub height: u64,
    /// Time of its checkpoint; nanoseconds since the Unix epoch.
    #[serde(with = "codec::u64_string")]
    pub time_ns: u64,
    /// The size of the lane's log that counts: as sent, or as received.
    pub size: u64,
    /// Where the shard stands by the block that answers.
    pub status: ShardStatus,
}

/// Why a proof shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotProven {
    /// Always false.
    pub verified: bool,
    /// Why.
    pub reason: String,
}
