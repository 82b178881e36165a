//! The index: rows in sled, and above them those of records that sled doesn't have yet.

use super::log::Position;
use super::rows::Row;
use super::{STORE_FORMAT, medium};
use queue::codec;
use queue::store::StoreError;
use sled::IVec;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Length of sled's segments, in bytes, and a quarter of it the most that sled writes as one item.
/// The largest item is a leaf of the tree: 17 values before it is split, 3 more after a merge.
const SLED_SEGMENT_BYTES: usize = 8 * 1024 * 1024;

/// Longest value in sled, in bytes. sled moves what exceeds a quarter of a segment to a file of
/// its own, and never removes some of them.
pub(super) const VALUE_BYTES_MAX: usize = 60 * 1024;

const _: () = assert!(20 * (VALUE_BYTES_MAX + 1024) < SLED_SEGMENT_BYTES / 4);

/// What sled may cache, in bytes. Its default of 1 GiB would dwarf the rest of the process.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often, and with what pause, opening is tried while sled's file is still locked.
const LOCKED_ATTEMPTS: u32 = 100;
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// Longest encoded position, in bytes.
const POSITION_BYTES_MAX: usize = 256;

/// New values of rows; `None` for rows that go away.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<IVec>>;

/// The rows of a record that sled doesn't have yet.
struct Unapplied {
    number: u64,
    value: Option<IVec>,
}

/// The index. One thread sets rows and reads; another applies them to sled.
pub(super) struct Index {
    tree: sled::Db,
    overlay: Mutex<BTreeMap<Vec<u8>, Unapplied>>,
}

impl Index {
    /// Opens the index in the folder `path`, or makes an empty one.
    ///
    /// # Errors
    /// Why it can't be used; it can be made again from the log.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let config = sled::Config::new()
            .path(path)
            .segment_size(SLED_SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let opened = catch_unwind(AssertUnwindSafe(|| open_unlocked(&config)));
        let tree = opened.map_err(|_| "sled panicked".to_owned())?.map_err(|error| error.to_string())?;
        let format = tree.get(Row::Format.key()).map_err(|error| error.to_string())?;
        match format {
            Some(format) if *format == STORE_FORMAT.to_be_bytes() => {}
            None if tree.is_empty() => {
                tree.insert(Row::Format.key(), &STORE_FORMAT.to_be_bytes()).map_err(|error| error.to_string())?;
            }
            _ => return Err("its rows have another format".to_owned()),
        }
        Ok(Index { tree, overlay: Mutex::new(BTreeMap::new()) })
    }

    /// Up to where the log is applied; `None` for an index that is being built.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn position(&self) -> Result<Option<Position>, StoreError> {
        let Some(row) = self.tree.get(Row::Position.key()).map_err(|error| unusable(&error))? else { return Ok(None) };
        let position = codec::decode("position", &row, POSITION_BYTES_MAX);
        position.map(Some).map_err(|error| StoreError::Damaged(format!("the index has a damaged position: {error}")))
    }

    /// The value of a row.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        if let Some(unapplied) = self.lock().get(key) {
            return Ok(unapplied.value.clone());
        }
        self.tree.get(key).map_err(|error| unusable(&error))
    }

    /// Sets or removes a row for record `number`; [`Index::apply`] takes it to sled.
    pub(super) fn set(&self, number: u64, key: Vec<u8>, value: Option<IVec>) {
        self.lock().insert(key, Unapplied { number, value });
    }

    /// Calls `visit` with the rows from `from` on whose keys begin with `prefix`, in order, until
    /// it says `false`. It must not use the index.
    ///
    /// # Errors
    /// [`StoreError::Medium`], and those of `visit`.
    pub(super) fn walk(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], &IVec) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        // Rows leave the overlay under this lock: none gets lost between it and sled.
        let overlay = self.lock();
        let start = prefix.max(from).to_vec();
        let mut above = overlay.range(start.clone()..).peekable();
        let mut below = self.tree.range(start..);
        let mut applied = below.next().transpose().map_err(|error| unusable(&error))?;
        loop {
            let unapplied = above.peek().map(|(key, _)| &key[..]);
            let (key, value) = match (unapplied, applied.take()) {
                (None, None) => return Ok(()),
                (Some(key), Some(row)) if key > &row.0[..] => (row.0, Some(row.1)),
                (None, Some(row)) => (row.0, Some(row.1)),
                (Some(_), row) => {
                    let (key, unapplied) = above.next().expect("it was peeked");
                    applied = row.filter(|(applied, _)| applied != key);
                    (IVec::from(&key[..]), unapplied.value.clone())
                }
            };
            if !key.starts_with(prefix) {
                return Ok(());
            }
            if let Some(value) = value
                && !visit(&key, &value)?
            {
                return Ok(());
            }
            if applied.is_none() {
                applied = below.next().transpose().map_err(|error| unusable(&error))?;
            }
        }
    }

    /// The last row not above `key` whose key begins with `prefix`.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    pub(super) fn last(&self, prefix: &[u8], key: &[u8]) -> Result<Option<(Vec<u8>, IVec)>, StoreError> {
        let overlay = self.lock();
        let mut above = overlay.range(prefix.to_vec()..=key.to_vec()).rev().peekable();
        for row in self.tree.range(prefix..=key).rev() {
            let (key, value) = row.map_err(|error| unusable(&error))?;
            while let Some((newer, unapplied)) = above.next_if(|(newer, _)| newer[..] > key[..]) {
                if let Some(value) = &unapplied.value {
                    return Ok(Some((newer.clone(), value.clone())));
                }
            }
            match above.next_if(|(newer, _)| newer[..] == key[..]) {
                Some((_, Unapplied { value: None, .. })) => {}
                Some((_, Unapplied { value: Some(value), .. })) => return Ok(Some((key.to_vec(), value.clone()))),
                None => return Ok(Some((key.to_vec(), value))),
            }
        }
        let mut rest = above.filter_map(|(key, unapplied)| Some((key.clone(), unapplied.value.clone()?)));
        Ok(rest.next())
    }

    /// Takes the rows of records to sled at once, oldest first, with the position behind them;
    /// without one, while the index is being built.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    pub(super) fn apply(&self, records: &[(u64, Changes)], position: Option<&Position>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in records.iter().flat_map(|(_, changes)| changes) {
            match value {
                Some(value) => batch.insert(&key[..], value.clone()),
                None => batch.remove(&key[..]),
            }
        }
        if let Some(position) = position {
            batch.insert(Row::Position.key(), codec::encode(position));
        }
        self.tree.apply_batch(batch).map_err(|error| unusable(&error))?;
        let mut overlay = self.lock();
        for (number, changes) in records {
            for key in changes.keys() {
                if overlay.get(key).is_some_and(|unapplied| unapplied.number == *number) {
                    overlay.remove(key);
                }
            }
        }
        Ok(())
    }

    /// The rows in sled whose keys begin with `prefix`, while others may be applied.
    pub(super) fn applied(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> {
        self.tree.scan_prefix(prefix).map(|row| row.map_err(|error| unusable(&error)))
    }

    /// Writes what is applied to sled's file, which makes the next start shorter.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.tree.flush().map(drop).map_err(|error| unusable(&error))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Unapplied>> {
        self.overlay.lock().expect("no code panics while it holds the lock")
    }
}

/// sled's threads hold the file's lock a little longer than a dropped store. Other processes are
/// kept away by the home's lock.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, sled::Error> {
    let is_locked = |error: &sled::Error| error.to_string().contains("could not acquire lock");
    for _ in 0..LOCKED_ATTEMPTS {
        match config.open() {
            Err(error) if is_locked(&error) => thread::sleep(LOCKED_PAUSE),
            opened => return opened,
        }
    }
    config.open()
}

fn unusable(error: &sled::Error) -> StoreError {
    medium("the index failed", error)
}
