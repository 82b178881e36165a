//! The engine's store on disk: a log of turns, and beside it an index in sled. Specified in
//! `specs/store.md`.
//!
//! A turn is one record of the log, and durable once that is synced; one thread syncs whatever has
//! been appended by then. Message bytes stay in the log. The index follows the log, and is made
//! again from it when it can't be trusted: nothing depends on sled's own durability.

mod check;
mod checksum;
mod effect;
mod files;
mod index;
mod keeper;
mod log;
mod record;
mod replay;
mod rows;
mod scan;
mod segment;
mod ship;
mod snapshot;
mod space;
mod sync;
mod tally;
#[cfg(test)]
mod tests;

pub use check::{CheckedStore, StoreReport, check};
pub use ship::{Cursor, PIECE_BYTES_MAX, ShipError, Shipped, Sink, is_log_file, ship_all, ship_since};

use files::{Files, Folder};
use index::Index;
use keeper::Keeper;
use log::{Entry, Log, PartPlace};
use queue::codec;
use queue::ids::Lane;
use queue::store::{KeyValue, Store, StoreError, Turn, TurnId};
use queue::stream::{Stream, split_stream};
use record::{Body, Kind};
use replay::{Opened, Refusal};
use rows::Row;
use space::Space;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use sync::{Durable, Syncer, Waiting};
use tally::Tally;

/// Format of the store's files; raised when they change.
pub const STORE_FORMAT: u32 = 4;

/// Format of the stores that had no log, only sled.
const FORMAT_WITHOUT_LOG: u32 = 1;

/// Where Linux names its current boot. Another name means that the machine was off: sled's file
/// may have lost what was never synced.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

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
    /// What was durable is gone or changed.
    #[error("the store at {path} is damaged: {reason}; restore the home from a copy of its newest state")]
    Damaged {
        /// The store's folder.
        path: String,
        /// What is damaged.
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

/// How long files get, and how often work is done on them. Bytes are those of records.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Most in a segment, unless a single record is longer.
    segment_bytes: u64,
    /// The index is written to its file whenever so much was appended.
    flush_bytes: u64,
    /// A snapshot is made when so much was appended,
    snapshot_bytes: u64,
    /// and so many times the last one's length.
    snapshot_lengths: u64,
    /// How far a segment is filled with zeros ahead of short records: a sync is faster when it
    /// needn't make the file longer.
    zero_bytes: usize,
    /// Without a record for so long, what is durable is taken to the index.
    apply_pause: Duration,
}

impl Limits {
    const DEFAULT: Limits = Limits {
        segment_bytes: 64 * 1024 * 1024,
        flush_bytes: 16 * 1024 * 1024,
        snapshot_bytes: 256 * 1024 * 1024,
        // A snapshot's bytes cost some ten times those of records, and are about a hundredth of what is
        // alive: so the log gets longer by a third of that.
        snapshot_lengths: 32,
        zero_bytes: 1024 * 1024,
        // A message's way through a node is a few turns within some milliseconds, and sled's threads
        // would stand in it.
        apply_pause: Duration::from_millis(50),
    };
}

/// A [`Store`] on disk.
///
/// Dropping it waits until all that was appended is durable; a crash instead loses at most the
/// turns beyond [`Store::poll_durable`].
pub struct DiskStore {
    // Dropped first: its thread uses the rest.
    syncer: Syncer,
    log: Log,
    index: Arc<Index>,
    /// Invariant: counts what the index has, with the rows that sled doesn't have yet.
    tally: Tally,
    space: Space,
}

impl DiskStore {
    /// Opens the store in the folder `path`, making it if need be. What is found there is durable
    /// when this returns.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, notify: Notify) -> Result<Self, OpenError> {
        let display = || path.display().to_string();
        if path.join("db").exists() {
            return Err(OpenError::OtherFormat { path: display(), found: FORMAT_WITHOUT_LOG });
        }
        let failed = |error: &std::io::Error| OpenError::Medium { path: display(), reason: error.to_string() };
        let folder = Folder::open(&path.join("log")).map_err(|error| failed(&error))?;
        let boot = std::fs::read_to_string(BOOT_ID).ok();
        Self::open_with(Arc::new(folder), &path.join("index"), Limits::DEFAULT, boot, notify).map_err(|refusal| {
            match refusal {
                Refusal::OtherFormat(found) => OpenError::OtherFormat { path: display(), found },
                Refusal::Store(StoreError::Medium(reason)) => OpenError::Medium { path: display(), reason },
                Refusal::Store(StoreError::Damaged(reason)) => OpenError::Damaged { path: display(), reason },
            }
        })
    }

    fn open_with(
        files: Arc<dyn Files>,
        index_path: &Path,
        limits: Limits,
        boot: Option<String>,
        notify: Notify,
    ) -> Result<Self, Refusal> {
        let Opened { log, index, tally, covered, since } = replay::open(files.clone(), index_path, limits, boot)?;
        let index = Arc::new(index);
        let covered = Arc::new(AtomicU64::new(covered));
        let durable = Durable { turn: log.end().turn, number: log.end().number };
        let no_thread = |error: std::io::Error| medium("a thread of the store can't be started", &error);
        let keeper = Keeper::start(files, index.clone(), limits, covered.clone(), since).map_err(no_thread)?;
        let syncer = Syncer::start(index.clone(), keeper, durable, limits.apply_pause, notify).map_err(no_thread)?;
        Ok(DiskStore { syncer, log, index, tally, space: Space::new(covered, limits) })
    }

    /// The newest appended turn; 0 if nothing was ever appended.
    pub fn turn(&self) -> TurnId {
        self.log.end().turn
    }

    /// Waits until the newest appended turn is durable, and returns it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wait_durable(&self) -> Result<TurnId, StoreError> {
        self.syncer.wait(self.turn())
    }

    fn take(&mut self, turn: Turn) -> Result<(), StoreError> {
        let id = turn.id;
        if self.turn().checked_add(1) != Some(id) {
            return Err(StoreError::Damaged(format!("turn {id} follows turn {}", self.turn())));
        }
        let (body, payload) = Body::of_turn(self.log.seed(), turn)?;
        let payload: Vec<&[u8]> = payload.iter().map(|messages| messages.bytes()).collect();
        self.write(Kind::Turn, id, &body, &payload)?;
        if let Some(moved) = self.space.next_move(&self.log, &self.index, &self.tally)? {
            self.write(Kind::Rewrite, id, &moved.body, &[&moved.payload])?;
        }
        Ok(())
    }

    /// Appends a record and sets the rows that it changes.
    fn write(&mut self, kind: Kind, turn: TurnId, body: &Body, payload: &[&[u8]]) -> Result<(), StoreError> {
        let durable = self.syncer.durable().number;
        let encoded = codec::encode(body);
        let payload_bytes = payload.iter().map(|part| part.len()).sum();
        let place = self.log.place(durable, encoded.len(), payload_bytes)?;
        let number = self.log.end().number + 1;
        let changes = effect::set_rows(&self.index, Some(&mut self.tally), number, place, body)?;
        let entry = Entry { kind, turn, body: &encoded, payload };
        let bytes = self.log.append(durable, self.tally.state, &entry)?;
        let files = self.log.take_unsynced();
        self.syncer.submit(Waiting { files, changes, position: *self.log.end(), bytes });
        self.space.note(bytes, durable, &mut self.log, &self.tally)
    }

    fn read_messages(&self, lane: &Lane, nonces: Range<u64>, bytes_max: usize) -> Result<Stream, StoreError> {
        let from = nonces.start;
        let parts = self.parts(lane, nonces.clone(), bytes_max)?;
        let Some(first) = parts.first() else { return Ok(Stream::default()) };
        let begin = first.first_nonce;
        let mut bytes = Vec::with_capacity(parts.iter().map(PartPlace::bytes).sum());
        let mut end = begin.min(from);
        // Where message `from` begins in the first part: at first as if all of its messages were as long.
        let count = u64::from(first.part.count).max(1);
        let before = from.saturating_sub(begin).min(count);
        let mut unwanted = log::to_usize(u64::from(first.part.bytes) * before / count);
        let mut next = 0;
        while next < parts.len() && (bytes.is_empty() || bytes.len() - unwanted < bytes_max) {
            let mut expected = bytes.len();
            let is_enough = |place: &PartPlace| {
                expected += place.bytes();
                expected - unwanted.min(expected) >= bytes_max
            };
            let last = parts[next..].iter().position(is_enough).map_or(parts.len(), |at| next + at + 1);
            for place in &parts[next..last] {
                if place.first_nonce > end.max(from) {
                    return Err(damaged(lane, &format!("has no message {}", end.max(from))));
                }
                end = place.end();
            }
            self.log.read_parts(lane, &parts[next..last], &mut bytes)?;
            if next == 0 {
                unwanted = split_stream(&bytes, usize::MAX, from - begin).0.len();
            }
            next = last;
        }
        self.log.forget_behind(&parts[..next])?;
        let mut found = Stream::parse(bytes).map_err(|error| damaged(lane, &error.to_string()))?;
        if begin + found.count() != end {
            return Err(damaged(lane, &format!("has {} messages from {begin} on, not up to {end}", found.count())));
        }
        found.skip(from - begin);
        found.shorten(bytes_max, nonces.end.saturating_sub(from));
        Ok(found)
    }

    /// The parts that hold the first of these messages and, as far as `bytes_max` may reach, the others.
    fn parts(&self, lane: &Lane, nonces: Range<u64>, bytes_max: usize) -> Result<Vec<PartPlace>, StoreError> {
        let from = nonces.start;
        let prefix = rows::run_prefix(lane);
        let key = Row::Run(lane, from).key();
        let start = self.index.last(&prefix, &key)?.map_or(key, |(nearest, _)| nearest);
        let mut parts: Vec<PartPlace> = Vec::new();
        let mut bytes = 0;
        self.index.walk(&prefix, &start, |key, value| {
            let run = effect::decode_place(value)?;
            let first_nonce = rows::last_number(key).ok_or_else(|| damaged(lane, "has a row with a damaged key"))?;
            for place in run.parts(first_nonce).filter(|place| place.end() > from) {
                if bytes > bytes_max || place.first_nonce >= nonces.end {
                    return Ok(false);
                }
                // The first part may hold messages before `from`: its bytes may all be unwanted.
                bytes += if parts.is_empty() { 0 } else { place.bytes() };
                parts.push(place);
            }
            Ok(bytes <= bytes_max)
        })?;
        Ok(parts)
    }

    fn scan_keys(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        let mut heads = Vec::new();
        if limit > 0 {
            self.index.walk(&Row::Key(prefix).key(), &Row::Key(from).key(), |row, head| {
                heads.push((rows::engine_key(row).to_vec(), head.clone()));
                Ok(heads.len() < limit)
            })?;
        }
        let value = |key: &[u8], head: &[u8]| effect::value(&self.index, key, head);
        heads.into_iter().map(|(key, head)| value(&key, &head).map(|value| (key, value))).collect()
    }
}

impl Store for DiskStore {
    fn append(&mut self, turn: Turn) -> Result<(), StoreError> {
        self.syncer.check()?;
        let taken = self.take(turn);
        self.syncer.poison(taken)
    }

    fn poll_durable(&mut self) -> Result<TurnId, StoreError> {
        self.syncer.check()?;
        Ok(self.syncer.durable().turn)
    }

    fn read(&self, lane: &Lane, nonces: Range<u64>, bytes_max: usize) -> Result<Stream, StoreError> {
        let from = nonces.start;
        self.syncer.check()?;
        let pruned_below = self.syncer.poison(effect::pruned_below(&self.index, lane))?;
        if from < pruned_below {
            return Err(damaged(lane, &format!("is pruned below {pruned_below}, message {from} was asked for")));
        }
        self.syncer.poison(self.read_messages(lane, nonces, bytes_max))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.syncer.check()?;
        let head = self.index.get(&Row::Key(key).key());
        self.syncer.poison(head.and_then(|head| head.map(|head| effect::value(&self.index, key, &head)).transpose()))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        self.syncer.check()?;
        self.syncer.poison(self.scan_keys(prefix, from, limit))
    }
}

fn medium(what: &str, error: &dyn std::error::Error) -> StoreError {
    StoreError::Medium(format!("{what}: {error}"))
}

fn damaged(lane: &Lane, reason: &str) -> StoreError {
    StoreError::Damaged(format!("lane {lane} {reason}"))
}
