//! The chain's whole state: one ordered map of bytes, whose copies cost nothing.
//!
//! A snapshot (for a view, or for undoing a failed receipt) shares its nodes with the live map. What a block
//! changed is found by comparing the keys that it touched with the map at the block's start.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use imbl::OrdMap;

/// An immutable picture of the whole state.
pub(crate) type Entries = OrdMap<Arc<[u8]>, Arc<[u8]>>;

/// The absolute changes of one block, for the driver to persist in one atomic write.
///
/// Keys ascend and no key stands in both lists. Applying a diff twice is the same as applying it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Entries that are new or have a new value.
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys that are gone.
    pub deletes: Vec<Vec<u8>>,
}

impl Diff {
    /// Whether the diff changes nothing.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }

    /// One diff that does what these do one after the other.
    pub fn join(diffs: impl IntoIterator<Item = Self>) -> Self {
        let mut changes: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for diff in diffs {
            changes.extend(diff.deletes.into_iter().map(|key| (key, None)));
            changes.extend(diff.puts.into_iter().map(|(key, value)| (key, Some(value))));
        }
        let mut joined = Self::default();
        for (key, value) in changes {
            match value {
                Some(value) => joined.puts.push((key, value)),
                None => joined.deletes.push(key),
            }
        }
        joined
    }
}

/// The live state of a chain that makes blocks.
pub(crate) struct State {
    live: Entries,
    /// The state that the driver has been told about.
    reported: Entries,
    /// Invariant: every key whose value differs between `live` and `reported` is listed.
    touched: BTreeSet<Arc<[u8]>>,
}

impl State {
    pub(crate) fn empty() -> Self {
        Self::persisted(Entries::new())
    }

    /// A state that the driver already holds as a whole.
    pub(crate) fn persisted(entries: Entries) -> Self {
        Self { reported: entries.clone(), live: entries, touched: BTreeSet::new() }
    }

    pub(crate) fn entries(&self) -> &Entries {
        &self.live
    }

    pub(crate) fn snapshot(&self) -> Entries {
        self.live.clone()
    }

    /// Undoes everything since `snapshot` was taken.
    pub(crate) fn restore(&mut self, snapshot: Entries) {
        self.live = snapshot;
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.live.get(key).map(|value| &**value)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.live.contains_key(key)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: impl Into<Arc<[u8]>>) {
        let key: Arc<[u8]> = key.into();
        self.touched.insert(key.clone());
        self.live.insert(key, value.into());
    }

    pub(crate) fn delete(&mut self, key: &[u8]) -> Option<Arc<[u8]>> {
        let (key, value) = self.live.remove_with_key(key)?;
        self.touched.insert(key);
        Some(value)
    }

    pub(crate) fn read<T: BorshDeserialize>(&self, key: &[u8]) -> Option<T> {
        read(&self.live, key)
    }

    pub(crate) fn write<T: BorshSerialize>(&mut self, key: &[u8], value: &T) {
        self.put(key, encode(value));
    }

    /// Reads an entry and removes it.
    pub(crate) fn take<T: BorshDeserialize>(&mut self, key: &[u8]) -> Option<T> {
        self.delete(key).map(|bytes| decode(&bytes))
    }

    /// Removes everything below `prefix`.
    pub(crate) fn delete_prefix(&mut self, prefix: &[u8]) {
        let keys: Vec<Arc<[u8]>> = scan(&self.live, prefix).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.delete(&key);
        }
    }

    /// What changed since the last call.
    pub(crate) fn take_diff(&mut self) -> Diff {
        let mut diff = Diff::default();
        for key in std::mem::take(&mut self.touched) {
            let old = self.reported.get(&*key);
            let new = self.live.get(&*key);
            match new {
                _ if old == new => {}
                Some(value) => diff.puts.push((key.to_vec(), value.to_vec())),
                None => diff.deletes.push(key.to_vec()),
            }
        }
        self.reported = self.live.clone();
        diff
    }
}

/// All entries below `prefix`, in order.
pub(crate) fn scan<'a>(entries: &'a Entries, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Arc<[u8]>, &'a Arc<[u8]>)> {
    let range: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(prefix), Bound::Unbounded);
    entries.range::<_, [u8]>(range).take_while(move |(key, _)| key.starts_with(prefix))
}

pub(crate) fn read<T: BorshDeserialize>(entries: &Entries, key: &[u8]) -> Option<T> {
    entries.get(key).map(|bytes| decode(bytes))
}

pub(crate) fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory can't fail")
}

/// Decodes a value of the state.
///
/// Entries from disk were all decoded once when the chain was opened (`keys::check`), and only typed values
/// have been written since.
pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8]) -> T {
    borsh::from_slice(bytes).expect("state entries are checked when the chain opens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_lists_only_what_really_changed() {
        let mut state = State::empty();
        state.put(b"a", b"1".to_vec());
        state.put(b"b", b"2".to_vec());
        let first = state.take_diff();
        assert_eq!(first.puts.len(), 2);

        state.put(b"a", b"9".to_vec());
        state.put(b"a", b"1".to_vec());
        state.delete(b"b");
        state.delete(b"never there");
        let second = state.take_diff();
        assert!(second.puts.is_empty());
        assert_eq!(second.deletes, vec![b"b".to_vec()]);
        assert!(state.take_diff().is_empty());
    }

    #[test]
    fn restoring_a_snapshot_leaves_nothing_in_the_diff() {
        let mut state = State::empty();
        state.put(b"a", b"1".to_vec());
        state.take_diff();
        let before = state.snapshot();
        state.put(b"a", b"2".to_vec());
        state.put(b"c", b"3".to_vec());
        state.restore(before);
        assert!(state.take_diff().is_empty());
    }

    #[test]
    fn joined_diffs_keep_the_last_word_on_each_key() {
        let put = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        let one = Diff { puts: vec![put(b"a", b"1"), put(b"b", b"1")], deletes: vec![b"c".to_vec()] };
        let two = Diff { puts: vec![put(b"c", b"2")], deletes: vec![b"a".to_vec()] };
        let joined = Diff::join([one, two]);
        assert_eq!(joined.puts, vec![put(b"b", b"1"), put(b"c", b"2")]);
        assert_eq!(joined.deletes, vec![b"a".to_vec()]);
    }

    #[test]
    fn a_scan_stops_at_the_end_of_its_prefix() {
        let mut state = State::empty();
        for key in ["a", "ab", "ac", "b"] {
            state.put(key.as_bytes(), Vec::new());
        }
        let found: Vec<_> = scan(state.entries(), b"a").map(|(key, _)| key.to_vec()).collect();
        assert_eq!(found, vec![b"a".to_vec(), b"ab".to_vec(), b"ac".to_vec()]);
        state.delete_prefix(b"a");
        assert_eq!(state.entries().len(), 1);
    }
}
