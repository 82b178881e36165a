//! What becomes of a shard's registration.

use super::members::{judge_members, judge_transport};
use crate::errors::{MembersRefusal, Refusal, ShardRefusal};
use crate::pending::Tip;
use crate::registry::{Epoch, Rotation, ShardRecord, Transport};
use queue::contract::ReserveArgs;
use queue::ids::{AccountId, NetworkName, ShardId};
use queue::trust::Curve;

/// How long everybody can see the members that an owner announced before they can be installed, in
/// nanoseconds: two days, so that peers and the present members can react.
pub const ROTATION_DELAY_NS: u64 = 2 * 24 * 3_600 * 1_000_000_000;

/// How long a name stays reserved without becoming active before anybody may have it lapse, in
/// nanoseconds: a week, longer than the signer was ever away.
pub const RESERVATION_NS: u64 = 7 * 24 * 3_600 * 1_000_000_000;

const _: () = assert!(ROTATION_DELAY_NS > 0, "a lost owner's key must not replace members unseen");

/// How long what an owner announces must be seen on this network, in nanoseconds: nobody has to
/// react on a chain that runs on one machine.
pub fn owner_delay_ns(network: &NetworkName) -> u64 {
    if network.is_localnet() { 0 } else { ROTATION_DELAY_NS }
}

/// The records of a new shard, reserved by `owner` at `now_ns` as the `index`-th.
///
/// # Errors
/// Members, threshold, keys or addresses beyond what a shard may have.
pub fn judge_reservation(
    args: &ReserveArgs,
    owner: AccountId,
    index: u64,
    now_ns: u64,
) -> Result<(ShardRecord, Transport), MembersRefusal> {
    let members = judge_members(&args.members, args.threshold)?;
    let transport = judge_transport(&members, &args.transport_keys, &args.addresses)?;
    let record = ShardRecord {
        owner,
        members,
        threshold: args.threshold,
        members_version: 0,
        key_epoch: 0,
        epoch: Epoch { curve: args.curve, first_height: 0, end_height: None, key: None },
        incarnation: 0,
        balance_yocto: 0,
        storage_yocto: 0,
        reserved_at_ns: now_ns,
        index: Some(index),
        paused: false,
        retired: false,
        frozen_height: None,
        evidence_floor: 0,
    };
    Ok((record, transport))
}

/// Whether `caller` may act as the owner of a shard that isn't retired.
///
/// # Errors
/// Somebody else owns it, or nothing about it changes any more.
pub fn judge_owner(shard: &ShardId, record: &ShardRecord, caller: AccountId) -> Result<(), Refusal> {
    judge_caller(shard, record, caller)?;
    if record.retired {
        return Err(ShardRefusal::Retired(shard.clone()).into());
    }
    Ok(())
}

/// Whether `caller` owns a shard, retired or not.
///
/// # Errors
/// Somebody else owns it.
pub fn judge_caller(shard: &ShardId, record: &ShardRecord, caller: AccountId) -> Result<(), Refusal> {
    if caller != record.owner {
        return Err(Refusal::NotOwner { caller, shard: shard.clone(), owner: record.owner.clone() });
    }
    Ok(())
}

/// Where the reservation is listed, if it may lapse: it never became active, and its owner or
/// enough time says so.
///
/// # Errors
/// Why it may not.
pub fn judge_lapse(
    shard: &ShardId,
    record: &ShardRecord,
    caller: &AccountId,
    block_ns: u64,
) -> Result<u64, ShardRefusal> {
    let index = record.index.filter(|_| !record.was_active()).ok_or_else(|| ShardRefusal::NoLapse(shard.clone()))?;
    let lapses_at_ns = record.reserved_at_ns.saturating_add(RESERVATION_NS);
    if *caller != record.owner && block_ns < lapses_at_ns {
        return Err(ShardRefusal::LapseTooEarly { shard: shard.clone(), lapses_at_ns, block_ns });
    }
    Ok(index)
}

/// Whether announced members may be installed.
///
/// # Errors
/// Their time has not come.
pub fn judge_rotation_time(shard: &ShardId, rotation: &Rotation, block_ns: u64) -> Result<(), ShardRefusal> {
    let ready_at_ns = rotation.ready_at_ns;
    if block_ns < ready_at_ns {
        return Err(ShardRefusal::RotationTooEarly { shard: shard.clone(), ready_at_ns, block_ns });
    }
    Ok(())
}

/// The epoch that ends and the one that follows it, right after the tip. A pending tip keeps its
/// own epoch, whose key may still sign it.
///
/// # Errors
/// The newest epoch has no key yet: epochs can't be piled up unused.
pub fn judge_new_epoch(
    shard: &ShardId,
    record: &ShardRecord,
    tip: Option<&Tip>,
    curve: Curve,
) -> Result<(Epoch, Epoch), ShardRefusal> {
    if record.epoch.key.is_none() {
        return Err(ShardRefusal::NotActive(shard.clone()));
    }
    // Of the last height there is no successor: 2^64 checkpoints don't come to pass.
    let first_height = tip.map_or(0, |tip| tip.checkpoint.height.saturating_add(1));
    let ended = Epoch { end_height: Some(first_height), ..record.epoch.clone() };
    Ok((ended, Epoch { curve, first_height, end_height: None, key: None }))
}

/// Whether a shard may retire: its last checkpoint is final only once it is signed.
///
/// # Errors
/// Why it may not.
pub fn judge_retirement(shard: &ShardId, record: &ShardRecord, tip: Option<&Tip>) -> Result<(), ShardRefusal> {
    if !record.was_active() {
        return Err(ShardRefusal::NotActive(shard.clone()));
    }
    match tip {
        Some(tip) if tip.attested().is_none() => {
            Err(ShardRefusal::RetireWhilePending { shard: shard.clone(), height: tip.checkpoint.height })
        }
        _ => Ok(()),
    }
}

/// How much of a shard's balance goes to its owner: what was asked for, or all.
///
/// # Errors
/// There isn't as much.
pub fn judge_withdrawal(
    shard: &ShardId,
    record: &ShardRecord,
    asked_yocto: Option<u128>,
) -> Result<u128, ShardRefusal> {
    let balance_yocto = record.balance_yocto;
    match asked_yocto {
        Some(asked_yocto) if asked_yocto > balance_yocto => {
            Err(ShardRefusal::BalanceTooLow { shard: shard.clone(), balance_yocto, asked_yocto })
        }
        Some(asked_yocto) => Ok(asked_yocto),
        None => Ok(balance_yocto),
    }
}
