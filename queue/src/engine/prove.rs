//! Proofs, made at the source, of what became of a message.

use super::io::ProveError;
use super::outbound::Outbound;
use super::outcome::OutcomeError;
use super::records::{InboundRecord, OutcomeKind, OutcomeRecord};
use super::tree::LaneTree;
use super::{Engine, MessageState, Settled};
use crate::ids::ShardId;
use crate::message::Tombstone;
use crate::proof::{
    DELIVERY_PROOF_FORMAT, DeliveryProof, EXPIRY_PROOF_FORMAT, ExpiryGround, ExpiryProof, HeadProof, ResultProof,
};
use crate::store::{Store, StoreError};

/// Why the proof of what became of a message can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementProofError {
    /// There is no such message, or it isn't kept any more.
    #[error(transparent)]
    Message(#[from] OutcomeError),
    /// No attested head of this shard covers the message yet, to say which one it is.
    #[error("nonce {nonce} of the lane to {peer} is not attested yet, {attested} messages are: try again when it is")]
    NotAttested {
        /// The destination.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// Messages that are attested.
        attested: u64,
    },
    /// No attested head of the destination covers the message.
    #[error(
        "{peer} has attested to have decided {received} messages, nonce {nonce} not among them: \
         try again when it is acknowledged"
    )]
    NotDecided {
        /// The destination.
        peer: ShardId,
        /// The nonce asked for.
        nonce: u64,
        /// How many messages its newest head covers.
        received: u64,
    },
    /// The message was settled without having been delivered.
    #[error("nonce {nonce} was not delivered: it is {reason}; that can be proved with `prove expiry`")]
    NeverRan {
        /// The nonce asked for.
        nonce: u64,
        /// Why it never ran.
        reason: Tombstone,
    },
    /// Nothing shows that the message will never run.
    #[error("nonce {nonce} has not expired, nor was it buried: it is {state}")]
    NotExpired {
        /// The nonce asked for.
        nonce: u64,
        /// How far it has come.
        state: MessageState,
    },
    /// The tombstone can't be proved.
    #[error("the tombstone for nonce {nonce} can't be proved: {error}")]
    Result {
        /// The nonce asked for.
        nonce: u64,
        /// Why not.
        error: ProveError,
    },
}

impl From<StoreError> for SettlementProofError {
    fn from(error: StoreError) -> Self {
        SettlementProofError::Message(error.into())
    }
}

/// A sent message that is kept.
struct Kept<'a> {
    outbound: &'a Outbound,
    inbound: &'a InboundRecord,
    state: MessageState,
}

impl<S: Store> Engine<S> {
    /// The file that proves that message `nonce` to `peer`, or to an incarnation of it that is over,
    /// was delivered; or, where its deadline
    /// leaves that open, that it was decided.
    ///
    /// # Errors
    /// [`SettlementProofError`].
    pub fn prove_delivery(
        &self,
        peer: &ShardId,
        incarnation: Option<u32>,
        nonce: u64,
    ) -> Result<DeliveryProof, SettlementProofError> {
        let Kept { outbound, inbound, state } = self.kept(peer, incarnation, nonce)?;
        let lane = &outbound.record.lane;
        match state {
            MessageState::Settled(Settled::Tombstone { reason, .. }) => {
                return Err(SettlementProofError::NeverRan { nonce, reason });
            }
            MessageState::Settled(Settled::Expired) => {
                return Err(SettlementProofError::NeverRan { nonce, reason: Tombstone::Expired });
            }
            _ => {}
        }
        let newest = inbound.head.as_ref();
        let received = newest.map_or(0, |head| head.head.received_size);
        let Some(newest) = newest.filter(|_| nonce < received) else {
            return Err(SettlementProofError::NotDecided { peer: peer.clone(), nonce, received });
        };
        let head = self.delivering_head(outbound, nonce, newest)?;
        let (message, inclusion) = LaneTree { store: &self.store, lane }.inclusion(nonce, head.head.received_size)?;
        Ok(DeliveryProof {
            format: DELIVERY_PROOF_FORMAT.to_owned(),
            trust: self.config.trust.clone(),
            nonce,
            message,
            inclusion,
            head,
        })
    }

    /// The file that proves that message `nonce` to `peer`, or to an incarnation of it that is over,
    /// never ran and never will.
    ///
    /// # Errors
    /// [`SettlementProofError`].
    pub fn prove_expiry(
        &self,
        peer: &ShardId,
        incarnation: Option<u32>,
        nonce: u64,
    ) -> Result<ExpiryProof, SettlementProofError> {
        let Kept { outbound, inbound, state } = self.kept(peer, incarnation, nonce)?;
        let lane = &outbound.record.lane;
        let attested = outbound.record.attested;
        let Some(sent) = outbound.record.head.clone().filter(|head| nonce < head.head.sent_size) else {
            return Err(SettlementProofError::NotAttested { peer: peer.clone(), nonce, attested });
        };
        let ground = match outbound.settlement.outcome(lane, nonce, &self.store)? {
            Some(OutcomeRecord { result_nonce, outcome: OutcomeKind::Tombstone(_) }) => {
                ExpiryGround::Result(self.prove_result(inbound, nonce, result_nonce)?)
            }
            _ => match outbound.expired_by(nonce, inbound.head.as_ref(), &self.store)? {
                Some(head) => ExpiryGround::Checkpoint(head),
                None => return Err(SettlementProofError::NotExpired { nonce, state }),
            },
        };
        let (message, inclusion) = LaneTree { store: &self.store, lane }.inclusion(nonce, sent.head.sent_size)?;
        Ok(ExpiryProof {
            format: EXPIRY_PROOF_FORMAT.to_owned(),
            trust: self.config.trust.clone(),
            nonce,
            message,
            inclusion,
            sent,
            ground,
        })
    }

    /// The lanes of a message that is stored and still kept, and how far it has come.
    fn kept(&self, peer: &ShardId, incarnation: Option<u32>, nonce: u64) -> Result<Kept<'_>, SettlementProofError> {
        let (outbound, inbound, state) = match incarnation {
            Some(incarnation) => {
                let past = self.past(peer, incarnation)?;
                (past.outbound(), &past.record.inbound, self.past_outcome(peer, incarnation, nonce)?)
            }
            None => {
                let no_lane = || OutcomeError::NoLane(peer.clone());
                let outbound = self.sent(peer, nonce)?;
                (outbound, &self.inbound.get(peer).ok_or_else(no_lane)?.record, self.outcome(peer, nonce)?)
            }
        };
        let (record, first) = (&outbound.record, outbound.settlement.record.pruned);
        if nonce < first {
            return Err(OutcomeError::Pruned { peer: peer.clone(), nonce, first }.into());
        }
        let attested = record.attested;
        if nonce >= self.journal.stored_size(&record.lane, record.log.size()) {
            return Err(SettlementProofError::NotAttested { peer: peer.clone(), nonce, attested });
        }
        Ok(Kept { outbound, inbound, state })
    }

    /// The head that says most about the delivery of a message: one from before its deadline, if
    /// there is one, otherwise the newest.
    fn delivering_head(&self, outbound: &Outbound, nonce: u64, newest: &HeadProof) -> Result<HeadProof, StoreError> {
        let is_before = |head: &HeadProof, deadline_ns: u64| head.attestation.checkpoint.time_ns < deadline_ns;
        let Some(deadline_ns) = outbound.deadline_ns(nonce, &self.store)? else { return Ok(newest.clone()) };
        if is_before(newest, deadline_ns) {
            return Ok(newest.clone());
        }
        let row = outbound.settlement.heads(&outbound.record.lane, nonce, &self.store)?;
        let first = row.and_then(|row| row.after).filter(|first| is_before(first, deadline_ns));
        Ok(first.unwrap_or_else(|| newest.clone()))
    }

    fn prove_result(
        &self,
        inbound: &InboundRecord,
        nonce: u64,
        result_nonce: u64,
    ) -> Result<ResultProof, SettlementProofError> {
        let proof = self.prove_received(inbound, result_nonce);
        let proof = proof.map_err(|error| SettlementProofError::Result { nonce, error })?;
        Ok(ResultProof { nonce: proof.nonce, message: proof.message, inclusion: proof.inclusion, head: proof.head })
    }
}
