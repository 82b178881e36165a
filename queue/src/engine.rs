//! The engine: what a node does, without doing anything itself.
//!
//! Sans-IO, in the manner of quinn-proto: `handle_*` takes inputs, [`Engine::commit`] closes a turn
//! and hands its record to the store, `poll_*` gives what there is to do. Time is an argument.
//! Outputs carry the turn that they wait for and are given out when the store says that it is
//! durable, never before.
//!
//! This file routes; the state lives in the sub-machines: [`outbound`] and [`inbound`] lanes, the
//! [`attestor`], the [`clock`].

mod attestor;
mod clock;
mod config;
mod inbound;
mod io;
mod journal;
mod outbound;
mod queries;
mod records;
mod refusal;
mod tree;

#[cfg(test)]
mod tests;

pub use config::{Config, STORE_FORMAT};
pub use io::{
    AttestFailure, Direction, Enqueue, EnqueueError, InboundStatus, InboxEntry, Now, OutboundStatus, Output, PeerError,
    ProveError, RegisteredShard, Status, Stop, Ticket,
};

use crate::attestation::ChainSignature;
use crate::contract::TipView;
use crate::digest::{Hash, Native};
use crate::frame::{ReceiverFrame, Release, SenderFrame, decode_frame};
use crate::heads::Head;
use crate::ids::{Lane, Route, ShardId, route};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{Body, MESSAGE_VERSION, Message};
use crate::store::{Store, StoreError, TurnId};
use attestor::Attestor;
use clock::Clock;
use config::{ACKNOWLEDGE_INTERVAL_NS, TIP_RETRY_NS};
use inbound::{Delivery, Inbound};
use journal::Journal;
use outbound::Outbound;
use records::{
    ATTESTOR, AttestorRecord, BLOCK_TIME, HOME, HomeRecord, INBOUND, INBOX_SIZE, InboundRecord, OUTBOUND,
    OutboundRecord, decode_record, evidence_key, read_record,
};
use refusal::Refusal;
use std::collections::{BTreeMap, BTreeSet};
use tree::stream_bytes;

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
    own: Option<RegisteredShard>,
    connected: BTreeSet<ShardId>,
    /// Whether the contract's tip was found in this node's own records.
    resumed: bool,
    /// When the tip is asked for again; only until resumed.
    fetch_tip_at_ns: Option<u64>,
    /// When a checkpoint was last sealed only to acknowledge.
    acknowledged_at_ns: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// Opens an engine on what its store holds.
    ///
    /// # Errors
    /// [`Stop`], if the store fails or was written by another shard, for another bridge, or by
    /// another version.
    pub fn open(config: Config, mut store: S, now: Now) -> Result<Self, Stop> {
        let mut journal = Journal::new(store.poll_durable()?);
        check_home(&config, &store, &mut journal)?;
        let block_time_ns = read_record(&store, "block time", BLOCK_TIME)?.unwrap_or(0);
        let attestor: AttestorRecord = read_record(&store, "attestor", ATTESTOR)?.unwrap_or_default();
        let mut outbound = BTreeMap::new();
        for bytes in scan_all(&store, OUTBOUND)? {
            let record: OutboundRecord = decode_record("outbound lane", &bytes)?;
            outbound.insert(record.lane.destination.clone(), Outbound::from_record(record));
        }
        let mut inbound = BTreeMap::new();
        for bytes in scan_all(&store, INBOUND)? {
            let record: InboundRecord = decode_record("inbound lane", &bytes)?;
            inbound.insert(record.lane.source.clone(), Inbound::from_record(record));
        }
        let inbox_size = read_record(&store, "inbox size", INBOX_SIZE)?.unwrap_or(0);
        let mut engine = Engine {
            config,
            store,
            failure: None,
            journal,
            clock: Clock::new(block_time_ns),
            attestor: Attestor::new(attestor),
            outbound,
            inbound,
            inbox_size,
            own: None,
            connected: BTreeSet::new(),
            resumed: false,
            fetch_tip_at_ns: Some(now.mono_ns),
            acknowledged_at_ns: None,
        };
        engine.handle_timeout(now);
        Ok(engine)
    }

    /// The shards that the contract lists at `final`, this one included.
    pub fn handle_registry(&mut self, shards: Vec<RegisteredShard>) {
        let Some(own) = shards.iter().find(|listed| listed.shard == self.config.shard).cloned() else { return };
        for peer in shards.into_iter().filter(|listed| listed.shard != own.shard) {
            if self.outbound.contains_key(&peer.shard) || self.config.closed_lanes.contains(&peer.shard) {
                continue;
            }
            let outbound = Lane {
                source: own.shard.clone(),
                destination: peer.shard.clone(),
                source_incarnation: own.incarnation,
                destination_incarnation: peer.incarnation,
            };
            let inbound = Lane {
                source: peer.shard.clone(),
                destination: own.shard.clone(),
                source_incarnation: peer.incarnation,
                destination_incarnation: own.incarnation,
            };
            let mut outbound = Outbound::new(outbound);
            let mut inbound = Inbound::new(inbound);
            (outbound.dirty, inbound.dirty) = (true, true);
            self.outbound.insert(peer.shard.clone(), outbound);
            self.inbound.insert(peer.shard, inbound);
        }
        self.own = Some(own);
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
        if self.resumed {
            return Ok(());
        }
        let attested = self.attestor.record.attested.as_ref();
        let pending = self.attestor.pending();
        let hash = |checkpoint: Option<&crate::checkpoint::Checkpoint>| checkpoint.map(|c| c.hash::<Native>());
        let known = match &tip {
            None => attested.is_none(),
            Some(tip) if hash(pending) == Some(tip.hash) => true,
            Some(tip) => hash(attested) == Some(tip.hash),
        };
        if !known {
            let own_height = attested.map(|checkpoint| checkpoint.height);
            if let Some(tip) = tip.filter(|tip| own_height.is_none_or(|own| tip.checkpoint.height >= own)) {
                return Err(Stop::NotNewest {
                    shard: self.config.shard.clone(),
                    tip: format!("{} ({})", tip.checkpoint.height, tip.hash),
                    own: own_height.map_or("nowhere".to_owned(), |height| format!("at height {height}")),
                });
            }
            // An answer older than what NEAR has told before: of a node that lags. Ask again.
            self.fetch_tip_at_ns = Some(now.mono_ns + TIP_RETRY_NS);
            return Ok(());
        }
        let was_live = self.is_live();
        self.resumed = true;
        self.fetch_tip_at_ns = None;
        self.start_sessions_unless(was_live);
        Ok(())
    }

    /// Takes a message into the lane to its receiver's shard.
    ///
    /// # Errors
    /// [`EnqueueError`] says what to do; nothing was taken.
    pub fn handle_enqueue(&mut self, request: Enqueue) -> Result<Ticket, EnqueueError> {
        let Enqueue { sender, receiver, body } = request;
        if !matches!(body, Body::Data(_)) {
            return Err(EnqueueError::Kind(body.kind()));
        }
        let own = &self.config.shard;
        if !own.owns(&sender) {
            return Err(EnqueueError::Sender { sender, shard: own.clone() });
        }
        let peer = match route(own, &receiver) {
            Route::Local => return Err(EnqueueError::Local(receiver)),
            Route::Near => return Err(EnqueueError::NearHasNoLane(receiver)),
            Route::Shard(peer) => peer,
        };
        if self.config.closed_lanes.contains(&peer) {
            return Err(EnqueueError::LaneClosed(peer));
        }
        if !self.resumed {
            return Err(EnqueueError::Starting);
        }
        let Some(outbound) = self.outbound.get_mut(&peer) else { return Err(EnqueueError::UnknownShard(peer)) };
        let record = &outbound.record;
        let salt = self.config.salt_secret.message(&record.lane, record.log.size());
        let message = Message { version: MESSAGE_VERSION, salt, sender, receiver, deadline_ns: None, body }.encode();
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(EnqueueError::TooLarge { found: message.len() });
        }
        outbound.check_room(stream_bytes(&message), self.config.backlog_bytes_max)?;
        let nonce = outbound.enqueue(message, &mut self.journal);
        Ok(Ticket { peer, nonce, turn: self.journal.open_turn() })
    }

    /// A connection to the peer is up, and its transport key is the peer's.
    pub fn handle_connected(&mut self, peer: &ShardId) {
        self.connected.insert(peer.clone());
        if self.is_live() {
            self.start_session(peer);
        }
    }

    /// The connection to the peer is gone, and with it what was staged from it.
    pub fn handle_disconnected(&mut self, peer: &ShardId) {
        self.connected.remove(peer);
        self.journal.forget_frames(peer);
        if let (Some(outbound), Some(inbound)) = (self.outbound.get_mut(peer), self.inbound.get_mut(peer)) {
            outbound.handle_disconnected();
            inbound.handle_disconnected();
        }
    }

    /// The body of a frame on the stream of the lane to the peer.
    ///
    /// # Errors
    /// [`PeerError`]: the connection has to be dropped. Nothing else changes.
    pub fn handle_receiver_frame(&mut self, peer: &ShardId, body: &[u8]) -> Result<(), PeerError> {
        let result = self.receiver_frame(peer, body);
        self.settle(peer, None, result)
    }

    /// The body of a frame on the stream of the lane from the peer.
    ///
    /// # Errors
    /// [`PeerError`]: the connection has to be dropped. Nothing else changes.
    pub fn handle_sender_frame(&mut self, peer: &ShardId, body: &[u8], now: Now) -> Result<(), PeerError> {
        let frame = match decode_frame(body) {
            Ok(frame) => frame,
            Err(error) => return self.settle(peer, None, Err(error.into())),
        };
        match frame {
            SenderFrame::Data(bytes) => {
                let result = self.open_inbound(peer).and_then(|inbound| match inbound {
                    Some(inbound) => inbound.handle_data(&bytes),
                    None => Ok(()),
                });
                self.settle(peer, None, result)
            }
            SenderFrame::Release(release) => {
                let evidence = release.head.clone();
                let result = self.release(peer, *release, now);
                self.settle(peer, Some(evidence), result)
            }
        }
    }

    /// The result of an attempt to have a checkpoint attested.
    pub fn handle_attest_result(&mut self, checkpoint: Hash, result: Result<ChainSignature, AttestFailure>, now: Now) {
        if self.attestor.pending().map(|pending| pending.hash::<Native>()) != Some(checkpoint) {
            return;
        }
        let signature = match result {
            Ok(signature) => signature,
            Err(failure) => return self.attestor.handle_failure(failure, now),
        };
        match self.attestor.handle_signature(signature, &self.config.trust, &self.config.salt_secret) {
            Err(error) => {
                let reason = format!("the contract answered with a signature that proves nothing: {error}");
                self.attestor.handle_failure(AttestFailure::Unavailable(reason), now);
            }
            Ok(heads) => {
                for proof in heads {
                    let peer = proof.head.peer.clone();
                    if let Some(inbound) = self.inbound.get_mut(&peer) {
                        inbound.record.acknowledged = proof.head.received_size;
                        inbound.dirty = true;
                    }
                    if let Some(outbound) = self.outbound.get_mut(&peer) {
                        outbound.handle_attested(proof);
                    }
                    self.pump(&peer);
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
        self.seal_if_due(now);
        if self.is_live() {
            self.attestor.request(now, &mut self.journal);
        }
        self.attestor.flush(&mut self.journal);
        self.outbound.values_mut().for_each(|outbound| outbound.flush(&mut self.journal));
        self.inbound.values_mut().for_each(|inbound| inbound.flush(&mut self.journal));
        if let Some(turn) = self.journal.close() {
            self.store.append(turn).inspect_err(|error| self.failure = Some(error.clone()))?;
        }
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

    /// The next thing to do. Nothing comes before all that it depends on is durable.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.failure.is_some() { None } else { self.journal.poll_output() }
    }

    /// When [`Engine::handle_timeout`] and [`Engine::commit`] are due at the latest, on the clock of
    /// [`Now::mono_ns`], and why.
    pub fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        let acknowledge_at_ns = self
            .acknowledged_at_ns
            .filter(|_| self.owes_acknowledgement() && self.attestor.pending().is_none())
            .map(|at_ns| at_ns + ACKNOWLEDGE_INTERVAL_NS);
        let timers = [
            self.fetch_tip_at_ns.map(|at_ns| (at_ns, "ask for the contract's tip")),
            self.attestor.retry_at_ns().map(|at_ns| (at_ns, "ask for a signature again")),
            acknowledge_at_ns.map(|at_ns| (at_ns, "seal an acknowledgement")),
        ];
        timers.into_iter().flatten().min()
    }

    /// Whether this node may seal and send: its records are the newest, and time is known.
    fn is_live(&self) -> bool {
        self.resumed && self.clock.is_set()
    }

    fn start_sessions_unless(&mut self, was_live: bool) {
        if self.is_live() && !was_live {
            for peer in self.connected.clone() {
                self.start_session(&peer);
            }
        }
    }

    fn start_session(&mut self, peer: &ShardId) {
        if let Some(inbound) = self.inbound.get_mut(peer) {
            inbound.open(&mut self.journal);
        }
        self.pump(peer);
    }

    fn pump(&mut self, peer: &ShardId) {
        if !self.is_live() {
            return;
        }
        let Some(outbound) = self.outbound.get_mut(peer) else { return };
        if let Err(error) = outbound.pump(&self.store, &mut self.journal) {
            self.failure = Some(error);
        }
    }

    fn receiver_frame(&mut self, peer: &ShardId, body: &[u8]) -> Result<(), Refusal> {
        let frame: ReceiverFrame = decode_frame(body)?;
        let outbound = self.outbound.get_mut(peer).ok_or_else(no_lane)?;
        match frame {
            ReceiverFrame::Open { lane, size, root } => outbound.handle_open(&lane, size, root, &self.store)?,
            ReceiverFrame::Ack { size } => outbound.handle_ack(size)?,
        }
        self.pump(peer);
        Ok(())
    }

    /// The lane from the peer, unless it is frozen or stopped: then frames are ignored.
    fn open_inbound(&mut self, peer: &ShardId) -> Result<Option<&mut Inbound>, Refusal> {
        let inbound = self.inbound.get_mut(peer).ok_or_else(no_lane)?;
        let open = inbound.record.frozen.is_none() && inbound.stopped.is_none();
        Ok(open.then_some(inbound))
    }

    fn release(&mut self, peer: &ShardId, release: Release, now: Now) -> Result<(), Refusal> {
        let trust = self.config.trust.clone();
        let Some(inbound) = self.open_inbound(peer)? else { return Ok(()) };
        let released = inbound.verify_release(release, &trust)?;
        let outbound = self.outbound.get_mut(peer).ok_or_else(no_lane)?;
        let acknowledged = outbound.handle_peer_head(released.head(), &self.store, &mut self.journal);
        let block_time_ns = self.clock.make_block(now);
        self.journal.put(BLOCK_TIME.to_vec(), &block_time_ns);
        let delivery = Delivery { journal: &mut self.journal, inbox_size: &mut self.inbox_size, block_time_ns };
        if let Some(inbound) = self.inbound.get_mut(peer) {
            inbound.deliver(released, delivery);
        }
        acknowledged
    }

    /// Turns what was wrong with a frame into what follows from it.
    fn settle(
        &mut self,
        peer: &ShardId,
        evidence: Option<crate::proof::HeadProof>,
        result: Result<(), Refusal>,
    ) -> Result<(), PeerError> {
        let (direction, reason) = match result {
            Ok(()) => return Ok(()),
            Err(Refusal::Peer(reason)) => return Err(PeerError { peer: peer.clone(), reason }),
            Err(Refusal::Store(error)) => {
                self.failure = Some(error);
                return Ok(());
            }
            Err(Refusal::Contradiction(direction, reason)) => (direction, reason),
        };
        let (Some(outbound), Some(inbound)) = (self.outbound.get_mut(peer), self.inbound.get_mut(peer)) else {
            return Ok(());
        };
        let evidence = (evidence, inbound.record.head.clone(), &reason);
        let lane = match direction {
            Direction::Outbound => {
                outbound.record.frozen = Some(reason.clone());
                outbound.dirty = true;
                &outbound.record.lane
            }
            Direction::Inbound => {
                inbound.record.frozen = Some(reason.clone());
                inbound.dirty = true;
                &inbound.record.lane
            }
        };
        self.journal.put(evidence_key(lane), &evidence);
        Ok(())
    }

    /// Whether something was received that no sealed checkpoint tells of.
    fn owes_acknowledgement(&self) -> bool {
        self.inbound.values().any(|inbound| inbound.record.log.size() > inbound.record.sealed)
    }

    fn seal_if_due(&mut self, now: Now) {
        let Some(own) = self.own.clone().filter(|_| self.is_live() && self.attestor.pending().is_none()) else {
            return;
        };
        let has_messages = self.outbound.values().any(|outbound| outbound.record.log.size() > outbound.record.sealed);
        let may_acknowledge =
            self.acknowledged_at_ns.is_none_or(|at_ns| now.mono_ns >= at_ns + ACKNOWLEDGE_INTERVAL_NS);
        if !has_messages {
            if !(self.owes_acknowledgement() && may_acknowledge) {
                return;
            }
            self.acknowledged_at_ns = Some(now.mono_ns);
        }
        let time_ns = self.clock.make_block(now);
        self.journal.put(BLOCK_TIME.to_vec(), &time_ns);
        let heads =
            self.outbound.iter().filter_map(|(peer, outbound)| head(outbound, self.inbound.get(peer)?)).collect();
        self.attestor.seal(&own, &self.config.trust.domain, heads, &self.config.salt_secret, time_ns);
        for outbound in self.outbound.values_mut() {
            outbound.handle_sealed();
        }
        for inbound in self.inbound.values_mut() {
            inbound.record.sealed = inbound.record.log.size();
            inbound.dirty = true;
        }
    }

    fn check_failure(&self) -> Result<(), Stop> {
        self.failure.clone().map_or(Ok(()), |error| Err(Stop::Store(error)))
    }
}

fn no_lane() -> Refusal {
    Refusal::Peer("there is no lane with this shard: it is not registered, or closed by configuration".to_owned())
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

/// Checks whose home the store is, or makes an empty one this shard's.
fn check_home(config: &Config, store: &impl Store, journal: &mut Journal) -> Result<(), Stop> {
    let expected =
        HomeRecord { format: STORE_FORMAT, shard: config.shard.clone(), domain: config.trust.domain.clone() };
    let Some(bytes) = store.get(HOME)? else {
        journal.put(HOME.to_vec(), &expected);
        return Ok(());
    };
    // The format stands first, so that it can be read from the record of any version.
    let format = bytes.first_chunk().copied().map_or(0, u32::from_le_bytes);
    if format != STORE_FORMAT {
        return Err(Stop::OtherFormat { found: format, expected: STORE_FORMAT });
    }
    let found: HomeRecord = decode_record("home", &bytes)?;
    if found != expected {
        let show = |home: &HomeRecord| {
            format!(
                "shard {} of bridge {} on {} (instance {})",
                home.shard, home.domain.bridge, home.domain.network, home.domain.instance
            )
        };
        return Err(Stop::OtherHome { found: show(&found), expected: show(&expected) });
    }
    Ok(())
}

/// All values under a prefix.
fn scan_all(store: &impl Store, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    const PAGE: usize = 1_000;
    let mut values = Vec::new();
    let mut from = prefix.to_vec();
    loop {
        let page = store.scan(prefix, &from, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(values) };
        from = [last.as_slice(), &[0]].concat();
        values.extend(page.into_iter().map(|(_, value)| value));
    }
}
