//! Opening: the index as it is, with the log's tail on top; or a new one from snapshot and log.

use super::checksum::StateSum;
use super::files::Files;
use super::index::{Changes, Index};
use super::log::{Log, Position, read_header_at};
use super::rows::Row;
use super::scan::Scanner;
use super::segment::{self, LogId};
use super::tally::Tally;
use super::{Limits, STORE_FORMAT, effect, medium, snapshot};
use queue::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an open store consists of.
pub(super) struct Opened {
    pub(super) log: Log,
    pub(super) index: Index,
    pub(super) tally: Tally,
    /// The segment in which the newest snapshot begins; 1 without one.
    pub(super) covered: u64,
    /// Bytes of the log from there on.
    pub(super) since: u64,
}

/// Why a store doesn't open.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Its files or what is in them.
    Store(StoreError),
    /// It has this format.
    OtherFormat(u32),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

/// Opens the store of `files` with the index in `index_path`. All that is found is durable then.
/// `boot` is what the machine calls its current boot, if that is known.
pub(super) fn open(
    files: Arc<dyn Files>,
    index_path: &Path,
    limits: Limits,
    boot: Option<String>,
) -> Result<Opened, Refusal> {
    let (segments, snapshots) = list(&*files)?;
    let Some(newest) = segments.last() else { return Ok(create(files, index_path, limits, boot, &snapshots)?) };
    let file = files.open(&segment::name(*newest)).map_err(|error| medium("the log can't be read", &error))?;
    let (format, id) = segment::read_header(&*file, *newest)?;
    if format != STORE_FORMAT {
        return Err(Refusal::OtherFormat(format));
    }
    let snapshot = snapshots.last().copied();
    let folder = IndexFolder { path: index_path.to_owned(), boot };
    let source = Source { files: files.clone(), segments, id, snapshot };
    let (index, tally, end) = current(&source, &folder)?;
    let tip = files.open(&segment::name(end.segment)).map_err(|error| medium("the log can't be read", &error))?;
    // What was found may stand in the page cache only.
    tip.sync().and_then(|()| files.sync_names()).map_err(|error| medium("the log can't be synced", &error))?;
    let segments = lengths(&*files, &source.segments, &end)?;
    if let Some(missing) = tally.live.keys().find(|segment| !segments.contains_key(segment)) {
        return Err(StoreError::Damaged(format!("segment {missing} is missing, messages in it are alive")).into());
    }
    // With a damaged snapshot nothing is covered, until the next one is made.
    let start = source.snapshot.and_then(|number| snapshot::start(&*files, number).ok());
    let covered = start.map_or(1, |start| start.segment);
    let since = segments.range(covered..).map(|(_, bytes)| bytes).sum();
    let log = Log::new(files, limits, end, segments)?;
    Ok(Opened { log, index, tally, covered, since })
}

/// The numbers of segments and snapshots; what was being made when the last run ended goes away.
fn list(files: &dyn Files) -> Result<(BTreeSet<u64>, BTreeSet<u64>), StoreError> {
    let unreadable = |error: std::io::Error| medium("the log's folder can't be read", &error);
    let names = files.names().map_err(unreadable)?;
    for unfinished in names.iter().filter(|name| name.starts_with("new.")) {
        files.remove(unfinished).map_err(unreadable)?;
    }
    let segments = names.iter().filter_map(|name| segment::number(name)).collect();
    Ok((segments, names.iter().filter_map(|name| snapshot::number(name)).collect()))
}

/// The first segment of a new log.
fn create(
    files: Arc<dyn Files>,
    index_path: &Path,
    limits: Limits,
    boot: Option<String>,
    snapshots: &BTreeSet<u64>,
) -> Result<Opened, StoreError> {
    let folder = IndexFolder { path: index_path.to_owned(), boot };
    let known = folder.open().ok().flatten().map(|index| index.position()).transpose()?.flatten();
    if !snapshots.is_empty() || known.is_some_and(|position| position.number > 0) {
        return Err(StoreError::Damaged("all segments of the log are missing".to_owned()));
    }
    let mut id = LogId::default();
    getrandom::fill(&mut id).map_err(|error| StoreError::Medium(format!("the system has no random bytes: {error}")))?;
    segment::create(&*files, STORE_FORMAT, 1, &id)?;
    let end = Position::first(id);
    let source = Source { files: files.clone(), segments: BTreeSet::from([1]), id, snapshot: None };
    let (index, tally, _) = rebuild(&source, &folder, 0)?;
    let log = Log::new(files, limits, end, BTreeMap::from([(1, end.offset)]))?;
    Ok(Opened { log, index, tally, covered: 1, since: 0 })
}

/// The log's files, as they were found.
pub(super) struct Source {
    pub(super) files: Arc<dyn Files>,
    pub(super) segments: BTreeSet<u64>,
    pub(super) id: LogId,
    /// The record at which the newest snapshot starts.
    pub(super) snapshot: Option<u64>,
}

type Parts = (Index, Tally, Position);

/// Why the index can't be used.
enum Unfit {
    /// It can be made again.
    Index(String),
    /// So can't the log.
    Log(StoreError),
}

/// The index as it is, or a new one.
fn current(source: &Source, folder: &IndexFolder) -> Result<Parts, StoreError> {
    let mut known = 0;
    let reason = match folder.open() {
        Ok(None) => "there is none".to_owned(),
        Err(reason) => reason,
        Ok(Some(index)) => match resume(source, index, &folder.boot, &mut known) {
            Ok(parts) => return Ok(parts),
            Err(Unfit::Log(error)) => return Err(error),
            Err(Unfit::Index(reason)) => reason,
        },
    };
    tracing::warn!(reason, "the index is made again from the log");
    rebuild(source, folder, known)
}

/// Takes the log's tail to an index that has the rest. `known` becomes the newest record that
/// the index knows.
fn resume(source: &Source, index: Index, boot: &Option<String>, known: &mut u64) -> Result<Parts, Unfit> {
    let unfit = |error: StoreError| Unfit::Index(error.to_string());
    let position = index.position().map_err(unfit)?.ok_or_else(|| Unfit::Index("it is unfinished".to_owned()))?;
    if position.log != source.id {
        return Err(Unfit::Index("it belongs to another log".to_owned()));
    }
    *known = position.number;
    if source.snapshot.is_some_and(|start| start > position.number) {
        return Err(Unfit::Index("it is older than the newest snapshot".to_owned()));
    }
    if !contains(source, &position).map_err(Unfit::Log)? {
        return Err(Unfit::Index(format!("the log doesn't have its record {}", position.number)));
    }
    let mut tally = Tally::load(&index, position.state).map_err(unfit)?;
    let booted = index.get(&Row::Boot.key()).map_err(unfit)?;
    let is_same_boot = boot.as_ref().is_some_and(|boot| booted.is_some_and(|known| *known == *boot.as_bytes()));
    if !is_same_boot && tally != Tally::count(&index).map_err(unfit)? {
        return Err(Unfit::Index("its rows don't match their checksum".to_owned()));
    }
    let mut scanner = Scanner::new(source.files.clone(), source.segments.clone(), position).map_err(Unfit::Log)?;
    while let Some(found) = scanner.next().map_err(Unfit::Log)? {
        let at = scanner.position();
        let place = (found.segment, found.payload);
        let changes = effect::set_rows(&index, Some(&mut tally), at.number, place, &found.body).map_err(unfit)?;
        if tally.state != at.state {
            return Err(Unfit::Index(format!("it doesn't match its checksum after record {}", at.number)));
        }
        index.apply(&[(at.number, changes)], Some(&at)).map_err(unfit)?;
    }
    let end = scanner.finish(*known).map_err(Unfit::Log)?;
    set_boot(&index, boot, &end).map_err(unfit)?;
    Ok((index, tally, end))
}

/// Whether the record before `position` stands in the log as the index knows it.
pub(super) fn contains(source: &Source, position: &Position) -> Result<bool, StoreError> {
    let (segment, offset) = position.last;
    if position.number == 0 {
        return Ok(*position == Position::first(source.id) && source.segments.contains(&position.segment));
    }
    if !source.segments.contains(&segment) || !source.segments.contains(&position.segment) {
        return Ok(false);
    }
    let file = source.files.open(&segment::name(segment)).map_err(|error| medium("the log can't be read", &error))?;
    let found = read_header_at(&*file, segment::seed(&source.id), segment, offset)?;
    Ok(found.is_some_and(|(header, checksum)| header.number == position.number && checksum == position.previous))
}

/// Makes the index from the newest snapshot and the log, beside the old one, which is set aside
/// when that is done. `known` is the newest record that the old one knew.
fn rebuild(source: &Source, folder: &IndexFolder, known: u64) -> Result<Parts, StoreError> {
    let index = folder.begin()?;
    let (tally, scanner) = fill(source, &index)?;
    let end = scanner.finish(known)?;
    if known > end.number {
        tracing::error!(index = known, log = end.number, "the log is shorter than the index that is set aside");
    }
    index.apply(&[(end.number, tally.rows(&index)?)], Some(&end))?;
    set_boot(&index, &folder.boot, &end)?;
    index.flush()?;
    drop(index);
    Ok((folder.finish()?, tally, end))
}

/// Fills an empty index with the newest snapshot and all sound records behind it, each of which
/// must lead to its checksum of the state. The scanner stands where no sound record follows.
pub(super) fn fill(source: &Source, index: &Index) -> Result<(Tally, Scanner), StoreError> {
    let (start, until, mut tally) = match source.snapshot {
        Some(number) => {
            let start = snapshot::start(&*source.files, number)?;
            (start, snapshot::load(&*source.files, number, index)?, None)
        }
        None => (Position::first(source.id), 0, Some(Tally::empty())),
    };
    if start.log != source.id {
        return Err(StoreError::Damaged("the newest snapshot belongs to another log".to_owned()));
    }
    let mut scanner = Scanner::new(source.files.clone(), source.segments.clone(), start)?;
    loop {
        let at = scanner.position();
        if tally.is_none() && at.number >= until {
            tally = Some(checked(Tally::count(index)?, at.state, at.number)?);
        }
        let Some(found) = scanner.next()? else { break };
        let at = scanner.position();
        let place = (found.segment, found.payload);
        let changes = effect::set_rows(index, tally.as_mut(), at.number, place, &found.body)?;
        if let Some(counted) = tally.take() {
            tally = Some(checked(counted, at.state, at.number)?);
        }
        index.apply(&[(at.number, changes)], None)?;
    }
    let found = scanner.position().number;
    let tally = tally.ok_or_else(|| {
        StoreError::Damaged(format!("the log ends at record {found}, the newest snapshot needs it up to {until}"))
    })?;
    Ok((tally, scanner))
}

fn checked(tally: Tally, state: StateSum, number: u64) -> Result<Tally, StoreError> {
    if tally.state == state {
        return Ok(tally);
    }
    Err(StoreError::Damaged(format!("what was rebuilt doesn't match the checksum of record {number}")))
}

fn set_boot(index: &Index, boot: &Option<String>, position: &Position) -> Result<(), StoreError> {
    let value = boot.as_ref().map(|boot| boot.as_bytes().into());
    index.apply(&[(position.number, Changes::from([(Row::Boot.key(), value)]))], Some(position))
}

/// The lengths of the segments that are left.
pub(super) fn lengths(
    files: &dyn Files,
    segments: &BTreeSet<u64>,
    end: &Position,
) -> Result<BTreeMap<u64, u64>, StoreError> {
    let mut found = BTreeMap::from([(end.segment, end.offset)]);
    for segment in segments.range(..end.segment) {
        let file = files.open(&segment::name(*segment)).and_then(|file| file.length());
        found.insert(*segment, file.map_err(|error| medium("the log can't be read", &error))?);
    }
    Ok(found)
}

/// Where the index is kept, made and set aside.
struct IndexFolder {
    path: PathBuf,
    boot: Option<String>,
}

impl IndexFolder {
    /// The index, if there is one; why it can't be used, if so.
    fn open(&self) -> Result<Option<Index>, String> {
        if !self.path.exists() {
            return Ok(None);
        }
        Index::open(&self.path).map(Some)
    }

    /// An empty index beside the current one.
    fn begin(&self) -> Result<Index, StoreError> {
        let path = self.path.with_extension("new");
        remove_all(&path)?;
        Index::open(&path).map_err(|reason| StoreError::Medium(format!("the index can't be made: {reason}")))
    }

    /// Puts what [`IndexFolder::begin`] gave, dropped since, in the current one's place.
    fn finish(&self) -> Result<Index, StoreError> {
        let aside = self.path.with_extension("aside");
        let failed = |error: std::io::Error| medium("the index can't be put in its place", &error);
        if self.path.exists() {
            remove_all(&aside)?;
            fs::rename(&self.path, &aside).map_err(failed)?;
        }
        fs::rename(self.path.with_extension("new"), &self.path).map_err(failed)?;
        Index::open(&self.path).map_err(|reason| StoreError::Medium(format!("the index can't be opened: {reason}")))
    }
}

fn remove_all(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(medium("an older index can't be removed", &error))
        }
        _ => Ok(()),
    }
}
