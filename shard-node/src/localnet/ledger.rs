//! The chain and its store: a block is durable before anybody sees it.

use super::LocalnetError;
use crate::home::{Home, HomeError};
use crate::store::DiskStore;
use chain::near_primitives::errors::InvalidTxError;
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::transaction::SignedTransaction;
use chain::{Chain, ContractCache, Diff, FilesystemContractRuntimeCache, Genesis, View};
use queue::store::{Store as _, StoreError, Turn};
use std::path::Path;
use std::sync::Arc;

/// How many entries are read from the store at a time when the chain is opened.
const LOAD_ENTRIES: usize = 256;

/// Contracts that are kept loaded: the bridge's, and some of whoever tries things out.
const LOADED_CONTRACTS_MAX: usize = 8;

/// Most bytes of compiled contracts on disk; a bridge contract takes some 5 MB.
const COMPILED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A chain whose every block is one turn of a store.
pub(super) struct Ledger {
    chain: Chain,
    store: DiskStore,
}

impl Ledger {
    /// Continues the chain in the store of `home`, or starts the one that `genesis` describes.
    /// Its compiled contracts are kept in `home` too.
    pub(super) fn open(
        home: &Home,
        genesis: impl FnOnce() -> Result<Genesis, LocalnetError>,
    ) -> Result<Self, LocalnetError> {
        let store = DiskStore::open(&home.store_path(), Box::new(|| ()))?;
        let mut ledger = if store.turn() > 0 {
            Ledger { chain: Chain::open(entries(&store)?.into_iter())?, store }
        } else {
            let (chain, diff) = Chain::from_genesis(genesis()?)?;
            let mut ledger = Ledger { chain, store };
            ledger.persist(diff)?;
            ledger
        };
        ledger.chain.set_contract_cache(contract_cache(home)?);
        Ok(ledger)
    }

    /// The chain as it is durable.
    pub(super) fn view(&self) -> View {
        self.chain.view()
    }

    /// See [`Chain::submit`].
    pub(super) fn submit(&mut self, transaction: SignedTransaction) -> Result<CryptoHash, InvalidTxError> {
        self.chain.submit(transaction)
    }

    /// See [`Chain::next_block_at`].
    pub(super) fn next_block_at(&self, now_ns: u64) -> Option<u64> {
        self.chain.next_block_at(now_ns)
    }

    /// Makes a block; it is durable when this returns.
    pub(super) fn make_block(&mut self, now_ns: u64) -> Result<(), StoreError> {
        let diff = self.chain.make_block(now_ns);
        self.persist(diff)
    }

    /// Makes many blocks at once; see [`Chain::fast_forward`].
    pub(super) fn fast_forward(&mut self, now_ns: u64, blocks: u64) -> Result<(), StoreError> {
        let diff = self.chain.fast_forward(now_ns, blocks);
        self.persist(diff)
    }

    fn persist(&mut self, diff: Diff) -> Result<(), StoreError> {
        let Diff { puts, deletes } = diff;
        self.store.append(Turn { id: self.store.turn() + 1, puts, deletes, ..Turn::default() })?;
        self.store.wait_durable()?;
        Ok(())
    }
}

/// Compiled contracts, on disk and, while they are in use, loaded in memory.
fn contract_cache(home: &Home) -> Result<ContractCache, LocalnetError> {
    let folder = home.root().join("contracts");
    let opened = FilesystemContractRuntimeCache::with_memory_cache(
        home.root(),
        None::<&Path>,
        "contracts",
        LOADED_CONTRACTS_MAX,
        None,
        COMPILED_BYTES_MAX,
        chain::noop_background_spawner(),
    );
    let cache = opened.map_err(|error| HomeError::Io { path: folder, error })?;
    Ok(Arc::new(cache))
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(store: &DiskStore) -> Result<Entries, StoreError> {
    let mut entries = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = store.scan(b"", &from, LOAD_ENTRIES)?;
        let Some((last, _)) = page.last() else { return Ok(entries) };
        from = [last, &[0][..]].concat();
        entries.extend(page);
    }
}
