//! Decisions about lanes: who proposes what, when a lane opens, what a list may hold.

use crate::errors::{LaneRefusal, Refusal};
use crate::lanes::{Ends, LaneRecord, LaneSide, Paid};
use crate::registry::ShardRecord;
use queue::contract::{LaneDirection, LaneTerms, Permissions, ShardStatus};
use queue::ids::ShardId;
use queue::limits::{
    CALL_WINDOW_MAX, LANE_BYTES_MIN, LANE_PERMISSIONS_BYTES_MAX, LANES_PER_SHARD_MAX, MESSAGE_BYTES_MAX,
};

/// What becomes of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneVerdict {
    /// The record to write; `None` removes it.
    pub record: Option<LaneRecord>,
    /// What happens to the caller's side in its shard's list.
    pub listing: Listing,
}

/// What happens to a shard's list of lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Nothing.
    Stays,
    /// The lane is added at the list's end, and its storage paid.
    Enters,
    /// The lane is taken off.
    Leaves {
        /// Where it stands.
        listed_at: u32,
        /// What goes back.
        refund: Paid,
    },
}

/// A lane's two shards, if they are two.
///
/// # Errors
/// [`LaneRefusal::ToItself`].
pub fn ends<'a>(shard: &'a ShardId, peer: &'a ShardId) -> Result<Ends<'a>, Refusal> {
    if shard == peer {
        return Err(LaneRefusal::ToItself(shard.clone()).into());
    }
    Ok(Ends { shard, peer })
}

/// Whether these two shards may agree on a lane.
///
/// # Errors
/// [`LaneRefusal::NotActive`].
pub fn judge_shards(ends: &Ends<'_>, own: &ShardRecord, other: &ShardRecord) -> Result<(), Refusal> {
    for (shard, record) in [(ends.shard, own), (ends.peer, other)] {
        let status = record.status();
        if status != ShardStatus::Active {
            return Err(LaneRefusal::NotActive { shard: shard.clone(), status }.into());
        }
    }
    Ok(())
}

/// Judges a proposal by `ends.shard`, whose list has `listed` entries. It replaces an earlier one;
/// `price` is what a new entry takes.
///
/// # Errors
/// Terms that no node can keep; a full list.
pub fn judge_proposal(
    ends: &Ends<'_>,
    record: Option<LaneRecord>,
    listed: u32,
    terms: LaneTerms,
    price: Paid,
) -> Result<LaneVerdict, Refusal> {
    judge_terms(&terms)?;
    let mut record = record.unwrap_or_default();
    let side = record.side_mut(ends.side());
    side.proposal = Some(terms);
    let listing = enter(ends.shard, side, listed)?;
    if listing == Listing::Enters {
        side.paid = Some(price);
    }
    Ok(LaneVerdict { record: Some(record), listing })
}

/// Judges the agreement of `ends.shard`, whose list has `listed` entries, to what the other shard
/// proposes. It ends the proposals of both.
///
/// # Errors
/// Nothing is proposed, or something else; a full list.
pub fn judge_acceptance(
    ends: &Ends<'_>,
    record: Option<LaneRecord>,
    listed: u32,
    terms: &LaneTerms,
) -> Result<LaneVerdict, Refusal> {
    let (by, to) = (ends.peer, ends.shard);
    let (mut record, proposed) = record
        .and_then(|mut record| {
            let proposed = record.side_mut(ends.side().other()).proposal.take()?;
            Some((record, proposed))
        })
        .ok_or_else(|| LaneRefusal::NothingProposed { by: by.clone(), to: to.clone() })?;
    if proposed != *terms {
        return Err(LaneRefusal::OtherTerms { by: by.clone(), to: to.clone() }.into());
    }
    record.terms = Some(proposed);
    record.side_mut(ends.side().other()).paid = None;
    let side = record.side_mut(ends.side());
    (side.proposal, side.paid) = (None, None);
    let listing = enter(ends.shard, side, listed)?;
    Ok(LaneVerdict { record: Some(record), listing })
}

/// Judges the end of the proposal of `ends.shard`.
///
/// # Errors
/// It proposes nothing.
pub fn judge_withdrawal(ends: &Ends<'_>, record: Option<LaneRecord>) -> Result<LaneVerdict, Refusal> {
    let nothing = || LaneRefusal::NothingProposed { by: ends.shard.clone(), to: ends.peer.clone() };
    let mut record = record.ok_or_else(nothing)?;
    let (own, other) = (ends.side(), ends.side().other());
    let side = record.side_mut(own);
    side.proposal.take().ok_or_else(nothing)?;
    if record.terms.is_some() {
        return Ok(LaneVerdict { record: Some(record), listing: Listing::Stays });
    }
    let LaneSide { listed_at, paid, .. } = std::mem::take(record.side_mut(own));
    let (listed_at, refund) = listed_at.zip(paid).expect("a proposal before the lane is open is listed and paid");
    let is_proposed = record.side(other).proposal.is_some();
    Ok(LaneVerdict { record: is_proposed.then_some(record), listing: Listing::Leaves { listed_at, refund } })
}

/// Judges a stop of requests, or its end, by `ends.shard`. One that changes nothing is fine.
///
/// # Errors
/// The lane isn't open.
pub fn judge_stop(
    ends: &Ends<'_>,
    record: Option<LaneRecord>,
    direction: LaneDirection,
    stopped: bool,
) -> Result<LaneRecord, Refusal> {
    let not_open = || LaneRefusal::NotOpen { shard: ends.shard.clone(), peer: ends.peer.clone() };
    let mut record = record.filter(|record| record.terms.is_some()).ok_or_else(not_open)?;
    let side = record.side_mut(ends.side());
    if direction != LaneDirection::Outbound {
        side.stops.inbound = stopped;
    }
    if direction != LaneDirection::Inbound {
        side.stops.outbound = stopped;
    }
    Ok(record)
}

fn enter(shard: &ShardId, side: &mut LaneSide, listed: u32) -> Result<Listing, Refusal> {
    if side.listed_at.is_some() {
        return Ok(Listing::Stays);
    }
    if listed >= LANES_PER_SHARD_MAX {
        return Err(LaneRefusal::TooMany(shard.clone()).into());
    }
    side.listed_at = Some(listed);
    Ok(Listing::Enters)
}

fn judge_terms(terms: &LaneTerms) -> Result<(), LaneRefusal> {
    let LaneTerms { message_bytes_max, result_bytes_max, call_window, deadline_ms, permissions, .. } = terms;
    let (message_bytes_max, result_bytes_max) = (u64::from(*message_bytes_max), u64::from(*result_bytes_max));
    let permissions_bytes = match permissions {
        Permissions::Public(text) => text.len() as u64,
        Permissions::Everybody | Permissions::Private(_) => 0,
    };
    let bounds = [
        ("message_bytes_max", message_bytes_max, LANE_BYTES_MIN as u64, MESSAGE_BYTES_MAX as u64),
        ("result_bytes_max", result_bytes_max, LANE_BYTES_MIN as u64, message_bytes_max),
        ("call_window", u64::from(*call_window), 0, u64::from(CALL_WINDOW_MAX)),
        ("deadline_ms", deadline_ms.unwrap_or(1), 1, u64::MAX),
        ("the length of the permissions", permissions_bytes, 0, LANE_PERMISSIONS_BYTES_MAX as u64),
    ];
    let outside = bounds.into_iter().find(|(_, found, least, most)| !(least..=most).contains(&found));
    match outside {
        None => Ok(()),
        Some((what, found, least, most)) => Err(LaneRefusal::Term { what, found, least, most }),
    }
}

#[cfg(test)]
mod tests;
