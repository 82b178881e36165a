//! The engine's store on disk: one sled tree, one atomic batch per turn.
//!
//! sled's `flush` waits for the page cache only (`sync_file_range`), so a second handle on its log
//! file is synced after it: a turn counts as durable after that, never before. One thread does
//! both for whatever has been applied by then. Values are short and segments long, because sled
//! moves what exceeds a quarter of a segment to a file of its own, which it never syncs.

mod rows;
mod sync;

use queue::ids::Lane;
use queue::store::{Store, StoreError, Turn, TurnId};
use rows::{Chunk, Layout, Row};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;
use sync::Syncer;

/// Format of the rows; raised when they change.
pub const STORE_FORMAT: u32 = 1;

/// Longest value in the tree, in bytes: chunks of this length are sled's best case.
const VALUE_BYTES_MAX: usize = 60 * 1024;

/// Length of sled's segments, in bytes, and a quarter of it the most that sled writes as one item.
/// The largest item is a leaf of the tree: 17 values before it is split, 3 more after a merge.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

const _: () = assert!(20 * (VALUE_BYTES_MAX + 1024) < SEGMENT_BYTES / 4);

/// What sled may cache, in bytes. Its default of 1 GiB would dwarf the rest of the process.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often, and with what pause, opening is tried while sled's log is still locked.
const LOCKED_ATTEMPTS: u32 = 100;
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// Called from the sync thread whenever more is durable, or when syncing failed.
pub type Notify = Box<dyn Fn() + Send + Sync>;

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The files can't be made, read or synced.
    #[error(
        "the store at {path} can't be opened: {reason}; if the disk is sound, restore the home from its newest copy"
    )]
    Medium {
        /// The store's folder.
        path: String,
        /// What failed.
        reason: String,
    },
    /// Written by another version of the software.
    #[error(
        "the store at {path} has format {found}, this software knows {STORE_FORMAT}: run the version that wrote it"
    )]
    OtherFormat {
        /// The store's folder.
        path: String,
        /// The format found.
        found: u32,
    },
}

/// A [`Store`] on sled.
///
/// Dropping it waits until all that was appended is durable; a crash instead loses at most the
/// turns beyond [`Store::poll_durable`].
pub struct SledStore {
    tree: sled::Db,
    syncer: Syncer,
    /// Newest turn applied. Invariant: not below what the syncer says is durable.
    turn: TurnId,
}

impl SledStore {
    /// Opens the store in the folder `path`, making it if need be. What is found there is durable
    /// when this returns.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, notify: Notify) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Medium { path: path.display().to_string(), reason };
        let tree = open_tree(path).map_err(|error| failed(error.to_string()))?;
        match tree.get(Row::Format.key()).map_err(|error| failed(error.to_string()))? {
            Some(value) => {
                let found = rows::decode_u32(&value).ok_or_else(|| failed("the format row is damaged".to_owned()))?;
                if found != STORE_FORMAT {
                    return Err(OpenError::OtherFormat { path: path.display().to_string(), found });
                }
            }
            None if tree.is_empty() => {
                tree.insert(Row::Format.key(), &STORE_FORMAT.to_be_bytes())
                    .map_err(|error| failed(error.to_string()))?;
            }
            None => return Err(failed("it is no store of a shard-node: the format row is missing".to_owned())),
        }
        let turn = match tree.get(Row::Turn.key()).map_err(|error| failed(error.to_string()))? {
            Some(value) => rows::decode_u64(&value).ok_or_else(|| failed("the turn row is damaged".to_owned()))?,
            None => 0,
        };
        let log = sync_all(&tree, path).map_err(|error| failed(error.to_string()))?;
        let syncer = Syncer::start(tree.clone(), log, turn, notify).map_err(|error| failed(error.to_string()))?;
        Ok(SledStore { tree, syncer, turn })
    }

    /// The newest applied turn; 0 if nothing was ever appended.
    pub fn turn(&self) -> TurnId {
        self.turn
    }

    /// Waits until the newest applied turn is durable, and returns it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wait_durable(&self) -> Result<TurnId, StoreError> {
        self.syncer.wait(self.turn)
    }

    fn apply(&mut self, turn: Turn) -> Result<(), StoreError> {
        if turn.id != self.turn + 1 {
            return Err(StoreError::Damaged(format!("turn {} follows turn {}", turn.id, self.turn)));
        }
        let mut batch = sled::Batch::default();
        for (lane, below) in &turn.prunes {
            self.prune(&mut batch, lane, *below)?;
        }
        for appended in &turn.messages {
            for chunk in Chunk::pack(appended, VALUE_BYTES_MAX) {
                for (key, value) in chunk {
                    batch.insert(key, value);
                }
            }
        }
        let mut changes: BTreeMap<&[u8], Option<&[u8]>> = turn.deletes.iter().map(|key| (&key[..], None)).collect();
        changes.extend(turn.puts.iter().map(|(key, value)| (&key[..], Some(&value[..]))));
        for (key, value) in changes {
            self.change(&mut batch, key, value)?;
        }
        batch.insert(Row::Turn.key(), &turn.id.to_be_bytes());
        self.tree.apply_batch(batch).map_err(medium)?;
        self.turn = turn.id;
        Ok(())
    }

    /// Removes the chunks that lie wholly below `below`. Earlier messages of the chunk around it
    /// stay on disk until the rest may go too, but can't be read.
    fn prune(&self, batch: &mut sled::Batch, lane: &Lane, below: u64) -> Result<(), StoreError> {
        if self.pruned_below(lane)? >= below {
            return Ok(());
        }
        batch.insert(Row::PrunedBelow(lane).key(), &below.to_be_bytes());
        let mut ends_below = false;
        for row in self.tree.range(Row::Chunk(lane, 0, 0).key()..Row::Chunk(lane, below, 0).key()) {
            let (key, value) = row.map_err(medium)?;
            let at = rows::chunk_position(&key).ok_or_else(|| damaged(lane, "has a row with a damaged key"))?;
            if at.piece == 0 {
                let count = rows::chunk_count(&value).ok_or_else(|| damaged(lane, "has a chunk without a count"))?;
                ends_below = at.first_nonce.saturating_add(u64::from(count)) <= below;
            }
            if ends_below {
                batch.remove(key);
            }
        }
        Ok(())
    }

    fn pruned_below(&self, lane: &Lane) -> Result<u64, StoreError> {
        let Some(value) = self.tree.get(Row::PrunedBelow(lane).key()).map_err(medium)? else { return Ok(0) };
        rows::decode_u64(&value).ok_or_else(|| damaged(lane, "has a damaged watermark"))
    }

    /// Sets or removes one of the engine's keys, with the pieces of its old value.
    fn change(&self, batch: &mut sled::Batch, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let row = Row::Key(key).key();
        if let Some(old) = self.tree.get(&row).map_err(medium)? {
            for piece in 0..layout_of(key, &old)?.pieces() {
                batch.remove(Row::Piece(key, piece).key());
            }
        }
        let Some(value) = value else {
            batch.remove(row);
            return Ok(());
        };
        let (head, pieces) = Layout::split(value, VALUE_BYTES_MAX);
        batch.insert(row, head);
        for (piece, bytes) in (0u32..).zip(pieces) {
            batch.insert(Row::Piece(key, piece).key(), bytes);
        }
        Ok(())
    }

    fn value(&self, key: &[u8], head: &[u8]) -> Result<Vec<u8>, StoreError> {
        match layout_of(key, head)? {
            Layout::Inline(value) => Ok(value.to_vec()),
            Layout::Pieces(count) => {
                let mut value = Vec::new();
                for piece in 0..count {
                    let bytes = self.tree.get(Row::Piece(key, piece).key()).map_err(medium)?;
                    value.extend_from_slice(&bytes.ok_or_else(|| damaged_key(key, "lacks a piece of its value"))?);
                }
                Ok(value)
            }
        }
    }

    fn read_messages(&self, lane: &Lane, from: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let past = Row::Chunk(lane, from, u32::MAX).key();
        let Some(nearest) =
            self.tree.range(Row::Chunk(lane, 0, 0).key()..=past).next_back().transpose().map_err(medium)?
        else {
            return Ok(Vec::new());
        };
        let start = rows::chunk_position(&nearest.0).ok_or_else(|| damaged(lane, "has a row with a damaged key"))?;
        let mut reader = rows::Reader::new(start.first_nonce, from, bytes_max);
        let range = Row::Chunk(lane, start.first_nonce, 0).key()..=Row::Chunk(lane, u64::MAX, u32::MAX).key();
        for row in self.tree.range(range) {
            let (key, value) = row.map_err(medium)?;
            if !reader.feed(&key, &value).map_err(|reason| damaged(lane, &reason))? {
                break;
            }
        }
        reader.finish().map_err(|reason| damaged(lane, &reason))
    }
}

impl Store for SledStore {
    fn append(&mut self, turn: Turn) -> Result<(), StoreError> {
        self.syncer.check()?;
        let applied = self.apply(turn);
        self.syncer.poison(applied)?;
        self.syncer.applied(self.turn);
        Ok(())
    }

    fn poll_durable(&mut self) -> Result<TurnId, StoreError> {
        self.syncer.check()?;
        Ok(self.syncer.durable())
    }

    fn read(&self, lane: &Lane, from: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.syncer.check()?;
        let pruned_below = self.syncer.poison(self.pruned_below(lane))?;
        if from < pruned_below {
            return Err(damaged(lane, &format!("is pruned below {pruned_below}, message {from} was asked for")));
        }
        self.syncer.poison(self.read_messages(lane, from, bytes_max))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.syncer.check()?;
        let found = self.tree.get(Row::Key(key).key()).map_err(medium);
        self.syncer.poison(found.and_then(|head| head.map(|head| self.value(key, &head)).transpose()))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        self.syncer.check()?;
        let inside = Row::Key(prefix).key();
        let rows = self.tree.range(Row::Key(prefix.max(from)).key()..).take_while(|row| match row {
            Ok((key, _)) => key.starts_with(&inside),
            Err(_) => true,
        });
        let found = rows.take(limit).map(|row| {
            let (row, head) = row.map_err(medium)?;
            let key = rows::engine_key(&row).to_vec();
            let value = self.value(&key, &head)?;
            Ok((key, value))
        });
        self.syncer.poison(found.collect())
    }
}

/// Opens the tree. sled can be left with a damaged snapshot of its index when it is stopped
/// abruptly; the snapshot only saves time, so it is set aside and the log read instead.
fn open_tree(path: &Path) -> Result<sled::Db, sled::Error> {
    let config =
        sled::Config::new().path(path).segment_size(SEGMENT_BYTES).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    match open_unlocked(&config) {
        Err(sled::Error::Corruption { .. }) if set_snapshots_aside(path)? => open_unlocked(&config),
        opened => opened,
    }
}

/// sled's threads hold the log's lock a little longer than a dropped store. Other processes are
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

fn set_snapshots_aside(path: &Path) -> Result<bool, std::io::Error> {
    let mut any = false;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("snap.") {
            tracing::warn!(file = %entry.path().display(), "set a damaged snapshot of the store's index aside");
            fs::rename(entry.path(), path.join(format!("aside.{}", name.to_string_lossy())))?;
            any = true;
        }
    }
    Ok(any)
}

/// Makes all that is in the tree durable, and the folder's entries too; returns the handle on the
/// log with which later turns are synced.
fn sync_all(tree: &sled::Db, path: &Path) -> Result<File, std::io::Error> {
    tree.flush()?;
    let log = File::options().read(true).write(true).open(path.join("db"))?;
    log.sync_all()?;
    File::open(path)?.sync_all()?;
    Ok(log)
}

fn medium(error: sled::Error) -> StoreError {
    StoreError::Medium(error.to_string())
}

fn damaged(lane: &Lane, reason: &str) -> StoreError {
    StoreError::Damaged(format!("lane {lane} {reason}"))
}

fn damaged_key(key: &[u8], reason: &str) -> StoreError {
    StoreError::Damaged(format!("key {} {reason}", hex::encode(key)))
}

fn layout_of<'a>(key: &[u8], head: &'a [u8]) -> Result<Layout<'a>, StoreError> {
    Layout::parse(head).ok_or_else(|| damaged_key(key, "has a value in no known layout"))
}
