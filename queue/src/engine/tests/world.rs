//! The world of the engine's tests: two shards, a contract that keeps one tip per shard, and a
//! signer with a real key.

mod signer;

pub(super) use signer::{sign, trust};

use super::super::*;
use super::terms::lanes;
use crate::attestation::{Attestation, ChainSignature};
use crate::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use crate::contract::LaneTerms;
use crate::digest::empty_root;
use crate::frame::{FRAME_HEADER_BYTES, Release, SenderFrame, decode_frame};
use crate::heads::{HeadTrie, SidePosition};
use crate::ids::Lane;
use crate::proof::HeadProof;
use crate::salt::SaltSecret;
use crate::store::{CrashPlan, MemoryStore};

/// One second in nanoseconds.
pub(super) const S: u64 = 1_000_000_000;

pub(super) fn name(text: &str) -> ShardId {
    text.parse().unwrap()
}

pub(super) fn registered(shard: &str) -> RegisteredShard {
    RegisteredShard { shard: name(shard), incarnation: 0, key_epoch: 0, epoch_first_height: 0 }
}

struct Node {
    engine: Option<Engine<MemoryStore>>,
    tip: Option<TipView>,
    heights_asked: BTreeSet<u64>,
    attempts: usize,
    releases: usize,
    data_frames: usize,
}

pub(super) struct World {
    now: Now,
    backlog_bytes_max: u64,
    settling: Settling,
    budget: Option<Budget>,
    nodes: BTreeMap<ShardId, Node>,
    pub(super) signer_is_down: bool,
    /// Requests that the signer answers although it is down.
    answers_left: usize,
    pub(super) signer_is_down_for: Option<ShardId>,
    /// What each attempt to attest costs.
    pub(super) cost: AttestCost,
    /// What the contract lists.
    registry: BTreeMap<ShardId, RegisteredShard>,
    /// The lane between the two, if it is open in the contract.
    pub(super) terms: Option<LaneTerms>,
}

impl World {
    /// Two shards, not connected, both of which have found their tips.
    pub(super) fn new(plan: CrashPlan) -> Self {
        World::with_backlog(plan, u64::MAX)
    }

    /// The same with a backlog limit.
    pub(super) fn with_backlog(plan: CrashPlan, backlog_bytes_max: u64) -> Self {
        World::with(plan, backlog_bytes_max, Settling::default(), None)
    }

    /// The same with other rules.
    pub(super) fn with(plan: CrashPlan, backlog_bytes_max: u64, settling: Settling, budget: Option<Budget>) -> Self {
        let now = Now { mono_ns: 0, unix_ns: 1_000 * S };
        let mut world = World {
            now,
            backlog_bytes_max,
            settling,
            budget,
            nodes: BTreeMap::new(),
            signer_is_down: false,
            answers_left: 0,
            signer_is_down_for: None,
            cost: AttestCost::default(),
            registry: ["alpha", "beta"].map(|shard| (name(shard), registered(shard))).into(),
            terms: None,
        };
        for shard in ["alpha", "beta"] {
            let engine = world.open(shard, MemoryStore::new(plan));
            let node = Node {
                engine: Some(engine),
                tip: None,
                heights_asked: BTreeSet::new(),
                attempts: 0,
                releases: 0,
                data_frames: 0,
            };
            world.nodes.insert(name(shard), node);
        }
        world.run();
        world
    }

    pub(super) fn config(&self, shard: &str) -> Config {
        Config {
            shard: name(shard),
            trust: trust(),
            salt_secret: SaltSecret::new([shard.as_bytes()[0]; 32]),
            backlog_bytes_max: self.backlog_bytes_max,
            staged_bytes_max: 1024 * 1024,
            closed_lanes: BTreeSet::new(),
            settling: self.settling,
            budget: self.budget,
        }
    }

    pub(super) fn open(&self, shard: &str, store: MemoryStore) -> Engine<MemoryStore> {
        let mut engine = Engine::open(self.config(shard), store, self.now).unwrap();
        engine.handle_lanes(lanes(shard, self.terms.as_ref()));
        engine.handle_registry(self.registry()).unwrap();
        engine.handle_near_time(self.now.unix_ns, self.now);
        engine
    }

    /// What the contract lists.
    pub(super) fn registry(&self) -> Vec<RegisteredShard> {
        self.registry.values().cloned().collect()
    }

    /// The contract opens a key epoch of a shard behind its tip, as `rekey` does; also a new
    /// incarnation, if so told. Nobody has seen it yet.
    pub(super) fn open_epoch(&mut self, shard: &str, incarnation: bool) -> RegisteredShard {
        let epoch_first_height = self.tip(shard).map_or(0, |tip| tip.checkpoint.height + 1);
        let listed = self.registry.get_mut(&name(shard)).unwrap();
        listed.key_epoch += 1;
        listed.incarnation += u32::from(incarnation);
        listed.epoch_first_height = epoch_first_height;
        listed.clone()
    }

    /// Shows a shard what the contract lists.
    pub(super) fn show_registry(&mut self, shard: &str) {
        let registry = self.registry();
        self.engine_mut(shard).handle_registry(registry).unwrap();
    }

    /// A shard's disk is lost; its owner opens an incarnation, which begins on an empty one. The other
    /// side sees the connection break, and not yet what the contract lists.
    pub(super) fn lose_and_recover(&mut self, shard: &str) {
        self.disconnect();
        let own = self.open_epoch(shard, true);
        let mut store = MemoryStore::new(CrashPlan::Prompt);
        begin_incarnation(&self.config(shard), &mut store, &own, self.tip(shard).as_ref()).unwrap();
        let engine = self.open(shard, store);
        self.nodes.get_mut(&name(shard)).unwrap().engine = Some(engine);
    }

    pub(super) fn now(&self) -> Now {
        self.now
    }

    pub(super) fn advance(&mut self, ns: u64) {
        self.now = Now { mono_ns: self.now.mono_ns + ns, unix_ns: self.now.unix_ns + ns };
        for node in self.nodes.values_mut() {
            let engine = node.engine.as_mut().unwrap();
            engine.handle_near_time(self.now.unix_ns, self.now);
            engine.handle_timeout(self.now);
        }
    }

    pub(super) fn engine(&self, shard: &str) -> &Engine<MemoryStore> {
        self.nodes[&name(shard)].engine.as_ref().unwrap()
    }

    pub(super) fn engine_mut(&mut self, shard: &str) -> &mut Engine<MemoryStore> {
        self.nodes.get_mut(&name(shard)).unwrap().engine.as_mut().unwrap()
    }

    pub(super) fn tip(&self, shard: &str) -> Option<TipView> {
        self.nodes[&name(shard)].tip.clone()
    }

    pub(super) fn heights_asked(&self, shard: &str) -> Vec<u64> {
        self.nodes[&name(shard)].heights_asked.iter().copied().collect()
    }

    /// Makes a shard's turn durable; what it sends gets lost.
    pub(super) fn settle(&mut self, shard: &str) {
        while self.next_output(shard).is_some() {}
    }

    /// How many frames with data the shard has sent.
    pub(super) fn data_frames(&self, shard: &str) -> usize {
        self.nodes[&name(shard)].data_frames
    }

    /// The lane that a shard receives.
    pub(super) fn inbound_lane(&self, shard: &str) -> Lane {
        self.engine(shard).inbound.values().next().unwrap().record.lane.clone()
    }

    /// The signer answers one more request.
    pub(super) fn signer_answers_once(&mut self) {
        self.answers_left = 1;
    }

    /// The next frame that a shard sends.
    pub(super) fn next_frame(&mut self, shard: &str) -> Option<SenderFrame> {
        std::iter::from_fn(|| self.next_output(shard)).find_map(|output| match output {
            Output::Frame { lane: Direction::Outbound, frame, .. } => {
                Some(decode_frame(&frame.to_vec()[FRAME_HEADER_BYTES..]).unwrap())
            }
            _ => None,
        })
    }

    fn next_output(&mut self, shard: &str) -> Option<Output> {
        let now = self.now;
        let engine = self.engine_mut(shard);
        engine.commit(now).unwrap();
        engine.poll_durable().unwrap();
        engine.poll_output()
    }

    /// A release of all that a shard's members say to have sent, properly attested, whatever they
    /// say.
    pub(super) fn forged_release(&self, shard: &str, change: impl FnOnce(&mut Head)) -> SenderFrame {
        let engine = self.engine(shard);
        let outbound = engine.outbound.values().next().unwrap();
        let lane = &outbound.record.lane;
        let mut head = Head {
            peer: lane.destination.clone(),
            own_incarnation: lane.source_incarnation,
            peer_incarnation: lane.destination_incarnation,
            sent_size: 0,
            sent_root: empty_root::<Native>(),
            received_size: 0,
            received_root: empty_root::<Native>(),
            salt: Hash::ZERO,
        };
        change(&mut head);
        let trie = HeadTrie::new::<Native>(std::slice::from_ref(&head)).unwrap();
        let checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            domain: trust().domain,
            shard: name(shard),
            key_epoch: 0,
            epoch_first_height: 0,
            height: 0,
            previous: Hash::ZERO,
            heads_root: trie.root::<Native>(&|_: SidePosition| Hash::ZERO),
            time_ns: self.now.unix_ns,
        };
        let signature = sign(&checkpoint);
        let attestation = Attestation::of_shard(checkpoint, signature);
        let end = head.sent_size;
        let head = HeadProof { head, path: Vec::new(), attestation };
        SenderFrame::Release(Box::new(Release { end, head, consistency: Vec::new() }))
    }

    /// How many releases with data the shard has sent.
    pub(super) fn releases(&self, shard: &str) -> usize {
        self.nodes[&name(shard)].releases
    }

    /// A data message.
    pub(super) fn request(from: &str, to: &str, text: &str) -> Enqueue {
        Enqueue {
            sender: format!("ann.{from}").parse().unwrap(),
            receiver: format!("bob.{to}").parse().unwrap(),
            body: Body::Data(text.as_bytes().to_vec()),
            deadline_ns: None,
            key: None,
        }
    }

    pub(super) fn enqueue(&mut self, from: &str, request: Enqueue) -> Result<Ticket, EnqueueError> {
        let now = self.now;
        self.engine_mut(from).handle_enqueue(request, now)
    }

    pub(super) fn try_send(&mut self, from: &str, to: &str, text: &str) -> Result<Ticket, EnqueueError> {
        self.enqueue(from, World::request(from, to, text))
    }

    /// Sends a message that runs only so many nanoseconds from now.
    pub(super) fn send_within(&mut self, from: &str, to: &str, text: &str, ns: u64) -> Ticket {
        let deadline_ns = Some(self.now.unix_ns + ns);
        self.enqueue(from, Enqueue { deadline_ns, ..World::request(from, to, text) }).unwrap()
    }

    pub(super) fn send(&mut self, from: &str, to: &str, text: &str) -> Ticket {
        self.try_send(from, to, text).unwrap()
    }

    pub(super) fn inbox(&self, shard: &str) -> Vec<String> {
        let engine = self.engine(shard);
        let mut texts = Vec::new();
        loop {
            let entries = engine.inbox(u64::try_from(texts.len()).unwrap(), usize::MAX).unwrap();
            if entries.is_empty() {
                return texts;
            }
            for entry in entries {
                assert_eq!(entry.position, u64::try_from(texts.len()).unwrap());
                let Body::Data(payload) = Message::decode(&entry.content.unwrap()).unwrap().body else {
                    panic!("no data")
                };
                texts.push(String::from_utf8(payload).unwrap());
            }
        }
    }

    /// The inbox's texts, and the reasons of what was buried.
    pub(super) fn inbox_texts(&self, shard: &str) -> Vec<String> {
        let text = |entry: InboxEntry| match entry.content.map(|bytes| Message::decode(&bytes).unwrap().body) {
            Ok(Body::Data(payload)) => String::from_utf8(payload).unwrap(),
            Ok(body) => body.kind().to_owned(),
            Err(reason) => reason.to_string(),
        };
        let mut texts = Vec::new();
        loop {
            let entries = self.engine(shard).inbox(u64::try_from(texts.len()).unwrap(), usize::MAX).unwrap();
            if entries.is_empty() {
                return texts;
            }
            texts.extend(entries.into_iter().map(text));
        }
    }

    /// How often the shard has asked for a signature.
    pub(super) fn attempts(&self, shard: &str) -> usize {
        self.nodes[&name(shard)].attempts
    }

    fn disconnect(&mut self) {
        for (a, b) in [("alpha", "beta"), ("beta", "alpha")] {
            self.engine_mut(a).handle_disconnected(&name(b));
        }
    }

    pub(super) fn connect(&mut self) {
        self.disconnect();
        for (a, b) in [("alpha", "beta"), ("beta", "alpha")] {
            self.engine_mut(a).handle_connected(&name(b));
        }
    }

    pub(super) fn copy(&self, shard: &str) -> MemoryStore {
        self.engine(shard).store.clone()
    }

    /// Loses what isn't durable, and starts again; the other side sees the connection break.
    pub(super) fn crash(&mut self, shard: &str) {
        let other = if shard == "alpha" { "beta" } else { "alpha" };
        self.engine_mut(other).handle_disconnected(&name(shard));
        let store = self.nodes.get_mut(&name(shard)).unwrap().engine.take().unwrap().store.crash();
        let engine = self.open(shard, store);
        self.nodes.get_mut(&name(shard)).unwrap().engine = Some(engine);
    }

    /// Runs until nothing is left to do, everything durable at once.
    pub(super) fn run(&mut self) {
        while self.round(|_| true, usize::MAX) > 0 {}
    }

    /// The same, while nothing that another shard writes becomes durable.
    pub(super) fn run_syncing_only(&mut self, shard: &str) {
        while self.round(|of| of.as_str() == shard, usize::MAX) > 0 {}
    }

    /// Runs without making anything durable; gives the number of outputs.
    pub(super) fn run_without_sync(&mut self) -> usize {
        self.round(|_| false, usize::MAX)
    }

    /// Handles at most this many outputs, syncing as it goes.
    pub(super) fn run_steps(&mut self, mut steps: usize) {
        while steps > 0 {
            match self.round(|_| true, steps) {
                0 => return,
                done => steps -= done,
            }
        }
    }

    fn round(&mut self, syncs: impl Fn(&ShardId) -> bool, max: usize) -> usize {
        let mut done = 0;
        for shard in [name("alpha"), name("beta")] {
            let now = self.now;
            let engine = self.engine_mut(shard.as_str());
            engine.commit(now).unwrap();
            if syncs(&shard) {
                engine.store.sync();
            }
            engine.poll_durable().unwrap();
            while done < max {
                let Some(output) = self.engine_mut(shard.as_str()).poll_output() else { break };
                done += 1;
                self.handle(&shard, output);
            }
        }
        done
    }

    fn handle(&mut self, shard: &ShardId, output: Output) {
        let now = self.now;
        match output {
            Output::FetchTip => {
                let tip = self.tip(shard.as_str());
                self.engine_mut(shard.as_str()).handle_tip(tip, now).unwrap();
            }
            Output::Attest(checkpoint) => {
                let result = self.attest(shard, &checkpoint);
                let result = result.map(|signature| Attestation::of_shard(checkpoint.clone(), signature));
                let hash = checkpoint.hash::<Native>();
                let cost = self.cost;
                self.engine_mut(shard.as_str()).handle_attest_result(hash, result, cost, now);
            }
            Output::Frame { peer, lane, frame } => {
                let bytes = frame.to_vec();
                let body = &bytes[FRAME_HEADER_BYTES..];
                let is_release = lane == Direction::Outbound && body.first() == Some(&0x13);
                let engine = self.engine_mut(peer.as_str());
                let staged = engine.status().inbound[0].staged_bytes > 0;
                let handled = match lane {
                    Direction::Inbound => engine.handle_receiver_frame(shard, body),
                    Direction::Outbound => engine.handle_sender_frame(shard, body, now),
                };
                handled.unwrap();
                let node = self.nodes.get_mut(shard).unwrap();
                node.releases += usize::from(is_release && staged);
                node.data_frames +=
                    usize::from(lane == Direction::Outbound && bytes.get(FRAME_HEADER_BYTES) == Some(&0x10));
            }
        }
    }

    /// A request that was on its way reaches the contract; the answer gets lost.
    pub(super) fn record(&mut self, shard: &str, checkpoint: &Checkpoint) {
        self.attest(&name(shard), checkpoint).unwrap();
    }

    fn attest(&mut self, shard: &ShardId, checkpoint: &Checkpoint) -> Result<ChainSignature, AttestFailure> {
        let node = self.nodes.get_mut(shard).unwrap();
        node.heights_asked.insert(checkpoint.height);
        node.attempts += 1;
        let listed = &self.registry[shard];
        if node.tip.as_ref().is_some_and(|tip| tip.checkpoint == *checkpoint) {
            // It is asked for again.
        } else if (checkpoint.key_epoch, checkpoint.epoch_first_height) != (listed.key_epoch, listed.epoch_first_height)
        {
            return Err(AttestFailure::Rejected("another key epoch".to_owned()));
        } else {
            let is_next = node.tip.as_ref().is_none_or(|tip| checkpoint.height > tip.checkpoint.height);
            assert!(is_next, "two checkpoints at one height");
            let hash = checkpoint.hash::<Native>();
            node.tip = Some(TipView {
                checkpoint: checkpoint.clone(),
                hash,
                attested: None,
                signature: None,
                attempts: 1,
                last_failure_block: None,
                round: None,
            });
        }
        let is_down = self.signer_is_down || self.signer_is_down_for.as_ref() == Some(&checkpoint.shard);
        if is_down && self.answers_left == 0 {
            return Err(AttestFailure::Unavailable("timed out".to_owned()));
        }
        self.answers_left = self.answers_left.saturating_sub(1);
        let signature = sign(checkpoint);
        node.tip.as_mut().unwrap().signature = Some(signature.clone());
        Ok(signature)
    }
}
