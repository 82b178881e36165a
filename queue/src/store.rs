//! The store that an engine owns: turns go in, and come back after a crash. Specified in
//! `specs/store.md`.

mod memory;

pub use memory::{CrashPlan, MemoryStore};

use crate::ids::Lane;
use crate::stream::Stream;
use std::ops::Range;
use std::sync::Arc;

/// Counts an engine's turns, from 1; 0 stands for the empty store.
pub type TurnId = u64;

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// What the engine commits at once: after a crash, a turn is there as a whole or not at all, and
/// no turn is there without all before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turn {
    /// One more than the turn before.
    pub id: TurnId,
    /// Lanes whose messages from a nonce on go away, before others are appended. A truncated lane
    /// ends where one of its [`Appended`] began.
    pub truncates: Vec<(Lane, u64)>,
    /// Messages appended to lanes.
    pub messages: Vec<Appended>,
    /// Keys and their new values.
    pub puts: Vec<KeyValue>,
    /// Keys that go away.
    pub deletes: Vec<Vec<u8>>,
    /// Lanes whose messages below a nonce may go away.
    pub prunes: Vec<(Lane, u64)>,
}

/// Messages appended to one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The lane.
    pub lane: Lane,
    /// Nonce of the first.
    pub first_nonce: u64,
    /// At least one message. Shared, because what is stored may also wait to be sent.
    pub messages: Arc<Stream>,
}

/// Why the store can't go on. Each is final: the process stops, and recovers at its next start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The medium failed. An earlier failure is repeated until the store is opened again.
    #[error("the store failed: {0}; free or repair the disk, then start the node again")]
    Medium(String),
    /// What was read can't have been written.
    #[error("the store is damaged: {0}; restore the home from a copy of its newest state")]
    Damaged(String),
}

/// A turn-wise durable store.
///
/// Everything appended is visible to reads at once, and durable when [`Store::poll_durable`] says
/// so. An error is final: the store fails every later call.
pub trait Store {
    /// Takes a turn.
    ///
    /// # Errors
    /// [`StoreError`].
    fn append(&mut self, turn: Turn) -> Result<(), StoreError>;

    /// The newest turn that a crash can't undo. Never blocks.
    ///
    /// # Errors
    /// [`StoreError`], also of a write that failed since the last call.
    fn poll_durable(&mut self) -> Result<TurnId, StoreError>;

    /// The messages of a lane with these nonces: as many as fit `bytes_max` with their lengths, but
    /// at least one if there is one. Empty at the end of the lane.
    ///
    /// # Errors
    /// [`StoreError`]; asking for a pruned nonce is [`StoreError::Damaged`].
    fn read(&self, lane: &Lane, nonces: Range<u64>, bytes_max: usize) -> Result<Stream, StoreError>;

    /// Message `nonce` of a lane, if the lane has it.
    ///
    /// # Errors
    /// Those of [`Store::read`].
    fn message(&self, lane: &Lane, nonce: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.read(lane, nonce..nonce.saturating_add(1), 0)?;
        Ok(read.messages().next().map(<[u8]>::to_vec))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` keys that begin with `prefix` and are not below `from`, in order, with
    /// their values.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError>;
}
