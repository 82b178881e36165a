//! Disks that are lost, and what must be true of the lanes that are over.

use super::store::Disk;
use super::world::{Entry, Shown, World, config};
use queue::engine::{Engine, MessageState, OutcomeError, Settled, begin_incarnation};
use queue::ids::{Lane, ShardId};
use queue::message::Tombstone;
use std::collections::BTreeMap;

/// How often something has come to pass.
pub struct PastCounts {
    /// Requests that were settled as never received.
    pub never_received: usize,
    /// Requests of unknown outcome.
    pub unknown: usize,
    /// Lost disks.
    pub losses: usize,
}

impl World {
    /// A disk is lost, a key is replaced, or an operator accepts what others have lost.
    pub(super) fn lose_something(&mut self, shard: &ShardId) {
        match self.random.below(20) {
            0 => self.lose_disk(shard),
            1 => drop(self.bridge.open_epoch(shard, false)),
            2..8 => self.accept_all(shard),
            _ => self.node(shard).disk.sync(),
        }
    }

    /// The disk is lost, and the shard begins anew on another one.
    fn lose_disk(&mut self, shard: &ShardId) {
        self.ends.retain(|(own, _), _| own != shard);
        let own = self.bridge.open_epoch(shard, true);
        let mut disk = Disk::default();
        begin_incarnation(&config(shard), &mut disk, &own, self.bridge.tip(shard).as_ref()).expect("an empty disk");
        disk.sync();
        let now = self.now(shard);
        let node = self.node(shard);
        node.taken.clear();
        node.process += 1;
        let inbox = std::mem::take(&mut node.inbox);
        node.engine = Engine::open(config(shard), disk.clone(), now).expect("a new disk opens");
        node.engine.poll_durable().expect("the disk works");
        node.disk = disk;
        self.lost.insert((shard.clone(), own.incarnation - 1), inbox);
        self.first_heights.insert((shard.clone(), own.incarnation), own.epoch_first_height);
        self.settled.retain(|lane, _| lane.source != *shard);
    }

    /// The operator accepts whatever shards have begun anew.
    pub(super) fn accept_all(&mut self, shard: &ShardId) {
        let now = self.now(shard);
        let status = self.nodes[shard].engine.status();
        let waiting = status.outbound.into_iter().filter(|lane| lane.awaits_incarnation.is_some());
        for lane in waiting.filter(|_| status.resumed) {
            self.ends.remove(&(shard.clone(), lane.peer.clone()));
            let incarnation = lane.awaits_incarnation.expect("it waits for one");
            let accepted = self.node(shard).engine.handle_accept_incarnation(&lane.peer, incarnation, now);
            accepted.expect("it waits for that");
        }
    }

    /// What is on its way belongs to nobody any more.
    pub fn forget_connections(&mut self) {
        for (own, peer) in std::mem::take(&mut self.ends).into_keys() {
            self.node(&own).engine.handle_disconnected(&peer);
        }
    }

    /// The lane from a shard to a peer, in their incarnations by the shard's own store.
    pub(super) fn lane(&self, shard: &ShardId, peer: &ShardId) -> Lane {
        let status = self.nodes[shard].engine.status();
        let outbound = status.outbound.iter().find(|lane| lane.peer == *peer).expect("there is a lane");
        Lane {
            source: shard.clone(),
            destination: peer.clone(),
            source_incarnation: status.incarnation,
            destination_incarnation: outbound.peer_incarnation,
        }
    }

    /// Whether the lane's source still has the disk on which it accepted the messages.
    pub(super) fn is_remembered(&self, lane: &Lane) -> bool {
        self.nodes[&lane.source].engine.status().incarnation == lane.source_incarnation
    }

    /// What the lane's source says of a message.
    pub(super) fn ask(&self, lane: &Lane, nonce: u64) -> Result<MessageState, OutcomeError> {
        let (engine, peer) = (&self.nodes[&lane.source].engine, &lane.destination);
        if *lane == self.lane(&lane.source, peer) {
            engine.outcome(peer, nonce)
        } else {
            engine.past_outcome(peer, lane.destination_incarnation, nonce)
        }
    }

    /// If the turn has sealed a checkpoint, notes what it says to have received.
    pub(super) fn note_sealed(&mut self, shard: &ShardId, pending_before: Option<u64>) {
        let status = self.nodes[shard].engine.status();
        if let Some(height) = status.pending_height.filter(|height| Some(*height) != pending_before) {
            let received = status.inbound.into_iter().map(|lane| (lane.peer, lane.delivered)).collect();
            self.received.insert((shard.clone(), height), received);
        }
    }

    /// What must be true of lanes that are over, in the end.
    pub fn assert_the_past_adds_up(&self) {
        for name in &self.names {
            self.assert_inbox(name, &self.nodes[name].inbox);
        }
        for ((name, _), inbox) in &self.lost {
            self.assert_inbox(name, inbox);
        }
        for (lane, accepted) in self.accepted.iter().filter(|(lane, _)| self.is_remembered(lane)) {
            if *lane != self.lane(&lane.source, &lane.destination) {
                accepted.keys().for_each(|nonce| self.assert_past_outcome(lane, *nonce));
            }
        }
    }

    /// Within each incarnation of a source every nonce stands in the inbox once and in order, and what
    /// was delivered is what was accepted.
    fn assert_inbox(&self, name: &ShardId, inbox: &[Shown]) {
        let mut next: BTreeMap<(&ShardId, u32), u64> = BTreeMap::new();
        for (source, incarnation, nonce, entry) in inbox {
            let expected = next.entry((source, *incarnation)).or_default();
            assert_eq!(nonce, expected, "{source} {incarnation} to {name}: doubled, or left out");
            *expected += 1;
            let Entry::Data(payload) = entry else { continue };
            let is_it = |(lane, accepted): (&Lane, &BTreeMap<u64, Vec<u8>>)| {
                (&lane.source, lane.source_incarnation, &lane.destination) == (source, *incarnation, name)
                    && accepted.get(nonce) == Some(payload)
            };
            assert!(self.accepted.iter().any(is_it), "{source} {incarnation} to {name} {nonce} was never accepted");
        }
    }

    /// What a source says of a message to a disk that is lost, against what was on that disk.
    fn assert_past_outcome(&self, lane: &Lane, nonce: u64) {
        let to = (lane.destination.clone(), lane.destination_incarnation);
        let is_it = |(source, incarnation, at, _): &&Shown| {
            (source, incarnation, at) == (&lane.source, &lane.source_incarnation, &nonce)
        };
        let decided = self.lost[&to].iter().find(is_it).map(|(.., entry)| entry);
        match self.ask(lane, nonce) {
            Err(OutcomeError::Pruned { .. }) | Ok(MessageState::OutcomeUnknown) => {}
            Ok(MessageState::Settled(settled)) => match settled {
                Settled::Delivered => assert!(matches!(decided, Some(Entry::Data(_))), "{lane} {nonce}: {decided:?}"),
                Settled::Tombstone { .. } | Settled::Expired => {
                    let may_be = matches!(decided, None | Some(Entry::Buried(Tombstone::Expired)));
                    assert!(may_be, "{lane} {nonce} expired, and yet it is {decided:?}");
                }
                Settled::NeverReceived => self.assert_never_recorded(lane, nonce),
                settled => panic!("{lane} {nonce}: {settled:?}"),
            },
            other => panic!("{lane} {nonce}: {other:?}"),
        }
    }

    /// No checkpoint that the contract has recorded for the incarnation that is over says to have
    /// received the message.
    fn assert_never_recorded(&self, lane: &Lane, nonce: u64) {
        let to = &lane.destination;
        let Some(first_height) = self.first_heights.get(&(to.clone(), lane.destination_incarnation + 1)) else {
            panic!("{to} has not begun anew");
        };
        let Some(last_height) = first_height.checked_sub(1) else { return };
        let received = self.received[&(to.clone(), last_height)].get(&lane.source).copied().unwrap_or(0);
        assert!(received <= nonce, "{lane} {nonce} is in the checkpoint at {last_height}: {received} received");
    }

    /// How often something has come to pass.
    pub fn past_counts(&self) -> PastCounts {
        let mut counts = PastCounts { never_received: 0, unknown: 0, losses: self.lost.len() };
        for (lane, accepted) in self.accepted.iter().filter(|(lane, _)| self.is_remembered(lane)) {
            for nonce in accepted.keys() {
                match self.ask(lane, *nonce) {
                    Ok(MessageState::Settled(Settled::NeverReceived)) => counts.never_received += 1,
                    Ok(MessageState::OutcomeUnknown) => counts.unknown += 1,
                    _ => {}
                }
            }
        }
        counts
    }
}
