//! How far a sent message has come, and what became of it.

use super::Engine;
use super::outbound::Outbound;
use super::records::{OutcomeKind, OutcomeRecord, Ruling};
use crate::ids::ShardId;
use crate::message::Tombstone;
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a message has come; each state follows from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "outcome", rename_all = "snake_case")]
pub enum MessageState {
    /// Durable here, or about to be.
    Accepted,
    /// Covered by a sealed checkpoint.
    Sealed,
    /// Covered by an attested checkpoint.
    Attested,
    /// Decided and durable at the destination, as it says itself.
    Delivered,
    /// An attested head of the destination says that it was decided.
    Acknowledged,
    /// It is known for good what became of it.
    Settled(Settled),
    /// The destination lost its data: it may have decided the message, and may not. An operator can
    /// find out.
    OutcomeUnknown,
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MessageState::Accepted => "accepted",
            MessageState::Sealed => "sealed",
            MessageState::Attested => "attested",
            MessageState::Delivered => "delivered",
            MessageState::Acknowledged => "acknowledged",
            MessageState::Settled(Settled::Delivered) => "settled as delivered",
            MessageState::Settled(Settled::Success { .. }) => "settled with a success",
            MessageState::Settled(Settled::Failure { .. }) => "settled with a failure",
            MessageState::Settled(Settled::Tombstone { reason, .. }) => return write!(f, "settled as {reason}"),
            MessageState::Settled(Settled::Expired) => "settled as expired",
            MessageState::Settled(Settled::NeverReceived) => "settled as never received",
            MessageState::Settled(Settled::ByHand { ruling: Ruling::Failed }) => "settled by hand as failed",
            MessageState::Settled(Settled::ByHand { ruling: Ruling::Succeeded }) => "settled by hand as succeeded",
            MessageState::OutcomeUnknown => "of unknown outcome",
        })
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Settled {
    /// The destination took it. Of a result, that is all there is to know.
    Delivered,
    /// It ran, and returned what the result says.
    Success {
        /// The result's nonce in the reverse lane.
        result_nonce: u64,
    },
    /// It did not happen; the result says why.
    Failure {
        /// The result's nonce in the reverse lane.
        result_nonce: u64,
    },
    /// It was never run, and never will be.
    Tombstone {
        /// Why.
        reason: Tombstone,
        /// The result's nonce in the reverse lane.
        result_nonce: u64,
    },
    /// It was never run, and never will be: an attested head of the destination shows that its
    /// deadline passed before.
    Expired,
    /// It was never run, and never will be: the destination lost its data, and the last checkpoint
    /// that it had recorded before doesn't cover it.
    NeverReceived,
    /// The destination lost its data, and an operator found out.
    ByHand {
        /// What became of it.
        ruling: Ruling,
    },
}

impl Settled {
    /// Whether the message had its effect.
    pub fn is_done(&self) -> bool {
        matches!(self, Settled::Delivered | Settled::Success { .. } | Settled::ByHand { ruling: Ruling::Succeeded })
    }
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Settled::Delivered => f.write_str("delivered"),
            Settled::Success { .. } => f.write_str("ran"),
            Settled::Failure { result_nonce } => write!(f, "failed, as result {result_nonce} of its lane says"),
            Settled::Tombstone { reason, .. } => write!(f, "{reason}"),
            Settled::Expired => f.write_str("expired"),
            Settled::NeverReceived => f.write_str("never received"),
            Settled::ByHand { ruling: Ruling::Failed } => f.write_str("failed, as an operator found out"),
            Settled::ByHand { ruling: Ruling::Succeeded } => f.write_str("happened, as an operator found out"),
        }
    }
}

/// Why nothing can be said of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// There is no such lane.
    #[error("there is no lane to {0}: check the name, `shard-node status` lists the lanes")]
    NoLane(ShardId),
    /// There is no such lane that is over.
    #[error("there was no lane to {peer} in incarnation {incarnation} that is over: `shard-node status` lists them")]
    NoPastLane {
        /// The destination.
        peer: ShardId,
        /// The incarnation asked for.
        incarnation: u32,
    },
    /// The nonce isn't taken yet.
    #[error("nonce {nonce} of the lane to {peer} is not accepted yet: the lane has {size} messages")]
    NotThere {
        /// The destination.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// How many messages the lane has.
        size: u64,
    },
    /// It was settled, and no more is kept.
    #[error(
        "nonce {nonce} of the lane to {peer} was settled and is pruned: messages from {first} on are kept; \
         a larger retention_bytes_max keeps more"
    )]
    Pruned {
        /// The destination.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// The first message that is kept.
        first: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<S: Store> Engine<S> {
    /// How far message `nonce` to `peer` has come.
    ///
    /// # Errors
    /// [`OutcomeError`].
    pub fn outcome(&self, peer: &ShardId, nonce: u64) -> Result<MessageState, OutcomeError> {
        let outbound = self.sent(peer, nonce)?;
        let record = &outbound.record;
        if let Some(outcome) = outbound.settlement.outcome(&record.lane, nonce, &self.store)? {
            return Ok(MessageState::Settled(settled_by(&outcome)));
        }
        let settlement = &outbound.settlement.record;
        if settlement.open_calls.contains_key(&nonce) {
            return Ok(self.progress(outbound, nonce));
        }
        if nonce < settlement.pruned {
            return Err(OutcomeError::Pruned { peer: peer.clone(), nonce, first: settlement.pruned });
        }
        if nonce >= self.journal.stored_size(&record.lane, record.log.size()) {
            return Ok(MessageState::Accepted);
        }
        if outbound.expired_by(nonce, self.newest_head(peer), &self.store)?.is_some() {
            return Ok(MessageState::Settled(Settled::Expired));
        }
        if nonce < settlement.reached {
            return Ok(MessageState::Settled(Settled::Delivered));
        }
        Ok(self.progress(outbound, nonce))
    }

    /// The newest attested head of a peer.
    pub(super) fn newest_head(&self, peer: &ShardId) -> Option<&HeadProof> {
        self.inbound.get(peer)?.record.head.as_ref()
    }

    /// The lane on which a message was sent.
    pub(super) fn sent(&self, peer: &ShardId, nonce: u64) -> Result<&Outbound, OutcomeError> {
        let outbound = self.outbound.get(peer).ok_or_else(|| OutcomeError::NoLane(peer.clone()))?;
        let size = outbound.record.log.size();
        if nonce >= size {
            return Err(OutcomeError::NotThere { peer: peer.clone(), nonce, size });
        }
        Ok(outbound)
    }

    fn progress(&self, outbound: &Outbound, nonce: u64) -> MessageState {
        let record = &outbound.record;
        let steps = [
            (record.acknowledged, MessageState::Acknowledged),
            (outbound.delivered, MessageState::Delivered),
            (record.attested, MessageState::Attested),
            (record.sealed, MessageState::Sealed),
        ];
        steps.into_iter().find(|(size, _)| nonce < *size).map_or(MessageState::Accepted, |(_, state)| state)
    }
}

pub(super) fn settled_by(outcome: &OutcomeRecord) -> Settled {
    let result_nonce = outcome.result_nonce;
    match outcome.outcome {
        OutcomeKind::Success => Settled::Success { result_nonce },
        OutcomeKind::Failure => Settled::Failure { result_nonce },
        OutcomeKind::Tombstone(reason) => Settled::Tombstone { reason, result_nonce },
    }
}
