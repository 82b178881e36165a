//! The engine: what a node does, without doing anything itself.
//!
//! Sans-IO, in the manner of quinn-proto: `handle_*` takes inputs, [`Engine::commit`] closes a turn
//! and hands its record to the store, `poll_*` gives what there is to do. Time is an argument.
//! Outputs carry the turn that they wait for and are given out when the store says that it is
//! durable, never before.
//!
//! This file routes; the state lives in the sub-machines: outbound and inbound lanes, the
//! attestor, the clock.

mod attestor;
mod audit;
mod budget;
mod bulk;
mod clock;
mod config;
mod deadlines;
mod evidence;
mod expiry;
mod export;
mod feeds;
mod import;
mod inbound;
mod incarnation;
mod io;
mod journal;
mod keys;
mod open;
mod outbound;
mod outcome;
mod pace;
mod past;
mod peers;
mod permissions;
mod prove;
mod queries;
mod records;
mod recovery;
mod refusal;
mod results;
mod retention;
mod settlement;
mod staged;
mod subtrees;
mod terms;
mod tree;
mod unsent;

#[cfg(test)]
mod tests;

pub use audit::{ATTESTOR_KEY, AuditReport, AuditedLane, Expectation, Finding, audit, heights};
pub use bulk::TakenRun;
pub use config::{
    Budget, CALL_WINDOW_DEFAULT, Config, INBOUND_RETENTION_BYTES_MAX_DEFAULT, RETENTION_BYTES_MAX_DEFAULT,
    STORE_FORMAT, Settling,
};
pub use evidence::ResumeError;
pub use export::{Export, ExportError};
pub use feeds::{FEED_NAME_BYTES_MAX, FEEDS_MAX, FeedName, FeedNameError, FeedState};
pub use import::{ImportError, Imported};
pub use incarnation::{AcceptError, AcceptedIncarnation};
pub use io::{
    AttestCost, AttestFailure, Direction, Enqueue, EnqueueError, InboundStatus, InboxEntry, InboxError, Now,
    OutboundStatus, Output, PeerError, ProveError, RegisteredShard, Status, Stop, Ticket,
};

pub use keys::{IdempotencyKey, IdempotencyKeyError, KEY_BYTES_MAX, KEY_KEPT_NS, KEYS_MAX};
pub use outcome::{MessageState, OutcomeError, Settled};
pub use past::{PastStatus, RulingError, Unsettled, UnsettledMessage, UnsettledRequest};
pub use permissions::{PermissionList, PermissionListError};
pub use prove::SettlementProofError;
pub use records::Ruling;
pub use recovery::{RecoveryError, begin_incarnation};
pub use terms::TermsError;

use crate::attestation::Attestation;
use crate::checkpoint::Checkpoint;
use crate::contract::{LaneView, TipView};
use crate::digest::{Hash, Native};
use crate::heads::Head;
use crate::ids::ShardId;
use crate::message::{Body, MESSAGE_VERSION, Message};
use crate::store::{Store, StoreError, TurnId};
use crate::stream::stream_bytes;
use attestor::Attestor;
use budget::Spending;
use clock::Clock;
use config::{ACKNOWLEDGE_INTERVAL_NS, TIP_RETRY_NS, deadline_of};
use expiry::clock_timer_ns;
use inbound::Inbound;
use journal::Journal;
use keys::{Keys, content_of};
use outbound::Outbound;
use pace::Pace;
use past::PastLanes;
use records::{BLOCK_TIME, SuccessorRecord};
use settlement::{Note, NoteKind};
use std::collections::{BTreeMap, BTreeSet};
use terms::Lanes;

/// A node's engine. It owns the store.
///
/// Invariant: `outbound` and `inbound` have the same keys.
#[derive(Debug)]
pub struct Engine<S> {
    config: Config,
    store: S,
    failure: Option<StoreError>,
    journal: Journal,
    clock: Clock,
    attestor: Attestor,
    outbound: BTreeMap<ShardId, Outbound>,
    inbound: BTreeMap<ShardId, Inbound>,
    inbox_size: u64,
    /// This shard's incarnation, by the store.
    incarnation: u32,
    own: Option<RegisteredShard>,
    /// Peers that have begun an incarnation that the operator has not accepted.
    successors: BTreeMap<ShardId, SuccessorRecord>,
    /// What the bridge contract says of the lanes.
    lanes: Lanes,
    /// The lanes of incarnations of peers that are over.
    past: BTreeMap<(ShardId, u32), PastLanes>,
    connected: BTreeSet<ShardId>,
    /// The lane that reads back first in the next turn, if more is to be sent than one turn may read.
    reads_on: Option<ShardId>,
    /// Whether the contract's tip was found in this node's own records.
    resumed: bool,
    /// When the tip is asked for again; only until resumed.
    fetch_tip_at_ns: Option<u64>,
    /// When a checkpoint was last sealed only to acknowledge.
    acknowledged_at_ns: Option<u64>,
    keys: Keys,
    pace: Pace,
    spending: Spending,
    /// When the clock may have reached a deadline to wish for, or a time that a peer wishes for.
    wish_at_ns: Option<u64>,
    /// Time of the node's clock at the last commit.
    committed_at_ns: u64,
    /// When the next day's budget begins; only while one holds something back.
    day_at_ns: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// The lanes that the configuration closes, from here on. What such a lane holds stays, and goes
    /// on when it is opened; one that never was begins with the next [`Engine::handle_registry`].
    pub fn handle_closed_lanes(&mut self, closed: BTreeSet<ShardId>) {
        self.config.closed_lanes = closed;
    }

    /// This shard's lanes and offers in the bridge contract at `final`, all of them. Which requests are
    /// taken follows from what was handed in last; before the first time none are. Results flow, and what
    /// was accepted before goes on.
    pub fn handle_lanes(&mut self, lanes: Vec<LaneView>) {
        self.lanes.handle_read(lanes);
    }

    /// A final NEAR block of this time was seen.
    pub fn handle_near_time(&mut self, block_time_ns: u64, now: Now) {
        let was_live = self.is_live();
        self.clock.handle_near_time(block_time_ns, now);
        self.start_sessions_unless(was_live);
    }

    /// The contract's tip for this shard at `final`.
    ///
    /// # Errors
    /// [`Stop::NotNewest`] if it isn't in this node's own records.
    pub fn handle_tip(&mut self, tip: Option<TipView>, now: Now) -> Result<(), Stop> {
        if let Some(tip) = &tip {
            self.attestor.adopt_epoch(&tip.checkpoint);
        }
        let attested = self.attestor.record.attested.as_ref();
        let own_height = attested.map(|checkpoint| checkpoint.height);
        let own_hashes =
            [self.attestor.pending(), attested].map(|checkpoint| checkpoint.map(Checkpoint::hash::<Native>));
        let found = match &tip {
            Some(tip) => own_hashes.contains(&Some(tip.hash)),
            None => attested.is_none(),
        };
        if found {
            let was_live = self.is_live();
            self.resumed = true;
            self.fetch_tip_at_ns = None;
            self.start_sessions_unless(was_live);
            return Ok(());
        }
        if let Some(tip) = tip.filter(|tip| own_height.is_none_or(|own| tip.checkpoint.height >= own)) {
            return Err(Stop::NotNewest {
                shard: self.config.shard.clone(),
                tip: format!("{} ({})", tip.checkpoint.height, tip.hash),
                own: own_height.map_or("nowhere".to_owned(), |height| format!("at height {height}")),
            });
        }
        // An answer older than what NEAR has told before: of a server that lags.
        if !self.resumed {
            self.fetch_tip_at_ns = Some(now.mono_ns + TIP_RETRY_NS);
        }
        Ok(())
    }

    /// Takes a message into the lane to its receiver's shard.
    ///
    /// # Errors
    /// [`EnqueueError`] says what to do; nothing was taken.
    pub fn handle_enqueue(&mut self, request: Enqueue, now: Now) -> Result<Ticket, EnqueueError> {
        let Enqueue { sender, receiver, body, deadline_ns, key } = request;
        let kind = match &body {
            Body::Data(_) => NoteKind::Data,
            Body::Call(_) => NoteKind::Call,
            Body::Result(_) => return Err(EnqueueError::Kind(body.kind())),
        };
        let peer = self.destination(&sender, &receiver)?;
        let Some(outbound) = self.outbound.get_mut(&peer) else { return Err(EnqueueError::UnknownShard(peer)) };
        let salt = self.config.salt_secret.message(&outbound.record.lane, outbound.record.log.size());
        let mut message = Message { version: MESSAGE_VERSION, salt, sender, receiver, deadline_ns, body };
        message.check().map_err(EnqueueError::Malformed)?;
        let time_ns = self.clock.time_ns(now);
        let content = key.as_ref().map(|_| content_of(&message));
        if let Some((key, content)) = key.as_ref().zip(content)
            && let Some(ticket) = self.keys.find(key, content, &self.store, &self.journal)??
        {
            return self.check_current(key, ticket);
        }
        let (terms, settling) = (self.lanes.terms(&peer), &self.config.settling);
        terms.check_accounts(&message.sender, &message.receiver)?;
        terms.check_call(&message.body)?;
        message.deadline_ns =
            deadline_of(deadline_ns, terms.deadline_default_ms(settling.deadline_default_ms), time_ns)?;
        let encoded = message.encode();
        terms.check_size(encoded.len())?;
        outbound.check_room(0, stream_bytes(&encoded), self.config.backlog_bytes_max)?;
        outbound.check_call_window(kind, terms.call_window(settling.call_window))?;
        let key = key.zip(content).map(|named| time_ns.map(|time_ns| (named, time_ns)).ok_or(EnqueueError::NoTime));
        let key = key.transpose()?;
        let note = Note { kind, deadline_ns: message.deadline_ns };
        let nonce = outbound.enqueue(&encoded, note, &mut self.journal);
        let ticket = Ticket { peer, nonce, turn: self.journal.open_turn() };
        if let Some(((key, content), time_ns)) = key {
            self.keys.remember(&key, &ticket, content, time_ns, &mut self.journal);
        }
        Ok(ticket)
    }

    /// The result of an attempt to have a checkpoint attested, and what the attempt cost.
    pub fn handle_attest_result(
        &mut self,
        checkpoint: Hash,
        result: Result<Attestation, AttestFailure>,
        cost: AttestCost,
        now: Now,
    ) {
        if let Some(time_ns) = self.clock.time_ns(now) {
            self.spending.note(cost, time_ns);
        }
        if self.attestor.pending().map(|pending| pending.hash::<Native>()) != Some(checkpoint) {
            return;
        }
        let attestation = match result {
            Ok(attestation) => attestation,
            Err(failure) => {
                if matches!(failure, AttestFailure::Rejected(_)) {
                    // Perhaps another copy of this home has sealed: then the tip is not ours.
                    self.journal.emit(Output::FetchTip);
                }
                return self.attestor.handle_failure(failure, now);
            }
        };
        match self.attestor.handle_attestation(attestation, &self.config.trust, &self.config.salt_secret) {
            Err(error) => {
                let reason = format!("the contract answered with an attestation that proves nothing: {error}");
                self.attestor.handle_failure(AttestFailure::Unavailable(reason), now);
            }
            Ok(heads) => {
                for proof in heads {
                    let peer = &proof.head.peer;
                    let (Some(inbound), Some(outbound)) = (self.inbound.get_mut(peer), self.outbound.get_mut(peer))
                    else {
                        continue;
                    };
                    // One of lanes that were over before it was signed says nothing of those that are.
                    if proof.head.peer_incarnation == outbound.record.lane.destination_incarnation {
                        inbound.handle_attested(proof.head.received_size);
                        outbound.handle_attested(proof);
                    }
                }
            }
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.fetch_tip_at_ns.is_some_and(|at_ns| at_ns <= now.mono_ns) {
            self.journal.emit(Output::FetchTip);
            self.fetch_tip_at_ns = Some(now.mono_ns + TIP_RETRY_NS);
        }
    }

    /// Closes the turn: seals a checkpoint if there is a reason, and hands all that changed to the
    /// store as one record.
    ///
    /// # Errors
    /// [`Stop`], of this or an earlier failure of the store.
    pub fn commit(&mut self, now: Now) -> Result<(), Stop> {
        self.check_failure()?;
        self.send_wishes(now).inspect_err(|error| self.failure = Some(error.clone()))?;
        self.schedule_wishes(now);
        self.pace.note(self.journal.open_bytes());
        self.seal_if_due(now);
        self.attestor.flush(&mut self.journal);
        self.spending.flush(&mut self.journal);
        let time_ns = self.clock.time_ns(now);
        self.committed_at_ns = time_ns.unwrap_or(self.committed_at_ns);
        self.keys
            .flush(time_ns, &self.store, &mut self.journal)
            .inspect_err(|error| self.failure = Some(error.clone()))?;
        self.prune().inspect_err(|error| self.failure = Some(error.clone()))?;
        self.outbound.values_mut().for_each(|outbound| outbound.flush(&mut self.journal));
        for inbound in self.inbound.values_mut() {
            inbound.tell_staged(self.config.staged_bytes_max, &mut self.journal);
            inbound.flush(&mut self.journal);
        }
        if let Some(turn) = self.journal.close() {
            self.keep_unsent(&turn);
            self.store.append(turn).inspect_err(|error| self.failure = Some(error.clone()))?;
        }
        self.pump().inspect_err(|error| self.failure = Some(error.clone()))?;
        self.journal.release_outputs();
        Ok(())
    }

    /// Asks the store what is durable, which may give outputs free.
    ///
    /// # Errors
    /// [`Stop`], of this or an earlier failure of the store.
    pub fn poll_durable(&mut self) -> Result<TurnId, Stop> {
        self.check_failure()?;
        let durable = self.store.poll_durable().inspect_err(|error| self.failure = Some(error.clone()))?;
        self.journal.handle_durable(durable);
        Ok(durable)
    }

    /// The newest turn known to be durable.
    pub fn durable(&self) -> TurnId {
        self.journal.durable()
    }

    /// The newest turn that was handed to the store: what the engine tells is true once it is durable.
    pub fn committed(&self) -> TurnId {
        self.journal.committed()
    }

    /// Bytes of the messages that the open turn appends, over all lanes.
    pub fn open_bytes(&self) -> usize {
        self.journal.open_bytes()
    }

    /// The time that a block made now would have, in nanoseconds since the Unix epoch; `None` before a
    /// final NEAR block was seen.
    pub fn time_ns(&self, now: Now) -> Option<u64> {
        self.clock.time_ns(now)
    }

    /// The next thing to do. Nothing comes before all that it depends on is durable.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.failure.is_some() { None } else { self.journal.poll_output() }
    }

    /// When [`Engine::handle_timeout`] and [`Engine::commit`] are due at the latest, on the clock of
    /// [`Now::mono_ns`], and why. May have passed already.
    pub fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        let acknowledge_at_ns = self
            .acknowledged_at_ns
            .filter(|_| self.day_at_ns.is_none() && self.pace.timer_ns().is_none() && self.attestor.pending().is_none())
            .filter(|_| self.owes_acknowledgement() || self.is_wished(self.committed_at_ns))
            .map(|at_ns| at_ns + ACKNOWLEDGE_INTERVAL_NS);
        let retry_at_ns = self.attestor.retry_at_ns().filter(|_| self.day_at_ns.is_none());
        let timers = [
            self.fetch_tip_at_ns.map(|at_ns| (at_ns, "ask for the contract's tip")),
            retry_at_ns.map(|at_ns| (at_ns, "ask for a signature again")),
            self.pace.timer_ns().map(|at_ns| (at_ns, "seal under load")),
            acknowledge_at_ns.map(|at_ns| (at_ns, "seal an acknowledgement")),
            self.wish_at_ns.map(|at_ns| (at_ns, "see to a deadline")),
            self.day_at_ns.map(|at_ns| (at_ns, "begin the next day's attestation budget")),
            self.reads_on.as_ref().map(|_| (0, "read on what is to be sent")),
            self.is_pruning().then_some((0, "let go of more that is no longer kept")),
        ];
        timers.into_iter().flatten().min()
    }

    /// Whether this node may seal and send: its records are the newest, and time is known.
    fn is_live(&self) -> bool {
        self.resumed && self.clock.is_set()
    }

    /// Whether something was received that no sealed checkpoint tells of.
    fn owes_acknowledgement(&self) -> bool {
        self.inbound.values().any(|inbound| inbound.record.log.size() > inbound.record.sealed)
    }

    fn seal_if_due(&mut self, now: Now) {
        self.day_at_ns = None;
        let Some(time_ns) = self.clock.time_ns(now).filter(|_| self.is_live()) else { return };
        if self.attestor.pending().is_none() && !self.seal(time_ns, now) {
            return;
        }
        // What was sealed within the budget is asked for once; asking again is a new cost.
        if self.attestor.has_failed() && !self.spending.allows(false, time_ns) {
            return self.wait_for_day(time_ns, now);
        }
        self.attestor.request(now, &mut self.journal);
    }

    /// Seals a checkpoint if there is a reason and the budget allows it. Whether it did.
    fn seal(&mut self, time_ns: u64, now: Now) -> bool {
        let Some(own) = self.own.clone() else { return false };
        let has_messages = self.outbound.values().any(|outbound| outbound.record.log.size() > outbound.record.sealed);
        let acknowledge_at_ns = self.acknowledged_at_ns.map_or(0, |at_ns| at_ns + ACKNOWLEDGE_INTERVAL_NS);
        let is_asked = self.owes_acknowledgement() || self.is_wished(time_ns);
        let may_answer = is_asked && now.mono_ns >= acknowledge_at_ns;
        if !has_messages && !may_answer || self.pace.holds(now) {
            return false;
        }
        if !self.spending.allows(!has_messages, time_ns) {
            self.wait_for_day(time_ns, now);
            return false;
        }
        if !has_messages {
            self.acknowledged_at_ns = Some(now.mono_ns);
        }
        let time_ns = self.clock.make_block(now);
        self.journal.put(BLOCK_TIME.to_vec(), &time_ns);
        let heads =
            self.outbound.iter().filter_map(|(peer, outbound)| head(outbound, self.inbound.get(peer)?)).collect();
        self.attestor.seal(&own, &self.config.trust.domain, heads, &self.config.salt_secret, time_ns);
        self.pace.handle_sealed(now);
        self.answer_wishes(time_ns);
        self.outbound.values_mut().for_each(Outbound::handle_sealed);
        self.inbound.values_mut().for_each(Inbound::handle_sealed);
        true
    }

    fn wait_for_day(&mut self, time_ns: u64, now: Now) {
        self.day_at_ns = self.spending.held_until_ns().map(|until_ns| clock_timer_ns(until_ns, time_ns, now));
    }

    fn check_failure(&self) -> Result<(), Stop> {
        self.failure.clone().map_or(Ok(()), |error| Err(Stop::Store(error)))
    }
}

/// This shard's view of a peer; `None` as long as nothing went either way. The salt comes with the
/// checkpoint.
fn head(outbound: &Outbound, inbound: &Inbound) -> Option<Head> {
    let (sent, received) = (&outbound.record.log, &inbound.record.log);
    (sent.size() > 0 || received.size() > 0).then(|| Head {
        peer: outbound.peer().clone(),
        own_incarnation: outbound.record.lane.source_incarnation,
        peer_incarnation: outbound.record.lane.destination_incarnation,
        sent_size: sent.size(),
        sent_root: sent.root::<Native>(),
        received_size: received.size(),
        received_root: received.root::<Native>(),
        salt: Hash::ZERO,
    })
}
