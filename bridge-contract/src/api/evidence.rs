//! Reporting signed contradictions, which freeze a shard or a lane; lifting a freeze. Reports need no
//! role and no deposit, and make no entry. None of it can be paused: reports protect others, and lifting
//! takes owner and members in any case.

use super::{args, argument, emit, input, owned, registered};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{EvidenceRefusal, Refusal};
use crate::from_json::{FieldError, FromJson};
use crate::host::Host;
use crate::lanes::{Ends, LaneSide};
use crate::registry::ShardRecord;
use crate::rules::{self, evidence as freezing};
use crate::storage;
use near_sdk::near;
use queue::attestation::{Attestation, VerifiedCheckpoint};
use queue::contract::{Event, Frozen, LiftArgs, ShardFrozen};
use queue::evidence::Evidence;
use queue::statement::Statement;

#[near]
impl Bridge {
    /// Takes attestations of two checkpoints of one shard at one height. Freezes the shard: no new
    /// checkpoint of it is recorded until owner and members lift it. Anyone may call it.
    #[handle_result]
    pub fn report_shard(&mut self) -> Result<(), Refusal> {
        let (one, other) = attestations().map_err(EvidenceRefusal::from)?;
        let (one, other) = (self.attested(one)?, self.attested(other)?);
        let height = freezing::judge_pair(&one, &other)?;
        let shard = one.checkpoint().shard.clone();
        let mut record = registered(&shard)?;
        freezing::freeze_shard(&shard, &mut record, height)?;
        storage::write_shard(&shard, &record);
        emit(&Event::ShardFrozen([ShardFrozen { shard, height }]));
        Ok(())
    }

    /// Takes an evidence file. Freezes the lane on the side of each shard whose heads are in it: where
    /// both are, the file doesn't say who lied. Nodes read it and stop requests. Anyone may call it.
    #[handle_result]
    pub fn report_lane(&mut self) -> Result<(), Refusal> {
        let evidence: Evidence = FromJson::from_json(argument(&input(), "evidence")).map_err(EvidenceRefusal::from)?;
        let heads = evidence.contradiction.heads();
        let attestations: Vec<&Attestation> = heads.iter().map(|head| &head.attestation).collect();
        let keys = self.held_keys(&attestations).map_err(EvidenceRefusal::from)?;
        let heights: Vec<_> = attestations
            .iter()
            .map(|attestation| (attestation.checkpoint.shard.clone(), attestation.checkpoint.height))
            .collect();
        let verified =
            evidence.verify::<Host>(&self.trust(), |_, _, path| keys.find(path)).map_err(EvidenceRefusal::from)?;
        if verified.proven.is_none() {
            return Err(EvidenceRefusal::OnlyClaimed(verified.claimed).into());
        }
        let ends = rules::lanes::ends(&verified.lane.source, &verified.lane.destination)?;
        let no_lane = || EvidenceRefusal::NoLane(ends.shard.clone(), ends.peer.clone());
        let mut record = storage::read_lane(&ends).ok_or_else(no_lane)?;
        let frozen = freezing::freeze_lane(&ends, &mut record, &heights)?;
        storage::write_lane(&ends, Some(&record));
        for (shard, height) in frozen {
            let peer = if shard == *ends.shard { ends.peer } else { ends.shard };
            emit(&Event::LaneFrozen([Frozen { shard, peer: Some(peer.clone()), height }]));
        }
        Ok(())
    }

    /// Ends the freeze of the caller's shard, or of its side of a lane, by the members' agreement.
    /// Evidence up to the height that it showed is settled. The owner calls.
    #[handle_result]
    pub fn lift_freeze(&mut self) -> Result<(), Refusal> {
        let LiftArgs { shard, peer, evidence_floor, endorsements } = args();
        let mut record = owned(&shard)?;
        let statement = Statement::Lift { peer: peer.clone(), evidence_floor };
        rules::judge_endorsements::<Host>(&self.domain, &shard, &record, &statement, &endorsements)?;
        let height = match &peer {
            None => {
                let ShardRecord { frozen_height, evidence_floor: floor, .. } = &mut record;
                let height = freezing::lift(&shard, frozen_height, floor, evidence_floor)?;
                storage::write_shard(&shard, &record);
                height
            }
            Some(peer) => lift_lane(&rules::lanes::ends(&shard, peer)?, evidence_floor)?,
        };
        emit(&Event::FreezeLifted([Frozen { shard, peer, height }]));
        Ok(())
    }
}

impl Bridge {
    fn attested(&self, attestation: Attestation) -> Result<VerifiedCheckpoint, EvidenceRefusal> {
        let keys = self.held_keys(&[&attestation])?;
        Ok(attestation.verify::<Host>(&self.trust(), |_, _, path| keys.find(path))?)
    }
}

fn attestations() -> Result<(Attestation, Attestation), FieldError> {
    let input = input();
    let (one, other) = (argument(&input, "one"), argument(&input, "other"));
    Ok((Attestation::from_json(one)?, Attestation::from_json(other)?))
}

fn lift_lane(ends: &Ends<'_>, evidence_floor: u64) -> Result<u64, EvidenceRefusal> {
    let mut record = storage::read_lane(ends).ok_or_else(|| EvidenceRefusal::NotFrozen(ends.shard.clone()))?;
    let LaneSide { frozen_height, evidence_floor: floor, .. } = record.side_mut(ends.side());
    let height = freezing::lift(ends.shard, frozen_height, floor, evidence_floor)?;
    storage::write_lane(ends, Some(&record));
    Ok(height)
}
