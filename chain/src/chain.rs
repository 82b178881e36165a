//! The chain that a driver holds: submit, make blocks, persist what changed, look.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use imbl::OrdMap;
use near_primitives::errors::InvalidTxError;
use near_primitives::hash::CryptoHash;
use near_primitives::transaction::SignedTransaction;
use near_primitives::types::{BlockHeight, Gas};

use crate::ChainError;
use crate::block::{self, BlockRecord};
use crate::config::{ChainConfig, POOL_LIMIT};
use crate::execute::{CompiledInMemory, ContractCache};
use crate::genesis::{self, Genesis, GenesisRecord};
use crate::keys::{self, Column};
use crate::outcome;
use crate::receipts;
use crate::runtime::Execution;
use crate::signer::{self, SignerAccount, SignerCondition, SignerFault};
use crate::state::{Diff, Entries, State, read};
use crate::transaction::{self, Rejected};
use crate::view::View;
use crate::yields;

/// Refused transactions that are remembered, so that whoever waits for one learns why.
const REJECTED_LIMIT: usize = 1_000;

/// Most blocks that one call may skip ahead.
pub const FAST_FORWARD_LIMIT: BlockHeight = 10_000;

/// An embedded NEAR chain.
///
/// It does nothing on its own: the driver submits transactions, calls [`Chain::make_block`] when
/// [`Chain::next_block_at`] says so, and persists each [`Diff`] before it shows the new [`Chain::view`].
pub struct Chain {
    genesis: Arc<GenesisRecord>,
    config: Arc<ChainConfig>,
    signer: Option<Arc<SignerAccount>>,
    cache: ContractCache,
    state: State,
    head: BlockRecord,
    /// Invariant: at most `POOL_LIMIT`.
    pool: VecDeque<SignedTransaction>,
    faults: VecDeque<SignerFault>,
    rejected: OrdMap<CryptoHash, InvalidTxError>,
    /// Invariant: the keys of `rejected`, oldest first, at most `REJECTED_LIMIT`.
    rejected_order: VecDeque<CryptoHash>,
}

impl Chain {
    /// Starts a chain; the diff is its whole initial state.
    ///
    /// # Errors
    /// An unsupported protocol version, an account listed twice, a contract above the protocol's limit, or a
    /// signer whose name leaves no room for its nodes' account.
    pub fn from_genesis(genesis: Genesis) -> Result<(Self, Diff), ChainError> {
        let mut state = State::empty();
        genesis::write(&mut state, genesis)?;
        let diff = state.take_diff();
        Ok((Self::with_state(state)?, diff))
    }

    /// Continues a chain from everything that its diffs have left: all puts, without what was deleted.
    ///
    /// # Errors
    /// Nothing there, an entry that doesn't decode, or a chain of another protocol version.
    pub fn open(entries: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, ChainError> {
        let mut map = Entries::new();
        for (key, value) in entries {
            keys::check(&key, &value)?;
            map.insert(key.into(), value.into());
        }
        Self::with_state(State::persisted(map))
    }

    fn with_state(state: State) -> Result<Self, ChainError> {
        let genesis: GenesisRecord = read(state.entries(), &keys::single(Column::Genesis)).ok_or(ChainError::Empty)?;
        let head = block::head(state.entries()).ok_or(ChainError::Empty)?;
        Ok(Self {
            config: Arc::new(genesis.config()?),
            signer: genesis.signer()?.map(Arc::new),
            genesis: Arc::new(genesis),
            cache: Arc::new(CompiledInMemory::default()),
            state,
            head,
            pool: VecDeque::new(),
            faults: VecDeque::new(),
            rejected: OrdMap::new(),
            rejected_order: VecDeque::new(),
        })
    }

    /// Puts a transaction into the pool, which lives in memory only; returns its hash.
    ///
    /// One that was executed or waits already is fine: its outcome can be asked for.
    ///
    /// # Errors
    /// What the next block would refuse it for; `ShardStuck` when the pool is full.
    pub fn submit(&mut self, transaction: SignedTransaction) -> Result<CryptoHash, InvalidTxError> {
        let hash = transaction.get_hash();
        let is_known = outcome::is_executed(self.state.entries(), &hash)
            || self.pool.iter().any(|waiting| waiting.get_hash() == hash);
        if is_known {
            return Ok(hash);
        }
        if self.pool.len() >= POOL_LIMIT {
            return Err(InvalidTxError::ShardStuck { shard_id: 0, missed_chunks: 0 });
        }
        let height = self.head.height.saturating_add(1);
        transaction::check(&self.config, self.state.entries(), height, &transaction)?;
        self.rejected.remove(&hash);
        self.rejected_order.retain(|rejected| *rejected != hash);
        self.pool.push_back(transaction);
        Ok(hash)
    }

    /// When the next block should be made: `None` while nothing waits for one, `now_ns` or earlier while a
    /// transaction or a receipt can run, otherwise when the signer answers or height must grow.
    pub fn next_block_at(&self, now_ns: u64) -> Option<u64> {
        if !self.pool.is_empty() || receipts::has_runnable(self.state.entries()) {
            return Some(now_ns);
        }
        let by_height = self.head.time_ns.saturating_add(self.config.block_interval_ns);
        let next_height = self.head.height.saturating_add(1);
        let jobs = signer::waiting(self.state.entries())
            .map(|job| if job.ready_height > next_height { by_height } else { job.ready_ns });
        let yields = yields::any_waiting(self.state.entries()).then_some(by_height);
        jobs.chain(yields).min()
    }

    /// Makes the next block: its time is `now_ns`, or just after the previous block's if that is later.
    ///
    /// The diff must be durable before the new state is shown to anybody.
    pub fn make_block(&mut self, now_ns: u64) -> Diff {
        let block = self.head.child(now_ns, &self.genesis.seed);
        order_by_nonce(&mut self.pool);
        let execution = Execution {
            config: &self.config,
            cache: &*self.cache,
            block: &block,
            state: &mut self.state,
            signer: self.signer.as_deref(),
            faults: &mut self.faults,
            history: Vec::new(),
            gas_used: Gas::ZERO,
        };
        let made = block::make(execution, &mut self.pool);
        for Rejected { hash, error } in made.rejected {
            self.remember_rejected(hash, error);
        }
        self.head = block::head(self.state.entries()).expect("a block was just stored");
        made.diff
    }

    /// Makes blocks, moving `now_ns` to whenever the next one is due, until nothing waits for one.
    ///
    /// It ends, because everything that waits times out by height.
    pub fn run_until_idle(&mut self, now_ns: u64) -> Vec<Diff> {
        let mut now_ns = now_ns.max(self.head.time_ns);
        let mut diffs = Vec::new();
        while let Some(at) = self.next_block_at(now_ns) {
            now_ns = now_ns.max(at);
            diffs.push(self.make_block(now_ns));
        }
        diffs
    }

    /// Makes `blocks` blocks at once, at most [`FAST_FORWARD_LIMIT`]; one diff for all of them.
    pub fn fast_forward(&mut self, now_ns: u64, blocks: BlockHeight) -> Diff {
        Diff::join((0..blocks.min(FAST_FORWARD_LIMIT)).map(|_| self.make_block(now_ns)))
    }

    /// A snapshot of the newest state; later blocks don't change it.
    pub fn view(&self) -> View {
        View {
            entries: self.state.snapshot(),
            genesis: self.genesis.clone(),
            config: self.config.clone(),
            signer: self.signer.clone(),
            cache: self.cache.clone(),
            head: self.head.clone(),
            rejected: self.rejected.clone(),
        }
    }

    /// Keeps compiled contracts in `cache` from now on, instead of in memory. That changes how fast
    /// contracts run, never what they do.
    pub fn set_contract_cache(&mut self, cache: ContractCache) {
        self.cache = cache;
    }

    /// Scripts what happens to the next signature request that has no script yet. In memory only.
    pub fn script_signer(&mut self, fault: SignerFault) {
        self.faults.push_back(fault);
    }

    /// Says what holds for all of the signer's calls from the next block on. In memory only; without a
    /// signer it changes nothing.
    pub fn set_signer_condition(&mut self, condition: SignerCondition) {
        if let Some(signer) = &mut self.signer {
            Arc::make_mut(signer).condition = condition;
        }
    }

    fn remember_rejected(&mut self, hash: CryptoHash, error: InvalidTxError) {
        if self.rejected.insert(hash, error).is_none() {
            self.rejected_order.push_back(hash);
        }
        while self.rejected_order.len() > REJECTED_LIMIT {
            let Some(oldest) = self.rejected_order.pop_front() else { break };
            self.rejected.remove(&oldest);
        }
    }
}

/// Orders the transactions of each key by nonce, keys by their first transaction in the pool.
fn order_by_nonce(pool: &mut VecDeque<SignedTransaction>) {
    let mut first_seen = BTreeMap::new();
    for (index, signed) in pool.iter().enumerate() {
        let transaction = &signed.transaction;
        let key = (transaction.signer_id().clone(), crate::state::encode(transaction.public_key()));
        first_seen.entry(key).or_insert(index);
    }
    pool.make_contiguous().sort_by_cached_key(|signed| {
        let transaction = &signed.transaction;
        let key = (transaction.signer_id().clone(), crate::state::encode(transaction.public_key()));
        (first_seen.get(&key).copied(), transaction.nonce().nonce())
    });
}
