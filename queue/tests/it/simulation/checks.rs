//! What must be true of the world, after every step and in the end.

use super::world::{Entry, Shown, World};
use queue::engine::{InboxError, MessageState, OutcomeError, Settled};
use queue::ids::{Lane, ShardId};
use queue::message::{Body, Message, Outcome, Tombstone};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// What must be true in the end.
    pub fn assert_all_is_settled_alike_on_both_sides(&mut self) {
        for name in self.names.clone() {
            for lane in self.nodes[&name].engine.status().outbound {
                let all = lane.accepted;
                let sizes = (lane.delivered, lane.acknowledged, lane.settled);
                assert_eq!(sizes, (all, all, all), "{name} to {}: {lane:?}", lane.peer);
                assert_eq!((lane.backlog_bytes, lane.calls), (0, 0), "{name} to {}", lane.peer);
                self.assert_lane(&self.lane(&name, &lane.peer), all);
            }
        }
    }

    /// Every nonce of the lane stands in the destination's inbox, once and in order; what was accepted
    /// was delivered unless it had a deadline; and the source says of each what the destination did.
    fn assert_lane(&self, lane: &Lane, size: u64) {
        let Lane { source: from, destination: to, source_incarnation, destination_incarnation } = lane;
        let is_of = |(source, incarnation, ..): &&Shown| (source, incarnation) == (from, source_incarnation);
        let entries: Vec<&Entry> = self.nodes[to].inbox.iter().filter(is_of).map(|(.., entry)| entry).collect();
        assert_eq!(u64::try_from(entries.len()), Ok(size), "from {from} to {to}");
        let none = BTreeMap::new();
        let accepted = self.accepted.get(lane).unwrap_or(&none);
        for (nonce, entry) in (0..).zip(&entries) {
            match (accepted.get(&nonce), entry) {
                (Some(payload), Entry::Data(delivered)) => assert_eq!(delivered, payload, "{from} to {to} {nonce}"),
                (Some(_), Entry::Buried(Tombstone::Expired)) => {}
                (None, Entry::Result { request_nonce, outcome }) => {
                    assert_eq!(*outcome, Outcome::Tombstone(Tombstone::Expired), "{from} to {to} {nonce}");
                    let is_request = |(source, incarnation, at, _): &&Shown| {
                        (source, incarnation, at) == (to, destination_incarnation, request_nonce)
                    };
                    let request = self.nodes[from].inbox.iter().find(is_request);
                    assert!(matches!(request, Some((.., Entry::Buried(_)))), "a tombstone for {request:?}");
                }
                // The source had an expiry proof before the tombstone.
                (None, Entry::Buried(Tombstone::UnexpectedResult)) => {}
                (request, entry) => panic!("{from} to {to} {nonce}: {request:?} became {entry:?}"),
            }
            if let Some(settled) = self.settled.get(lane).and_then(|settled| settled.get(&nonce)) {
                let was_buried = matches!(entry, Entry::Buried(Tombstone::Expired));
                let says_buried = matches!(settled, Settled::Expired | Settled::Tombstone { .. });
                assert_eq!(says_buried, was_buried, "{from} to {to} {nonce}: {settled:?}, {entry:?}");
            }
        }
    }

    /// All that came to pass, for comparing two runs.
    pub fn story(&self) -> String {
        let inboxes: Vec<_> = self.nodes.values().map(|node| &node.inbox).collect();
        let tips: Vec<_> = self.names.iter().map(|name| self.bridge.tip(name)).collect();
        format!("{inboxes:?} {tips:?} {:?} {:?}", self.accepted, self.settled)
    }

    /// How many messages were settled without a delivery.
    pub fn expired(&self) -> usize {
        let expired = |settled: &&Settled| !matches!(settled, Settled::Delivered);
        self.settled.values().flat_map(BTreeMap::values).filter(expired).count()
    }

    /// Notes what is accepted. A nonce that was accepted is never given again.
    pub(super) fn accept_up_to(&mut self, shard: &ShardId, durable: u64) {
        let taken = std::mem::take(&mut self.node(shard).taken);
        let (accepted, open): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(_, ticket, _)| ticket.turn <= durable);
        self.node(shard).taken = open;
        for (lane, ticket, payload) in accepted {
            let lane = self.accepted.entry(lane).or_default();
            let known = lane.insert(ticket.nonce, payload);
            assert_eq!(known, None, "{shard} gave nonce {} twice", ticket.nonce);
        }
    }

    /// What must be true after every step: the inbox only grows, by durable entries in order, what is
    /// settled stays so, and no lane ever freezes.
    pub(super) fn check(&mut self, shard: &ShardId) {
        let durable = self.nodes[shard].engine.durable();
        self.accept_up_to(shard, durable);
        self.check_inbox(shard);
        let status = self.node(shard).engine.status();
        let frozen = status.outbound.iter().filter_map(|lane| lane.frozen.as_ref());
        let frozen: BTreeSet<_> = frozen.chain(status.inbound.iter().filter_map(|lane| lane.frozen.as_ref())).collect();
        assert!(frozen.is_empty(), "{shard} froze a lane: {frozen:?}");
    }

    fn check_inbox(&mut self, shard: &ShardId) {
        let reread = self.random.chance(2);
        let node = self.node(shard);
        let seen = node.inbox.len();
        let mut position = if reread { 0 } else { seen };
        loop {
            let at = u64::try_from(position).expect("a length fits 64 bits");
            let entries = match node.engine.inbox(at, 100_000) {
                Err(InboxError::Pruned { first, .. }) => {
                    position = usize::try_from(first).expect("a length");
                    assert!(position <= node.inbox.len(), "the inbox of {shard} lost {first} before it was read");
                    continue;
                }
                entries => entries.expect("the disk works"),
            };
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let shown = (entry.peer, entry.incarnation, entry.nonce, shown(entry.content));
                match node.inbox.get(position) {
                    Some(known) => assert_eq!(*known, shown, "the inbox of {shard} changed at {position}"),
                    None => node.inbox.push(shown),
                }
                position += 1;
            }
        }
        assert!(position >= seen, "the inbox of {shard} lost entries after {position} of {seen}");
    }

    /// Asks what became of one of the shard's messages. Its state must be durable: what an answer
    /// follows from is undone by a crash otherwise.
    pub(super) fn check_a_message(&mut self, shard: &ShardId) {
        let peer = self.random.pick(&self.names);
        let is_known = |lane: &&Lane| self.is_remembered(lane) && lane.source == *shard && lane.destination == peer;
        let lanes: Vec<Lane> = self.accepted.keys().filter(is_known).cloned().collect();
        if lanes.is_empty() {
            return;
        }
        let lane = self.random.pick(&lanes);
        let Some((last, _)) = self.accepted[&lane].last_key_value() else { return };
        let nonce = self.random.below(last + 1);
        self.note_outcome(&lane, nonce);
    }

    /// Asks what became of every message.
    pub fn ask_for_all_outcomes(&mut self) {
        let lanes: Vec<(Lane, u64)> = self
            .accepted
            .iter()
            .filter(|(lane, _)| self.is_remembered(lane))
            .filter_map(|(lane, accepted)| Some((lane.clone(), accepted.last_key_value()?.0 + 1)))
            .collect();
        for (lane, size) in lanes {
            (0..size).for_each(|nonce| self.note_outcome(&lane, nonce));
        }
    }

    fn note_outcome(&mut self, lane: &Lane, nonce: u64) {
        let (shard, peer) = (&lane.source, &lane.destination);
        let settled = match self.ask(lane, nonce) {
            Ok(MessageState::Settled(settled)) => Some(settled),
            Ok(_) => None,
            // It was settled, and is forgotten.
            Err(OutcomeError::Pruned { .. }) => return,
            Err(error) => panic!("{shard} to {peer} {nonce}: {error}"),
        };
        let known = self.settled.entry(lane.clone()).or_default();
        match (known.get(&nonce), settled) {
            (None, Some(settled)) => drop(known.insert(nonce, settled)),
            (None, None) => {}
            (Some(before), after) => assert_eq!(Some(*before), after, "{shard} to {peer} {nonce} was settled anew"),
        }
    }
}

fn shown(content: Result<Vec<u8>, Tombstone>) -> Entry {
    match content.map(|bytes| Message::decode(&bytes).expect("a message").body) {
        Ok(Body::Data(payload)) => Entry::Data(payload),
        Ok(Body::Result(result)) => Entry::Result { request_nonce: result.request_nonce, outcome: result.outcome },
        Ok(Body::Call(_)) => panic!("nobody sent a call"),
        Err(reason) => Entry::Buried(reason),
    }
}
