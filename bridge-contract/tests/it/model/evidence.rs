//! What evidence must do, from `specs/contract-evidence.md` and `specs/files.md` alone.

use super::bridge::Model;
use super::call::{Done, Shown, Verdict};
use super::heads::{Drawn, HEADS, Told};
use super::shard::Shard;
use crate::world::shard as shard_id;
use queue::attestation::Attestation;
use queue::checkpoint::Checkpoint;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::evidence::Contradiction;
use queue::proof::HeadProof;
use queue::statement::Statement;
use std::cmp::Ordering;

impl Model {
    pub fn judge_report_shard(&self, one: &Attestation, other: &Attestation) -> Verdict {
        for attestation in [one, other] {
            self.judge_genuine(attestation)?;
        }
        let (one, other) = (&one.checkpoint, &other.checkpoint);
        if (&one.shard, one.height) != (&other.shard, other.height) || one == other {
            return Err("can both be true");
        }
        let shard = self.shard(one.shard.as_str());
        match shard.frozen_height {
            _ if one.height < shard.evidence_floor => Err("is settled"),
            Some(_) => Err("it is frozen already"),
            None => Ok(Done::Answered),
        }
    }

    pub fn freeze_shard(&mut self, checkpoint: &Checkpoint) {
        self.shard_mut(checkpoint.shard.as_str()).frozen_height = Some(checkpoint.height);
    }

    /// What a stranger checks offline.
    fn judge_genuine(&self, attestation: &Attestation) -> Verdict {
        match attestation.clone().verify::<Native>(&self.trust, derive_public_key) {
            Ok(_) => Ok(Done::Answered),
            Err(_) => Err("the signature is not the signer's for this checkpoint"),
        }
    }

    /// About the lane between two shards, from `from` on.
    pub fn judge_report_lane(&self, from: &'static str, to: &'static str, contradiction: &Contradiction) -> Verdict {
        let is_proven = match contradiction {
            Contradiction::Heads { earlier, later } => {
                let one = judge_head(earlier, [from, to], true)?;
                let other = judge_head(later, [from, to], true)?;
                one.is_by == other.is_by && one.contradicts(&other)
            }
            Contradiction::Received { head, log } => {
                let received = judge_head(head, [to, from], false)?;
                let sent = judge_head(log.head.as_ref().unwrap(), [from, to], false)?;
                received.denies_sent(&sent)
            }
            Contradiction::Roots { .. } => panic!("none is drawn"),
        };
        let lane = self.lane(from, to);
        if !is_proven {
            return Err("is only claimed");
        }
        if lane.terms.is_none() {
            return Err("there is no open lane");
        }
        let mut freezes = false;
        for name in [from, to] {
            let (side, heights) = (lane.side(name), heights(contradiction, name));
            if heights.iter().any(|height| *height < side.evidence_floor) {
                return Err("is settled");
            }
            freezes |= !heights.is_empty() && side.frozen_height.is_none();
        }
        if freezes { Ok(Done::Answered) } else { Err("it is frozen already") }
    }

    pub fn freeze_lane(&mut self, from: &'static str, to: &'static str, contradiction: &Contradiction) {
        for name in [from, to] {
            let highest = heights(contradiction, name).into_iter().max();
            let side = self.lane_mut(from, to).side_mut(name);
            side.frozen_height = side.frozen_height.or(highest);
        }
    }

    pub fn judge_lift(
        &self,
        caller: &str,
        shard: &Shard,
        peer: Option<&'static str>,
        evidence_floor: u64,
        shown: &Shown,
    ) -> Verdict {
        shard.judge_owner(caller)?;
        let statement = Statement::Lift { peer: peer.map(shard_id), evidence_floor };
        shard.judge_shown(shown, &statement)?;
        let frozen_height = match peer {
            Some(peer) if peer == shard.name => return Err("a lane joins two shards"),
            Some(peer) => self.lane(shard.name, peer).side(shard.name).frozen_height,
            None => shard.frozen_height,
        };
        match frozen_height {
            None => Err("there is nothing to lift"),
            Some(height) if evidence_floor != height + 1 => Err("the floor is"),
            Some(_) => Ok(Done::Answered),
        }
    }

    pub fn lift(&mut self, name: &'static str, peer: Option<&'static str>, floor: u64) {
        let (frozen_height, evidence_floor) = match peer {
            Some(peer) => {
                let side = self.lane_mut(name, peer).side_mut(name);
                (&mut side.frozen_height, &mut side.evidence_floor)
            }
            None => {
                let shard = self.shard_mut(name);
                (&mut shard.frozen_height, &mut shard.evidence_floor)
            }
        };
        (*frozen_height, *evidence_floor) = (None, floor);
    }
}

/// A head of the lane, and the checkpoint that it stands in.
struct Said<'a> {
    is_by: &'a str,
    checkpoint: &'a Checkpoint,
    drawn: &'static Drawn,
}

/// Whether a head is attested, and by the first of two shards for the second; if `either`, also the
/// other way round.
fn judge_head<'a>(proof: &'a HeadProof, [by, peer]: [&'static str; 2], either: bool) -> Result<Said<'a>, &'static str> {
    let checkpoint = &proof.attestation.checkpoint;
    let drawn = HEADS.get(&checkpoint.heads_root).filter(|drawn| drawn.head == proof.head);
    let drawn = drawn.ok_or("is not in the attested checkpoint")?;
    let is = |by, peer| checkpoint.shard == shard_id(by) && drawn.peer == peer;
    let is_of_lane = is(by, peer) || either && is(peer, by);
    if !is_of_lane {
        return Err("is not of lane");
    }
    Ok(Said { is_by: checkpoint.shard.as_str(), checkpoint, drawn })
}

impl Said<'_> {
    /// Whether two heads of one shard for one peer can't both be true.
    fn contradicts(&self, later: &Said<'_>) -> bool {
        let shrinks = |old: Told, new: Told| new.size < old.size || (new.size == old.size && new != old);
        match self.checkpoint.height.cmp(&later.checkpoint.height) {
            Ordering::Less => {
                shrinks(self.drawn.sent, later.drawn.sent) || shrinks(self.drawn.received, later.drawn.received)
            }
            Ordering::Equal => self.checkpoint != later.checkpoint,
            Ordering::Greater => false,
        }
    }

    /// Whether it tells of messages received that `sent`, by the other shard, says were never sent.
    fn denies_sent(&self, sent: &Said<'_>) -> bool {
        let (received, sent_told) = (self.drawn.received, sent.drawn.sent);
        let is_other = received.size == sent_told.size && received != sent_told;
        is_other || (sent.checkpoint.time_ns >= self.checkpoint.time_ns && received.size > sent_told.size)
    }
}

/// The heights of a shard's checkpoints in the evidence.
fn heights(contradiction: &Contradiction, name: &str) -> Vec<u64> {
    let attested = contradiction.heads().into_iter().map(|head| &head.attestation.checkpoint);
    attested.filter(|checkpoint| checkpoint.shard.as_str() == name).map(|checkpoint| checkpoint.height).collect()
}
