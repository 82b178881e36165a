//! What is drawn: who asks for what, honestly or not.

use super::bridge::{Model, YOCTO_PER_BYTE};
use super::call::{Asked, Call, Shown};
use super::heads;
use super::lane::Lane;
use super::shard::Shard;
use super::{CALLERS, NAMES};
use crate::world::{CURVES, MALLORY, NEAR, key_of, shard as shard_id};
use chain::SignerFault;
use fastrand::Rng;
use queue::attestation::Attestation;
use queue::checkpoint::Checkpoint;
use queue::contract::{LaneDirection, LaneTerms, Permissions, ShardStatus};
use queue::digest::{Hash, Native};
use queue::evidence::{Contradiction, RootProof};
use queue::statement::Statement;

/// What happens to the next request of the signer. Blocks are such that some answers come in time,
/// some just at the timeout and some after it.
pub fn fault(random: &mut Rng) -> SignerFault {
    match random.u8(..16) {
        0 => SignerFault::NoAnswer,
        1 | 2 => SignerFault::AnswerAfterBlocks(random.u64(..20)),
        3 => SignerFault::AnswerAfterBlocks(random.u64(195..205)),
        4 => SignerFault::AnswerAfterBlocks(random.u64(205..265)),
        5 => SignerFault::WrongKey,
        6 => SignerFault::WrongPayload,
        7 => SignerFault::HighS,
        8 => SignerFault::Halted,
        9 => SignerFault::TooLong,
        10 => SignerFault::MixedCase,
        _ => SignerFault::None,
    }
}

/// What calls are drawn from.
pub struct Draw<'a> {
    pub random: &'a mut Rng,
    pub model: &'a Model,
    /// The checkpoints of earlier calls.
    pub drawn: &'a [Checkpoint],
    /// What became attested, or was signed past the contract.
    pub attested: &'a [Attestation],
    pub now_ns: u64,
}

impl Draw<'_> {
    /// A call about some shard: what it needs, or anything; by whom it takes, mostly.
    pub fn asked(&mut self) -> Asked {
        let shard = self.random.choice(&self.model.shards).unwrap();
        let call = match self.random.u8(..100) {
            0..30 => self.needed(shard),
            30..52 => self.of_checkpoint(shard),
            52..57 => Call::Close { curve: self.curve() },
            57..67 => self.of_shard(shard),
            67..82 => self.of_lane(shard),
            82..87 => self.report_shard(shard),
            87..97 => self.report_lane(shard),
            _ => self.lift(shard),
        };
        let is_owners = self.random.u8(..100) < 80;
        let caller = if is_owners { shard.owner } else { self.random.choice(CALLERS).unwrap() };
        let yocto = match &call {
            Call::TopUp => self.random.u128(..6),
            Call::Rekey { .. } | Call::OpenIncarnation | Call::ProposeLane { .. } | Call::AcceptLane { .. } => {
                *self.random.choice(&[NEAR, NEAR, NEAR, 64 * YOCTO_PER_BYTE]).unwrap()
            }
            _ => 0,
        };
        Asked { caller, shard: shard.name, call, yocto }
    }

    /// What a shard must be called for to go on.
    fn needed(&mut self, shard: &Shard) -> Call {
        match (shard.status(), &shard.tip) {
            (ShardStatus::Frozen, _) => self.lift(shard),
            (ShardStatus::Paused, _) => Call::Resume,
            (ShardStatus::Reserved, _) => Call::Activate,
            _ if self.frozen_side(shard).is_some() && self.random.bool() => self.lift(shard),
            _ if shard.announced.is_some() && self.random.u8(..3) == 0 => Call::ApplyRotation,
            (ShardStatus::Active, _) if self.has_no_lane(shard) && self.random.bool() => self.of_lane(shard),
            _ if shard.balance_yocto < 3 => Call::TopUp,
            (_, Some(tip)) if self.model.is_pending(shard) => match tip.place {
                Some(place) if self.random.bool() => Call::Close { curve: place.curve },
                _ => {
                    let (checkpoint, shown) = (tip.checkpoint.clone(), self.endorse(shard, &tip.checkpoint));
                    if self.random.bool() {
                        Call::Attest { checkpoint, shown }
                    } else {
                        Call::Submit { checkpoint, shown }
                    }
                }
            },
            _ => self.of_checkpoint(shard),
        }
    }

    fn of_shard(&mut self, shard: &Shard) -> Call {
        match self.random.u8(..20) {
            0 => Call::Activate,
            1..4 => {
                let (members, threshold) = self.members();
                let keys = members.iter().map(|name| key_of(name).verifying_key().to_bytes()).collect();
                let shown = self.show(shard, Statement::Rotate { members: keys, threshold });
                Call::Rotate { members, threshold, shown }
            }
            4..7 => {
                let (members, threshold) = self.members();
                Call::ProposeRotation { members, threshold }
            }
            7..10 => Call::ApplyRotation,
            10 | 11 => Call::CancelRotation,
            12 => {
                let curve = self.curve();
                let statement = Statement::Rekey { key_epoch: shard.epoch_number() + 1, curve };
                Call::Rekey { curve, shown: self.show(shard, statement) }
            }
            13 => Call::OpenIncarnation,
            14 => Call::Pause,
            15 | 16 => Call::Resume,
            17 => Call::Retire,
            _ => Call::Withdraw { yocto: self.random.u128(..8) },
        }
    }

    fn of_checkpoint(&mut self, shard: &Shard) -> Call {
        let next = self.next_checkpoint(shard);
        let checkpoint = match (self.random.u8(..20), &shard.tip) {
            (..4, Some(tip)) => tip.checkpoint.clone(),
            (4, Some(tip)) => Checkpoint { heads_root: Hash([66; 32]), ..tip.checkpoint.clone() },
            (5, _) => {
                let own = self.drawn.iter().filter(|drawn| drawn.shard == shard.id());
                self.random.choice(own.collect::<Vec<_>>()).cloned().unwrap_or(next)
            }
            (6, _) => self.twisted(next),
            _ => next,
        };
        let shown = self.endorse(shard, &checkpoint);
        if self.random.bool() { Call::Attest { checkpoint, shown } } else { Call::Submit { checkpoint, shown } }
    }

    fn next_checkpoint(&mut self, shard: &Shard) -> Checkpoint {
        let (height, previous) = shard.next();
        Checkpoint {
            version: 1,
            domain: self.model.trust.domain.clone(),
            shard: shard.id(),
            key_epoch: shard.epoch_number(),
            epoch_first_height: shard.epoch().first_height,
            height,
            previous,
            heads_root: heads::draw(self.random, shard.name),
            time_ns: self.now_ns,
        }
    }

    /// A checkpoint with one thing wrong, which contradicts itself nowhere.
    fn twisted(&mut self, mut checkpoint: Checkpoint) -> Checkpoint {
        match self.random.u8(..6) {
            0 => checkpoint.key_epoch += 1,
            1 => checkpoint.time_ns += 100 * 3_600_000_000_000,
            2 => checkpoint.time_ns -= 100 * 3_600_000_000_000,
            3 => checkpoint.domain.instance = Hash([9; 32]),
            4 if checkpoint.height > 0 => checkpoint.previous = Hash([9; 32]),
            _ => (checkpoint.height, checkpoint.previous) = (checkpoint.height + 1, Hash([8; 32])),
        }
        checkpoint
    }

    fn of_lane(&mut self, shard: &Shard) -> Call {
        let peer = self.peer_with(shard.name, |lane, peer| lane.side(peer).offer.is_some());
        let lane = self.model.lane(shard.name, peer);
        if lane.side(shard.name).offer.is_some() && self.random.u8(..3) == 0 {
            return Call::WithdrawProposal { peer };
        }
        let directions = [LaneDirection::Inbound, LaneDirection::Outbound, LaneDirection::Both];
        let direction = *self.random.choice(&directions).unwrap();
        match (self.random.u8(..12), lane.side(peer).offer) {
            (0..6, Some(terms)) => Call::AcceptLane { peer, terms },
            (0..6, None) => Call::ProposeLane { peer, terms: self.terms() },
            (6 | 7, _) => Call::AcceptLane { peer, terms: self.terms() },
            (8, _) => Call::WithdrawProposal { peer },
            (9 | 10, _) => Call::StopLane { peer, direction },
            _ => Call::ResumeLane { peer, direction },
        }
    }

    /// Terms of three kinds, one of which nobody can keep.
    fn terms(&mut self) -> LaneTerms {
        let (message_bytes_max, call_window) = *self
            .random
            .choice(&[(65_536, 64), (65_536, 64), (1 << 20, 0), (1 << 20, 0), (2_047, 64), (65_536, 65_537)])
            .unwrap();
        LaneTerms {
            message_bytes_max,
            result_bytes_max: 2_048,
            call_window,
            call_gas_max: 100_000_000_000_000,
            deadline_ms: Some(60_000),
            permissions: Permissions::Everybody,
        }
    }

    /// Two attestations of the shard, or one of anybody, that contradict each other or don't.
    fn report_shard(&mut self, shard: &Shard) -> Call {
        let own: Vec<_> = self.attested.iter().filter(|of| of.checkpoint.shard == shard.id()).collect();
        let (Some(one), Some(any)) = (self.random.choice(&own), self.random.choice(self.attested)) else {
            return Call::Activate;
        };
        let is_double = |other: &&&Attestation| {
            other.checkpoint.height == one.checkpoint.height && other.checkpoint != one.checkpoint
        };
        let doubles: Vec<_> = own.iter().filter(is_double).collect();
        let double = self.random.choice(doubles).filter(|_| self.random.u8(..6) > 0);
        let (one, mut other) = ((*one).clone(), double.map_or(any, |double| double).clone());
        if self.random.u8(..10) == 0 {
            other.checkpoint.heads_root = Hash([66; 32]);
        }
        Call::ReportShard { one: Box::new(one), other: Box::new(other) }
    }

    /// Two heads of a lane, of the shard or of both its ends, that contradict each other or don't.
    fn report_lane(&mut self, shard: &Shard) -> Call {
        let to = self.peer_with(shard.name, |lane, _| lane.terms.is_some());
        let by = |name: &'static str, peer: &'static str| {
            let of = self.attested.iter().filter(move |of| of.checkpoint.shard.as_str() == name);
            let heads = of.filter_map(heads::proof).filter(move |proof| proof.head.peer == shard_id(peer));
            heads.collect::<Vec<_>>()
        };
        let (own, of_peer) = (by(shard.name, to), by(to, shard.name));
        let is_of_two = self.random.bool();
        let (Some(mut head), Some(other)) =
            (self.random.choice(own.clone()), self.random.choice(if is_of_two { of_peer } else { own }))
        else {
            return Call::Activate;
        };
        let to = if self.random.u8(..20) == 0 { self.peer(shard.name) } else { to };
        if self.random.u8(..20) == 0 {
            head.head.sent_size += 1;
        }
        let contradiction = if is_of_two {
            Contradiction::Received { head: Box::new(other), log: Box::new(RootProof::of_head(head)) }
        } else {
            let falls = head.attestation.checkpoint.height > other.attestation.checkpoint.height;
            let (earlier, later) = if falls && self.random.u8(..8) > 0 { (other, head) } else { (head, other) };
            Contradiction::Heads { earlier: Box::new(earlier), later: Box::new(later) }
        };
        Call::ReportLane { to, contradiction }
    }

    fn has_no_lane(&self, shard: &Shard) -> bool {
        NAMES.into_iter().all(|peer| self.model.lane(shard.name, peer).terms.is_none())
    }

    /// Another end of a lane whose side of the shard is frozen.
    fn frozen_side(&self, shard: &Shard) -> Option<&'static str> {
        NAMES.into_iter().find(|peer| self.model.lane(shard.name, peer).side(shard.name).frozen_height.is_some())
    }

    /// The end of a freeze, for what is frozen if anything is.
    fn lift(&mut self, shard: &Shard) -> Call {
        let peer = self.frozen_side(shard).filter(|_| shard.frozen_height.is_none());
        let peer = if self.random.u8(..10) == 0 { Some(*self.random.choice(&NAMES).unwrap()) } else { peer };
        let height = match peer {
            Some(peer) => self.model.lane(shard.name, peer).side(shard.name).frozen_height,
            None => shard.frozen_height,
        };
        let evidence_floor = height.unwrap_or(0) + u64::from(self.random.u8(..10) > 0);
        let statement = Statement::Lift { peer: peer.map(shard_id), evidence_floor };
        Call::Lift { peer, evidence_floor, shown: self.show(shard, statement) }
    }

    fn endorse(&mut self, shard: &Shard, checkpoint: &Checkpoint) -> Shown {
        self.show(shard, Statement::Endorse { checkpoint: checkpoint.hash::<Native>() })
    }

    /// Signatures by enough members, mostly.
    fn show(&mut self, shard: &Shard, statement: Statement) -> Shown {
        let mut by: Vec<_> = (0..shard.threshold).zip(shard.members.clone()).collect();
        let mut shown = Shown { statement, members_version: shard.members_version, by: Vec::new() };
        match self.random.u8(..30) {
            0 => by.truncate(by.len() - 1),
            1 => shown.members_version = shard.members_version.wrapping_sub(1),
            2 => by[0].1 = MALLORY.to_owned(),
            3 => by.last_mut().unwrap().0 = 63,
            4 => shown.statement = Statement::Endorse { checkpoint: Hash([9; 32]) },
            5 => by = (0..).zip(shard.members.clone()).collect(),
            _ => {}
        }
        Shown { by, ..shown }
    }

    /// One to four members with a threshold, which they sometimes can't have.
    fn members(&mut self) -> (Vec<String>, u16) {
        let (count, first) = (self.random.u16(1..5), self.random.u16(..8));
        let mut members: Vec<_> = (first..first + count).map(|number| format!("member {number}")).collect();
        if self.random.u8(..10) == 0 {
            members.push(members[0].clone());
        }
        let threshold = if self.random.u8(..10) == 0 { self.random.u16(..6) } else { count / 2 + 1 };
        (members, threshold)
    }

    fn curve(&mut self) -> queue::trust::Curve {
        *self.random.choice(&CURVES).unwrap()
    }

    /// Another shard, mostly.
    fn peer(&mut self, name: &'static str) -> &'static str {
        let others: Vec<_> = NAMES.into_iter().filter(|other| *other != name).collect();
        if self.random.u8(..40) == 0 { name } else { self.random.choice(others).unwrap() }
    }

    /// More often than not one to which such a lane leads, if there is one.
    fn peer_with(&mut self, name: &'static str, is_such: impl Fn(&Lane, &'static str) -> bool) -> &'static str {
        let such: Vec<_> = NAMES.into_iter().filter(|peer| is_such(&self.model.lane(name, peer), peer)).collect();
        let any = self.peer(name);
        self.random.choice(such).filter(|_| self.random.u8(..3) > 0).unwrap_or(any)
    }
}

/// Another checkpoint at the height of one that is attested.
pub fn double(random: &mut Rng, attestation: &Attestation) -> Checkpoint {
    let by = attestation.checkpoint.shard.as_str();
    Checkpoint { heads_root: heads::draw(random, by), ..attestation.checkpoint.clone() }
}
