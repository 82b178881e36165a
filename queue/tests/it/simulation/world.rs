//! Nodes, disks, connections and time, and what may happen to them.

use super::bridge::{Bridge, Recorded, trust};
use super::random::Random;
use super::store::Disk;
use queue::attestation::{Attestation, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::contract::TipView;
use queue::digest::Native;
use queue::engine::{
    AttestCost, AttestFailure, Config, Direction, Engine, Enqueue, EnqueueError, Now, Output, Settled, Settling, Ticket,
};
use queue::frame::FRAME_HEADER_BYTES;
use queue::ids::{Lane, ShardId};
use queue::message::{Body, Outcome, Tombstone};
use queue::salt::SaltSecret;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// From whom to whom.
type Ends = (ShardId, ShardId);

pub(super) struct Node {
    pub(super) engine: Engine<Disk>,
    pub(super) disk: Disk,
    /// Counts the node's starts: answers for an earlier process reach nobody.
    pub(super) process: u64,
    /// How far its own clock is off, in nanoseconds.
    skew_ns: u64,
    /// Messages taken and not yet known to be durable.
    pub(super) taken: Vec<(Lane, Ticket, Vec<u8>)>,
    /// What its inbox has shown.
    pub(super) inbox: Vec<Shown>,
}

/// An entry of an inbox: source, its incarnation, nonce, and the request's payload, the result, or why
/// it was buried.
pub(super) type Shown = (ShardId, u32, u64, Entry);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Data(Vec<u8>),
    Result { request_nonce: u64, outcome: Outcome },
    Buried(Tombstone),
}

/// A request to the contract that is on its way.
struct Request {
    shard: ShardId,
    process: u64,
    checkpoint: Checkpoint,
}

/// The world.
pub struct World {
    pub(super) random: Random,
    pub(super) names: Vec<ShardId>,
    pub(super) nodes: BTreeMap<ShardId, Node>,
    pub(super) bridge: Bridge,
    requests: Vec<Request>,
    /// Tips read for a node's process, on their way.
    tips: Vec<(ShardId, u64, Option<TipView>)>,
    /// The connection that each end believes to have.
    pub(super) ends: BTreeMap<Ends, u64>,
    /// Frames under way: connection, from, to, which lane of the sender.
    streams: BTreeMap<(u64, ShardId, ShardId, Direction), VecDeque<Vec<u8>>>,
    connections: u64,
    mono_ns: u64,
    /// What was accepted, by lane: durable at its source.
    pub(super) accepted: BTreeMap<Lane, BTreeMap<u64, Vec<u8>>>,
    /// What became of each message, as its source has said.
    pub(super) settled: BTreeMap<Lane, BTreeMap<u64, Settled>>,
    payloads: u64,
    /// How much each sealed checkpoint says to have received, by source.
    pub(super) received: BTreeMap<(ShardId, u64), BTreeMap<ShardId, u64>>,
    /// What the inboxes of lost disks had shown.
    pub(super) lost: BTreeMap<(ShardId, u32), Vec<Shown>>,
    /// The first height of each incarnation but the first.
    pub(super) first_heights: BTreeMap<(ShardId, u32), u64>,
    /// Whether disks are lost and keys replaced.
    pub(super) is_lossy: bool,
}

impl World {
    /// Nodes that have just started on empty disks.
    pub fn new(seed: u64, names: &[&str]) -> Self {
        let mut random = Random::new(seed);
        let names: Vec<ShardId> = names.iter().map(|name| name.parse().expect("a valid shard name")).collect();
        let bridge = Bridge::new(&names);
        let now = Now { mono_ns: 0, unix_ns: 0 };
        let node = |name: &ShardId| {
            let disk = Disk::default();
            let engine = Engine::open(config(name), disk.clone(), now).expect("an empty disk opens");
            let skew_ns = random.below(200) * S;
            (name.clone(), Node { engine, disk, process: 0, skew_ns, taken: vec![], inbox: vec![] })
        };
        let nodes = names.iter().map(node).collect();
        World {
            random,
            names,
            nodes,
            bridge,
            requests: vec![],
            tips: vec![],
            ends: BTreeMap::new(),
            streams: BTreeMap::new(),
            connections: 0,
            mono_ns: 0,
            accepted: BTreeMap::new(),
            settled: BTreeMap::new(),
            payloads: 0,
            received: BTreeMap::new(),
            lost: BTreeMap::new(),
            first_heights: BTreeMap::new(),
            is_lossy: false,
        }
    }

    /// One thing happens.
    pub fn step(&mut self) {
        let shard = self.random.pick(&self.names);
        match self.random.below(100) {
            0..20 => self.enqueue(&shard),
            20..42 => self.turn(&shard),
            42..68 => self.deliver_a_frame(),
            68..77 => self.answer_a_request(),
            77..79 => self.tell_a_tip(),
            79..86 => self.pass_time(),
            86..90 => self.connect(&shard),
            90..91 => self.disconnect(&shard),
            91..92 => self.crash(&shard),
            92..95 => self.see_near(&shard),
            95..97 if self.is_lossy => self.lose_something(&shard),
            _ => self.node(&shard).disk.sync(),
        }
        self.check(&shard);
    }

    /// Everybody is connected, everything works, until nothing is left to do.
    pub fn calm_down(&mut self) {
        for _ in 0..12 {
            self.mono_ns += 61 * S;
            for shard in self.names.clone() {
                self.see_near(&shard);
                self.accept_all(&shard);
            }
            for shard in self.names.clone() {
                self.connect_all(&shard);
            }
            for _ in 0..400 {
                for shard in self.names.clone() {
                    self.node(&shard).disk.sync();
                    self.turn(&shard);
                    self.check(&shard);
                }
                while !self.streams.is_empty() {
                    self.deliver_a_frame();
                }
                while !self.tips.is_empty() {
                    self.tell_a_tip();
                }
                while let Some(request) = self.requests.pop() {
                    self.execute(request, true);
                }
            }
        }
    }

    pub(super) fn node(&mut self, shard: &ShardId) -> &mut Node {
        self.nodes.get_mut(shard).expect("every name has a node")
    }

    /// NEAR's time: that of the world.
    fn near_ns(&self) -> u64 {
        1_000_000 * S + self.mono_ns
    }

    /// The time as this node sees it.
    pub(super) fn now(&self, shard: &ShardId) -> Now {
        let skewed = self.near_ns() + self.nodes[shard].skew_ns;
        Now { mono_ns: self.mono_ns, unix_ns: skewed - 100 * S }
    }

    fn enqueue(&mut self, shard: &ShardId) {
        let to = self.random.pick(&self.names);
        let length = if self.random.chance(6) { 300_000 } else { self.random.below(200) };
        self.payloads += 1;
        let mut payload = self.payloads.to_le_bytes().to_vec();
        payload.resize(8 + usize::try_from(length).expect("small"), 7);
        let request = Enqueue {
            sender: format!("ann.{shard}").parse().expect("a valid account"),
            receiver: format!("bob.{to}").parse().expect("a valid account"),
            body: Body::Data(payload.clone()),
            deadline_ns: self.draw_deadline(shard),
            key: None,
        };
        let now = self.now(shard);
        match self.node(shard).engine.handle_enqueue(request, now) {
            Ok(ticket) => {
                let lane = self.lane(shard, &ticket.peer);
                self.node(shard).taken.push((lane, ticket, payload));
            }
            Err(
                EnqueueError::Starting
                | EnqueueError::UnknownShard(_)
                | EnqueueError::Local(_)
                | EnqueueError::Busy { .. }
                | EnqueueError::Over { .. }
                | EnqueueError::DeadlinePassed { .. },
            ) => {}
            Err(error) => panic!("{shard} to {to}: {error}"),
        }
    }

    /// Some messages have deadlines, from less than a step away to longer than any outage.
    fn draw_deadline(&mut self, shard: &ShardId) -> Option<u64> {
        let ahead_ns = match self.random.below(10) {
            0..6 => return None,
            6..8 => self.random.below(20) * S,
            _ => self.random.below(600) * S,
        };
        Some(self.now(shard).unix_ns + ahead_ns)
    }

    /// Closes the node's turn, and does what it says.
    fn turn(&mut self, shard: &ShardId) {
        let now = self.now(shard);
        let synced = self.random.chance(60);
        let node = self.node(shard);
        node.engine.handle_timeout(now);
        let pending = node.engine.status().pending_height;
        node.engine.commit(now).expect("the disk works");
        self.note_sealed(shard, pending);
        let node = self.node(shard);
        if synced {
            node.disk.sync();
        }
        node.engine.poll_durable().expect("the disk works");
        if node.disk.is_synced() {
            self.check_a_message(shard);
        }
        while let Some(output) = self.node(shard).engine.poll_output() {
            self.carry_out(shard, output);
        }
    }

    fn carry_out(&mut self, shard: &ShardId, output: Output) {
        match output {
            Output::FetchTip => {
                let lagging = self.random.chance(20);
                let tip = if lagging { self.bridge.tip_before(shard) } else { self.bridge.tip(shard) };
                let process = self.node(shard).process;
                self.tips.push((shard.clone(), process, tip));
            }
            Output::Attest(checkpoint) => {
                let process = self.node(shard).process;
                self.requests.push(Request { shard: shard.clone(), process, checkpoint });
            }
            Output::Frame { peer, lane, frame } => {
                if let Some(connection) = self.ends.get(&(shard.clone(), peer.clone())) {
                    self.streams.entry((*connection, shard.clone(), peer, lane)).or_default().push_back(frame.to_vec());
                }
            }
        }
    }

    fn deliver_a_frame(&mut self) {
        let keys: Vec<_> = self.streams.keys().cloned().collect();
        if keys.is_empty() {
            return;
        }
        let key = self.random.pick(&keys);
        let queue = self.streams.get_mut(&key).expect("picked among the keys");
        let frame = queue.pop_front();
        if queue.is_empty() {
            self.streams.remove(&key);
        }
        let (connection, from, to, lane) = key;
        let Some(frame) = frame.filter(|_| self.ends.get(&(to.clone(), from.clone())) == Some(&connection)) else {
            return;
        };
        let now = self.now(&to);
        let body = &frame[FRAME_HEADER_BYTES..];
        let engine = &mut self.node(&to).engine;
        let handled = match lane {
            Direction::Inbound => engine.handle_receiver_frame(&from, body),
            Direction::Outbound => engine.handle_sender_frame(&from, body, now),
        };
        if let Err(error) = handled {
            // Until both ends know of a new incarnation, and for what was on its way then.
            let lanes = self.node(&to).engine.status().outbound;
            let awaits = lanes.iter().any(|lane| lane.peer == from && lane.awaits_incarnation.is_some());
            let is_over = self.is_lossy || awaits;
            assert!(is_over, "an honest peer sends nothing wrong: {error}");
            self.ends.remove(&(to.clone(), from.clone()));
            self.node(&to).engine.handle_disconnected(&from);
        }
    }

    fn tell_a_tip(&mut self) {
        let Some((shard, process, tip)) = self.tips.pop() else { return };
        let now = self.now(&shard);
        let node = self.node(&shard);
        if node.process == process {
            node.engine.handle_tip(tip, now).expect("the disk is the newest");
        }
    }

    /// A request reaches the contract, or doesn't; and its answer the node, or doesn't.
    fn answer_a_request(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let count = u64::try_from(self.requests.len()).expect("a length fits 64 bits");
        let at = usize::try_from(self.random.below(count)).expect("below a length");
        let request = self.requests.swap_remove(at);
        if self.random.chance(10) {
            return self.answer(&request, Err(unavailable("it never reached NEAR")));
        }
        if self.random.chance(5) {
            return self.answer(&request, Err(AttestFailure::Rejected("the balance is empty".to_owned())));
        }
        let signed = self.random.chance(80);
        self.execute(request, signed);
    }

    fn execute(&mut self, request: Request, signed: bool) {
        let block_ns = self.near_ns();
        match self.bridge.record(&request.checkpoint, block_ns) {
            Recorded::Tip => {}
            Recorded::Late => return,
            Recorded::OtherEpoch => {
                return self.answer(&request, Err(AttestFailure::Rejected("another key epoch".to_owned())));
            }
        }
        if !signed {
            return self.answer(&request, Err(unavailable("the signer timed out")));
        }
        let signature = self.bridge.sign(&request.checkpoint);
        if self.random.chance(90) {
            self.answer(&request, Ok(signature));
        } else {
            self.answer(&request, Err(unavailable("the answer was lost")));
        }
    }

    fn answer(&mut self, request: &Request, result: Result<ChainSignature, AttestFailure>) {
        let now = self.now(&request.shard);
        let node = self.node(&request.shard);
        if node.process == request.process {
            let hash = request.checkpoint.hash::<Native>();
            let result = result.map(|signature| Attestation::of_shard(request.checkpoint.clone(), signature));
            node.engine.handle_attest_result(hash, result, AttestCost::default(), now);
        }
    }

    fn pass_time(&mut self) {
        self.mono_ns += if self.random.chance(10) { 31 * S } else { self.random.below(900) * MS };
    }

    pub(super) fn see_near(&mut self, shard: &ShardId) {
        let (near_ns, now) = (self.near_ns(), self.now(shard));
        let shards = self.bridge.shards();
        let engine = &mut self.node(shard).engine;
        engine.handle_lanes(vec![]);
        engine.handle_registry(shards).expect("no other copy of this disk began anew");
        engine.handle_near_time(near_ns, now);
    }

    fn connect(&mut self, shard: &ShardId) {
        let peer = self.random.pick(&self.names);
        if peer != *shard {
            self.connect_both(shard, &peer);
        }
    }

    fn connect_all(&mut self, shard: &ShardId) {
        for peer in self.names.clone().into_iter().filter(|peer| peer > shard) {
            self.connect_both(shard, &peer);
        }
    }

    fn connect_both(&mut self, a: &ShardId, b: &ShardId) {
        // Both must know each other's lane: a node knows no peers before it has seen NEAR.
        for end in [a, b] {
            self.see_near(end);
        }
        self.connections += 1;
        for (own, peer) in [(a, b), (b, a)] {
            self.ends.insert((own.clone(), peer.clone()), self.connections);
            self.node(own).engine.handle_connected(peer);
        }
    }

    /// One end sees the connection break; the other may think that it has one for a while.
    fn disconnect(&mut self, shard: &ShardId) {
        let peer = self.random.pick(&self.names);
        if self.ends.remove(&(shard.clone(), peer.clone())).is_some() {
            self.node(shard).engine.handle_disconnected(&peer);
        }
    }

    /// The process is killed, and started again on what is durable.
    fn crash(&mut self, shard: &ShardId) {
        self.ends.retain(|(own, _), _| own != shard);
        let durable = self.node(shard).disk.crash();
        self.accept_up_to(shard, durable);
        let now = self.now(shard);
        let skew_ns = self.random.below(200) * S;
        let node = self.node(shard);
        node.taken.clear();
        node.process += 1;
        node.skew_ns = skew_ns;
        node.engine = Engine::open(config(shard), node.disk.clone(), now).expect("what was durable opens");
        node.engine.poll_durable().expect("the disk works");
    }
}

fn unavailable(reason: &str) -> AttestFailure {
    AttestFailure::Unavailable(reason.to_owned())
}

pub(super) fn config(shard: &ShardId) -> Config {
    let mut secret = [0; 32];
    secret[..shard.as_str().len()].copy_from_slice(shard.as_str().as_bytes());
    Config {
        shard: shard.clone(),
        trust: trust(),
        salt_secret: SaltSecret::new(secret),
        backlog_bytes_max: 3_000_000,
        staged_bytes_max: 1_000_000,
        closed_lanes: BTreeSet::new(),
        settling: Settling {
            retention_bytes_max: 100_000,
            inbound_retention_bytes_max: 100_000,
            ..Settling::default()
        },
        budget: None,
    }
}
