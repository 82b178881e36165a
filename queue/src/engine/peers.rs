//! Peers: connections come and go, frames come in, and what is wrong with them is settled.

use super::config::{READ_BACK_BYTES, STAGED_SLACK_BYTES, flight_bytes_max, unsent_bytes_max};
use super::inbound::{Delivery, Released};
use super::outbound::Held;
use super::records::BLOCK_TIME;
use super::refusal::Refusal;
use super::results::Judge;
use super::{Engine, Now, PeerError};
use crate::frame::{ReceiverFrame, Release, SenderFrame, data_bytes, decode_frame};
use crate::ids::ShardId;
use crate::proof::HeadProof;
use crate::store::{Store, StoreError, Turn};

impl<S: Store> Engine<S> {
    /// A connection to the peer is up, and its transport key is the peer's. It replaces an older one.
    pub fn handle_connected(&mut self, peer: &ShardId) {
        self.handle_disconnected(peer);
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
        if let Some(bytes) = data_bytes(body) {
            let result = self.data(peer, bytes);
            return self.settle(peer, None, result);
        }
        let frame = match decode_frame(body) {
            Ok(frame) => frame,
            Err(error) => return self.settle(peer, None, Err(error.into())),
        };
        let evidence = match &frame {
            SenderFrame::Release(release) => Some(release.head.clone()),
            _ => None,
        };
        let result = self.sender_frame(peer, frame, now);
        self.settle(peer, evidence, result)
    }

    pub(super) fn start_sessions_unless(&mut self, was_live: bool) {
        if self.is_live() && !was_live {
            for peer in self.connected.clone() {
                self.start_session(&peer);
            }
        }
    }

    fn start_session(&mut self, peer: &ShardId) {
        if self.successors.contains_key(peer) {
            return;
        }
        if let Some(inbound) = self.inbound.get_mut(peer) {
            inbound.open(&mut self.journal);
        }
    }

    /// Keeps the messages of a turn that is about to be stored for sending them.
    pub(super) fn keep_unsent(&mut self, turn: &Turn) {
        let bytes_max = unsent_bytes_max(self.connected.len());
        for appended in &turn.messages {
            let outbound = self.outbound.get_mut(&appended.lane.destination);
            if let Some(outbound) = outbound.filter(|outbound| outbound.record.lane == appended.lane) {
                outbound.keep_unsent(appended, bytes_max);
            }
        }
    }

    /// Sends what can be sent on every lane. What it reads has to be in the store. Where more is to be read
    /// back than one turn may, lanes take turns.
    pub(super) fn pump(&mut self) -> Result<(), StoreError> {
        let first = self.reads_on.take();
        if !self.is_live() {
            return Ok(());
        }
        let flight_bytes_max = flight_bytes_max(self.connected.len());
        let mut read_bytes_max = READ_BACK_BYTES;
        let mut has_read = None;
        let is_later = |peer: &ShardId| first.as_ref().is_none_or(|first| peer >= first);
        let (later, sooner): (Vec<_>, Vec<_>) = self.outbound.iter_mut().partition(|(peer, _)| is_later(peer));
        for (peer, outbound) in later.into_iter().chain(sooner) {
            let may_read = read_bytes_max > 0;
            if outbound.pump(flight_bytes_max, &mut read_bytes_max, &self.store, &mut self.journal)? {
                let next = if may_read { &mut has_read } else { &mut self.reads_on };
                next.get_or_insert_with(|| peer.clone());
            }
        }
        self.reads_on = self.reads_on.take().or(has_read);
        Ok(())
    }

    fn receiver_frame(&mut self, peer: &ShardId, body: &[u8]) -> Result<(), Refusal> {
        let frame: ReceiverFrame = decode_frame(body)?;
        // A peer that began anew is left without an answer until the operator accepts it: a connection
        // that was dropped would come again at once, for as long as that takes.
        if matches!(frame, ReceiverFrame::Open { .. }) && self.successors.contains_key(peer) {
            return Ok(());
        }
        let outbound = self.outbound.get_mut(peer).ok_or_else(no_lane)?;
        match frame {
            ReceiverFrame::Open { lane, size, root, staged_size, staged_root } => {
                let held = Held { lane, size, root, staged_size, staged_root };
                outbound.handle_open(&held, &self.store, &mut self.journal)
            }
            ReceiverFrame::Ack { size } => outbound.handle_ack(size, true),
            ReceiverFrame::Staged { size } => outbound.handle_ack(size, false),
        }
    }

    fn sender_frame(&mut self, peer: &ShardId, frame: SenderFrame, now: Now) -> Result<(), Refusal> {
        let journal = &mut self.journal;
        let inbound = self.inbound.get_mut(peer).ok_or_else(no_lane)?;
        // What a frozen or stopped lane brings is ignored, but for what it says of the other one.
        let is_open = inbound.is_open();
        match frame {
            SenderFrame::Release(release) if is_open => self.release(peer, *release, now),
            SenderFrame::Release(release) => self.acknowledge(peer, release.head),
            _ if !is_open => Ok(()),
            SenderFrame::Begin { size } => inbound.handle_begin(size, &self.store, journal),
            SenderFrame::Data(bytes) => self.data(peer, &bytes),
            SenderFrame::Mark { size } => inbound.handle_mark(size, journal),
            SenderFrame::Wish { time_ns } => inbound.handle_wish(time_ns),
        }
    }

    fn data(&mut self, peer: &ShardId, bytes: &[u8]) -> Result<(), Refusal> {
        let bytes_max = self.config.staged_bytes_max.saturating_add(STAGED_SLACK_BYTES as u64);
        let inbound = self.inbound.get_mut(peer).ok_or_else(no_lane)?;
        if inbound.is_open() { inbound.handle_data(bytes, bytes_max, &mut self.journal) } else { Ok(()) }
    }

    pub(super) fn release(&mut self, peer: &ShardId, release: Release, now: Now) -> Result<(), Refusal> {
        let inbound = self.inbound.get_mut(peer).ok_or_else(no_lane)?;
        let released = match inbound.verify_release(release, &self.config.trust) {
            Err(Refusal::Staged(reason)) => {
                inbound.drop_staged(&self.store, &mut self.journal)?;
                return Err(Refusal::Peer(reason));
            }
            verified => verified?,
        };
        let acknowledged = self.acknowledged(peer, released.proof());
        let delivered = self.deliver(peer, released, now);
        delivered.and(acknowledged)
    }

    fn deliver(&mut self, peer: &ShardId, released: Released, now: Now) -> Result<(), Refusal> {
        let block_time_ns = self.clock.make_block(now);
        self.journal.put(BLOCK_TIME.to_vec(), &block_time_ns);
        let (Some(inbound), Some(outbound)) = (self.inbound.get_mut(peer), self.outbound.get(peer)) else {
            return Err(no_lane());
        };
        let lane = inbound.record.lane.clone();
        let mut judge = Judge::new(&self.store, &lane, outbound, block_time_ns);
        let (journal, inbox_size) = (&mut self.journal, &mut self.inbox_size);
        inbound.deliver(released, Delivery { journal, inbox_size, judge: &mut judge })?;
        let verdicts = judge.finish();
        self.apply_verdicts(peer, verdicts)
    }

    /// What a verified head of the peer says to have received.
    fn acknowledged(&mut self, peer: &ShardId, head: &HeadProof) -> Result<(), Refusal> {
        let (Some(inbound), Some(outbound)) = (self.inbound.get(peer), self.outbound.get_mut(peer)) else {
            return Err(no_lane());
        };
        outbound.handle_peer_head(&head.head, &self.store)?;
        outbound.note_head(inbound.record.head.as_ref(), head, &self.store)?;
        outbound.plan_prune(self.config.settling.retention_bytes_max, &self.store)?;
        Ok(())
    }

    /// A head that came on a frozen lane: what it says to have received holds all the same. It isn't
    /// kept, so that one that says less may come later: that is no contradiction.
    pub(super) fn acknowledge(&mut self, peer: &ShardId, head: HeadProof) -> Result<(), Refusal> {
        let (Some(inbound), Some(outbound)) = (self.inbound.get_mut(peer), self.outbound.get(peer)) else {
            return Err(no_lane());
        };
        inbound.verify_head(head.clone(), &self.config.trust)?;
        let known = inbound.record.head.as_ref().map(|known| known.attestation.checkpoint.height);
        let is_new = known.is_none_or(|known| head.attestation.checkpoint.height > known);
        if !is_new || head.head.received_size <= outbound.record.acknowledged {
            return Ok(());
        }
        self.acknowledged(peer, &head)
    }

    /// Turns what was wrong with a frame into what follows from it.
    fn settle(
        &mut self,
        peer: &ShardId,
        evidence: Option<HeadProof>,
        result: Result<(), Refusal>,
    ) -> Result<(), PeerError> {
        match (result, evidence) {
            (Ok(()), _) => {}
            (Err(Refusal::Store(error)), _) => self.failure = Some(error),
            (Err(Refusal::Contradiction(direction, reason)), Some(head)) => {
                self.freeze(peer, direction, reason, &head, None);
            }
            (Err(Refusal::Peer(reason) | Refusal::Staged(reason) | Refusal::Contradiction(_, reason)), _) => {
                return Err(PeerError { peer: peer.clone(), reason });
            }
        }
        Ok(())
    }
}

fn no_lane() -> Refusal {
    Refusal::Peer("there is no lane with this shard: it is not registered, or closed by configuration".to_owned())
}
