//! What must be true of the world, after every step and in the end.

use super::world::World;
use queue::ids::ShardId;
use queue::message::{Body, Message};
use std::collections::BTreeSet;

impl World {
    /// What must be true in the end.
    pub fn assert_all_is_delivered_and_acknowledged(&mut self) {
        for ((from, to), messages) in &self.accepted {
            let inbox = &self.nodes[to].inbox;
            let arrived: Vec<&Vec<u8>> =
                inbox.iter().filter(|(source, ..)| source == from).map(|(_, _, content)| content).collect();
            assert_eq!(arrived, messages.iter().collect::<Vec<_>>(), "from {from} to {to}");
        }
        for (name, node) in &self.nodes {
            for lane in node.engine.status().outbound {
                let sizes = (lane.accepted, lane.delivered, lane.acknowledged);
                let expected = self.accepted.get(&(name.clone(), lane.peer.clone())).map_or(0, Vec::len);
                let expected = u64::try_from(expected).expect("a length fits 64 bits");
                assert_eq!(sizes, (expected, expected, expected), "{name} to {}: {lane:?}", lane.peer);
                assert_eq!(lane.backlog_bytes, 0, "{name} to {}", lane.peer);
            }
        }
    }

    /// All that came to pass, for comparing two runs.
    pub fn story(&self) -> String {
        let inboxes: Vec<_> = self.nodes.values().map(|node| &node.inbox).collect();
        let tips: Vec<_> = self.names.iter().map(|name| self.bridge.tip(name)).collect();
        format!("{inboxes:?} {tips:?} {:?}", self.accepted)
    }

    /// Notes what is accepted. A nonce that was accepted is never given again.
    pub(super) fn accept_up_to(&mut self, shard: &ShardId, durable: u64) {
        let taken = std::mem::take(&mut self.node(shard).taken);
        let (accepted, open): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(ticket, _)| ticket.turn <= durable);
        self.node(shard).taken = open;
        for (ticket, payload) in accepted {
            let lane = self.accepted.entry((shard.clone(), ticket.peer)).or_default();
            assert_eq!(u64::try_from(lane.len()), Ok(ticket.nonce), "{shard} gave a nonce twice or left one out");
            lane.push(payload);
        }
    }

    /// What must be true after every step: the inbox only grows, by durable entries in order, and
    /// no lane ever freezes.
    pub(super) fn check(&mut self, shard: &ShardId) {
        let durable = self.nodes[shard].engine.durable();
        self.accept_up_to(shard, durable);
        let reread = self.random.chance(2);
        let node = self.node(shard);
        let seen = node.inbox.len();
        let mut position = if reread { 0 } else { seen };
        loop {
            let at = u64::try_from(position).expect("a length fits 64 bits");
            let entries = node.engine.inbox(at, 100_000).expect("the disk works");
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let bytes = entry.content.expect("honest messages are delivered");
                let Body::Data(payload) = Message::decode(&bytes).expect("a message").body else { panic!("no data") };
                let delivered = (entry.peer, entry.nonce, payload);
                match node.inbox.get(position) {
                    Some(known) => assert_eq!(*known, delivered, "the inbox of {shard} changed at {position}"),
                    None => node.inbox.push(delivered),
                }
                position += 1;
            }
        }
        assert!(position >= seen, "the inbox of {shard} lost entries after {position} of {seen}");
        let status = node.engine.status();
        let frozen = status.outbound.iter().filter_map(|lane| lane.frozen.as_ref());
        let frozen: BTreeSet<_> = frozen.chain(status.inbound.iter().filter_map(|lane| lane.frozen.as_ref())).collect();
        assert!(frozen.is_empty(), "{shard} froze a lane: {frozen:?}");
    }
}
