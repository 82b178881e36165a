//! Shipping the log elsewhere while it is written: first all of it, then what follows.
//!
//! Files are read without any lock. What is shipped ends at a record, so it is what a crash could
//! have left: a state that the store was in.

use super::check::read_record;
use super::files::{Files, OpenFile};
use super::log::{Position, to_usize, unreadable};
use super::record::Kind;
use super::replay::{self, Source};
use super::scan::Scanner;
use super::segment::{self, SEGMENT_HEADER_BYTES};
use super::{STORE_FORMAT, medium, rows, snapshot};
use borsh::{BorshDeserialize, BorshSerialize};
use queue::engine::ATTESTOR_KEY;
use queue::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How much of a file is handed over at once, in bytes.
pub const PIECE_BYTES_MAX: usize = 256 * 1024;

/// How often the log's folder is listed again because files went away in between. They go one by
/// one, after megabytes of appending.
const ATTEMPTS: u32 = 100;

/// Where shipping goes on: behind a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Cursor {
    segment: u64,
    offset: u64,
    number: u64,
    last: (u64, u64),
    checksum: u32,
}

/// What was shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// Where it ends.
    pub cursor: Cursor,
    /// The newest turn in it.
    pub turn: u64,
    /// The newest value of the engine's key [`ATTESTOR_KEY`] in it, if it has one.
    pub attestor: Option<Vec<u8>>,
    /// Its length, in bytes.
    pub bytes: u64,
}

/// Takes a piece of a file of the log's folder: its name, where in the file it stands, and its bytes,
/// at most [`PIECE_BYTES_MAX`]. The pieces of a file come in order, without gaps.
pub type Sink<'a> = dyn FnMut(&str, u64, &[u8]) -> io::Result<()> + 'a;

/// Why the log isn't shipped.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// What follows the cursor isn't there (any more): the log has to be shipped anew.
    #[error("the log doesn't go on where the last part ended")]
    Gone,
    /// The log can't be read, or is damaged.
    #[error("{0}; `shard-node fsck`, with the node stopped, says more")]
    Log(StoreError),
    /// Written by another version of the software.
    #[error("the log has format {0}, this software knows {STORE_FORMAT}: run the version that wrote it")]
    OtherFormat(u32),
    /// What is shipped can't be taken.
    #[error("what is read can't be written: {0}")]
    Sink(io::Error),
}

impl From<StoreError> for ShipError {
    fn from(error: StoreError) -> Self {
        ShipError::Log(error)
    }
}

/// Ships everything in the folder `store`: the newest snapshot and all segments, each record of
/// which is verified on the way.
///
/// # Errors
/// [`ShipError`].
pub fn ship_all(store: &Path, sink: &mut Sink<'_>) -> Result<Shipped, ShipError> {
    let held = Held::open(store, 0)?;
    let source = held.source()?;
    let (start, mut attestor) = match source.snapshot {
        Some(number) => {
            let row = snapshot::find(&*source.files, number, &rows::Row::Key(ATTESTOR_KEY).key())?;
            let value = row.and_then(|row| row.strip_prefix(&[0]).map(<[u8]>::to_vec));
            (snapshot::start(&*source.files, number)?, value)
        }
        None => (Position::first(source.id), None),
    };
    for segment in source.segments.range(..=start.segment) {
        let until = (*segment == start.segment).then_some(start.offset);
        verify(&*source.files, segment::seed(&source.id), *segment, until)?;
    }
    let end = walk(&source, start, &mut attestor)?;
    let mut bytes = 0;
    if let Some(number) = source.snapshot {
        bytes += held.ship(&snapshot::name(number), 0, None, sink)?;
    }
    for segment in source.segments.range(..=end.segment) {
        let until = (*segment == end.segment).then_some(end.offset);
        bytes += held.ship(&segment::name(*segment), 0, until, sink)?;
    }
    Ok(Shipped { cursor: Cursor::at(&end), turn: end.turn, attestor, bytes })
}

/// Ships what was appended behind `cursor`; `None` if nothing was.
///
/// # Errors
/// [`ShipError`].
pub fn ship_since(store: &Path, cursor: &Cursor, sink: &mut Sink<'_>) -> Result<Option<Shipped>, ShipError> {
    let held = Held::open(store, cursor.segment.min(cursor.last.0))?;
    let source = held.source()?;
    let start = cursor.position(&source);
    if !replay::contains(&source, &start)? {
        return Err(ShipError::Gone);
    }
    let mut attestor = None;
    let end = walk(&source, start, &mut attestor)?;
    if end.number == start.number {
        return Ok(None);
    }
    let mut bytes = 0;
    for segment in source.segments.range(start.segment..=end.segment) {
        let from = if *segment == start.segment { start.offset } else { 0 };
        let until = (*segment == end.segment).then_some(end.offset);
        bytes += held.ship(&segment::name(*segment), from, until, sink)?;
    }
    Ok(Some(Shipped { cursor: Cursor::at(&end), turn: end.turn, attestor, bytes }))
}

/// Whether a log's folder may have a file of this name.
pub fn is_log_file(name: &str) -> bool {
    let segment = segment::number(name).map(segment::name);
    let snapshot = snapshot::number(name).map(snapshot::name);
    segment.or(snapshot).is_some_and(|expected| expected == name)
}

impl Cursor {
    fn at(end: &Position) -> Self {
        let Position { segment, offset, number, last, previous, .. } = *end;
        Cursor { segment, offset, number, last, checksum: previous }
    }

    fn position(&self, source: &Source) -> Position {
        let Cursor { segment, offset, number, last, checksum } = *self;
        Position { segment, offset, number, last, previous: checksum, ..Position::first(source.id) }
    }
}

/// Goes through the sound records from `start` on, to where the log ends as of now.
fn walk(source: &Source, start: Position, attestor: &mut Option<Vec<u8>>) -> Result<Position, StoreError> {
    let mut scanner = Scanner::new(source.files.clone(), source.segments.clone(), start)?;
    loop {
        let at = scanner.position();
        match scanner.next() {
            Ok(Some(found)) => {
                let put = found.body.puts.into_iter().rfind(|(key, _)| key == ATTESTOR_KEY);
                *attestor = put.map(|(_, value)| value).or(attestor.take());
            }
            Ok(None) => match scanner.tail(0) {
                Ok(_) => return Ok(at),
                // The record may have been half written when it was looked at, and whole since.
                Err(damage) => match scanner.next()? {
                    Some(_) => scanner = Scanner::new(source.files.clone(), source.segments.clone(), at)?,
                    None => return Err(damage),
                },
            },
            // The log has gone on in a segment that was made after the files were opened.
            Err(StoreError::Damaged(_)) if source.segments.last() == Some(&at.segment) => return Ok(at),
            Err(error) => return Err(error),
        }
    }
}

/// Checks the records of a segment up to `until`, or up to the one that leads to the next segment.
fn verify(files: &dyn Files, seed: u32, segment: u64, until: Option<u64>) -> Result<(), StoreError> {
    let file = files.open(&segment::name(segment)).map_err(|error| unreadable(segment, &error))?;
    let mut offset = SEGMENT_HEADER_BYTES;
    while until.is_none_or(|until| offset < until) {
        let Some((header, _)) = read_record(&*file, seed, segment, offset)? else {
            return Err(StoreError::Damaged(format!("segment {segment} has no sound record at {offset}")));
        };
        if header.kind == Kind::Next {
            return Ok(());
        }
        offset += header.record_bytes();
    }
    Ok(())
}

/// The log's files, opened at once. A file that is removed afterwards stays readable here.
///
/// Whatever was removed before the folder was listed was dead as of a record that the files opened
/// then hold: they have all that is alive at their end.
struct Held {
    files: BTreeMap<String, Arc<dyn OpenFile>>,
}

impl Held {
    /// Opens the newest snapshot, and the segments from `from` on.
    fn open(store: &Path, from: u64) -> Result<Self, ShipError> {
        let folder = store.join("log");
        let unreadable = |error: &io::Error| medium("the log's folder can't be read", error);
        for _ in 0..ATTEMPTS {
            let names = super::files::Folder::at(&folder).names().map_err(|error| unreadable(&error))?;
            let snapshot = names.iter().filter(|name| snapshot::number(name).is_some()).max();
            let segments = names.iter().filter(|name| segment::number(name).is_some_and(|number| number >= from));
            let open = |name: &String| -> io::Result<(String, Arc<dyn OpenFile>)> {
                Ok((name.clone(), Arc::new(File::open(folder.join(name))?)))
            };
            match snapshot.into_iter().chain(segments).map(open).collect::<io::Result<_>>() {
                Ok(files) => return Ok(Held { files }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ShipError::Log(unreadable(&error))),
            }
        }
        Err(ShipError::Log(StoreError::Medium("the log's files go away faster than they can be opened".to_owned())))
    }

    fn source(&self) -> Result<Source, ShipError> {
        let segments: BTreeSet<u64> = self.files.keys().filter_map(|name| segment::number(name)).collect();
        let snapshot = self.files.keys().filter_map(|name| snapshot::number(name)).max();
        let Some(newest) = segments.last() else { return Err(ShipError::Gone) };
        let file = self.file(&segment::name(*newest)).map_err(|error| unreadable(*newest, &error))?;
        let (format, id) = segment::read_header(&*file, *newest)?;
        if format != STORE_FORMAT {
            return Err(ShipError::OtherFormat(format));
        }
        let files = Arc::new(Held { files: self.files.clone() });
        Ok(Source { files, segments, id, snapshot })
    }

    fn file(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        self.files.get(name).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Hands over a file from `from` to `until`, or to its end; returns how much that was.
    fn ship(&self, name: &str, from: u64, until: Option<u64>, sink: &mut Sink<'_>) -> Result<u64, ShipError> {
        let failed = |error: io::Error| ShipError::Log(medium(&format!("{name} can't be read"), &error));
        let file = self.file(name).map_err(failed)?;
        let end = match until {
            Some(until) => until,
            None => file.length().map_err(failed)?,
        };
        let mut at = from;
        while at < end {
            let mut piece = vec![0; PIECE_BYTES_MAX.min(to_usize(end - at))];
            file.read(&mut piece, at).map_err(failed)?;
            sink(name, at, &piece).map_err(ShipError::Sink)?;
            at += piece.len() as u64;
        }
        Ok(end.saturating_sub(from))
    }
}

impl Files for Held {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        self.file(name)
    }

    fn create(&self, _: &str) -> io::Result<Arc<dyn OpenFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
