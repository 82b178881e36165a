//! `block` and `gas_price`.

use near_crypto::Signature;
use near_jsonrpc_primitives::errors::RpcError;
use near_jsonrpc_primitives::types::blocks::{RpcBlockError, RpcBlockRequest};
use near_jsonrpc_primitives::types::gas_price::RpcGasPriceError;
use near_primitives::bandwidth_scheduler::BandwidthRequests;
use near_primitives::hash::CryptoHash;
use near_primitives::types::{Balance, BlockId, BlockReference, ShardId};
use near_primitives::views::{BlockHeaderView, BlockView, ChunkHeaderView, CongestionInfoView, GasPriceView};
use serde_json::Value;

use super::errors::parse;
use super::query::describe;
use super::status::producer_id;
use super::{Handled, to_value};
use crate::block::{BlockRecord, at_height, height_of};
use crate::config::{BLOCK_GAS_LIMIT, GAS_PRICE};
use crate::view::View;

/// Why a block can't be shown.
pub(super) struct Missing {
    pub(super) message: String,
}

pub(super) fn block(params: Value, view: &View) -> Handled {
    let reference = match params {
        Value::Array(mut positional) if positional.len() == 1 => BlockReference::BlockId(parse(positional.remove(0))?),
        params => parse::<RpcBlockRequest>(params)?.block_reference,
    };
    let record = resolve(&reference, view)
        .map_err(|missing| -> RpcError { RpcBlockError::UnknownBlock { error_message: missing.message }.into() })?;
    to_value(&block_view(&record, view))
}

pub(super) fn gas_price(params: Value, view: &View) -> Handled {
    let id = match params {
        Value::Array(mut positional) if positional.len() == 1 => positional.remove(0),
        Value::Object(mut named) => named.remove("block_id").unwrap_or(Value::Null),
        _ => Value::Null,
    };
    if let Some(id) = parse::<Option<BlockId>>(id)? {
        resolve(&BlockReference::BlockId(id), view).map_err(|missing| -> RpcError {
            RpcGasPriceError::UnknownBlock { error_message: missing.message }.into()
        })?;
    }
    to_value(&GasPriceView { gas_price: GAS_PRICE })
}

/// Finds a block. Every finality means the newest one, and every checkpoint the oldest that is left.
pub(super) fn resolve(reference: &BlockReference, view: &View) -> Result<BlockRecord, Missing> {
    match reference {
        BlockReference::Finality(_) => Ok(view.head.clone()),
        BlockReference::SyncCheckpoint(_) => {
            crate::block::earliest(&view.entries).ok_or_else(|| Missing { message: "EARLIEST".to_owned() })
        }
        BlockReference::BlockId(id) => {
            let height = match id {
                BlockId::Height(height) => Some(*height),
                BlockId::Hash(hash) => height_of(&view.entries, hash),
            };
            height.and_then(|height| at_height(&view.entries, height)).ok_or_else(|| Missing { message: describe(id) })
        }
    }
}

fn block_view(block: &BlockRecord, view: &View) -> BlockView {
    let header = BlockHeaderView {
        height: block.height,
        prev_height: block.height.checked_sub(1),
        epoch_id: epoch_id(),
        next_epoch_id: epoch_id(),
        hash: block.hash,
        prev_hash: block.prev_hash,
        prev_state_root: block.prev_state_root,
        block_body_hash: Some(CryptoHash::default()),
        chunks_included: 1,
        timestamp: block.time_ns,
        timestamp_nanosec: block.time_ns,
        random_value: block.random_value,
        chunk_mask: vec![true],
        gas_price: GAS_PRICE,
        block_ordinal: Some(block.height.saturating_add(1)),
        last_final_block: block.prev_hash,
        last_ds_final_block: block.prev_hash,
        latest_protocol_version: view.config.protocol_version,
        ..BlockHeaderView::default()
    };
    BlockView { author: producer_id(), header, chunks: vec![chunk_view(block)] }
}

fn chunk_view(block: &BlockRecord) -> ChunkHeaderView {
    ChunkHeaderView {
        chunk_hash: CryptoHash::hash_borsh((b"chunk:", block.hash)),
        prev_block_hash: block.prev_hash,
        outcome_root: CryptoHash::default(),
        prev_state_root: block.prev_state_root,
        encoded_merkle_root: CryptoHash::default(),
        encoded_length: 0,
        height_created: block.height,
        height_included: block.height,
        shard_id: ShardId::new(0),
        gas_used: block.gas_used,
        gas_limit: BLOCK_GAS_LIMIT,
        rent_paid: Balance::ZERO,
        validator_reward: Balance::ZERO,
        balance_burnt: Balance::ZERO,
        outgoing_receipts_root: CryptoHash::default(),
        tx_root: CryptoHash::default(),
        validator_proposals: Vec::new(),
        congestion_info: Some(CongestionInfoView {
            delayed_receipts_gas: 0,
            buffered_receipts_gas: 0,
            receipt_bytes: 0,
            allowed_shard: 0,
        }),
        bandwidth_requests: Some(BandwidthRequests::empty()),
        proposed_split: None,
        signature: Signature::default(),
    }
}

/// The chain has one epoch.
pub(super) fn epoch_id() -> CryptoHash {
    CryptoHash::default()
}
