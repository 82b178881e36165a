//! Lanes: two owners agree on terms, each stops and resumes its side.

use super::{args, emit, owned, pay_for_storage, refund, registered, storage_price_yocto};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use crate::lanes::{Ends, LANE_SIDE_STORAGE_BYTES_MAX, Paid};
use crate::rules::judge_caller;
use crate::rules::lanes::{self as rules, LaneVerdict, Listing};
use crate::storage;
use near_plugins::pause;
use near_sdk::{env, near};
use queue::contract::{
    Event, LANES_PER_PAGE_MAX, LaneArgs, LaneProposal, LaneStopArgs, LaneStopsChanged, LaneView, LanesArgs,
};
use queue::ids::ShardId;

#[near]
impl Bridge {
    /// Offers terms for the lane with `peer`, or for an open lane others; replaces an earlier offer of
    /// this shard. The deposit pays for the entry that the first offer makes; the rest goes back.
    #[pause]
    #[payable]
    #[handle_result]
    pub fn propose_lane(&mut self) -> Result<(), Refusal> {
        let LaneProposal { shard, peer, terms } = args();
        let ends = rules::ends(&shard, &peer)?;
        rules::judge_shards(&ends, &owned(&shard)?, &registered(&peer)?)?;
        let price = Paid { by: env::predecessor_account_id(), yocto: storage_price_yocto(LANE_SIDE_STORAGE_BYTES_MAX) };
        let listed = storage::lane_count(&shard);
        let verdict = rules::judge_proposal(&ends, storage::read_lane(&ends), listed, terms, price)?;
        carry_out(&ends, verdict, listed)?;
        emit(&Event::LaneProposed([LaneArgs { shard, peer }]));
        Ok(())
    }

    /// Agrees to the terms that `peer` offers, which are repeated so that nobody can exchange them
    /// meanwhile. Opens the lane, or changes it. The deposit pays for this shard's entry if it has
    /// none; the rest goes back.
    #[pause]
    #[payable]
    #[handle_result]
    pub fn accept_lane(&mut self) -> Result<(), Refusal> {
        let LaneProposal { shard, peer, terms } = args();
        let ends = rules::ends(&shard, &peer)?;
        rules::judge_shards(&ends, &owned(&shard)?, &registered(&peer)?)?;
        let listed = storage::lane_count(&shard);
        let verdict = rules::judge_acceptance(&ends, storage::read_lane(&ends), listed, &terms)?;
        carry_out(&ends, verdict, listed)?;
        emit(&Event::LaneAgreed([LaneArgs { shard, peer }]));
        Ok(())
    }

    /// Takes back what this shard offers. Unless the lane is open, what was paid goes back to whoever
    /// paid it.
    #[pause]
    #[handle_result]
    pub fn withdraw_proposal(&mut self) -> Result<(), Refusal> {
        let LaneArgs { shard, peer } = args();
        let ends = rules::ends(&shard, &peer)?;
        // Also of a retired shard: what it paid must not be lost.
        judge_caller(&shard, &registered(&shard)?, env::predecessor_account_id())?;
        let verdict = rules::judge_withdrawal(&ends, storage::read_lane(&ends))?;
        carry_out(&ends, verdict, 0)?;
        emit(&Event::LaneProposalWithdrawn([LaneArgs { shard, peer }]));
        Ok(())
    }

    /// Stops requests of an open lane on this shard's side; nodes stop them, results still flow. Works
    /// whatever is paused: it can only lessen what happens.
    #[handle_result]
    pub fn stop_lane(&mut self) -> Result<(), Refusal> {
        set_stopped(args(), true)
    }

    /// Takes back a stop of this shard's side.
    #[pause]
    #[handle_result]
    pub fn resume_lane(&mut self) -> Result<(), Refusal> {
        set_stopped(args(), false)
    }

    /// The lane between two shards, open or offered, seen from `shard`; null if there is none.
    pub fn lane(&self) -> Option<LaneView> {
        let LaneArgs { shard, peer } = args();
        view(&shard, &peer)
    }

    /// The open lanes of a shard and those that it offers, at most [`LANES_PER_PAGE_MAX`]. What is
    /// offered to it is found by `lane`, or in the events. The list has no gaps.
    pub fn lanes(&self) -> Vec<LaneView> {
        let LanesArgs { shard, from_index, limit } = args();
        (from_index..storage::lane_count(&shard))
            .zip(0..limit.min(LANES_PER_PAGE_MAX))
            .filter_map(|(index, _)| view(&shard, &storage::lane_at(&shard, index)?))
            .collect()
    }
}

fn view(shard: &ShardId, peer: &ShardId) -> Option<LaneView> {
    let ends = rules::ends(shard, peer).ok()?;
    storage::read_lane(&ends).map(|record| record.into_view(&ends))
}

/// Writes what was decided about a lane of a shard that lists so many, takes the price of a new entry,
/// and sends back what isn't needed.
fn carry_out(ends: &Ends<'_>, verdict: LaneVerdict, listed: u32) -> Result<(), Refusal> {
    let mut rest_yocto = env::attached_deposit().as_yoctonear();
    match &verdict.listing {
        Listing::Stays => {}
        Listing::Enters => {
            (rest_yocto, _) = pay_for_storage("a lane", LANE_SIDE_STORAGE_BYTES_MAX)?;
            storage::list_lane(ends.shard, ends.peer, listed);
        }
        Listing::Leaves { listed_at, refund: paid } => {
            unlist(ends.shard, *listed_at);
            refund(paid.by.clone(), paid.yocto);
        }
    }
    storage::write_lane(ends, verdict.record.as_ref());
    refund(env::predecessor_account_id(), rest_yocto);
    Ok(())
}

/// Takes an entry off a shard's list; the last one takes its place.
fn unlist(shard: &ShardId, listed_at: u32) {
    let Some(moved) = storage::unlist_lane(shard, listed_at) else { return };
    let ends = Ends { shard, peer: &moved };
    let mut record = storage::read_lane(&ends).expect("what is listed is there");
    record.side_mut(ends.side()).listed_at = Some(listed_at);
    storage::write_lane(&ends, Some(&record));
}

fn set_stopped(LaneStopArgs { shard, peer, direction }: LaneStopArgs, stopped: bool) -> Result<(), Refusal> {
    let ends = rules::ends(&shard, &peer)?;
    owned(&shard)?;
    let record = rules::judge_stop(&ends, storage::read_lane(&ends), direction, stopped)?;
    let stops = record.side(ends.side()).stops;
    storage::write_lane(&ends, Some(&record));
    emit(&Event::LaneStopsChanged([LaneStopsChanged { shard, peer, stops }]));
    Ok(())
}
