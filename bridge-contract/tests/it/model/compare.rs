//! Everything that the contract tells, against the model.

use super::NAMES;
use super::bridge::Model;
use super::encode::keys;
use super::rounds::Rounds;
use super::shard::{Announced, Epoch, Shard, Tip};
use crate::world::*;
use queue::attestation::{Attestation, AttestationKind};
use queue::contract::{
    EpochArgs, EpochView, LANES_PER_PAGE_MAX, LaneArgs, LaneView, LanesArgs, RotationView, RoundArgs, RoundsView,
    ShardArgs, ShardStatus, ShardView, TipView, method,
};
use queue::derivation::derive_public_key;
use queue::digest::Native;
use std::collections::BTreeSet;

/// Compares all views; of key epochs so many of the newest. Gives the proofs by rounds.
pub fn compare(world: &World, model: &Model, epochs: usize) -> Vec<Attestation> {
    let mut proofs = Vec::new();
    for shard in &model.shards {
        assert_eq!(world.shard(shard.name).as_ref(), Some(&shard_view(shard)));
        assert_eq!(world.tip(shard.name), shard.tip.as_ref().map(|tip| tip_view(model, tip)), "{}", shard.name);
        compare_epochs(world, shard, epochs);
        proofs.extend(compare_round_proof(world, model, shard));
        compare_lanes(world, model, shard);
    }
    for rounds in &model.rounds {
        let args = RoundArgs { curve: rounds.curve };
        assert_eq!(world.view::<RoundsView>(BRIDGE, method::ROUNDS, &args), rounds_view(rounds));
    }
    proofs
}

fn shard_view(shard: &Shard) -> ShardView {
    let rotation = shard.announced.as_ref().map(|Announced { members, threshold, ready_at_ns }| RotationView {
        members: keys(members),
        threshold: *threshold,
        ready_at_ns: *ready_at_ns,
    });
    let reserved = reservation(shard.name);
    let is_reached = shard.status() != ShardStatus::Retired;
    ShardView {
        shard: shard.id(),
        owner: shard.owner.parse().unwrap(),
        status: shard.status(),
        members: keys(&shard.members),
        threshold: shard.threshold,
        members_version: shard.members_version,
        transport_keys: if is_reached { reserved.transport_keys } else { Vec::new() },
        addresses: if is_reached { reserved.addresses } else { Vec::new() },
        curve: shard.epoch().curve,
        key_epoch: shard.epoch_number(),
        epoch_first_height: shard.epoch().first_height,
        incarnation: shard.incarnation,
        public_key: shard.epoch().key,
        rotation,
        frozen_height: shard.frozen_height,
        balance_yocto: shard.balance_yocto,
    }
}

fn tip_view(model: &Model, tip: &Tip) -> TipView {
    TipView {
        checkpoint: tip.checkpoint.clone(),
        hash: tip.hash(),
        attested: model.attested(tip),
        signature: tip.signature.clone(),
        attempts: tip.attempts,
        last_failure_block: tip.last_failure_block,
        round: tip.place,
    }
}

fn rounds_view(rounds: &Rounds) -> RoundsView {
    let count = |items: usize| u64::try_from(items).unwrap();
    RoundsView {
        open: count(rounds.open()),
        size: count(rounds.in_open().len()),
        closing: rounds.closing().map(count),
        closable_at_ns: rounds.closable_at_ns(),
        pot_yocto: rounds.pot_yocto,
        public_key: Some(rounds.key),
    }
}

fn compare_epochs(world: &World, shard: &Shard, newest: usize) {
    let view = |key_epoch| -> Option<EpochView> {
        world.view(BRIDGE, method::EPOCH, &EpochArgs { shard: shard.id(), key_epoch })
    };
    let older = shard.epochs.len().saturating_sub(newest);
    for (number, epoch) in (0..).zip(&shard.epochs).skip(older) {
        let Epoch { curve, first_height, end_height, key } = *epoch;
        assert_eq!(view(number), Some(EpochView { curve, first_height, end_height, public_key: key }));
    }
    if older == 0 {
        assert_eq!(view(shard.epoch_number() + 1), None);
    }
}

/// The proof by a round is of the tip, in its place, and holds for whoever pins the trust root.
fn compare_round_proof(world: &World, model: &Model, shard: &Shard) -> Option<Attestation> {
    let args = serde_json::to_vec(&ShardArgs { shard: shard.id() }).unwrap();
    let answer = world.chain.view().call(&account(BRIDGE), method::ROUND_PROOF, &args);
    let found = answer.map(|bytes| serde_json::from_slice::<Option<Attestation>>(&bytes).unwrap());
    let place = shard.tip.as_ref().and_then(|tip| tip.place);
    let Some(place) = place.filter(|place| model.rounds(place.curve).is_signed(*place)) else {
        assert_eq!(found.unwrap(), None);
        return None;
    };
    let rounds = model.rounds(place.curve);
    if !rounds.is_kept(place) {
        let refused = format!("{:?}", found.unwrap_err());
        assert!(refused.contains("is not kept any more"), "{refused}");
        return None;
    }
    let found = found.unwrap().unwrap();
    assert_eq!(Some(&found.checkpoint), shard.tip.as_ref().map(|tip| &tip.checkpoint));
    let is = (found.kind, found.index, found.size, &found.signature);
    assert_eq!(is, (AttestationKind::Round, place.index, rounds.size(place), rounds.signature(place)));
    found.clone().verify::<Native>(&model.trust, derive_public_key).unwrap();
    Some(found)
}

fn compare_lanes(world: &World, model: &Model, of: &Shard) {
    for peer in NAMES.into_iter().filter(|peer| *peer != of.name) {
        let args = LaneArgs { shard: of.id(), peer: shard(peer) };
        assert_eq!(world.view::<Option<LaneView>>(BRIDGE, method::LANE, &args), lane_view(model, of, peer));
    }
    let args = LanesArgs { shard: of.id(), from_index: 0, limit: LANES_PER_PAGE_MAX };
    let found: Vec<LaneView> = world.view(BRIDGE, method::LANES, &args);
    let listed = NAMES.into_iter().filter(|peer| model.lane(of.name, peer).is_listed(of.name));
    let expected: BTreeSet<_> = listed.map(shard).collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().map(|lane| lane.peer).collect::<BTreeSet<_>>(), expected);
}

fn lane_view(model: &Model, of: &Shard, peer: &'static str) -> Option<LaneView> {
    let lane = model.lane(of.name, peer);
    let (own, other) = (lane.side(of.name), lane.side(peer));
    Some(LaneView {
        shard: of.id(),
        peer: shard(peer),
        status: lane.status()?,
        terms: lane.terms,
        proposed: own.offer,
        proposed_by_peer: other.offer,
        stops: own.stops,
        peer_stops: other.stops,
        frozen_height: own.frozen_height,
        peer_frozen_height: other.frozen_height,
    })
}
