//! Lanes of incarnations of peers that are over: what became of their messages, and what an operator
//! found out about those of which it is unknown.

use super::Engine;
use super::outbound::Outbound;
use super::outcome::{MessageState, OutcomeError, Settled, settled_by};
use super::records::{OutboundRecord, PastRecord, Ruling, decode_record, read_record, ruling_key};
use super::settlement::Settlement;
use crate::ids::{AccountId, ShardId};
use crate::message::Message;
use crate::store::{Store, StoreError, TurnId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;

/// Messages that one look at what is unsettled reads at most, so that it doesn't hold up the node: some
/// milliseconds.
const LOOKED_AT_MAX: u64 = 1_000;

/// Requests that one ruling settles at most: a turn of some 100 KiB.
const RULED_MAX: usize = 1_000;

/// The lanes with a peer in one incarnation of it.
#[derive(Debug)]
pub(super) struct PastLanes {
    pub(super) record: PastRecord,
    outbound: Outbound,
}

/// The lanes with a peer in an incarnation of it that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastStatus {
    /// The peer.
    pub peer: ShardId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Messages of the lane to it.
    pub accepted: u64,
    /// Messages from here on were never received, if that is known.
    pub never_received_from: Option<u64>,
    /// How many messages below may be without a known outcome, at most, as long as nobody rules.
    pub unsettled_max: u64,
    /// Messages of the lane from it.
    pub delivered: u64,
    /// Messages behind these that were never released.
    pub staged: u64,
}

/// A request of which it is unknown what became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsettledMessage {
    /// Its nonce in the lane that is over.
    pub nonce: u64,
    /// What it was, unless it is pruned.
    pub request: Option<UnsettledRequest>,
    /// Whether the peer has attested that it decided it.
    pub acknowledged: bool,
}

/// What an unsettled message was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsettledRequest {
    /// `data` or `call`.
    pub kind: String,
    /// Who sent it.
    pub sender: AccountId,
    /// Whom it was for.
    pub receiver: AccountId,
    /// Its deadline, in nanoseconds since the Unix epoch.
    pub deadline_ns: Option<u64>,
}

/// A part of what is unsettled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The peer.
    pub peer: ShardId,
    /// Its incarnation.
    pub incarnation: u32,
    /// The messages, in the order of their nonces.
    pub messages: Vec<UnsettledMessage>,
    /// Where to go on; `None` at the end.
    pub next_nonce: Option<u64>,
}

/// Why a ruling isn't taken. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulingError {
    /// There is no such message.
    #[error(transparent)]
    Message(#[from] OutcomeError),
    /// It is known what became of it.
    #[error("nonce {nonce} to {peer} is {state}: only requests whose outcome is unknown are settled by hand")]
    Known {
        /// The destination.
        peer: ShardId,
        /// The nonce.
        nonce: u64,
        /// What became of it.
        state: MessageState,
    },
    /// It is a result.
    #[error("nonce {nonce} to {peer} is a result: only requests are settled")]
    Result {
        /// The destination.
        peer: ShardId,
        /// The nonce.
        nonce: u64,
    },
    /// Too many at once.
    #[error("{0} nonces are more than the limit of {RULED_MAX}: settle them in several calls")]
    TooMany(usize),
}

impl From<StoreError> for RulingError {
    fn from(error: StoreError) -> Self {
        RulingError::Message(error.into())
    }
}

impl PastLanes {
    pub(super) fn from_record(record: PastRecord) -> Self {
        let outbound =
            Outbound::from_record(record.outbound.clone(), Settlement::from_record(record.settlement.clone()));
        PastLanes { record, outbound }
    }

    /// The peer, and its incarnation.
    pub(super) fn key(&self) -> (ShardId, u32) {
        let lane = &self.record.outbound.lane;
        (lane.destination.clone(), lane.destination_incarnation)
    }

    pub(super) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    fn size(&self) -> u64 {
        self.record.outbound.log.size()
    }

    /// Where the messages end that may have been received.
    fn received_max(&self) -> u64 {
        self.record.never_received_from.unwrap_or(self.size())
    }

    /// Messages behind this one are without a tombstone only because none has come.
    fn undecided(&self) -> Range<u64> {
        let end = self.received_max();
        self.record.settlement.reached.min(end)..end
    }

    pub(super) fn unsettled_max(&self) -> u64 {
        let undecided = self.undecided();
        let calls = self.record.settlement.open_calls.range(..undecided.start).count();
        u64::try_from(calls).unwrap_or(u64::MAX).saturating_add(undecided.end - undecided.start)
    }

    /// The nonces from `from` on of messages that may be unsettled.
    fn candidates(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        let Range { start, end } = self.undecided();
        let calls = self.record.settlement.open_calls.range(from..start.max(from)).map(|(nonce, _)| *nonce);
        calls.chain(start.max(from)..end)
    }

    pub(super) fn status(&self) -> PastStatus {
        let (peer, incarnation) = self.key();
        let inbound = &self.record.inbound;
        PastStatus {
            peer,
            incarnation,
            accepted: self.size(),
            never_received_from: self.record.never_received_from,
            unsettled_max: self.unsettled_max(),
            delivered: inbound.log.size(),
            staged: inbound.staged.log.size() - inbound.log.size(),
        }
    }
}

impl<S: Store> Engine<S> {
    /// What became of message `nonce` to an incarnation of a peer that is over.
    ///
    /// # Errors
    /// [`OutcomeError`].
    pub fn past_outcome(&self, peer: &ShardId, incarnation: u32, nonce: u64) -> Result<MessageState, OutcomeError> {
        self.outcome_of(self.past(peer, incarnation)?, nonce)
    }

    /// The requests from nonce `from` on to an incarnation of a peer that is over, of which it is
    /// unknown what became: at most `limit` of them, and as many as one look finds.
    ///
    /// # Errors
    /// [`OutcomeError`].
    pub fn unsettled(
        &self,
        peer: &ShardId,
        incarnation: u32,
        from: u64,
        limit: usize,
    ) -> Result<Unsettled, OutcomeError> {
        let lanes = self.past(peer, incarnation)?;
        let mut unsettled = Unsettled { peer: peer.clone(), incarnation, messages: Vec::new(), next_nonce: None };
        for (looked_at, nonce) in (0..).zip(lanes.candidates(from)) {
            if looked_at >= LOOKED_AT_MAX || unsettled.messages.len() >= limit {
                unsettled.next_nonce = Some(nonce);
                break;
            }
            if self.outcome_of(lanes, nonce)? == MessageState::OutcomeUnknown {
                unsettled.messages.extend(self.unsettled_message(lanes, nonce)?);
            }
        }
        Ok(unsettled)
    }

    /// Settles requests to an incarnation of a peer that is over by what its operator has found out.
    /// The same ruling again is success. Gives the turn that has to become durable.
    ///
    /// # Errors
    /// [`RulingError`]; none of them was settled.
    pub fn handle_ruling(
        &mut self,
        peer: &ShardId,
        incarnation: u32,
        nonces: &BTreeSet<u64>,
        ruling: Ruling,
    ) -> Result<TurnId, RulingError> {
        if nonces.len() > RULED_MAX {
            return Err(RulingError::TooMany(nonces.len()));
        }
        let lanes = self.past(peer, incarnation)?;
        let mut keys = Vec::new();
        for nonce in nonces.iter().copied() {
            match self.outcome_of(lanes, nonce)? {
                MessageState::OutcomeUnknown => {}
                MessageState::Settled(Settled::ByHand { ruling: known }) if known == ruling => continue,
                state => return Err(RulingError::Known { peer: peer.clone(), nonce, state }),
            }
            if self.unsettled_message(lanes, nonce)?.is_none() {
                return Err(RulingError::Result { peer: peer.clone(), nonce });
            }
            keys.push(ruling_key(&lanes.record.outbound.lane, nonce));
        }
        keys.into_iter().for_each(|key| self.journal.put(key, &ruling));
        Ok(self.journal.open_turn())
    }

    /// The lanes with incarnations of a peer that are over, in their order.
    pub(super) fn past_lanes(&self, peer: &ShardId) -> impl Iterator<Item = &PastLanes> {
        self.past.range((peer.clone(), 0)..=(peer.clone(), u32::MAX)).map(|(_, lanes)| lanes)
    }

    pub(super) fn past(&self, peer: &ShardId, incarnation: u32) -> Result<&PastLanes, OutcomeError> {
        let lanes = self.past.get(&(peer.clone(), incarnation));
        lanes.ok_or_else(|| OutcomeError::NoPastLane { peer: peer.clone(), incarnation })
    }

    fn outcome_of(&self, lanes: &PastLanes, nonce: u64) -> Result<MessageState, OutcomeError> {
        let PastLanes { record, outbound } = lanes;
        let (lane, settlement) = (&record.outbound.lane, &record.settlement);
        let (peer, size) = (lane.destination.clone(), lanes.size());
        if nonce >= size {
            return Err(OutcomeError::NotThere { peer, nonce, size });
        }
        let settled = |settled| Ok(MessageState::Settled(settled));
        if let Some(outcome) = outbound.settlement.outcome(lane, nonce, &self.store)? {
            return settled(settled_by(&outcome));
        }
        if let Some(ruling) = self.ruling(lanes, nonce)? {
            return settled(Settled::ByHand { ruling });
        }
        let is_never_received = record.never_received_from.is_some_and(|from| nonce >= from);
        if settlement.open_calls.contains_key(&nonce) && !is_never_received {
            return Ok(MessageState::OutcomeUnknown);
        }
        if nonce < settlement.pruned.min(settlement.reached) {
            return Err(OutcomeError::Pruned { peer, nonce, first: settlement.pruned });
        }
        if outbound.expired_by(nonce, record.inbound.head.as_ref(), &self.store)?.is_some() {
            return settled(Settled::Expired);
        }
        if is_never_received {
            return settled(Settled::NeverReceived);
        }
        if nonce < settlement.reached {
            return settled(Settled::Delivered);
        }
        Ok(MessageState::OutcomeUnknown)
    }

    fn ruling(&self, lanes: &PastLanes, nonce: u64) -> Result<Option<Ruling>, StoreError> {
        let key = ruling_key(&lanes.record.outbound.lane, nonce);
        match self.journal.pending(&key) {
            Some(bytes) => decode_record("ruling", bytes).map(Some),
            None => read_record(&self.store, "ruling", &key),
        }
    }

    /// A message of which it is unknown what became, unless it is a result: nothing awaits what
    /// becomes of that.
    fn unsettled_message(&self, lanes: &PastLanes, nonce: u64) -> Result<Option<UnsettledMessage>, StoreError> {
        let PastRecord { outbound: OutboundRecord { lane, acknowledged, .. }, settlement, .. } = &lanes.record;
        let acknowledged = nonce < *acknowledged;
        if nonce < settlement.pruned {
            return Ok(Some(UnsettledMessage { nonce, request: None, acknowledged }));
        }
        let bytes = self
            .store
            .message(lane, nonce)?
            .ok_or_else(|| StoreError::Damaged(format!("{lane} lacks message {nonce}")))?;
        let message = Message::decode(&bytes);
        let message = message.map_err(|error| StoreError::Damaged(format!("message {nonce} of {lane}: {error}")))?;
        if message.is_result() {
            return Ok(None);
        }
        let Message { sender, receiver, deadline_ns, body, .. } = message;
        let request = UnsettledRequest { kind: body.kind().to_owned(), sender, receiver, deadline_ns };
        Ok(Some(UnsettledMessage { nonce, request: Some(request), acknowledged }))
    }
}
