//! Decisions about contradictions: whom they freeze, and when a freeze ends.

use crate::errors::EvidenceRefusal;
use crate::lanes::{Ends, LaneRecord};
use crate::registry::ShardRecord;
use queue::attestation::VerifiedCheckpoint;
use queue::ids::ShardId;

/// The height at which two verified checkpoints contradict each other.
///
/// # Errors
/// They are of two shards or heights, or one checkpoint.
pub fn judge_pair(one: &VerifiedCheckpoint, other: &VerifiedCheckpoint) -> Result<u64, EvidenceRefusal> {
    let (one, other) = (one.checkpoint(), other.checkpoint());
    if one.shard != other.shard || one.height != other.height || one == other {
        let of = |checkpoint: &queue::checkpoint::Checkpoint| (checkpoint.shard.clone(), checkpoint.height);
        return Err(EvidenceRefusal::NoContradiction { one: of(one), other: of(other) });
    }
    Ok(one.height)
}

/// Freezes a shard for evidence about one of its heights.
///
/// # Errors
/// It is settled, or the shard is frozen already.
pub fn freeze_shard(shard: &ShardId, record: &mut ShardRecord, height: u64) -> Result<(), EvidenceRefusal> {
    judge_floor(shard, height, record.evidence_floor)?;
    freeze(&mut record.frozen_height, height)
}

/// Freezes the sides of a lane that evidence speaks about: each height is of the shard beside it.
/// Who is frozen from then on, with the highest height.
///
/// # Errors
/// A height is settled, the lane isn't open, or all of it is frozen already.
pub fn freeze_lane(
    ends: &Ends<'_>,
    record: &mut LaneRecord,
    heights: &[(ShardId, u64)],
) -> Result<Vec<(ShardId, u64)>, EvidenceRefusal> {
    if record.terms.is_none() {
        return Err(EvidenceRefusal::NoLane(ends.shard.clone(), ends.peer.clone()));
    }
    let mut frozen = Vec::new();
    let mut already = None;
    for (shard, side) in [(ends.shard, ends.side()), (ends.peer, ends.side().other())] {
        let side = record.side_mut(side);
        let own = || heights.iter().filter(|(of, _)| of == shard).map(|(_, height)| *height);
        let (Some(lowest), Some(highest)) = (own().min(), own().max()) else { continue };
        judge_floor(shard, lowest, side.evidence_floor)?;
        match freeze(&mut side.frozen_height, highest) {
            Ok(()) => frozen.push((shard.clone(), highest)),
            Err(error) => already = Some(error),
        }
    }
    match already {
        Some(error) if frozen.is_empty() => Err(error),
        _ => Ok(frozen),
    }
}

/// Ends a freeze, once owner and members agree; gives the height that it showed. Evidence up to there
/// is settled.
///
/// # Errors
/// Nothing is frozen, or the floor isn't the one that settles what was shown.
pub fn lift(
    shard: &ShardId,
    frozen_height: &mut Option<u64>,
    evidence_floor: &mut u64,
    found: u64,
) -> Result<u64, EvidenceRefusal> {
    let height = frozen_height.ok_or_else(|| EvidenceRefusal::NotFrozen(shard.clone()))?;
    // Above the last height there is none that evidence could show.
    let expected = height.saturating_add(1);
    if found != expected {
        return Err(EvidenceRefusal::Floor { found, expected });
    }
    (*frozen_height, *evidence_floor) = (None, expected);
    Ok(height)
}

fn judge_floor(shard: &ShardId, height: u64, evidence_floor: u64) -> Result<(), EvidenceRefusal> {
    if height < evidence_floor {
        return Err(EvidenceRefusal::Settled { shard: shard.clone(), height, evidence_floor });
    }
    Ok(())
}

fn freeze(frozen_height: &mut Option<u64>, height: u64) -> Result<(), EvidenceRefusal> {
    match frozen_height {
        Some(frozen) => Err(EvidenceRefusal::Frozen(*frozen)),
        None => {
            *frozen_height = Some(height);
            Ok(())
        }
    }
}
