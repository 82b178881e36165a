//! What is counted of the state while it changes: its checksum, and what is alive in each segment.

use super::checksum::StateSum;
use super::effect::{self, decode_place};
use super::index::{Changes, Index};
use super::rows::{self, Row};
use queue::store::StoreError;
use std::collections::BTreeMap;

/// Checksum and live bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) state: StateSum,
    /// Bytes of the runs of each segment that are not pruned, where there are any.
    pub(super) live: BTreeMap<u64, u64>,
}

impl Tally {
    /// That of the empty store.
    pub(super) fn empty() -> Self {
        Tally { state: StateSum::EMPTY, live: BTreeMap::new() }
    }

    /// That of an index whose checksum is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn load(index: &Index, state: StateSum) -> Result<Self, StoreError> {
        let mut live = BTreeMap::new();
        for row in index.applied(rows::LIVE) {
            let (key, value) = row?;
            let count = rows::last_number(&key).zip(rows::decode_u64(&value));
            let (segment, bytes) = count.ok_or_else(|| StoreError::Damaged("a segment's row is damaged".to_owned()))?;
            live.insert(segment, bytes);
        }
        Ok(Tally { state, live })
    }

    /// Counts every row that is applied.
    ///
    /// # Errors
    /// [`StoreError`]; a row that can't be read is [`StoreError::Damaged`].
    pub(super) fn count(index: &Index) -> Result<Self, StoreError> {
        let mut tally = Tally::empty();
        for row in index.applied(rows::KEY) {
            let (key, head) = row?;
            let value = effect::value(index, rows::engine_key(&key), &head)?;
            tally.state.add(&key, &value);
        }
        for row in index.applied(rows::PRUNED) {
            let (key, value) = row?;
            tally.state.add(&key, &value);
        }
        for row in index.applied(rows::RUN) {
            let (key, value) = row?;
            let place = decode_place(&value)?;
            tally.state.add(&key, &place.parts.count().to_le_bytes());
            *tally.live.entry(place.segment).or_default() += place.parts.bytes();
        }
        Ok(tally)
    }

    /// The rows that the index must have of live bytes, with the removal of others.
    pub(super) fn rows(&self, index: &Index) -> Result<Changes, StoreError> {
        let mut changes = Changes::new();
        for row in index.applied(rows::LIVE) {
            changes.insert(row?.0.to_vec(), None);
        }
        for (segment, bytes) in &self.live {
            changes.insert(Row::Live(*segment).key(), Some(bytes.to_be_bytes()[..].into()));
        }
        Ok(changes)
    }
}
