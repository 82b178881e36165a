//! Calls as the contract takes them.

use super::bridge::Model;
use super::call::{Asked, Call, Shown};
use super::shard::Shard;
use crate::world::{attest_args, key_of, public_key_of, shard, sign_statement};
use queue::contract::{
    AmountYocto, Endorsement, Endorsements, LaneArgs, LaneDirection, LaneProposal, LaneStopArgs, LaneTerms, LiftArgs,
    ProposeRotationArgs, RekeyArgs, ReportLaneArgs, ReportShardArgs, RotateArgs, RoundArgs, ShardArgs, WithdrawArgs,
    method,
};
use queue::evidence::{EVIDENCE_FORMAT, Evidence};
use queue::ids::Lane;
use queue::statement::StatementScope;
use queue::trust::PublicKey;
use serde::Serialize;

/// Method and arguments of a call.
pub fn encode(model: &Model, asked: &Asked) -> (&'static str, Vec<u8>) {
    let of = model.shard(asked.shard);
    let own = || json(&ShardArgs { shard: of.id() });
    match asked.call.clone() {
        Call::Attest { checkpoint, shown } => (method::ATTEST, attest_args(&checkpoint, &signed(model, of, &shown))),
        Call::Submit { checkpoint, shown } => (method::SUBMIT, attest_args(&checkpoint, &signed(model, of, &shown))),
        Call::Close { curve } => (method::CLOSE, json(&RoundArgs { curve })),
        Call::Activate => (method::ACTIVATE, own()),
        Call::Rotate { members, threshold, shown } => {
            let endorsements = endorsements(model, of, &shown);
            let args = RotateArgs { shard: of.id(), members: keys(&members), threshold, endorsements };
            (method::ROTATE, json(&args))
        }
        Call::ProposeRotation { members, threshold } => {
            let args = ProposeRotationArgs { shard: of.id(), members: keys(&members), threshold };
            (method::PROPOSE_ROTATION, json(&args))
        }
        Call::ApplyRotation => (method::APPLY_ROTATION, own()),
        Call::CancelRotation => (method::CANCEL_ROTATION, own()),
        Call::Rekey { curve, shown } => {
            let endorsements = endorsements(model, of, &shown);
            (method::REKEY, json(&RekeyArgs { shard: of.id(), curve, endorsements }))
        }
        Call::OpenIncarnation => (method::OPEN_INCARNATION, own()),
        Call::Pause => (method::PAUSE, own()),
        Call::Resume => (method::RESUME, own()),
        Call::Retire => (method::RETIRE, own()),
        Call::TopUp => (method::TOP_UP, own()),
        Call::Withdraw { yocto } => {
            let args = WithdrawArgs { shard: of.id(), amount_yocto: Some(AmountYocto(yocto)) };
            (method::WITHDRAW, json(&args))
        }
        Call::ProposeLane { peer, terms } => (method::PROPOSE_LANE, proposal(of, peer, terms)),
        Call::AcceptLane { peer, terms } => (method::ACCEPT_LANE, proposal(of, peer, terms)),
        Call::WithdrawProposal { peer } => {
            (method::WITHDRAW_PROPOSAL, json(&LaneArgs { shard: of.id(), peer: shard(peer) }))
        }
        Call::StopLane { peer, direction } => (method::STOP_LANE, stop(of, peer, direction)),
        Call::ResumeLane { peer, direction } => (method::RESUME_LANE, stop(of, peer, direction)),
        Call::ReportShard { one, other } => (method::REPORT_SHARD, json(&ReportShardArgs { one: *one, other: *other })),
        Call::ReportLane { to, contradiction } => {
            let (source, destination) = (of.id(), shard(to));
            let evidence = Evidence {
                format: EVIDENCE_FORMAT.to_owned(),
                trust: model.trust.clone(),
                lane: Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 },
                reason: "so it seemed".to_owned(),
                contradiction,
            };
            (method::REPORT_LANE, json(&ReportLaneArgs { evidence }))
        }
        Call::Lift { peer, evidence_floor, shown } => {
            let endorsements = endorsements(model, of, &shown);
            let args = LiftArgs { shard: of.id(), peer: peer.map(shard), evidence_floor, endorsements };
            (method::LIFT_FREEZE, json(&args))
        }
    }
}

fn json(args: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(args).unwrap()
}

fn proposal(of: &Shard, peer: &str, terms: LaneTerms) -> Vec<u8> {
    json(&LaneProposal { shard: of.id(), peer: shard(peer), terms })
}

fn stop(of: &Shard, peer: &str, direction: LaneDirection) -> Vec<u8> {
    json(&LaneStopArgs { shard: of.id(), peer: shard(peer), direction })
}

pub fn keys(members: &[String]) -> Vec<PublicKey> {
    members.iter().map(|name| public_key_of(name)).collect()
}

fn endorsements(model: &Model, of: &Shard, shown: &Shown) -> Endorsements {
    signed(model, of, shown).try_into().unwrap()
}

fn signed(model: &Model, of: &Shard, shown: &Shown) -> Vec<Endorsement> {
    let (domain, members_version) = (model.trust.domain.clone(), shown.members_version);
    let scope = StatementScope { domain, shard: of.id(), members_version };
    shown.by.iter().map(|(member, name)| sign_statement(*member, &key_of(name), &scope, &shown.statement)).collect()
}
