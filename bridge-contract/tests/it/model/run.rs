//! Drives contract and model by the same calls: what runs on the bridge in a block runs in the model
//! in the same order, and is compared at once.

use super::NAMES;
use super::audit::Audit;
use super::bridge::{Model, YOCTO_PER_BYTE};
use super::call::{Asked, Call, Done, Shown, Verdict};
use super::checkpoints::round_key;
use super::compare::compare;
use super::draw::{self, Draw};
use super::encode::encode;
use super::lockstep::{Ran, ran};
use super::rounds::Rounds;
use super::shard::{Epoch, Shard};
use crate::world::*;
use bridge_contract::signer::{parse_signature, sign_args};
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::views::{ExecutionStatusView, FinalExecutionStatus, TxExecutionStatus};
use chain::{DEFAULT_BLOCK_INTERVAL_NS, SignerFault};
use fastrand::Rng;
use queue::attestation::{Attestation, AttestationKind, attestation_digest, shard_path};
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestResult, ReserveArgs, SubmitResult, method};
use queue::digest::{Hash, Native};
use queue::ids::ShardId;
use queue::statement::Statement;
use std::collections::{BTreeMap, BTreeSet};

/// What its owner pays into a new shard's balance, in yoctoNEAR: little, so that it runs out.
const BALANCE_YOCTO: u128 = 12;

/// What a name takes, in yoctoNEAR.
const NAME_YOCTO: u128 = 11 * 1024 * YOCTO_PER_BYTE;

/// How long what an owner announces must be seen on a public network, in nanoseconds.
const PUBLIC_DELAY_NS: u64 = 2 * 24 * 3_600 * 1_000_000_000;

/// What each call carries.
const CALL_TGAS: u64 = 100;

/// What the bridge account's own key spends for a signature at most, in yoctoNEAR: gas costs 10^20
/// yoctoNEAR a Tgas, what isn't burnt comes back, and sending the call costs less than what it carries.
const DOUBLE_YOCTO_MAX: u128 = 200 * 10u128.pow(20);

/// One sequence.
pub struct Run {
    world: World,
    random: Rng,
    model: Model,
    audit: Audit,
    /// Calls of which not all has come to its end.
    live: Vec<Live>,
    /// What the signer is asked to sign for the bridge account's own key.
    doubling: Vec<(CryptoHash, Checkpoint)>,
    /// What became attested, or was signed past the contract.
    attested: Vec<Attestation>,
    /// What the bridge account has at least of its own, in yoctoNEAR.
    own_yocto: u128,
    seen: Seen,
}

struct Live {
    hash: CryptoHash,
    asked: Asked,
    method: &'static str,
    is_judged: bool,
}

/// How much happened.
#[derive(Default, Debug)]
pub struct Seen {
    pub recorded: usize,
    pub signed: usize,
    /// By themselves and with a round.
    pub signed_both_ways: usize,
    pub refused: usize,
    /// How many calls of each method were not refused.
    pub done: BTreeMap<&'static str, usize>,
    /// Methods and the reasons for which they refused.
    pub reasons: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Whom the contract called, and with which method.
    pub promises: BTreeSet<(String, String)>,
}

impl Seen {
    pub fn add(&mut self, other: Seen) {
        self.recorded += other.recorded;
        self.signed += other.signed;
        self.signed_both_ways += other.signed_both_ways;
        self.refused += other.refused;
        for (method, count) in other.done {
            *self.done.entry(method).or_default() += count;
        }
        for (method, reasons) in other.reasons {
            self.reasons.entry(method).or_default().extend(reasons);
        }
        self.promises.extend(other.promises);
    }
}

impl Run {
    /// Where owners' announcements take effect at once, or on a public network, where they wait.
    pub fn new(seed: u64, is_public: bool) -> Self {
        let mut world = World::initialised_on(if is_public { "testnet" } else { "localnet" });
        let own_yocto = world.balance_yocto(BRIDGE);
        let mut shards = Vec::new();
        for (at, (name, owner)) in NAMES.into_iter().zip([OWNER, BETA_OWNER, OWNER]).enumerate() {
            let curve = CURVES[at % 2];
            let args = ReserveArgs { members: vec![public_key_of("member 0")], curve, ..reservation(name) };
            world.json(owner, BRIDGE, method::RESERVE, &args, NAME_YOCTO + BALANCE_YOCTO).success();
            shards.push(Shard {
                name,
                owner,
                members: vec!["member 0".to_owned()],
                threshold: 1,
                members_version: 0,
                announced: None,
                epochs: vec![Epoch { curve, first_height: 0, end_height: None, key: None }],
                incarnation: 0,
                tip: None,
                recorded: BTreeMap::new(),
                is_paused: false,
                is_retired: false,
                frozen_height: None,
                evidence_floor: 0,
                balance_yocto: BALANCE_YOCTO,
                paid_yocto: NAME_YOCTO,
            });
        }
        let trust = world.trust(BRIDGE);
        let rounds = CURVES.map(|curve| Rounds::new(curve, round_key(&trust, curve)));
        let model = Model::new(trust, if is_public { PUBLIC_DELAY_NS } else { 0 }, shards, rounds);
        Run {
            world,
            random: Rng::with_seed(seed),
            model,
            audit: Audit::default(),
            live: Vec::new(),
            doubling: Vec::new(),
            attested: Vec::new(),
            own_yocto,
            seen: Seen::default(),
        }
    }

    /// Some calls, in any order and before one block, then some blocks.
    pub fn step(&mut self) {
        for _ in 0..self.random.u8(1..4) {
            self.draw_call();
        }
        self.block(DEFAULT_BLOCK_INTERVAL_NS);
        let ns = self.until_something_is_due();
        self.block(ns);
        assert!(self.live.iter().all(|live| live.is_judged), "a call has not run in the block after its own");
        if self.random.u8(..100) < 8 {
            self.draw_double();
        }
        let blocks = match self.random.u8(..10) {
            ..5 => 0,
            5..9 => self.random.u64(..12),
            _ => self.random.u64(190..250),
        };
        for _ in 0..blocks {
            self.block(DEFAULT_BLOCK_INTERVAL_NS);
        }
    }

    fn draw_call(&mut self) {
        let mut draw = Draw {
            random: &mut self.random,
            model: &self.model,
            drawn: &self.audit.drawn,
            attested: &self.attested,
            now_ns: self.world.now_ns,
        };
        let asked = draw.asked();
        let is_request = matches!(asked.call, Call::Attest { .. } | Call::Close { .. })
            && self.model.judge(self.world.now_ns, &asked) == Ok(Done::Asked);
        if is_request && self.random.u8(..100) < 60 {
            let fault = draw::fault(&mut self.random);
            let is_wrong = matches!(fault, SignerFault::WrongKey | SignerFault::WrongPayload | SignerFault::HighS);
            self.audit.wrong_answers += usize::from(is_wrong);
            self.world.chain.script_signer(fault);
        }
        self.submit(asked);
    }

    fn submit(&mut self, asked: Asked) {
        self.audit.draw(&asked);
        let (method, args) = encode(&self.model, &asked);
        let hash = self.world.submit(asked.caller, BRIDGE, method, args, asked.yocto, CALL_TGAS);
        self.live.push(Live { hash, asked, method, is_judged: false });
    }

    /// The bridge account's own key has the signer sign another checkpoint at an attested height.
    fn draw_double(&mut self) {
        let Some(attestation) = self.random.choice(&self.attested) else { return };
        let double = draw::double(&mut self.random, attestation);
        if self.audit.drawn.contains(&double) || self.audit.doubles.contains(&double) {
            return;
        }
        let (domain, hash) = (&double.domain, double.hash::<Native>());
        let key_epoch = usize::try_from(double.key_epoch).unwrap();
        let curve = self.model.shard(double.shard.as_str()).epochs[key_epoch].curve;
        let digest = attestation_digest::<Native>(AttestationKind::Shard, domain, &hash, curve);
        let args = sign_args(&shard_path(domain, &double.shard, double.key_epoch), &digest, curve);
        self.own_yocto -= DOUBLE_YOCTO_MAX;
        let hash = self.world.submit(BRIDGE, SIGNER, "sign", args, 1, CALL_TGAS);
        self.audit.doubles.push(double.clone());
        self.doubling.push((hash, double));
    }

    /// Time until the next block, in nanoseconds: as usual, or until just what somebody has called for
    /// can be done, or one nanosecond less.
    fn until_something_is_due(&mut self) -> u64 {
        let due = self.live.iter().filter(|live| !live.is_judged).filter_map(|live| match live.asked.call {
            Call::Close { curve } => Some(self.model.rounds(curve).closable_at_ns()),
            Call::ApplyRotation => Some(self.model.shard(live.asked.shard).announced.as_ref()?.ready_at_ns),
            _ => None,
        });
        let due = due.filter(|at_ns| *at_ns > self.world.now_ns + 1).collect::<Vec<_>>();
        match self.random.choice(due) {
            Some(at_ns) if self.random.bool() => at_ns - self.random.u64(..2) - self.world.now_ns,
            _ => DEFAULT_BLOCK_INTERVAL_NS,
        }
    }

    /// Makes a block; what runs in it on the bridge account runs in the model too.
    fn block(&mut self, ns: u64) {
        self.world.wait(ns);
        let transactions: Vec<_> = self.live.iter().map(|live| live.hash).collect();
        let ran = ran(&self.world, &transactions);
        for ran in &ran {
            self.audit.see_events(&ran.events());
            if ran.is_asked { self.judge(ran) } else { self.answer(ran) }
        }
        if !ran.is_empty() {
            self.compare(2);
        }
        self.forget_what_is_over();
    }

    /// Compares what the contract did about a call with what it must do, and lets the model follow.
    fn judge(&mut self, ran: &Ran) {
        let Live { asked, method, is_judged, .. } = &mut self.live[ran.of];
        let must = self.model.judge(self.world.now_ns, asked);
        let is = &ran.outcome.status;
        let name = asked.shard;
        assert!(agree(&must, ran), "{} about {name}: {:?}\nmust be {must:?}\nis {is:?}", asked.caller, asked.call);
        *is_judged = true;
        match must {
            Ok(done) => {
                *self.seen.done.entry(method).or_default() += 1;
                self.model.apply(self.world.now_ns, asked, &done);
            }
            Err(reason) => {
                self.seen.refused += 1;
                self.seen.reasons.entry(method).or_default().insert(reason);
            }
        }
    }

    /// Lets the model follow what the contract made of an answer of the signer's.
    fn answer(&mut self, ran: &Ran) {
        assert!(matches!(ran.outcome.status, ExecutionStatusView::SuccessValue(_)), "{:?}", ran.outcome);
        let (model, events) = (&mut self.model, ran.events());
        match &*ran.method {
            "on_signature" => {
                let height = self.world.chain.view().height();
                let (shard, hash): (ShardId, Hash) = ran.arguments();
                model.on_signature(shard.as_str(), hash, height, &events);
            }
            "on_round_signature" => {
                let (curve, round) = ran.arguments();
                model.on_round_signature(curve, round, &events);
            }
            "on_derived_key" => {
                let (shard, key_epoch): (ShardId, u32) = ran.arguments();
                model.on_derived_key(shard.as_str(), key_epoch, &events);
            }
            other => panic!("{other} ran on the bridge account"),
        }
    }

    fn compare(&mut self, epochs: usize) {
        let proofs = compare(&self.world, &self.model, epochs);
        self.audit.see_tips(&self.world);
        let holds = self.world.balance_yocto(BRIDGE) - self.own_yocto;
        let owed = self.model.owed_yocto();
        assert!(holds >= owed, "the contract holds {holds} yoctoNEAR and owes {owed}");
        let tips = self.model.shards.iter().filter_map(|shard| shard.tip.as_ref());
        let signed = tips.filter_map(|tip| Some(Attestation::of_shard(tip.checkpoint.clone(), tip.signature.clone()?)));
        for attestation in signed.chain(proofs) {
            if !self.attested.contains(&attestation) {
                self.attested.push(attestation);
            }
        }
    }

    fn forget_what_is_over(&mut self) {
        let view = self.world.chain.view();
        self.live.retain(|live| match view.transaction_status(&live.hash) {
            Some(status) if status.level == TxExecutionStatus::Final => {
                self.audit.count(status);
                false
            }
            _ => true,
        });
        self.doubling.retain(|(hash, double)| match view.outcome(hash).map(|outcome| outcome.status) {
            Some(FinalExecutionStatus::SuccessValue(answer)) => {
                let signature = parse_signature(&answer);
                let attestation = signature.map(|signature| Attestation::of_shard(double.clone(), signature));
                // One that is wrong proves nothing: that is drawn in other ways.
                let is_genuine = |found: &Attestation| verify(&self.model.trust, double, &found.signature).is_ok();
                self.attested.extend(attestation.filter(is_genuine));
                false
            }
            Some(FinalExecutionStatus::Failure(_)) => false,
            _ => true,
        });
    }

    fn make_blocks_until_idle(&mut self) {
        while self.world.chain.next_block_at(self.world.now_ns).is_some() {
            self.block(DEFAULT_BLOCK_INTERVAL_NS);
        }
    }

    /// Whatever is recorded can be asked for again until it is signed, through all faults that are
    /// left over: by itself, or with the round in which it stands.
    fn sign_what_is_pending(&mut self) {
        for name in NAMES {
            for attempt in 0.. {
                let shard = self.model.shard(name);
                let Some(tip) = shard.tip.as_ref().filter(|_| self.model.is_pending(shard)) else { break };
                assert!(attempt < 200, "checkpoint {} of {name} never gets its signature", tip.checkpoint.height);
                let checkpoint = tip.checkpoint.clone();
                let place = tip.place.filter(|place| self.model.rounds(place.curve).pot_yocto > 0 || attempt % 2 == 0);
                let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
                let shown = Shown { statement, members_version: 0, by: Vec::new() };
                self.perform(name, Call::TopUp, 1_000);
                let Some(place) = place else {
                    self.perform(name, Call::Attest { checkpoint, shown }, 0);
                    continue;
                };
                self.perform(name, Call::Submit { checkpoint, shown }, 0);
                let closable_at_ns = self.model.rounds(place.curve).closable_at_ns();
                self.block(closable_at_ns.saturating_sub(self.world.now_ns).max(DEFAULT_BLOCK_INTERVAL_NS));
                self.perform(name, Call::Close { curve: place.curve }, 0);
            }
        }
    }

    /// A stranger calls, and it isn't refused.
    fn perform(&mut self, shard: &'static str, call: Call, yocto: u128) {
        let refused = self.seen.refused;
        self.submit(Asked { caller: MALLORY, shard, call, yocto });
        self.make_blocks_until_idle();
        assert_eq!(self.seen.refused, refused);
    }

    /// Lets everything that is under way come to its end, and looks at all that became public.
    pub fn finish(mut self) -> Seen {
        self.make_blocks_until_idle();
        self.compare(usize::MAX);
        self.sign_what_is_pending();
        assert!(self.live.is_empty() && self.doubling.is_empty());
        let recorded = self.model.shards.iter().map(|shard| shard.recorded.len()).sum();
        let (signed, signed_both_ways) = self.audit.check(&self.world, &self.model);
        Seen { recorded, signed, signed_both_ways, promises: self.audit.promises, ..self.seen }
    }
}

/// Whether a call ended as it must.
fn agree(must: &Verdict, ran: &Ran) -> bool {
    let said = || format!("{:?}", ran.outcome.status);
    match (must, &ran.outcome.status) {
        (Ok(Done::Asked), ExecutionStatusView::SuccessReceiptId(_)) => true,
        (Ok(Done::Answered), ExecutionStatusView::SuccessValue(_)) => true,
        (Ok(Done::Signed(signature)), ExecutionStatusView::SuccessValue(_)) => {
            ran.value() == Some(AttestResult::Attested { signature: signature.clone() })
        }
        (Ok(Done::Stands(position)), ExecutionStatusView::SuccessValue(_)) => {
            ran.value() == Some(SubmitResult::Submitted { position: *position })
        }
        (Err(reason), ExecutionStatusView::Failure(_)) => said().contains(reason),
        _ => false,
    }
}
