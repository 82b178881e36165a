//! Drives contract and model by the same calls, and compares them after each block.

use super::audit::Audit;
use super::calls;
use super::random::Random;
use super::shard::{Call, Done, Epoch, Shard, Tip, Verdict};
use crate::world::*;
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::views::ExecutionStatusView;
use queue::attestation::shard_path;
use queue::contract::{EpochView, ReserveArgs, RotationView, method};
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::ids::BridgeDomain;
use queue::trust::TrustRoot;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What its owner pays into a new shard's balance, in yoctoNEAR: little, so that it runs out.
const BALANCE_YOCTO: u128 = 12;

const CALLERS: [&str; 3] = [OWNER, MALLORY, OTHER_BRIDGE];

/// One sequence.
pub struct Run {
    world: World,
    random: Random,
    trust: TrustRoot,
    shards: Vec<Shard>,
    audit: Audit,
    /// The bridge account's balance before the first shard, in yoctoNEAR.
    own_yocto: u128,
    refused: usize,
    is_over: bool,
}

/// How much happened.
pub struct Seen {
    pub recorded: usize,
    pub signed: usize,
    pub refused: usize,
    /// Whom the contract called, and with which method.
    pub promises: BTreeSet<(String, String)>,
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let mut world = World::initialised();
        let own_yocto = world.balance_yocto(BRIDGE);
        let price = world.storage_price_yocto();
        let shards = ["alpha", "beta"].into_iter().zip(CURVES).map(|(name, curve)| {
            let args = ReserveArgs { members: vec![public_key_of("member 0")], curve, ..reservation(name) };
            world.json(OWNER, BRIDGE, method::RESERVE, &args, price + BALANCE_YOCTO).success();
            Shard {
                name,
                members: vec!["member 0".to_owned()],
                threshold: 1,
                members_version: 0,
                announced: None,
                epochs: vec![Epoch { curve, first_height: 0, end_height: None, has_key: false }],
                incarnation: 0,
                tip: None,
                recorded: BTreeMap::new(),
                is_paused: false,
                is_retired: false,
                balance_yocto: BALANCE_YOCTO,
                paid_bytes: 8 * 1024,
            }
        });
        let shards = shards.collect();
        let trust = world.trust(BRIDGE);
        Run {
            world,
            random: Random(seed),
            trust,
            shards,
            audit: Audit::default(),
            own_yocto,
            refused: 0,
            is_over: false,
        }
    }

    /// Some calls, in any order and before one block, then some blocks.
    pub fn step(&mut self) {
        let mut asked = Vec::new();
        for _ in 0..=self.random.below(3) {
            asked.push(self.submit());
        }
        self.world.make_blocks(2);
        // A block takes the calls of one caller together, callers as they came.
        let first = |caller| asked.iter().position(|(other, ..)| *other == caller);
        let mut in_order: Vec<_> = asked.iter().collect();
        in_order.sort_by_key(|(caller, ..)| first(*caller));
        for (caller, shard, call, hash) in in_order {
            self.judge(caller, *shard, call, hash);
        }
        self.compare();
        let blocks = match self.random.below(10) {
            0..5 => 0,
            5..9 => self.random.below(12),
            _ => 190 + self.random.below(60),
        };
        if blocks > 0 {
            self.world.make_blocks(blocks);
            self.compare();
        }
    }

    fn submit(&mut self) -> (&'static str, usize, Call, CryptoHash) {
        let at = usize::try_from(self.random.below(2)).unwrap();
        let caller = self.random.pick(&CALLERS);
        let (shard, domain) = (&self.shards[at], &self.trust.domain);
        let call = calls::call(&mut self.random, shard, domain, self.world.now_ns, self.audit.drawn(shard.name));
        let (method, args, yocto) = calls::encode(&call, shard, domain);
        if let Call::Attest { checkpoint, .. } = &call {
            self.audit.draw(checkpoint);
            if self.random.chance(60) {
                self.world.chain.script_signer(calls::fault(&mut self.random));
            }
        }
        let hash = self.world.submit(caller, BRIDGE, method, args, yocto, 100);
        self.audit.asked.push(hash);
        (caller, at, call, hash)
    }

    /// Compares what the contract did about a call with what it must do, and lets the model follow.
    fn judge(&mut self, caller: &str, at: usize, call: &Call, hash: &CryptoHash) {
        let outcome = self.world.outcome(hash);
        let own = outcome.receipts().next().unwrap();
        assert_eq!(own.executor_id, BRIDGE);
        let shard = &self.shards[at];
        let judge = |shard: &Shard| shard.judge(&self.trust.domain, caller, self.world.now_ns, call);
        let done = match &own.status {
            ExecutionStatusView::SuccessReceiptId(_) => Some(Done::Asked),
            ExecutionStatusView::SuccessValue(_) => Some(Done::Answered),
            ExecutionStatusView::Failure(_) | ExecutionStatusView::Unknown => None,
        };
        let said = format!("{:?}", own.status);
        let is_right = |must: Verdict| match (must, done) {
            (Ok(must), Some(done)) => must == done,
            (Err(reason), None) => said.contains(reason),
            _ => false,
        };
        let as_it_must = is_right(judge(shard)) || is_right(judge(&self.answered(shard)));
        assert!(as_it_must, "{caller} about {}: {call:?}\nmust be {:?}\nis {said}", shard.name, judge(shard));
        match done {
            Some(done) => self.shards[at].apply(call, done),
            None => self.refused += 1,
        }
    }

    /// The shard as it is if what the signer answered came before the call: which of the two came
    /// first within these blocks can't be seen from outside.
    fn answered(&self, shard: &Shard) -> Shard {
        let mut answered = shard.clone();
        let tip = self.world.tip(shard.name);
        if let Some(known) = &mut answered.tip {
            let is_newest = tip.as_ref().is_some_and(|tip| tip.checkpoint == known.checkpoint);
            known.is_signed |= !is_newest || tip.is_some_and(|tip| tip.signature.is_some());
        }
        let number = shard.epoch_number();
        let has_key = self.epoch(shard, number).is_some_and(|epoch| epoch.public_key.is_some());
        answered.epochs.last_mut().unwrap().has_key |= has_key;
        answered
    }

    fn epoch(&self, shard: &Shard, key_epoch: u32) -> Option<EpochView> {
        self.world.view(BRIDGE, method::EPOCH, &json!({ "shard": shard.name, "key_epoch": key_epoch }))
    }

    /// Compares everything that the contract tells with the model, which learns of signatures and
    /// keys that came.
    fn compare(&mut self) {
        for at in 0..self.shards.len() {
            self.compare_tip(at);
            self.compare_epochs(at);
            self.compare_shard(at);
        }
        let owed: u128 = self.shards.iter().map(|shard| shard.balance_yocto + shard.paid_bytes * 10u128.pow(19)).sum();
        let holds = self.world.balance_yocto(BRIDGE) - self.own_yocto;
        assert!(holds >= owed, "the contract holds {holds} yoctoNEAR and owes {owed}");
    }

    fn compare_tip(&mut self, at: usize) {
        let shard = &mut self.shards[at];
        let view = self.world.tip(shard.name);
        assert_eq!(view.is_some(), shard.tip.is_some());
        let (Some(view), Some(tip)) = (view, &mut shard.tip) else { return };
        assert_eq!((&view.checkpoint, view.attempts), (&tip.checkpoint, tip.attempts));
        assert_eq!(view.hash, tip.checkpoint.hash::<Native>());
        assert!(view.signature.is_some() || !tip.is_signed, "the signature of a tip is gone");
        if let (Some(signature), false) = (&view.signature, tip.is_signed) {
            verify(&self.trust, &view.checkpoint, signature).unwrap();
            tip.is_signed = true;
        }
        self.audit.see(shard.name, view.checkpoint.height, view.hash);
    }

    fn compare_epochs(&mut self, at: usize) {
        // Older ones are compared once more at the end.
        let newest = self.shards[at].epoch_number();
        let oldest = if self.is_over { 0 } else { newest.saturating_sub(1) };
        for number in oldest..=newest {
            let view = self.epoch(&self.shards[at], number).unwrap();
            let shard = &mut self.shards[at];
            let epoch = &mut shard.epochs[usize::try_from(number).unwrap()];
            let key = derived(&self.trust.domain, &self.trust, shard.name, number, epoch);
            assert!(view.public_key.is_none() || view.public_key == key, "{} epoch {number}", shard.name);
            assert!(view.public_key.is_some() || !epoch.has_key, "the key of an epoch is gone");
            epoch.has_key = view.public_key.is_some();
            let is = Epoch {
                curve: view.curve,
                first_height: view.first_height,
                end_height: view.end_height,
                has_key: epoch.has_key,
            };
            assert_eq!(is, *epoch);
        }
        if self.is_over {
            assert_eq!(self.epoch(&self.shards[at], newest + 1), None);
        }
    }

    fn compare_shard(&self, at: usize) {
        let shard = &self.shards[at];
        let keys = |names: &[String]| names.iter().map(|name| public_key_of(name)).collect::<Vec<_>>();
        let view = self.world.shard(shard.name).unwrap();
        assert_eq!(view.owner, OWNER);
        assert_eq!((view.status, view.balance_yocto), (shard.status(), shard.balance_yocto));
        let members = (keys(&shard.members), shard.threshold, shard.members_version);
        assert_eq!((view.members, view.threshold, view.members_version), members);
        let announced = view.rotation.map(|RotationView { members, threshold, .. }| (members, threshold));
        assert_eq!(announced, shard.announced.as_ref().map(|(names, threshold)| (keys(names), *threshold)));
        let epoch = (shard.epoch_number(), shard.epoch().first_height, shard.incarnation);
        assert_eq!((view.key_epoch, view.epoch_first_height, view.incarnation), epoch);
    }

    /// Whatever is recorded can be asked for again until it is signed, through all faults that are
    /// left over.
    fn sign_what_is_pending(&mut self) {
        for Shard { name, tip, .. } in &self.shards {
            let Some(Tip { checkpoint, is_signed: false, .. }) = tip else { continue };
            self.world.json(MALLORY, BRIDGE, method::TOP_UP, &json!({ "shard": name }), 1_000).success();
            for attempt in 0.. {
                assert!(attempt < 200, "checkpoint {} of {name} never gets its signature", checkpoint.height);
                let args = attest_args(checkpoint, &[]);
                self.audit.asked.push(self.world.submit(MALLORY, BRIDGE, method::ATTEST, args, 0, 100));
                self.world.run_until_idle();
                if self.world.tip(name).unwrap().signature.is_some() {
                    break;
                }
            }
        }
    }

    /// Lets everything that is under way come to its end, and looks at all that became public.
    pub fn finish(mut self) -> Seen {
        self.world.run_until_idle();
        self.is_over = true;
        self.compare();
        self.sign_what_is_pending();
        let signed = self.audit.check(&self.world, &self.trust);
        let recorded = self.shards.iter().map(|shard| shard.recorded.len()).sum();
        Seen { recorded, signed, refused: self.refused, promises: self.audit.promises(&self.world) }
    }
}

fn derived(
    domain: &BridgeDomain,
    trust: &TrustRoot,
    name: &str,
    number: u32,
    epoch: &Epoch,
) -> Option<queue::trust::PublicKey> {
    let root = trust.root_key(epoch.curve).unwrap();
    derive_public_key(root, BRIDGE, &shard_path(domain, &shard(name), number))
}
