//! What is drawn: who asks for what, honestly or not.

use super::random::Random;
use super::shard::{Call, Shard, Shown};
use crate::world::{CURVES, NEAR, attest_args, key_of, public_key_of, shard, sign_statement};
use chain::SignerFault;
use queue::checkpoint::Checkpoint;
use queue::contract::{Endorsement, method};
use queue::digest::{Hash, Native};
use queue::ids::BridgeDomain;
use queue::statement::{Statement, StatementScope};
use serde_json::json;

/// What happens to the next request of the signer. Blocks are such that some answers come in time,
/// some just at the timeout and some after it.
pub fn fault(random: &mut Random) -> SignerFault {
    match random.below(16) {
        0 => SignerFault::NoAnswer,
        1 | 2 => SignerFault::AnswerAfterBlocks(random.below(20)),
        3 => SignerFault::AnswerAfterBlocks(195 + random.below(10)),
        4 => SignerFault::AnswerAfterBlocks(205 + random.below(60)),
        5 => SignerFault::WrongKey,
        6 => SignerFault::WrongPayload,
        7 => SignerFault::HighS,
        8 => SignerFault::Halted,
        9 => SignerFault::TooLong,
        10 => SignerFault::MixedCase,
        _ => SignerFault::None,
    }
}

/// Draws a call about a shard. `drawn` are the checkpoints of earlier calls.
pub fn call(random: &mut Random, shard: &Shard, domain: &BridgeDomain, now_ns: u64, drawn: &[Checkpoint]) -> Call {
    match random.below(100) {
        0..60 => attest(random, shard, domain, now_ns, drawn),
        60..70 => Call::Activate,
        70..75 => {
            let (members, threshold) = members(random);
            let keys = members.iter().map(|name| key_of(name).verifying_key().to_bytes()).collect();
            let shown = show(random, shard, Statement::Rotate { members: keys, threshold });
            Call::Rotate { members, threshold, shown }
        }
        75..78 => {
            let (members, threshold) = members(random);
            Call::ProposeRotation { members, threshold }
        }
        78..81 => Call::ApplyRotation,
        81 => Call::CancelRotation,
        82..87 => {
            let curve = random.pick(&CURVES);
            let statement = Statement::Rekey { key_epoch: shard.epoch_number() + 1, curve };
            Call::Rekey { curve, shown: show(random, shard, statement) }
        }
        87..90 => Call::OpenIncarnation,
        90 => Call::Pause,
        91..95 => Call::Resume,
        95 if random.chance(10) => Call::Retire,
        95..98 => Call::TopUp { yocto: u128::from(random.below(4)) },
        _ => Call::Withdraw { yocto: u128::from(random.below(6)) },
    }
}

fn attest(random: &mut Random, shard: &Shard, domain: &BridgeDomain, now_ns: u64, drawn: &[Checkpoint]) -> Call {
    let next = next_checkpoint(random, shard, domain, now_ns);
    let checkpoint = match (random.below(20), &shard.tip) {
        (0..5, Some(tip)) => tip.checkpoint.clone(),
        (5 | 6, Some(tip)) => Checkpoint { heads_root: Hash([66; 32]), ..tip.checkpoint.clone() },
        (7 | 8, _) if !drawn.is_empty() => random.pick(drawn),
        (9, _) => twisted(random, next),
        _ => next,
    };
    let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
    Call::Attest { checkpoint, shown: show(random, shard, statement) }
}

fn next_checkpoint(random: &mut Random, shard: &Shard, domain: &BridgeDomain, now_ns: u64) -> Checkpoint {
    let (height, previous) = shard.next();
    Checkpoint {
        version: 1,
        domain: domain.clone(),
        shard: shard_id(shard),
        key_epoch: shard.epoch_number(),
        epoch_first_height: shard.epoch().first_height,
        height,
        previous,
        heads_root: Hash([random.pick(&[1, 2, 3]); 32]),
        time_ns: now_ns,
    }
}

/// A checkpoint with one thing wrong, which contradicts itself nowhere.
fn twisted(random: &mut Random, mut checkpoint: Checkpoint) -> Checkpoint {
    match random.below(6) {
        0 => checkpoint.key_epoch += 1,
        1 => checkpoint.time_ns += 3_600_000_000_000,
        2 => checkpoint.time_ns -= 3_600_000_000_000,
        3 => checkpoint.domain.instance = Hash([9; 32]),
        4 if checkpoint.height > 0 => checkpoint.previous = Hash([9; 32]),
        _ => (checkpoint.height, checkpoint.previous) = (checkpoint.height + 1, Hash([8; 32])),
    }
    checkpoint
}

/// One to four members with a threshold, which they sometimes can't have.
fn members(random: &mut Random) -> (Vec<String>, u16) {
    let count = 1 + random.below(4);
    let first = random.below(8);
    let mut members: Vec<_> = (first..first + count).map(|number| format!("member {number}")).collect();
    if random.chance(10) {
        members.push(members[0].clone());
    }
    let threshold = if random.chance(10) { random.below(6) } else { count / 2 + 1 };
    (members, u16::try_from(threshold).unwrap())
}

/// Signatures by enough members, mostly.
fn show(random: &mut Random, shard: &Shard, statement: Statement) -> Shown {
    let mut by: Vec<_> = (0..shard.threshold).zip(shard.members.clone()).collect();
    let mut shown = Shown { statement, members_version: shard.members_version, by: Vec::new() };
    match random.below(20) {
        0 => by.truncate(by.len() - 1),
        1 => shown.members_version = shard.members_version.wrapping_sub(1),
        2 => by[0].1 = "mallory".to_owned(),
        3 => by.last_mut().unwrap().0 = 63,
        4 => shown.statement = Statement::Endorse { checkpoint: Hash([9; 32]) },
        5 => by = (0..).zip(shard.members.clone()).collect(),
        _ => {}
    }
    Shown { by, ..shown }
}

/// Method, arguments and deposit in yoctoNEAR of a call.
pub fn encode(call: &Call, shard: &Shard, domain: &BridgeDomain) -> (&'static str, Vec<u8>, u128) {
    let name = shard.name;
    let sign = |shown: &Shown| signatures(shown, shard, domain);
    let keys = |members: &[String]| members.iter().map(|name| public_key_of(name)).collect::<Vec<_>>();
    let (method, args, yocto) = match call {
        Call::Attest { checkpoint, shown } => {
            return (method::ATTEST, attest_args(checkpoint, &sign(shown)), 0);
        }
        Call::Activate => (method::ACTIVATE, json!({ "shard": name }), 0),
        Call::Rotate { members, threshold, shown } => {
            let args =
                json!({ "shard": name, "members": keys(members), "threshold": threshold, "endorsements": sign(shown) });
            (method::ROTATE, args, 0)
        }
        Call::ProposeRotation { members, threshold } => {
            let args = json!({ "shard": name, "members": keys(members), "threshold": threshold });
            (method::PROPOSE_ROTATION, args, 0)
        }
        Call::ApplyRotation => (method::APPLY_ROTATION, json!({ "shard": name }), 0),
        Call::CancelRotation => (method::CANCEL_ROTATION, json!({ "shard": name }), 0),
        Call::Rekey { curve, shown } => {
            let args = json!({ "shard": name, "curve": curve, "endorsements": sign(shown) });
            (method::REKEY, args, NEAR)
        }
        Call::OpenIncarnation => (method::OPEN_INCARNATION, json!({ "shard": name }), NEAR),
        Call::Pause => (method::PAUSE, json!({ "shard": name }), 0),
        Call::Resume => (method::RESUME, json!({ "shard": name }), 0),
        Call::Retire => (method::RETIRE, json!({ "shard": name }), 0),
        Call::TopUp { yocto } => (method::TOP_UP, json!({ "shard": name }), *yocto),
        Call::Withdraw { yocto } => (method::WITHDRAW, json!({ "shard": name, "amount_yocto": yocto.to_string() }), 0),
    };
    (method, serde_json::to_vec(&args).unwrap(), yocto)
}

fn signatures(shown: &Shown, shard: &Shard, domain: &BridgeDomain) -> Vec<Endorsement> {
    let members_version = shown.members_version;
    let scope = StatementScope { domain: domain.clone(), shard: shard_id(shard), members_version };
    shown.by.iter().map(|(member, name)| sign_statement(*member, &key_of(name), &scope, &shown.statement)).collect()
}

fn shard_id(of: &Shard) -> queue::ids::ShardId {
    shard(of.name)
}
