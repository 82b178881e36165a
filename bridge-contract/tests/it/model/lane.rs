//! What a lane must do, from `specs/contract-lanes.md` and `specs/contract-evidence.md` alone.

use super::bridge::{Model, YOCTO_PER_BYTE, judge_deposit};
use super::call::{Asked, Call, Done, Verdict};
use super::shard::Shard;
use queue::contract::{LaneDirection, LaneStatus, LaneStops, LaneTerms, ShardStatus};
use std::collections::BTreeMap;

/// What a side's entry takes, in yoctoNEAR.
pub const ENTRY_YOCTO: u128 = 2 * 1024 * YOCTO_PER_BYTE;

/// A lane as it must be; one that nobody has offered is the default.
#[derive(Clone, Default)]
pub struct Lane {
    pub terms: Option<LaneTerms>,
    sides: BTreeMap<&'static str, Side>,
}

/// One shard's part in a lane.
#[derive(Clone, Default)]
pub struct Side {
    pub offer: Option<LaneTerms>,
    /// Who paid for the entry, as long as it goes back.
    payer: Option<&'static str>,
    pub stops: LaneStops,
    pub frozen_height: Option<u64>,
    pub evidence_floor: u64,
}

impl Lane {
    pub fn side(&self, shard: &str) -> Side {
        self.sides.get(shard).cloned().unwrap_or_default()
    }

    pub fn side_mut(&mut self, shard: &'static str) -> &mut Side {
        self.sides.entry(shard).or_default()
    }

    /// Whether it stands in the shard's list.
    pub fn is_listed(&self, shard: &str) -> bool {
        self.terms.is_some() || self.side(shard).offer.is_some()
    }

    /// `None` if there is no record of it.
    pub fn status(&self) -> Option<LaneStatus> {
        let is_frozen = self.sides.values().any(|side| side.frozen_height.is_some());
        let is_offered = self.sides.values().any(|side| side.offer.is_some());
        match (&self.terms, is_frozen, is_offered) {
            (Some(_), true, _) => Some(LaneStatus::Frozen),
            (Some(_), false, _) => Some(LaneStatus::Open),
            (None, _, is_offered) => is_offered.then_some(LaneStatus::Proposed),
        }
    }

    /// What is held for it, in yoctoNEAR.
    pub fn paid_yocto(&self) -> u128 {
        self.sides.keys().filter(|shard| self.is_listed(shard)).map(|_| ENTRY_YOCTO).sum()
    }

    fn judge_entry(&self, shard: &str, yocto: u128) -> Verdict {
        if self.is_listed(shard) {
            return Ok(Done::Answered);
        }
        judge_deposit(yocto, ENTRY_YOCTO, "a lane takes")
    }
}

impl Model {
    /// What must become of a call about a lane.
    pub fn judge_lane(&self, asked: &Asked) -> Verdict {
        let Asked { caller, shard: name, call, yocto } = asked;
        let peer = match call {
            Call::ProposeLane { peer, .. } | Call::AcceptLane { peer, .. } => peer,
            Call::WithdrawProposal { peer } | Call::StopLane { peer, .. } | Call::ResumeLane { peer, .. } => peer,
            other => panic!("{other:?} is about no lane"),
        };
        if name == peer {
            return Err("a lane joins two shards");
        }
        let shard = self.shard(name);
        if let (Call::WithdrawProposal { .. }, true) = (call, shard.owner == *caller) {
            let nothing = self.lane(name, peer).side(name).offer.is_none();
            return if nothing { Err("proposes nothing for a lane") } else { Ok(Done::Answered) };
        }
        shard.judge_owner(caller)?;
        let lane = self.lane(name, peer);
        match call {
            Call::ProposeLane { terms, .. } => {
                judge_active([shard, self.shard(peer)])?;
                judge_terms(terms)?;
                lane.judge_entry(name, *yocto)
            }
            Call::AcceptLane { terms, .. } => {
                judge_active([shard, self.shard(peer)])?;
                match lane.side(peer).offer {
                    None => Err("proposes nothing for a lane"),
                    Some(offer) if offer != *terms => Err("proposes other terms"),
                    Some(_) => lane.judge_entry(name, *yocto),
                }
            }
            _ if lane.terms.is_none() => Err("there is no open lane"),
            _ => Ok(Done::Answered),
        }
    }

    /// What a call about a lane changes that was not refused.
    pub fn apply_lane(&mut self, asked: &Asked) {
        let Asked { caller, shard: name, call, yocto } = asked;
        match call.clone() {
            Call::ProposeLane { peer, terms } => {
                let lane = self.lane_mut(name, peer);
                let is_new = !lane.is_listed(name);
                let side = lane.side_mut(name);
                side.offer = Some(terms);
                side.payer = if is_new { Some(caller) } else { side.payer };
                self.send(caller, yocto - if is_new { ENTRY_YOCTO } else { 0 });
            }
            Call::AcceptLane { peer, terms } => {
                let lane = self.lane_mut(name, peer);
                let is_new = !lane.is_listed(name);
                lane.terms = Some(terms);
                for side in [*name, peer] {
                    lane.side_mut(side).offer = None;
                }
                self.send(caller, yocto - if is_new { ENTRY_YOCTO } else { 0 });
            }
            Call::WithdrawProposal { peer } => {
                let lane = self.lane_mut(name, peer);
                let is_open = lane.terms.is_some();
                let side = lane.side_mut(name);
                side.offer = None;
                if let Some(payer) = side.payer.filter(|_| !is_open) {
                    self.send(payer, ENTRY_YOCTO);
                }
            }
            Call::StopLane { peer, direction } => {
                set_stopped(self.lane_mut(name, peer).side_mut(name), direction, true)
            }
            Call::ResumeLane { peer, direction } => {
                set_stopped(self.lane_mut(name, peer).side_mut(name), direction, false);
            }
            other => panic!("{other:?} is about no lane"),
        }
    }
}

fn set_stopped(side: &mut Side, direction: LaneDirection, is_stopped: bool) {
    match direction {
        LaneDirection::Inbound => side.stops.inbound = is_stopped,
        LaneDirection::Outbound => side.stops.outbound = is_stopped,
        LaneDirection::Both => side.stops = LaneStops { inbound: is_stopped, outbound: is_stopped },
    }
}

fn judge_active(shards: [&Shard; 2]) -> Verdict {
    let all = shards.iter().all(|shard| shard.status() == ShardStatus::Active);
    if all { Ok(Done::Answered) } else { Err("lanes are agreed between active shards") }
}

fn judge_terms(terms: &LaneTerms) -> Verdict {
    let in_bounds = (2_048..=4_194_304).contains(&terms.message_bytes_max)
        && (2_048..=terms.message_bytes_max).contains(&terms.result_bytes_max)
        && terms.call_window <= 65_536;
    if in_bounds { Ok(Done::Answered) } else { Err("expected") }
}
