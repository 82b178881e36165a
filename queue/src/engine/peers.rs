//! Peers: connections come and go, frames come in, and what is wrong with them is settled.

use super::inbound::{Delivery, Inbound};
use super::records::{BLOCK_TIME, evidence_key};
use super::refusal::Refusal;
use super::{Direction, Engine, Now, PeerError};
use crate::frame::{ReceiverFrame, Release, SenderFrame, decode_frame};
use crate::ids::ShardId;
use crate::proof::HeadProof;
use crate::store::Store;

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

    pub(super) fn start_sessions_unless(&mut self, was_live: bool) {
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

    pub(super) fn pump(&mut self, peer: &ShardId) {
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
        evidence: Option<HeadProof>,
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
}

fn no_lane() -> Refusal {
    Refusal::Peer("there is no lane with this shard: it is not registered, or closed by configuration".to_owned())
}
