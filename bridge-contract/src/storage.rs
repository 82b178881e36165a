//! Reading and writing the records of shards. Those of the release before are read where no newer
//! one stands.

use crate::lanes::{Ends, LaneRecord};
use crate::pending::{Tip, TipV1};
use crate::registry::{Epoch, Rotation, ShardRecord, ShardRecordV1, Transport};
use crate::roles::Roles;
use crate::rounds::{self, Rounds, SignedRound};
use crate::storage_keys::StorageKey;
pub use crate::storage_keys::UpgradeKey;
use borsh::{BorshDeserialize, BorshSerialize};
use near_sdk::env;
use queue::codec;
use queue::digest::Hash;
use queue::ids::ShardId;
use queue::log::NodeId;
use queue::trust::Curve;

/// Reads a shard's record.
pub fn read_shard(shard: &ShardId) -> Option<ShardRecord> {
    read(&StorageKey::Shard(shard))
        .or_else(|| read::<ShardRecordV1>(&StorageKey::ShardV1(shard)).map(ShardRecord::from))
}

/// Writes a shard's record. Where the release before wrote it, its records give way to new ones.
pub fn write_shard(shard: &ShardId, record: &ShardRecord) {
    write(&StorageKey::Shard(shard), record);
    if record.index.is_none() {
        env::storage_remove(&StorageKey::ShardV1(shard).to_bytes());
        if let Some(tip) = read_tip(shard) {
            write_tip(shard, &tip);
            env::storage_remove(&StorageKey::TipV1(shard).to_bytes());
        }
    }
}

/// Removes all that stands of a reservation that never became active. The shard listed last, of
/// which `last` is the index, takes its place in the list, which stays without gaps.
pub fn remove_reservation(shard: &ShardId, index: u64, last: u64) {
    for key in [StorageKey::Shard(shard), StorageKey::Transport(shard), StorageKey::Rotation(shard)] {
        env::storage_remove(&key.to_bytes());
    }
    if index != last {
        let moved = shard_at(last).expect("every index below the count has a shard");
        let record = read_shard(&moved).expect("every listed shard has a record");
        list_shard(index, &moved);
        write_shard(&moved, &ShardRecord { index: record.index.map(|_| index), ..record });
    }
    env::storage_remove(&StorageKey::ShardAt(last).to_bytes());
}

/// Reads how a registered shard's nodes are reached; empty once it is retired.
pub fn read_transport(shard: &ShardId) -> Transport {
    read(&StorageKey::Transport(shard)).unwrap_or_default()
}

/// Writes how a shard's nodes are reached.
pub fn write_transport(shard: &ShardId, transport: &Transport) {
    write(&StorageKey::Transport(shard), transport);
}

/// Removes how a shard's nodes are reached.
pub fn remove_transport(shard: &ShardId) {
    env::storage_remove(&StorageKey::Transport(shard).to_bytes());
}

/// Reads the members that a shard's owner announced.
pub fn read_rotation(shard: &ShardId) -> Option<Rotation> {
    read(&StorageKey::Rotation(shard))
}

/// Writes the members that a shard's owner announces.
pub fn write_rotation(shard: &ShardId, rotation: &Rotation) {
    write(&StorageKey::Rotation(shard), rotation);
}

/// Removes the announcement; says whether there was one.
pub fn remove_rotation(shard: &ShardId) -> bool {
    env::storage_remove(&StorageKey::Rotation(shard).to_bytes())
}

/// Reads a key epoch of a shard.
pub fn read_epoch(shard: &ShardId, record: &ShardRecord, key_epoch: u32) -> Option<Epoch> {
    if key_epoch == record.key_epoch {
        return Some(record.epoch.clone());
    }
    read(&StorageKey::Epoch(shard, key_epoch))
}

/// Writes a key epoch that has ended.
pub fn write_ended_epoch(shard: &ShardId, key_epoch: u32, epoch: &Epoch) {
    write(&StorageKey::Epoch(shard, key_epoch), epoch);
}

/// Reads a shard's tip; `None` before its first checkpoint.
pub fn read_tip(shard: &ShardId) -> Option<Tip> {
    let mut tip: Tip =
        read(&StorageKey::Tip(shard)).or_else(|| read::<TipV1>(&StorageKey::TipV1(shard)).map(Tip::from))?;
    if let (None, Some(position)) = (&tip.signature, tip.round) {
        tip.is_in_signed_round = position.round < read_rounds(position.curve).first_unsigned();
    }
    Some(tip)
}

/// Writes a shard's tip.
pub fn write_tip(shard: &ShardId, tip: &Tip) {
    write(&StorageKey::Tip(shard), tip);
}

/// The shard in this place of the list.
pub fn shard_at(index: u64) -> Option<ShardId> {
    read(&StorageKey::ShardAt(index))
}

/// Lists a new shard under its index.
pub fn list_shard(index: u64, shard: &ShardId) {
    write(&StorageKey::ShardAt(index), shard);
}

/// Reads the lane between two shards.
pub fn read_lane(ends: &Ends<'_>) -> Option<LaneRecord> {
    let (first, second) = ends.sorted();
    read(&StorageKey::Lane(first, second))
}

/// Writes the lane between two shards, or removes it.
pub fn write_lane(ends: &Ends<'_>, record: Option<&LaneRecord>) {
    let (first, second) = ends.sorted();
    let key = StorageKey::Lane(first, second);
    match record {
        Some(record) => write(&key, record),
        None => remove(&key),
    }
}

/// How many open lanes and proposals a shard lists.
pub fn lane_count(shard: &ShardId) -> u32 {
    read(&StorageKey::LaneCount(shard)).unwrap_or(0)
}

/// The other shard of a shard's n-th lane, from 0.
pub fn lane_at(shard: &ShardId, index: u32) -> Option<ShardId> {
    read(&StorageKey::LaneAt(shard, index))
}

/// Adds a lane at the end of a shard's list, which has `count`.
pub fn list_lane(shard: &ShardId, peer: &ShardId, count: u32) {
    write(&StorageKey::LaneAt(shard, count), peer);
    write(&StorageKey::LaneCount(shard), &(count + 1));
}

/// Takes an entry off a shard's list. The last entry takes its place: whose it is, unless it is the
/// same.
pub fn unlist_lane(shard: &ShardId, index: u32) -> Option<ShardId> {
    let last = lane_count(shard).checked_sub(1).expect("a listed lane is counted");
    let moved = lane_at(shard, last).filter(|_| last != index);
    if let Some(moved) = &moved {
        write(&StorageKey::LaneAt(shard, index), moved);
    }
    remove(&StorageKey::LaneAt(shard, last));
    match last {
        0 => remove(&StorageKey::LaneCount(shard)),
        _ => write(&StorageKey::LaneCount(shard), &last),
    }
    moved
}

/// Reads the rounds of a curve; as they begin if there are none.
pub fn read_rounds(curve: Curve) -> Rounds {
    read(&StorageKey::Rounds(curve)).unwrap_or_default()
}

/// Writes the rounds of a curve.
pub fn write_rounds(curve: Curve, rounds: &Rounds) {
    write(&StorageKey::Rounds(curve), rounds);
}

/// Reads a signed round; `None` once a later one took its slot.
pub fn read_signed_round(curve: Curve, number: u64) -> Option<SignedRound> {
    read(&StorageKey::Round(curve, rounds::slot(number))).filter(|round: &SignedRound| round.number == number)
}

/// Writes a signed round over the one that had its slot.
pub fn write_signed_round(curve: Curve, round: &SignedRound) {
    write(&StorageKey::Round(curve, rounds::slot(round.number)), round);
}

/// Reads a node of a round's tree that is kept and complete.
pub fn read_round_node(curve: Curve, number: u64, node: NodeId) -> Hash {
    read(&round_node(curve, number, node)).expect("the nodes of a round are written with its checkpoints")
}

/// Writes a node of a round's tree.
pub fn write_round_node(curve: Curve, number: u64, node: NodeId, hash: &Hash) {
    write(&round_node(curve, number, node), hash);
}

fn round_node(curve: Curve, number: u64, node: NodeId) -> StorageKey<'static> {
    let level = u8::try_from(node.level).expect("a tree of fewer than 2^64 leaves");
    StorageKey::RoundNode(curve, rounds::slot(number), level, node.index)
}

/// Who may do what to the contract itself.
pub fn read_roles() -> Roles {
    read(&StorageKey::Roles).expect("written by init and migrate, and never removed")
}

/// Writes who may do what to the contract itself.
pub fn write_roles(roles: &Roles) {
    write(&StorageKey::Roles, roles);
}

/// Reads a record of upgrades, as it stands.
pub fn read_upgrade(key: UpgradeKey) -> Option<Vec<u8>> {
    env::storage_read(&key.to_bytes())
}

/// Writes a record of upgrades, as it stands.
pub fn write_upgrade(key: UpgradeKey, bytes: &[u8]) {
    env::storage_write(&key.to_bytes(), bytes);
}

/// Reads a time or a duration of upgrades, in nanoseconds.
pub fn read_upgrade_ns(key: UpgradeKey) -> Option<u64> {
    let bytes = read_upgrade(key)?;
    Some(borsh::from_slice(&bytes).expect("the contract reads what it wrote"))
}

/// Writes a time or a duration of upgrades, in nanoseconds.
pub fn write_upgrade_ns(key: UpgradeKey, ns: u64) {
    write_upgrade(key, &codec::encode(&ns));
}

/// Removes a record of upgrades.
pub fn remove_upgrade(key: UpgradeKey) {
    env::storage_remove(&key.to_bytes());
}

fn read<T: BorshDeserialize>(key: &StorageKey<'_>) -> Option<T> {
    let bytes = env::storage_read(&key.to_bytes())?;
    Some(borsh::from_slice(&bytes).expect("the contract reads what it wrote"))
}

fn remove(key: &StorageKey<'_>) {
    env::storage_remove(&key.to_bytes());
}

fn write<T: BorshSerialize>(key: &StorageKey<'_>, record: &T) {
    env::storage_write(&key.to_bytes(), &codec::encode(record));
}
