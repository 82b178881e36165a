//! The protocol's parameters and this chain's own limits.

use std::sync::Arc;

use near_parameters::{RuntimeConfig, RuntimeConfigStore};
use near_primitives::types::{Balance, BlockHeight, Gas};

use crate::ChainError;

/// The protocol version that this crate implements: the oldest that the VM still runs and the one of
/// the recorded node.
pub const PROTOCOL_VERSION: u32 = 84;

/// The newest protocol version that the VM knows. Contracts run under any version from
/// [`PROTOCOL_VERSION`] to this one, with its host functions and prices; of what later versions change
/// outside of contracts, a charge for creating accounts and gas bought above the price that it is burnt
/// at, this crate does nothing.
pub const PROTOCOL_VERSION_MAX: u32 = near_primitives::version::PROTOCOL_VERSION;

/// What one unit of gas costs, in yoctoNEAR; it never moves.
pub const GAS_PRICE: Balance = Balance::from_yoctonear(100_000_000);

/// Gas after which a block takes nothing more; the rest waits for the next one.
pub const BLOCK_GAS_LIMIT: Gas = Gas::from_gas(1_000_000_000_000_000);

/// Gas that a view call may burn.
pub const VIEW_GAS_LIMIT: Gas = Gas::from_gas(300_000_000_000_000);

/// Blocks whose headers, transactions, receipts and outcomes can be asked for; older ones are forgotten.
///
/// At ten transactions of 1 KiB a block this bounds the history to some 200 MB.
pub const HISTORY_BLOCKS: BlockHeight = 10_000;

/// Blocks for which a transaction may name a block hash. A forgotten block can't be named at all.
pub const TRANSACTION_VALIDITY_BLOCKS: BlockHeight = HISTORY_BLOCKS;

/// Transactions that wait for a block; further ones are refused until it is made.
pub const POOL_LIMIT: usize = 10_000;

const _: () = assert!(TRANSACTION_VALIDITY_BLOCKS <= HISTORY_BLOCKS);

/// What execution needs to know about the rules.
#[derive(Clone, Debug)]
pub(crate) struct ChainConfig {
    pub(crate) chain_id: String,
    pub(crate) protocol_version: u32,
    pub(crate) runtime: Arc<RuntimeConfig>,
    /// Nanoseconds between blocks that only let time pass.
    pub(crate) block_interval_ns: u64,
}

impl ChainConfig {
    pub(crate) fn new(chain_id: String, protocol_version: u32, block_interval_ns: u64) -> Result<Self, ChainError> {
        if !(PROTOCOL_VERSION..=PROTOCOL_VERSION_MAX).contains(&protocol_version) {
            return Err(ChainError::ProtocolVersion(protocol_version));
        }
        let runtime = RuntimeConfigStore::new(None).get_config(protocol_version).clone();
        Ok(Self { chain_id, protocol_version, runtime, block_interval_ns })
    }

    /// Blocks after which a yielded promise that nobody resumed fails.
    pub(crate) fn yield_timeout_blocks(&self) -> BlockHeight {
        self.runtime.wasm_config.limit_config.yield_timeout_length_in_blocks
    }
}

/// What `gas` costs at `price`. Gas is a u64 and the price a constant, so this can't saturate.
pub(crate) fn gas_cost(gas: Gas, price: Balance) -> Balance {
    price.saturating_mul(u128::from(gas.as_gas()))
}
