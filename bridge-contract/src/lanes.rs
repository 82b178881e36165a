//! What two shards agreed about the lanes between them: one record for both directions.
//!
//! The contract sees no messages. Nodes read these records and keep to them.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::contract::{LaneStatus, LaneStops, LaneTerms, LaneView};
use queue::ids::{AccountId, ShardId};

/// What each side of a lane pays for, in bytes: half of the record at its limits, which is more than
/// all of it while only one side proposes; the side's entry in its shard's list, and the list's
/// length. A test below holds the records to it.
pub const LANE_SIDE_STORAGE_BYTES_MAX: u128 = 2 * 1024;

/// Which of a lane's shards: they stand in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The shard whose name comes first.
    First,
    /// The other one.
    Second,
}

/// A lane's two shards, and which of them is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends<'a> {
    /// The shard that is looked at.
    pub shard: &'a ShardId,
    /// The other one. Invariant: not `shard`.
    pub peer: &'a ShardId,
}

impl Ends<'_> {
    /// Which of the two `shard` is.
    pub fn side(&self) -> Side {
        if self.shard < self.peer { Side::First } else { Side::Second }
    }

    /// The two in the order of their names.
    pub fn sorted(&self) -> (&ShardId, &ShardId) {
        match self.side() {
            Side::First => (self.shard, self.peer),
            Side::Second => (self.peer, self.shard),
        }
    }
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::First => Side::Second,
            Side::Second => Side::First,
        }
    }
}

/// A lane that is open or proposed. Removed only before it opens.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct LaneRecord {
    /// What both agreed on; `None` until the lane is open.
    pub terms: Option<LaneTerms>,
    first: LaneSide,
    second: LaneSide,
}

/// One shard's part in a lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct LaneSide {
    /// Where it stands in the shard's list. Invariant: some if the lane is open or `proposal` is some.
    pub listed_at: Option<u32>,
    /// What the side's storage was paid with, as long as it can go back: until the lane is open.
    pub paid: Option<Paid>,
    /// The terms that the shard proposes.
    pub proposal: Option<LaneTerms>,
    /// What the shard has stopped.
    pub stops: LaneStops,
    /// Highest height of the shard in the evidence for which the lane is frozen.
    pub frozen_height: Option<u64>,
    /// Evidence about heights of the shard below this one is settled: it freezes nothing again.
    pub evidence_floor: u64,
}

/// A deposit that goes back.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Paid {
    /// Who attached it.
    pub by: AccountId,
    /// In yoctoNEAR.
    pub yocto: u128,
}

impl LaneRecord {
    /// One shard's part.
    pub fn side(&self, side: Side) -> &LaneSide {
        match side {
            Side::First => &self.first,
            Side::Second => &self.second,
        }
    }

    /// One shard's part, to be changed.
    pub fn side_mut(&mut self, side: Side) -> &mut LaneSide {
        match side {
            Side::First => &mut self.first,
            Side::Second => &mut self.second,
        }
    }

    /// The lane as callers see it, from the side of `ends.shard`.
    pub fn into_view(self, ends: &Ends<'_>) -> LaneView {
        let (own, other) = match ends.side() {
            Side::First => (self.first, self.second),
            Side::Second => (self.second, self.first),
        };
        let status = match &self.terms {
            None => LaneStatus::Proposed,
            Some(_) if own.frozen_height.or(other.frozen_height).is_some() => LaneStatus::Frozen,
            Some(_) => LaneStatus::Open,
        };
        LaneView {
            shard: ends.shard.clone(),
            peer: ends.peer.clone(),
            status,
            terms: self.terms,
            proposed: own.proposal,
            proposed_by_peer: other.proposal,
            stops: own.stops,
            peer_stops: other.stops,
            frozen_height: own.frozen_height,
            peer_frozen_height: other.frozen_height,
        }
    }
}
