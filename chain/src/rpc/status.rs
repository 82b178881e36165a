//! `status`, `validators`, `network_info`, `EXPERIMENTAL_protocol_config`: what tools ask a node about itself.

use near_crypto::{ED25519PublicKey, PublicKey};
use near_parameters::{RuntimeConfig, RuntimeConfigView};
use near_primitives::types::AccountId;
use near_primitives::utils::from_timestamp;
use serde_json::{Value, json};

use super::block::epoch_id;
use super::{Handled, to_value};
use crate::block::{BlockRecord, earliest};
use crate::config::{BLOCK_GAS_LIMIT, GAS_PRICE, TRANSACTION_VALIDITY_BLOCKS};
use crate::genesis::GenesisRecord;
use crate::view::View;

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The name of the one who makes the blocks. It has no account.
pub(super) fn producer_id() -> AccountId {
    "producer".parse().expect("a valid account id")
}

pub(super) fn status(view: &View) -> Value {
    let genesis = BlockRecord::genesis(&view.genesis);
    let oldest = earliest(&view.entries).unwrap_or_else(|| genesis.clone());
    let key = node_key(&view.genesis);
    let version = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "build": "embedded",
        "commit": "unknown",
        "rustc_version": "unknown",
    });
    json!({
        "chain_id": view.config.chain_id,
        "genesis_hash": genesis.hash,
        "latest_protocol_version": view.config.protocol_version,
        "node_key": null,
        "node_public_key": key,
        "protocol_version": view.config.protocol_version,
        "sync_info": {
            "earliest_block_hash": oldest.hash,
            "earliest_block_height": oldest.height,
            "earliest_block_time": iso(oldest.time_ns),
            "epoch_id": epoch_id(),
            "epoch_start_height": 0,
            "latest_block_hash": view.head.hash,
            "latest_block_height": view.head.height,
            "latest_block_time": iso(view.head.time_ns),
            "latest_state_root": view.head.state_root,
            "syncing": false,
        },
        "uptime_sec": view.head.time_ns.saturating_sub(view.genesis.time_ns) / SECOND_NS,
        "validator_account_id": producer_id(),
        "validator_public_key": key,
        "validators": [{"account_id": producer_id()}],
        "version": version,
    })
}

/// One producer with no stake: enough for tools that list validators.
pub(super) fn validators(view: &View) -> Value {
    let key = node_key(&view.genesis);
    let blocks = view.head.height;
    json!({
        "current_fishermen": [],
        "current_proposals": [],
        "current_validators": [{
            "account_id": producer_id(),
            "is_slashed": false,
            "num_expected_blocks": blocks,
            "num_expected_chunks": blocks,
            "num_expected_chunks_per_shard": [blocks],
            "num_expected_endorsements": 0,
            "num_expected_endorsements_per_shard": [0],
            "num_produced_blocks": blocks,
            "num_produced_chunks": blocks,
            "num_produced_chunks_per_shard": [blocks],
            "num_produced_endorsements": 0,
            "num_produced_endorsements_per_shard": [0],
            "public_key": key,
            "shards": [0],
            "shards_endorsed": [0],
            "stake": "0",
        }],
        "epoch_height": 0,
        "epoch_start_height": 0,
        "next_fishermen": [],
        "next_validators": [{"account_id": producer_id(), "public_key": key, "shards": [0], "stake": "0"}],
        "prev_epoch_kickout": [],
    })
}

pub(super) fn network_info() -> Value {
    json!({
        "active_peers": [],
        "known_producers": [],
        "num_active_peers": 0,
        "peer_max_count": 0,
        "received_bytes_per_sec": 0,
        "sent_bytes_per_sec": 0,
    })
}

/// The protocol's parameters; what concerns staking has values of a network of one that never changes.
pub(super) fn protocol_config(view: &View) -> Handled {
    let runtime = RuntimeConfigView::from(RuntimeConfig::clone(&view.config.runtime));
    let runtime = to_value(&runtime)?;
    Ok(json!({
        "avg_hidden_validator_seats_per_shard": [],
        "block_producer_kickout_threshold": 0,
        "chain_id": view.config.chain_id,
        "chunk_producer_kickout_threshold": 0,
        "chunk_validator_only_kickout_threshold": 0,
        "dynamic_resharding": false,
        "epoch_length": u64::MAX,
        "fishermen_threshold": "0",
        "gas_limit": BLOCK_GAS_LIMIT,
        "gas_price_adjustment_rate": [0, 1],
        "genesis_height": 0,
        "genesis_time": iso(view.genesis.time_ns),
        "max_gas_price": GAS_PRICE,
        "max_inflation_rate": [0, 1],
        "max_kickout_stake_perc": 0,
        "min_gas_price": GAS_PRICE,
        "minimum_stake_divisor": 1,
        "minimum_stake_ratio": [0, 1],
        "minimum_validators_per_shard": 1,
        "num_block_producer_seats": 1,
        "num_block_producer_seats_per_shard": [1],
        "num_blocks_per_year": 31_536_000,
        "online_max_threshold": [1, 1],
        "online_min_threshold": [0, 1],
        "protocol_reward_rate": [0, 1],
        "protocol_treasury_account": producer_id(),
        "protocol_upgrade_stake_threshold": [1, 1],
        "protocol_version": view.config.protocol_version,
        "runtime_config": runtime,
        "shard_layout": {"V2": {
            "boundary_accounts": [],
            "id_to_index_map": {"0": 0},
            "index_to_id_map": {"0": 0},
            "shard_ids": [0],
            "shards_parent_map": null,
            "shards_split_map": null,
            "version": 0,
        }},
        "shuffle_shard_assignment_for_chunk_producers": false,
        "target_validator_mandates_per_shard": 1,
        "transaction_validity_period": TRANSACTION_VALIDITY_BLOCKS,
    }))
}

/// An id that looks like a key: the node signs nothing.
fn node_key(genesis: &GenesisRecord) -> PublicKey {
    PublicKey::ED25519(ED25519PublicKey(BlockRecord::genesis(genesis).hash.0))
}

/// ISO 8601 with as many digits as needed.
fn iso(time_ns: u64) -> String {
    format!("{:?}", from_timestamp(time_ns))
}
