//! Checking a store that nobody uses: everything on disk is read, nothing is repaired.
//!
//! The state is built again in a folder of its own, from snapshot and log alone, as a start
//! without an index would; the index that there is must agree with it.

use super::files::{Files, Folder, OpenFile};
use super::index::Index;
use super::keeper::Keeper;
use super::log::{Log, PartPlace, Position, is_payload_sound, read_body, read_header_at, to_usize, unreadable};
use super::record::{HEADER_BYTES, Header, Kind};
use super::replay::{self, Source};
use super::segment::{self, LogId, SEGMENT_HEADER_BYTES};
use super::space::Space;
use super::sync::{Durable, Syncer};
use super::tally::Tally;
use super::{DiskStore, FORMAT_WITHOUT_LOG, Limits, OpenError, STORE_FORMAT, effect, medium, rows, snapshot};
use queue::engine::Finding;
use queue::store::StoreError;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How much is read at once where there are no records.
const READ_BYTES: u64 = 1024 * 1024;

/// What the name of the folder begins with in which the state is built again.
const SCRATCH: &str = "check.";

/// Most findings of one kind: a lost disk has millions.
const FINDINGS_MAX: usize = 50;

/// What was read of a store's files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StoreReport {
    /// Segments of the log.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Runs of messages that are alive, in bytes.
    pub live_bytes: u64,
    /// The newest turn.
    pub turn: u64,
    /// Bytes behind the last record that a crash left and the next start cuts: no damage.
    pub torn_tail_bytes: u64,
    /// All that is damaged; empty for sound files.
    pub findings: Vec<Finding>,
}

/// A store whose files were checked.
pub struct CheckedStore {
    /// What was found.
    pub report: StoreReport,
    /// For reading only; `None` if its state can't be built from snapshot and log.
    pub store: Option<DiskStore>,
    // Dropped last: the store's index is in it.
    _scratch: tempfile::TempDir,
}

/// Checks the store in the folder `path`, which nobody else may use meanwhile. `progress` is told
/// bytes of records as they are read.
///
/// # Errors
/// [`OpenError`] if the files can't be read at all, or have another format. Damage is no error.
pub fn check(path: &Path, progress: &mut dyn FnMut(u64)) -> Result<CheckedStore, OpenError> {
    let at = || path.display().to_string();
    if path.join("db").exists() {
        return Err(OpenError::OtherFormat { path: at(), found: FORMAT_WITHOUT_LOG });
    }
    let failed = |error: std::io::Error| OpenError::Medium { path: at(), reason: error.to_string() };
    remove_scratch(path).map_err(failed)?;
    let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(path).map_err(failed)?;
    let files: Arc<dyn Files> = Arc::new(Folder::at(&path.join("log")));
    let names = files.names().map_err(failed)?;
    let mut check = Check { files, report: StoreReport::default() };
    let store = match check.source(&names) {
        Err(Unreadable::OtherFormat(found)) => return Err(OpenError::OtherFormat { path: at(), found }),
        Err(Unreadable::Log) => None,
        Ok(source) => check.run(&source, &path.join("index"), &scratch.path().join("index"), progress),
    };
    Ok(CheckedStore { report: check.report, store, _scratch: scratch })
}

/// Removes what a check left that was killed.
fn remove_scratch(path: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

enum Unreadable {
    OtherFormat(u32),
    Log,
}

struct Check {
    files: Arc<dyn Files>,
    report: StoreReport,
}

impl Check {
    fn find(&mut self, place: impl ToString, reason: impl ToString) {
        self.report.findings.push(Finding { place: place.to_string(), reason: reason.to_string() });
    }

    fn take<T>(&mut self, place: &str, result: Result<T, StoreError>) -> Option<T> {
        let told = |(StoreError::Medium(reason) | StoreError::Damaged(reason))| self.find(place, reason);
        result.map_err(told).ok()
    }

    /// Lists the files, and reads the header of each segment.
    fn source(&mut self, names: &[String]) -> Result<Source, Unreadable> {
        let segments: BTreeSet<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
        let snapshot = names.iter().filter_map(|name| snapshot::number(name)).max();
        let mut id: Option<LogId> = None;
        for number in segments.iter().rev() {
            let place = format!("segment {number}");
            let header = self.open(*number).and_then(|file| segment::read_header(&*file, *number));
            let Some((format, found)) = self.take(&place, header) else { continue };
            if format != STORE_FORMAT {
                return Err(Unreadable::OtherFormat(format));
            }
            if found != *id.get_or_insert(found) {
                self.find(place, "it belongs to another log");
            }
        }
        self.report.segments = segments.len() as u64;
        let Some(id) = id else {
            self.find("log", "it has no segment with a sound header");
            return Err(Unreadable::Log);
        };
        Ok(Source { files: self.files.clone(), segments, id, snapshot })
    }

    fn run(
        &mut self,
        source: &Source,
        index_path: &Path,
        scratch: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Option<DiskStore> {
        let (index, known) = self.existing_index(source, index_path);
        let built = self.build(source, scratch, known);
        let end = built.as_ref().map(|(_, _, end)| *end);
        self.records(source, end.as_ref(), progress);
        if let Some(index) = index {
            let checked = self.index(source, &index, end.as_ref());
            self.take("index", checked);
        }
        let (index, tally, end) = built?;
        self.report.turn = end.turn;
        self.report.live_bytes = tally.live.values().sum();
        let lengths = replay::lengths(&*self.files, &source.segments, &end);
        let lengths = self.take("log", lengths)?;
        let log = Log::new(self.files.clone(), Limits::DEFAULT, end, lengths);
        let log = self.take("log", log)?;
        self.live_runs(&log, &index);
        let store = of_parts(self.files.clone(), log, index, tally, end);
        self.take("log", store)
    }

    /// The index that there is, and the newest record that it knows.
    fn existing_index(&mut self, source: &Source, path: &Path) -> (Option<Index>, u64) {
        if !path.exists() {
            return (None, 0);
        }
        let position = Index::open(path).map_err(StoreError::Damaged).and_then(|index| {
            let position = index.position()?;
            Ok((index, position))
        });
        match self.take("index", position) {
            Some((index, Some(position))) if position.log == source.id => (Some(index), position.number),
            Some(_) => {
                self.find("index", "it is unfinished, or belongs to another log");
                (None, 0)
            }
            None => (None, 0),
        }
    }

    /// The state, from snapshot and log.
    fn build(&mut self, source: &Source, scratch: &Path, known: u64) -> Option<(Index, Tally, Position)> {
        let opened = Index::open(scratch).map_err(StoreError::Medium);
        let index = self.take("scratch index", opened)?;
        let filled = replay::fill(source, &index);
        let (tally, scanner) = self.take("log", filled)?;
        let tail = scanner.tail(known);
        let tail = self.take("log", tail)?;
        if tail.is_torn {
            self.report.torn_tail_bytes = tail.bytes;
        }
        let end = scanner.position();
        if known > end.number {
            let found = format!("it knows record {known}, the log ends at record {}", end.number);
            self.find("index", found);
        }
        for segment in tally.live.keys().filter(|segment| !source.segments.contains(segment)) {
            self.find(format!("segment {segment}"), "it is missing, messages in it are alive");
        }
        Some((index, tally, end))
    }

    /// Every record of every segment, needed or not, up to the log's end.
    fn records(&mut self, source: &Source, end: Option<&Position>, progress: &mut dyn FnMut(u64)) {
        let mut before: Option<(u64, Last)> = None;
        for segment in &source.segments {
            if end.is_some_and(|end| *segment > end.segment) {
                return;
            }
            let until = end.filter(|end| end.segment == *segment).map(|end| end.offset);
            let last = before.filter(|(before, _)| before + 1 == *segment).map(|(_, last)| last);
            let walked = self.segment(source, *segment, until, last, progress);
            before = self.take(&format!("segment {segment}"), walked).flatten().map(|last| (*segment, last));
        }
    }

    /// The records of a segment up to `until`, or else up to the one that leads to the next segment.
    fn segment(
        &mut self,
        source: &Source,
        segment: u64,
        until: Option<u64>,
        mut last: Option<Last>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<Last>, StoreError> {
        let file = self.open(segment)?;
        let seed = segment::seed(&source.id);
        let mut offset = SEGMENT_HEADER_BYTES;
        while until.is_none_or(|until| offset < until) {
            let Some((header, checksum)) = read_record(&*file, seed, segment, offset)? else {
                let is_newest = source.segments.last() == Some(&segment);
                if until.is_some() || !is_newest {
                    return Err(StoreError::Damaged(format!("no sound record stands at {offset}")));
                }
                return Ok(None);
            };
            if last.is_some_and(|last| (header.number, header.previous) != (last.number + 1, last.checksum)) {
                return Err(StoreError::Damaged(format!("record {} at {offset} doesn't follow", header.number)));
            }
            last = Some(Last { number: header.number, checksum });
            self.report.records += 1;
            self.report.bytes += header.record_bytes();
            progress(header.record_bytes());
            offset += header.record_bytes();
            if header.kind == Kind::Next {
                return is_zero(&*file, segment, offset).map(|()| last);
            }
        }
        Ok(last)
    }

    /// Every run of the state stands where the state says.
    fn live_runs(&mut self, log: &Log, index: &Index) {
        let mut damaged = 0;
        for row in index.applied(rows::RUN) {
            let read = row.and_then(|(key, value)| {
                let place = effect::decode_place(&value)?;
                let (lane, first_nonce) = rows::parse_run(&key)
                    .ok_or_else(|| StoreError::Damaged("a run's row has a damaged key".to_owned()))?;
                let parts: Vec<PartPlace> = place.parts(first_nonce).collect();
                log.read_parts(&lane, &parts, &mut Vec::new())
            });
            damaged += usize::from(self.take("messages", read).is_none());
            if damaged == FINDINGS_MAX {
                return self.find("messages", "there are more; these are the first");
            }
        }
    }

    /// The index that there is: it may be behind the log, but must add up.
    fn index(&mut self, source: &Source, index: &Index, end: Option<&Position>) -> Result<(), StoreError> {
        let Some(position) = index.position()? else { return Ok(()) };
        if end.is_some_and(|end| position.number > end.number) {
            return Ok(());
        }
        if !replay::contains(source, &position)? {
            return Err(StoreError::Damaged(format!("the log doesn't have its record {}", position.number)));
        }
        let is_recorded = position.number == 0 || self.recorded_state(source, &position)?;
        if !is_recorded || Tally::load(index, position.state)? != Tally::count(index)? {
            self.find("index", format!("its rows don't match the checksum of record {}", position.number));
        }
        Ok(())
    }

    fn recorded_state(&self, source: &Source, position: &Position) -> Result<bool, StoreError> {
        let (segment, offset) = position.last;
        let header = read_header_at(&*self.open(segment)?, segment::seed(&source.id), segment, offset)?;
        Ok(header.is_some_and(|(header, _)| (header.state, header.turn) == (position.state, position.turn)))
    }

    fn open(&self, segment: u64) -> Result<Arc<dyn OpenFile>, StoreError> {
        self.files.open(&segment::name(segment)).map_err(|error| unreadable(segment, &error))
    }
}

/// The record before.
#[derive(Clone, Copy)]
struct Last {
    number: u64,
    checksum: u32,
}

/// The header of the record at `offset`, if all of the record is sound, its padding too.
pub(super) fn read_record(
    file: &dyn OpenFile,
    seed: u32,
    segment: u64,
    offset: u64,
) -> Result<Option<(Header, u32)>, StoreError> {
    let Some((header, checksum)) = read_header_at(file, seed, segment, offset)? else { return Ok(None) };
    let Some(body) = read_body(file, seed, segment, offset, &header)? else { return Ok(None) };
    let payload = offset + header.payload_offset();
    if !is_payload_sound(file, seed, segment, payload, &body)? {
        return Ok(None);
    }
    let at = payload + u64::from(header.payload_bytes);
    let mut padding = vec![0; to_usize(offset + header.record_bytes() - at)];
    debug_assert!(padding.len() < HEADER_BYTES);
    let end = at + padding.len() as u64;
    if end > file.length().map_err(|error| unreadable(segment, &error))? {
        return Ok(None);
    }
    file.read(&mut padding, at).map_err(|error| unreadable(segment, &error))?;
    Ok(padding.iter().all(|byte| *byte == 0).then_some((header, checksum)))
}

/// Whether a segment has nothing behind its last record but zeros that were written ahead.
fn is_zero(file: &dyn OpenFile, segment: u64, mut offset: u64) -> Result<(), StoreError> {
    let length = file.length().map_err(|error| unreadable(segment, &error))?;
    while offset < length {
        let mut bytes = vec![0; to_usize((length - offset).min(READ_BYTES))];
        file.read(&mut bytes, offset).map_err(|error| unreadable(segment, &error))?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(StoreError::Damaged(format!("what follows its last record, at {offset}, is not zero")));
        }
        offset += bytes.len() as u64;
    }
    Ok(())
}

/// A store of checked parts. Nothing is ever appended to it: its threads have nothing to do.
fn of_parts(
    files: Arc<dyn Files>,
    log: Log,
    index: Index,
    tally: Tally,
    end: Position,
) -> Result<DiskStore, StoreError> {
    let no_thread = |error: std::io::Error| medium("a thread of the store can't be started", &error);
    let (index, covered) = (Arc::new(index), Arc::new(AtomicU64::new(0)));
    let keeper = Keeper::start(files, index.clone(), Limits::DEFAULT, covered.clone(), 0).map_err(no_thread)?;
    let durable = Durable { turn: end.turn, number: end.number };
    let syncer = Syncer::start(index.clone(), keeper, durable, Limits::DEFAULT.apply_pause, Box::new(|| ()))
        .map_err(no_thread)?;
    Ok(DiskStore { syncer, log, index, tally, space: Space::new(covered, Limits::DEFAULT) })
}
