//! Blocks: one after the other, final when made.

use std::collections::VecDeque;

use borsh::{BorshDeserialize, BorshSerialize};
use near_primitives::hash::CryptoHash;
use near_primitives::receipt::Receipt;
use near_primitives::transaction::SignedTransaction;
use near_primitives::types::{BlockHeight, Gas};

use crate::config::{BLOCK_GAS_LIMIT, HISTORY_BLOCKS};
use crate::genesis::GenesisRecord;
use crate::keys::{self, Column};
use crate::outcome;
use crate::receipts;
use crate::runtime::Execution;
use crate::signer;
use crate::state::{Diff, Entries, State, encode, read, scan};
use crate::transaction::{self, Rejected};
use crate::yields;

/// A block's header.
///
/// The hash covers everything that is known before the block runs; what it changes is covered by the next one,
/// through `prev_state_root`.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug)]
pub(crate) struct BlockRecord {
    pub(crate) height: BlockHeight,
    pub(crate) hash: CryptoHash,
    pub(crate) prev_hash: CryptoHash,
    /// Nanoseconds since the Unix epoch; strictly above the previous block's.
    pub(crate) time_ns: u64,
    pub(crate) random_value: CryptoHash,
    /// Hash over all changes up to the previous block: there is no trie.
    pub(crate) prev_state_root: CryptoHash,
    /// The same with this block's changes.
    pub(crate) state_root: CryptoHash,
    pub(crate) gas_used: Gas,
}

impl BlockRecord {
    pub(crate) fn genesis(genesis: &GenesisRecord) -> Self {
        let root = CryptoHash::hash_borsh(genesis);
        let mut block = Self {
            height: 0,
            hash: CryptoHash::default(),
            prev_hash: CryptoHash::default(),
            time_ns: genesis.time_ns,
            random_value: random_value(&genesis.seed, 0),
            prev_state_root: root,
            state_root: root,
            gas_used: Gas::ZERO,
        };
        block.hash = block.compute_hash();
        block
    }

    /// The block after this one, at `now_ns` or as soon after this one as time can be told apart.
    pub(crate) fn child(&self, now_ns: u64, seed: &[u8; 32]) -> Self {
        let height = self.height.saturating_add(1);
        let mut block = Self {
            height,
            hash: CryptoHash::default(),
            prev_hash: self.hash,
            time_ns: now_ns.max(self.time_ns.saturating_add(1)),
            random_value: random_value(seed, height),
            prev_state_root: self.state_root,
            state_root: self.state_root,
            gas_used: Gas::ZERO,
        };
        block.hash = block.compute_hash();
        block
    }

    fn compute_hash(&self) -> CryptoHash {
        CryptoHash::hash_borsh((self.height, self.prev_hash, self.time_ns, self.random_value, self.prev_state_root))
    }
}

fn random_value(seed: &[u8; 32], height: BlockHeight) -> CryptoHash {
    CryptoHash::hash_borsh((b"block randomness:", seed, height))
}

pub(crate) fn store(state: &mut State, block: &BlockRecord) {
    state.write(&keys::by_number(Column::Block, block.height), block);
    state.write(&keys::by_hash(Column::BlockHeight, &block.hash), &block.height);
    state.write(&keys::single(Column::Head), &block.height);
}

pub(crate) fn head(entries: &Entries) -> Option<BlockRecord> {
    let height: BlockHeight = read(entries, &keys::single(Column::Head))?;
    at_height(entries, height)
}

pub(crate) fn at_height(entries: &Entries, height: BlockHeight) -> Option<BlockRecord> {
    read(entries, &keys::by_number(Column::Block, height))
}

pub(crate) fn height_of(entries: &Entries, hash: &CryptoHash) -> Option<BlockHeight> {
    read(entries, &keys::by_hash(Column::BlockHeight, hash))
}

/// The oldest block that is still there.
pub(crate) fn earliest(entries: &Entries) -> Option<BlockRecord> {
    let prefix = keys::single(Column::Block);
    let (_, value) = scan(entries, &prefix).next()?;
    Some(crate::state::decode(value))
}

/// What a made block leaves: its changes, and the transactions that it had to refuse.
pub(crate) struct Made {
    pub(crate) diff: Diff,
    pub(crate) rejected: Vec<Rejected>,
}

/// Runs what is due in the block of `execution`, in this order: the signer's nodes' transactions, the pool,
/// receipts of accounts to themselves, the queue of earlier blocks; then yields whose height has come.
pub(crate) fn make(mut execution: Execution<'_>, pool: &mut VecDeque<SignedTransaction>) -> Made {
    let queue_end = receipts::counters(execution.state.entries()).runnable;
    let mut local = Vec::new();
    let mut rejected = Vec::new();
    if let Some(signer) = execution.signer {
        for answer in signer::due_answers(execution.state, signer, execution.block) {
            include(&mut execution, answer, &mut local, &mut rejected);
        }
    }
    while execution.gas_used < BLOCK_GAS_LIMIT
        && let Some(transaction) = pool.pop_front()
    {
        include(&mut execution, transaction, &mut local, &mut rejected);
    }
    for receipt in local {
        execution.process(receipt);
    }
    while execution.gas_used < BLOCK_GAS_LIMIT
        && let Some(receipt) = receipts::dequeue(execution.state, queue_end)
    {
        execution.process(receipt);
    }
    yields::expire(execution.state, execution.block.height);
    Made { diff: seal(execution), rejected }
}

fn include(
    execution: &mut Execution<'_>,
    transaction: SignedTransaction,
    local: &mut Vec<Receipt>,
    rejected: &mut Vec<Rejected>,
) {
    match transaction::include(execution, &transaction) {
        Ok(Some(receipt)) => local.push(receipt),
        Ok(None) => {}
        Err(error) => rejected.push(Rejected { hash: transaction.get_hash(), error }),
    }
}

/// Forgets what is too old, and stores the block with the root over all changes.
fn seal(execution: Execution<'_>) -> Diff {
    let Execution { state, block, history, gas_used, .. } = execution;
    outcome::remember_block(state, block.height, &history);
    if let Some(old) = block.height.checked_sub(HISTORY_BLOCKS) {
        outcome::forget_block(state, old);
        if let Some(record) = at_height(state.entries(), old) {
            state.delete(&keys::by_number(Column::Block, old));
            state.delete(&keys::by_hash(Column::BlockHeight, &record.hash));
        }
    }
    let diff = state.take_diff();
    let mut block = block.clone();
    block.gas_used = gas_used;
    block.state_root = CryptoHash::hash_borsh((block.prev_state_root, encode(&(&diff.puts, &diff.deletes))));
    store(state, &block);
    Diff::join([diff, state.take_diff()])
}
