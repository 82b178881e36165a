//! The whole bridge as it must be: shards, rounds, lanes, and what each call makes of them.

use super::call::{Asked, Call, Done, Verdict};
use super::lane::Lane;
use super::rounds::Rounds;
use super::shard::{Shard, Tip};
use queue::attestation::AttestationKind;
use queue::trust::{Curve, TrustRoot};
use std::collections::BTreeMap;

pub const YOCTO_PER_BYTE: u128 = 10u128.pow(19);

/// The bridge as it must be. What a call becomes follows from it, the call and the block's time.
pub struct Model {
    /// What the contract's callers pin.
    pub trust: TrustRoot,
    /// How long what an owner announces must be seen, in nanoseconds.
    pub delay_ns: u64,
    pub shards: Vec<Shard>,
    /// Of each curve.
    pub rounds: [Rounds; 2],
    /// By the names of its shards, in order.
    lanes: BTreeMap<[&'static str; 2], Lane>,
    /// How often the signer was asked for a signature.
    pub requests: usize,
    /// What each account was sent, in yoctoNEAR.
    pub sent_yocto: BTreeMap<String, u128>,
}

impl Model {
    pub fn new(trust: TrustRoot, delay_ns: u64, shards: Vec<Shard>, rounds: [Rounds; 2]) -> Self {
        let (lanes, sent_yocto) = (BTreeMap::new(), BTreeMap::new());
        Model { trust, delay_ns, shards, rounds, lanes, requests: 0, sent_yocto }
    }

    pub fn shard(&self, name: &str) -> &Shard {
        self.shards.iter().find(|shard| shard.name == name).unwrap()
    }

    pub fn shard_mut(&mut self, name: &str) -> &mut Shard {
        self.shards.iter_mut().find(|shard| shard.name == name).unwrap()
    }

    pub fn rounds(&self, curve: Curve) -> &Rounds {
        self.rounds.iter().find(|rounds| rounds.curve == curve).unwrap()
    }

    pub fn rounds_mut(&mut self, curve: Curve) -> &mut Rounds {
        self.rounds.iter_mut().find(|rounds| rounds.curve == curve).unwrap()
    }

    pub fn lane(&self, shard: &'static str, peer: &'static str) -> Lane {
        self.lanes.get(&sorted(shard, peer)).cloned().unwrap_or_default()
    }

    pub fn lane_mut(&mut self, shard: &'static str, peer: &'static str) -> &mut Lane {
        self.lanes.entry(sorted(shard, peer)).or_default()
    }

    /// How a recorded checkpoint is attested.
    pub fn attested(&self, tip: &Tip) -> Option<AttestationKind> {
        match (&tip.signature, tip.place) {
            (Some(_), _) => Some(AttestationKind::Shard),
            (None, Some(place)) if self.rounds(place.curve).is_signed(place) => Some(AttestationKind::Round),
            _ => None,
        }
    }

    /// Whether a shard's tip waits for its signature.
    pub fn is_pending(&self, shard: &Shard) -> bool {
        shard.tip.as_ref().is_some_and(|tip| self.attested(tip).is_none())
    }

    /// What must become of a call in a block of this time.
    pub fn judge(&self, block_ns: u64, asked: &Asked) -> Verdict {
        let shard = self.shard(asked.shard);
        match &asked.call {
            Call::Attest { checkpoint, shown } => self.judge_attest(block_ns, checkpoint, shown),
            Call::Submit { checkpoint, shown } => self.judge_submit(block_ns, checkpoint, shown),
            Call::Close { curve } => self.rounds(*curve).judge_close(block_ns),
            Call::ProposeLane { .. }
            | Call::AcceptLane { .. }
            | Call::WithdrawProposal { .. }
            | Call::StopLane { .. }
            | Call::ResumeLane { .. } => self.judge_lane(asked),
            Call::ReportShard { one, other } => self.judge_report_shard(one, other),
            Call::ReportLane { to, contradiction } => self.judge_report_lane(asked.shard, to, contradiction),
            Call::Lift { peer, evidence_floor, shown } => {
                self.judge_lift(asked.caller, shard, *peer, *evidence_floor, shown)
            }
            _ => shard.judge(block_ns, asked, self.is_pending(shard)),
        }
    }

    /// What a call changes that was not refused.
    pub fn apply(&mut self, block_ns: u64, asked: &Asked, done: &Done) {
        let Asked { caller, shard: name, call, yocto } = asked;
        match call {
            Call::Attest { checkpoint, .. } if *done == Done::Asked => self.ask(checkpoint),
            Call::Submit { checkpoint, .. } => self.submit(checkpoint, done),
            Call::Close { curve } => {
                self.rounds_mut(*curve).close(block_ns);
                self.requests += 1;
            }
            Call::ProposeLane { .. }
            | Call::AcceptLane { .. }
            | Call::WithdrawProposal { .. }
            | Call::StopLane { .. }
            | Call::ResumeLane { .. } => self.apply_lane(asked),
            Call::ReportShard { one, .. } => self.freeze_shard(&one.checkpoint),
            Call::ReportLane { to, contradiction } => self.freeze_lane(name, to, contradiction),
            Call::Lift { peer, evidence_floor, .. } => self.lift(name, *peer, *evidence_floor),
            _ => {
                let delay_ns = self.delay_ns;
                let shard = self.shard_mut(name);
                let is_owners = matches!(call, Call::Retire | Call::Withdraw { .. });
                let to = if is_owners { shard.owner } else { caller };
                let back_yocto = shard.apply(block_ns, delay_ns, call, *yocto);
                self.send(to, back_yocto);
            }
        }
    }

    pub fn send(&mut self, to: &str, yocto: u128) {
        if yocto > 0 {
            *self.sent_yocto.entry(to.to_owned()).or_default() += yocto;
        }
    }

    /// What the contract holds for others, in yoctoNEAR.
    pub fn owed_yocto(&self) -> u128 {
        let shards: u128 = self.shards.iter().map(|shard| shard.balance_yocto + shard.paid_yocto).sum();
        let pots: u128 = self.rounds.iter().map(|rounds| rounds.pot_yocto).sum();
        shards + pots + self.lanes.values().map(Lane::paid_yocto).sum::<u128>()
    }
}

fn sorted(one: &'static str, other: &'static str) -> [&'static str; 2] {
    if one < other { [one, other] } else { [other, one] }
}

/// Whether what is attached covers a price, in yoctoNEAR.
pub fn judge_deposit(found: u128, price: u128, too_little: &'static str) -> Verdict {
    if found < price { Err(too_little) } else { Ok(Done::Answered) }
}
