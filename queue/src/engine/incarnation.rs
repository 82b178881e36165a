//! Incarnations: what the registry says of this shard and of its peers, and the lanes that follow.
//! Specified in `specs/recovery.md`.
//!
//! A peer that lost its data begins a new incarnation. Its lanes then stop, and go over into the
//! past when the operator accepts it: nothing is forgotten, and nothing is sent again by itself.

use super::inbound::Inbound;
use super::io::{EnqueueError, RegisteredShard, Stop, Ticket};
use super::keys::IdempotencyKey;
use super::outbound::Outbound;
use super::past::PastLanes;
use super::records::{PastRecord, SuccessorRecord, past_key, settlement_key, successor_key};
use super::{Engine, Now};
use crate::ids::{Lane, ShardId};
use crate::store::{Store, TurnId};
use serde::{Deserialize, Serialize};

/// Why a peer's incarnation can't be accepted. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// There is no lane with this shard.
    #[error("there is no lane with {0}: check the name, `shard-node status` lists the lanes")]
    NoLane(ShardId),
    /// The bridge contract knows no later incarnation than that of the lanes.
    #[error("shard {peer} is in incarnation {incarnation}, as its lanes are here: there is nothing to accept")]
    Current {
        /// The peer.
        peer: ShardId,
        /// Its incarnation.
        incarnation: u32,
    },
    /// The peer has begun another incarnation than the operator looked at.
    #[error(
        "shard {peer} has begun incarnation {found}, not {asked}: look again at what is unsettled, then accept that"
    )]
    Other {
        /// The peer.
        peer: ShardId,
        /// The newest that was seen.
        found: u32,
        /// The one that was to be accepted.
        asked: u32,
    },
    /// The node has not yet seen what the contract has.
    #[error("this node is starting: it has not yet seen the bridge contract's tip; is NEAR reachable?")]
    Starting,
    /// The node is about to stop.
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// An incarnation of a peer that the operator has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedIncarnation {
    /// The peer.
    pub peer: ShardId,
    /// The incarnation that is over.
    pub past: u32,
    /// The one whose lanes begin, empty.
    pub incarnation: u32,
    /// Messages of the lane to the peer.
    pub size: u64,
    /// Messages from here on were never received, if that can be known; they may be sent again.
    pub never_received_from: Option<u64>,
    /// How many messages below may be without a known outcome, at most.
    pub unsettled_max: u64,
    /// The turn that has to become durable.
    #[serde(skip)]
    pub turn: TurnId,
}

impl<S: Store> Engine<S> {
    /// The shards that the contract lists at `final`, this one included. A list from before this
    /// store's incarnation changes nothing.
    ///
    /// # Errors
    /// [`Stop::OtherIncarnation`] if this shard has begun an incarnation that isn't this store's.
    pub fn handle_registry(&mut self, shards: Vec<RegisteredShard>) -> Result<(), Stop> {
        let Some(own) = shards.iter().find(|listed| listed.shard == self.config.shard).cloned() else { return Ok(()) };
        if own.incarnation > self.incarnation {
            return Err(Stop::OtherIncarnation {
                shard: own.shard,
                found: own.incarnation,
                expected: self.incarnation,
            });
        }
        if own.incarnation < self.incarnation {
            return Ok(());
        }
        for peer in shards.into_iter().filter(|listed| listed.shard != own.shard) {
            match self.outbound.get(&peer.shard) {
                Some(known) if peer.incarnation > known.record.lane.destination_incarnation => {
                    self.note_successor(&peer);
                }
                Some(_) => {}
                None if self.config.closed_lanes.contains(&peer.shard) => {}
                None => self.begin_lanes(&peer.shard, peer.incarnation),
            }
        }
        self.attestor.follow_epoch(&own);
        self.own = Some(own);
        Ok(())
    }

    /// Accepts, for its operator, that a peer has lost its data and begun a new incarnation: the lanes
    /// with the one before are over, and those with the new one begin, empty. A request that was
    /// never received may be sent again; of the others the outcome stays as it is known.
    ///
    /// The connection to the peer has to be dropped: its streams begin anew.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub fn handle_accept_incarnation(
        &mut self,
        peer: &ShardId,
        incarnation: u32,
        now: Now,
    ) -> Result<AcceptedIncarnation, AcceptError> {
        let Some(outbound) = self.outbound.get(peer) else { return Err(AcceptError::NoLane(peer.clone())) };
        if !self.resumed {
            return Err(AcceptError::Starting);
        }
        let past = outbound.record.lane.destination_incarnation;
        let Some(successor) = self.successors.get(peer).copied() else {
            return Err(AcceptError::Current { peer: peer.clone(), incarnation: past });
        };
        if successor.incarnation != incarnation {
            let found = successor.incarnation;
            return Err(AcceptError::Other { peer: peer.clone(), found, asked: incarnation });
        }
        // So that a turn tells on which lane a message was taken.
        self.commit(now)?;
        self.handle_disconnected(peer);
        let (Some(outbound), Some(inbound)) = (self.outbound.remove(peer), self.inbound.remove(peer)) else {
            return Err(AcceptError::NoLane(peer.clone()));
        };
        let lanes = PastLanes::from_record(PastRecord {
            never_received_from: never_received_from(&outbound, &inbound, successor.first_height),
            outbound: outbound.record,
            inbound: inbound.record,
            settlement: outbound.settlement.record,
            last_turn: self.journal.committed(),
        });
        let accepted = AcceptedIncarnation {
            peer: peer.clone(),
            past,
            incarnation: successor.incarnation,
            size: lanes.record.outbound.log.size(),
            never_received_from: lanes.record.never_received_from,
            unsettled_max: lanes.unsettled_max(),
            turn: self.journal.open_turn(),
        };
        self.journal.put(past_key(peer, past), &lanes.record);
        // The record of lanes that begin is written only once there is something to say.
        self.journal.delete(settlement_key(peer));
        self.journal.delete(successor_key(peer));
        self.past.insert(lanes.key(), lanes);
        self.successors.remove(peer);
        self.begin_lanes(peer, successor.incarnation);
        Ok(accepted)
    }

    /// Notes that a peer has begun an incarnation after that of its lanes, which stop.
    fn note_successor(&mut self, peer: &RegisteredShard) {
        let RegisteredShard { shard, incarnation, epoch_first_height, .. } = peer;
        let known = self.successors.get(shard);
        let seen = SuccessorRecord {
            incarnation: known.map_or(*incarnation, |known| known.incarnation.max(*incarnation)),
            first_height: known.map_or(*epoch_first_height, |known| known.first_height.min(*epoch_first_height)),
        };
        if known == Some(&seen) {
            return;
        }
        self.journal.put(successor_key(shard), &seen);
        self.successors.insert(shard.clone(), seen);
        self.journal.forget_frames(shard);
        if let (Some(outbound), Some(inbound)) = (self.outbound.get_mut(shard), self.inbound.get_mut(shard)) {
            outbound.handle_disconnected();
            inbound.handle_disconnected();
        }
    }

    /// Begins the lanes with an incarnation of a peer.
    fn begin_lanes(&mut self, peer: &ShardId, incarnation: u32) {
        let outbound = Lane {
            source: self.config.shard.clone(),
            destination: peer.clone(),
            source_incarnation: self.incarnation,
            destination_incarnation: incarnation,
        };
        let inbound = Lane {
            source: peer.clone(),
            destination: self.config.shard.clone(),
            source_incarnation: incarnation,
            destination_incarnation: self.incarnation,
        };
        let (mut outbound, mut inbound) = (Outbound::new(outbound), Inbound::new(inbound));
        (outbound.dirty, inbound.dirty) = (true, true);
        self.outbound.insert(peer.clone(), outbound);
        self.inbound.insert(peer.clone(), inbound);
    }

    /// Whether a message that was taken under a key before is of a lane that goes on.
    pub(super) fn check_current(&self, key: &IdempotencyKey, ticket: Ticket) -> Result<Ticket, EnqueueError> {
        let past = self.past_lanes(&ticket.peer).find(|lanes| ticket.turn <= lanes.record.last_turn);
        let Some(past) = past else { return Ok(ticket) };
        let (peer, nonce, incarnation) = (ticket.peer, ticket.nonce, past.key().1);
        Err(EnqueueError::KeyPast { key: key.clone(), peer, nonce, incarnation })
    }
}

/// What an operator has to do about a peer's new incarnation.
pub(super) fn waits_for_accept(peer: &ShardId, successor: &SuccessorRecord) -> String {
    let incarnation = successor.incarnation;
    format!(
        "shard {peer} has lost its data and begun incarnation {incarnation}, which this node's operator has not \
         accepted: `shard-node lane accept-incarnation {peer}` says what follows from it"
    )
}

/// From where on the peer never received the lane's messages: known only if its newest head here is
/// of the last checkpoint that the contract recorded before `first_height`, the new incarnation's
/// first height. There is one checkpoint at each height, so that the height says which it is.
///
/// A peer whose heads contradict this lane has said nothing that counts.
fn never_received_from(outbound: &Outbound, inbound: &Inbound, first_height: u64) -> Option<u64> {
    if outbound.record.frozen.is_some() {
        return None;
    }
    let Some(last_height) = first_height.checked_sub(1) else {
        // Nothing was ever recorded, so that nothing that follows from a message has left the peer.
        return Some(0);
    };
    let head = inbound.record.head.as_ref()?;
    (head.attestation.checkpoint.height == last_height).then_some(head.head.received_size)
}
