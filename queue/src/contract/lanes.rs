//! Lanes: what two shards agreed upon. The contract never sees a message: nodes hold to what they
//! read here at `final`. Specified in `specs/contract-lanes.md`.

use crate::codec;
use crate::digest::Hash;
use crate::ids::ShardId;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most lanes in one answer of `lanes`.
pub const LANES_PER_PAGE_MAX: u32 = 100;

/// Arguments that name a lane, and who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneArgs {
    /// The caller's shard.
    pub shard: ShardId,
    /// The shard at the other end.
    pub peer: ShardId,
}

/// Arguments of `lanes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanesArgs {
    /// Whose lanes.
    pub shard: ShardId,
    /// How many to skip.
    pub from_index: u32,
    /// How many to list, at most [`LANES_PER_PAGE_MAX`].
    pub limit: u32,
}

/// Arguments of `propose_lane` and `accept_lane`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneProposal {
    /// The caller's shard.
    pub shard: ShardId,
    /// The shard at the other end.
    pub peer: ShardId,
    /// What is offered; who accepts repeats it, so that nobody accepts what they didn't see.
    pub terms: LaneTerms,
}

/// Arguments of `stop_lane` and `resume_lane`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStopArgs {
    /// The caller's shard.
    pub shard: ShardId,
    /// The shard at the other end.
    pub peer: ShardId,
    /// Which requests.
    pub direction: LaneDirection,
}

/// What holds in both directions of a lane, until both shards agree to change it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct LaneTerms {
    /// Largest message, in bytes: [`crate::limits::LANE_BYTES_MIN`] to
    /// [`crate::limits::MESSAGE_BYTES_MAX`].
    pub message_bytes_max: u32,
    /// Largest result, in bytes: [`crate::limits::LANE_BYTES_MIN`] to the largest message.
    pub result_bytes_max: u32,
    /// Most calls in one direction that aren't settled, at most
    /// [`crate::limits::CALL_WINDOW_MAX`]; 0 for none.
    pub call_window: u32,
    /// Most gas of one call, in gas units.
    #[serde(with = "codec::u64_string")]
    pub call_gas_max: u64,
    /// Deadline of a request that sets none, in milliseconds after it was accepted; `null` for none.
    pub deadline_ms: Option<u64>,
    /// Who may call what.
    pub permissions: Permissions,
}

/// Who may call what on a lane. The contract only keeps it: both shards' nodes know its meaning.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// Everybody of either shard may send to everybody of the other.
    Everybody,
    /// A list in plain text, at most [`crate::limits::LANE_PERMISSIONS_BYTES_MAX`].
    Public(String),
    /// A salted hash of a list that both shards know.
    Private(Hash),
}

/// Which requests, as seen from the caller's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneDirection {
    /// Those that come in.
    Inbound,
    /// Those that go out.
    Outbound,
    /// All.
    Both,
}

/// Data of [`super::Event::LaneStopsChanged`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStopsChanged {
    /// The shard whose side changed.
    pub shard: ShardId,
    /// The other end.
    pub peer: ShardId,
    /// What the shard has stopped from then on.
    pub stops: LaneStops,
}

/// Which requests one side has stopped, as seen from its shard. Results always flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct LaneStops {
    /// Those that come in.
    pub inbound: bool,
    /// Those that go out.
    pub outbound: bool,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneStatus {
    /// Offered by one side.
    Proposed,
    /// Agreed by both.
    Open,
    /// Open, and one side's attested heads contradict each other.
    Frozen,
}

/// A lane, as the contract knows it, seen from `shard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// The shard that was asked about.
    pub shard: ShardId,
    /// The other end.
    pub peer: ShardId,
    /// Where it stands.
    pub status: LaneStatus,
    /// What both agreed upon; `null` while proposed.
    pub terms: Option<LaneTerms>,
    /// What the shard offers.
    pub proposed: Option<LaneTerms>,
    /// What the peer offers.
    pub proposed_by_peer: Option<LaneTerms>,
    /// What the shard stopped.
    pub stops: LaneStops,
    /// What the peer stopped, as the peer sees it.
    pub peer_stops: LaneStops,
    /// The highest height of the shard in the evidence for which the lane is frozen.
    pub frozen_height: Option<u64>,
    /// The highest height of the peer in the evidence for which the lane is frozen.
    pub peer_frozen_height: Option<u64>,
}

impl LaneView {
    /// Whether requests may go from the shard to the peer. Results go in any case.
    pub fn may_send(&self) -> bool {
        self.status == LaneStatus::Open && !self.stops.outbound && !self.peer_stops.inbound
    }

    /// Whether an open lane takes no requests to the peer at present: stopped, or frozen. What is
    /// merely offered stops nothing.
    pub fn is_stopped(&self) -> bool {
        self.status != LaneStatus::Proposed && !self.may_send()
    }

    /// Whether requests may come from the peer to the shard. Results come in any case.
    pub fn may_receive(&self) -> bool {
        self.status == LaneStatus::Open && !self.stops.inbound && !self.peer_stops.outbound
    }
}
