//! The chain and its store: a block is durable before anybody sees it.

use super::LocalnetError;
use crate::store::SledStore;
use chain::near_primitives::errors::InvalidTxError;
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::transaction::SignedTransaction;
use chain::{Chain, Diff, Genesis, View};
use queue::store::{Store as _, StoreError, Turn};
use std::path::Path;

/// How many entries are read from the store at a time when the chain is opened.
const LOAD_ENTRIES: usize = 256;

/// A chain whose every block is one turn of a store.
pub(super) struct Ledger {
    chain: Chain,
    store: SledStore,
}

impl Ledger {
    /// Continues the chain in the store at `path`, or starts the one that `genesis` describes.
    pub(super) fn open(
        path: &Path,
        genesis: impl FnOnce() -> Result<Genesis, LocalnetError>,
    ) -> Result<Self, LocalnetError> {
        let store = SledStore::open(path, Box::new(|| ()))?;
        if store.turn() > 0 {
            let chain = Chain::open(entries(&store)?.into_iter())?;
            return Ok(Ledger { chain, store });
        }
        let (chain, diff) = Chain::from_genesis(genesis()?)?;
        let mut ledger = Ledger { chain, store };
        ledger.persist(diff)?;
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

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(store: &SledStore) -> Result<Entries, StoreError> {
    let mut entries = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = store.scan(b"", &from, LOAD_ENTRIES)?;
        let Some((last, _)) = page.last() else { return Ok(entries) };
        from = [last, &[0][..]].concat();
        entries.extend(page);
    }
}
