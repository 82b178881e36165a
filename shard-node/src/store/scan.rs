//! Reading the log forward: to its clean end, to a torn tail, or to damage.

use super::files::{Files, OpenFile};
use super::log::{Position, is_payload_sound, read_body, read_header_at, to_usize, unreadable};
use super::medium;
use super::record::{ALIGNMENT, Body, HEADER_BYTES, Header, Kind};
use super::segment::{self, SEGMENT_HEADER_BYTES};
use queue::store::StoreError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How much is read at once, in bytes, where records are looked for.
const SEARCH_BYTES: usize = 1024 * 1024;

/// A sound record.
pub(super) struct Found {
    pub(super) body: Body,
    /// Where its payload begins.
    pub(super) segment: u64,
    pub(super) payload: u64,
}

/// What follows the last sound record: zeros, or what a crash left of records that weren't durable.
pub(super) struct Tail {
    pub(super) is_torn: bool,
    /// Up to the end of the segment.
    pub(super) bytes: u64,
    /// Segments behind it.
    later: Vec<u64>,
}

/// Reads record after record.
pub(super) struct Scanner {
    files: Arc<dyn Files>,
    segments: BTreeSet<u64>,
    seed: u32,
    at: Position,
    file: Arc<dyn OpenFile>,
}

impl Scanner {
    /// Reads from `at` on.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the segment is missing or another log's.
    pub(super) fn new(files: Arc<dyn Files>, segments: BTreeSet<u64>, at: Position) -> Result<Self, StoreError> {
        let file = open_segment(&*files, &segments, &at)?;
        Ok(Scanner { files, segments, seed: segment::seed(&at.log), at, file })
    }

    /// Behind the last record that was returned.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// The next record; `None` where no sound record follows.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a segment that must follow is missing.
    pub(super) fn next(&mut self) -> Result<Option<Found>, StoreError> {
        let at = self.at;
        let Some((header, checksum)) = read_header_at(&*self.file, self.seed, at.segment, at.offset)? else {
            return Ok(None);
        };
        if header.number != at.number + 1 || header.previous != at.previous {
            return Ok(None);
        }
        let Some(body) = read_body(&*self.file, self.seed, at.segment, at.offset, &header)? else { return Ok(None) };
        let payload = at.offset + header.payload_offset();
        if !is_payload_sound(&*self.file, self.seed, at.segment, payload, &body)? {
            return Ok(None);
        }
        self.at = at.after(&header, checksum);
        if header.kind == Kind::Next {
            self.file = open_segment(&*self.files, &self.segments, &self.at)?;
        }
        Ok(Some(Found { body, segment: at.segment, payload }))
    }

    /// Tells a torn tail from damage where [`Scanner::next`] found no record, and cuts the tail.
    /// `known` is the newest record that is known from elsewhere to have been durable.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the record that should stand here was durable once.
    pub(super) fn finish(mut self, known: u64) -> Result<Position, StoreError> {
        let tail = self.tail(known)?;
        if tail.is_torn {
            let Position { segment, offset, .. } = self.at;
            tracing::warn!(segment, offset, length = offset + tail.bytes, "cut the log's torn tail");
            self.cut(&tail.later).map_err(|error| medium("the log's torn tail can't be cut", &error))?;
        }
        Ok(self.at)
    }

    /// What follows where [`Scanner::next`] found no record; changes nothing.
    ///
    /// # Errors
    /// As [`Scanner::finish`].
    pub(super) fn tail(&self, known: u64) -> Result<Tail, StoreError> {
        let at = self.at;
        let missing = at.number + 1;
        let length = self.file.length().map_err(|error| unreadable(at.segment, &error))?;
        let mut rest = self.search(&self.file.clone(), at.segment, at.offset)?;
        let later: Vec<u64> = self.segments.range(at.segment + 1..).copied().collect();
        for segment in &later {
            let file = self.files.open(&segment::name(*segment)).map_err(|error| unreadable(*segment, &error))?;
            rest.durable = rest.durable.max(self.search(&file, *segment, SEGMENT_HEADER_BYTES)?.durable);
        }
        let durable = if rest.is_zero { rest.durable } else { rest.durable.max(known) };
        if durable >= missing {
            return Err(StoreError::Damaged(format!(
                "record {missing}, in segment {} at {}, is damaged; it was durable, as were all up to {durable}",
                at.segment, at.offset
            )));
        }
        let is_torn = !rest.is_zero || !later.is_empty();
        Ok(Tail { is_torn, bytes: length.saturating_sub(at.offset), later })
    }

    fn cut(&mut self, later: &[u64]) -> std::io::Result<()> {
        for segment in later.iter().rev() {
            self.files.remove(&segment::name(*segment))?;
            self.files.sync_names()?;
        }
        self.file.truncate(self.at.offset)?;
        self.file.sync()
    }

    /// Looks from `offset` on for headers of this log's records beyond the current position.
    fn search(&self, file: &Arc<dyn OpenFile>, segment: u64, offset: u64) -> Result<Rest, StoreError> {
        let length = file.length().map_err(|error| unreadable(segment, &error))?;
        let mut rest = Rest { is_zero: true, durable: 0 };
        let mut begin = offset;
        while begin < length {
            let bytes = to_usize((length - begin).min((SEARCH_BYTES + HEADER_BYTES) as u64));
            let mut window = vec![0; bytes];
            file.read(&mut window, begin).map_err(|error| unreadable(segment, &error))?;
            rest.is_zero &= window.iter().all(|byte| *byte == 0);
            for candidate in window.windows(HEADER_BYTES).step_by(ALIGNMENT) {
                let header = candidate.first_chunk().and_then(|bytes| Header::parse(self.seed, bytes));
                if let Some((header, _)) = header
                    && header.number > self.at.number
                {
                    rest.durable = rest.durable.max(header.durable);
                }
            }
            begin += SEARCH_BYTES as u64;
        }
        Ok(rest)
    }
}

/// What follows the last sound record.
struct Rest {
    is_zero: bool,
    /// The newest record that one of the headers found says to be durable.
    durable: u64,
}

fn open_segment(files: &dyn Files, segments: &BTreeSet<u64>, at: &Position) -> Result<Arc<dyn OpenFile>, StoreError> {
    if !segments.contains(&at.segment) {
        return Err(StoreError::Damaged(format!(
            "segment {} is missing, record {} must follow in it",
            at.segment,
            at.number + 1
        )));
    }
    let file = files.open(&segment::name(at.segment)).map_err(|error| unreadable(at.segment, &error))?;
    let (_, log) = segment::read_header(&*file, at.segment)?;
    if log != at.log {
        return Err(StoreError::Damaged(format!("segment {} belongs to another log", at.segment)));
    }
    Ok(file)
}
