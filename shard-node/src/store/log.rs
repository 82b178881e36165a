//! The log: where records are appended and messages are read.

use super::checksum::StateSum;
use super::files::{Files, OpenFile};
use super::record::{self, Body, HEADER_BYTES, Header, Kind, Label, Part, Parts};
use super::segment::{self, LogId, SEGMENT_HEADER_BYTES};
use super::{Limits, STORE_FORMAT, medium};
use borsh::{BorshDeserialize, BorshSerialize};
use queue::codec;
use queue::ids::Lane;
use queue::store::{StoreError, TurnId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Records up to this length, in bytes, are short: zeros are written ahead of them. Long ones are
/// written to new ground, because their own bytes decide how long a sync takes.
const SHORT_BYTES_MAX: u64 = 64 * 1024;
/// Most segments that are kept open for reading.
const OPEN_MAX: usize = 64;
/// So much of a segment behind what was read is forgotten, in bytes: at least as much as the system
/// keeps in one piece, because it forgets whole pieces only.
const FORGOTTEN_BYTES: u64 = 8 * 1024 * 1024;
/// Who reads fewer parts at once looks for single messages.
const FORGOTTEN_PARTS: usize = 8;

/// A place between two records, and what the log says up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Position {
    /// The log's own random bytes.
    pub(super) log: LogId,
    pub(super) segment: u64,
    pub(super) offset: u64,
    /// The record before; 0 for none.
    pub(super) number: u64,
    /// Where the record before begins.
    pub(super) last: (u64, u64),
    /// Checksum of the record before; 0 for none.
    pub(super) previous: u32,
    pub(super) turn: TurnId,
    pub(super) state: StateSum,
}

impl Position {
    /// The beginning of a log.
    pub(super) fn first(log: LogId) -> Self {
        let (segment, offset) = (1, SEGMENT_HEADER_BYTES);
        Position { log, segment, offset, number: 0, last: (0, 0), previous: 0, turn: 0, state: StateSum::EMPTY }
    }

    /// Behind the record `header` with checksum `checksum`, which begins here.
    pub(super) fn after(&self, header: &Header, checksum: u32) -> Self {
        let (segment, offset) = match header.kind {
            Kind::Next => (self.segment + 1, SEGMENT_HEADER_BYTES),
            Kind::Turn | Kind::Rewrite => (self.segment, self.offset + header.record_bytes()),
        };
        Position {
            log: self.log,
            segment,
            offset,
            number: header.number,
            last: (self.segment, self.offset),
            previous: checksum,
            turn: header.turn,
            state: header.state,
        }
    }
}

/// Where a run of messages stands.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct RunPlace {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) parts: Parts,
}

impl RunPlace {
    /// Where the parts of the run that begins with message `first_nonce` stand.
    pub(super) fn parts(&self, first_nonce: u64) -> impl Iterator<Item = PartPlace> {
        let placed = self.parts.placed(first_nonce, self.offset);
        placed.map(|(first_nonce, offset, part)| PartPlace { segment: self.segment, offset, first_nonce, part })
    }
}

/// Where a part of a run stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartPlace {
    segment: u64,
    offset: u64,
    pub(super) first_nonce: u64,
    pub(super) part: Part,
}

impl PartPlace {
    /// Length, in bytes.
    pub(super) fn bytes(&self) -> usize {
        to_usize(u64::from(self.part.bytes))
    }

    /// The nonce behind its last message.
    pub(super) fn end(&self) -> u64 {
        self.first_nonce.saturating_add(u64::from(self.part.count))
    }

    /// Where it ends in its segment; beyond every file's end if its place is damaged.
    fn end_offset(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.part.bytes))
    }
}

/// A record to append.
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    pub(super) turn: TurnId,
    pub(super) body: &'a [u8],
    /// Parts that stand one behind the other.
    pub(super) payload: &'a [&'a [u8]],
}

/// The open log.
pub(super) struct Log {
    files: Arc<dyn Files>,
    limits: Limits,
    seed: u32,
    /// Bytes of each segment, up to its last record.
    segments: BTreeMap<u64, u64>,
    end: Position,
    /// The segment that is written to.
    tip: Arc<dyn OpenFile>,
    /// Up to where the tip is filled with zeros.
    zeroed: u64,
    /// Files with records that nobody was asked to sync yet.
    unsynced: Vec<Arc<dyn OpenFile>>,
    open: Mutex<BTreeMap<u64, Arc<dyn OpenFile>>>,
}

impl Log {
    /// A log that goes on at `end`; `segments` are those that exist, with their lengths.
    pub(super) fn new(
        files: Arc<dyn Files>,
        limits: Limits,
        end: Position,
        segments: BTreeMap<u64, u64>,
    ) -> Result<Self, StoreError> {
        let tip = files.open(&segment::name(end.segment)).map_err(|error| unreadable(end.segment, &error))?;
        let seed = segment::seed(&end.log);
        let open = Mutex::new(BTreeMap::new());
        Ok(Log { files, limits, seed, segments, end, tip, zeroed: end.offset, unsynced: Vec::new(), open })
    }

    /// Seed of the checksums.
    pub(super) fn seed(&self) -> u32 {
        self.seed
    }

    /// Behind the newest record.
    pub(super) fn end(&self) -> &Position {
        &self.end
    }

    /// Bytes of each segment, up to its last record.
    pub(super) fn segments(&self) -> &BTreeMap<u64, u64> {
        &self.segments
    }

    /// Begins a new segment if a record of these lengths doesn't fit the current one, and says in
    /// which segment and where its payload will stand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn place(&mut self, durable: u64, body: usize, payload: usize) -> Result<(u64, u64), StoreError> {
        let bytes = record::record_bytes(body as u64, payload as u64);
        let is_empty = self.end.offset == SEGMENT_HEADER_BYTES;
        if !is_empty && self.end.offset.saturating_add(bytes) > self.limits.segment_bytes {
            let next = self.end.segment + 1;
            let file = segment::create(&*self.files, STORE_FORMAT, next, &self.end.log)?;
            let entry = Entry { kind: Kind::Next, turn: self.end.turn, body: &[], payload: &[] };
            self.append(durable, self.end.state, &entry)?;
            self.tip = file;
            self.zeroed = SEGMENT_HEADER_BYTES;
            self.segments.insert(next, SEGMENT_HEADER_BYTES);
        }
        Ok((self.end.segment, self.end.offset + HEADER_BYTES as u64 + body as u64))
    }

    /// Writes a record where [`Log::place`] said; returns its length.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn append(&mut self, durable: u64, state: StateSum, entry: &Entry<'_>) -> Result<u64, StoreError> {
        let label = Label {
            kind: entry.kind,
            number: self.end.number + 1,
            turn: entry.turn,
            durable,
            previous: self.end.previous,
            state,
        };
        let payload_bytes = entry.payload.iter().map(|part| part.len()).sum();
        let (head, checksum) = record::encode(self.seed, label, entry.body, payload_bytes)?;
        let begin = self.end;
        let record_bytes = record::record_bytes(entry.body.len() as u64, payload_bytes as u64);
        let record_end = begin.offset + record_bytes;
        self.write_record(&head, entry.payload, record_bytes).map_err(|error| {
            medium(&format!("record {} can't be written to segment {}", label.number, begin.segment), &error)
        })?;
        self.unsynced.push(self.tip.clone());
        self.segments.insert(begin.segment, record_end);
        let (segment, offset) = match entry.kind {
            Kind::Next => (begin.segment + 1, SEGMENT_HEADER_BYTES),
            Kind::Turn | Kind::Rewrite => (begin.segment, record_end),
        };
        self.end = Position {
            log: begin.log,
            segment,
            offset,
            number: label.number,
            last: (begin.segment, begin.offset),
            previous: checksum,
            turn: entry.turn,
            state,
        };
        Ok(record_bytes)
    }

    /// Writes a record at the log's end: a short one at once, with zeros ahead of the next; a long
    /// one from where its parts are.
    fn write_record(&mut self, head: &[u8], payload: &[&[u8]], record_bytes: u64) -> std::io::Result<()> {
        let begin = self.end.offset;
        let record_end = begin + record_bytes;
        if record_bytes <= SHORT_BYTES_MAX {
            let mut bytes = [head, &payload.concat()].concat();
            bytes.resize(to_usize(record_bytes), 0);
            if record_end > self.zeroed {
                bytes.resize(bytes.len() + self.limits.zero_bytes, 0);
                self.zeroed = begin + bytes.len() as u64;
            }
            return self.tip.write(&bytes, begin);
        }
        let mut at = begin;
        for part in std::iter::once(&head).chain(payload) {
            self.tip.write(part, at)?;
            at += part.len() as u64;
        }
        self.tip.write(&[0; record::ALIGNMENT][..to_usize(record_end - at)], at)?;
        self.zeroed = self.zeroed.max(record_end);
        Ok(())
    }

    /// The files to sync for what was appended since the last call, in order.
    pub(super) fn take_unsynced(&mut self) -> Vec<Arc<dyn OpenFile>> {
        let mut files = std::mem::take(&mut self.unsynced);
        files.dedup_by(|one, other| Arc::ptr_eq(one, other));
        files
    }

    /// Appends the bytes of parts of a lane's runs to `bytes`; each is checked. What stands side by side is
    /// read at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn read_parts(&self, lane: &Lane, parts: &[PartPlace], bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let adjoin = |one: &PartPlace, next: &PartPlace| (next.segment, next.offset) == (one.segment, one.end_offset());
        parts.chunk_by(adjoin).try_for_each(|parts| self.read_adjoining(lane, parts, bytes))
    }

    fn read_adjoining(&self, lane: &Lane, parts: &[PartPlace], bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let Some(first) = parts.first() else { return Ok(()) };
        let damaged = |place: &PartPlace, reason: &str| {
            StoreError::Damaged(format!(
                "messages of lane {lane} from {} on, in segment {} at {}, {reason}",
                place.first_nonce, place.segment, place.offset
            ))
        };
        let file = self.open_segment(first.segment)?;
        let length = file.length().map_err(|error| unreadable(first.segment, &error))?;
        if let Some(place) = parts.iter().find(|place| place.end_offset() > length) {
            return Err(damaged(place, "lie behind the segment's end"));
        }
        let begin = bytes.len();
        bytes.resize(begin + parts.iter().map(PartPlace::bytes).sum::<usize>(), 0);
        let mut rest = &mut bytes[begin..];
        file.read(rest, first.offset).map_err(|error| unreadable(first.segment, &error))?;
        for place in parts {
            let (read, behind) = rest.split_at_mut(place.bytes());
            if !place.part.fits(self.seed, lane, place.first_nonce, read) {
                return Err(damaged(place, "don't match their checksum"));
            }
            rest = behind;
        }
        Ok(())
    }

    /// Says that parts were read in order, and that nobody will soon read again what stands before the last of
    /// them. The segment that is written to is left alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn forget_behind(&self, parts: &[PartPlace]) -> Result<(), StoreError> {
        if parts.len() < FORGOTTEN_PARTS {
            return Ok(());
        }
        for (index, place) in parts.iter().enumerate() {
            let next = parts.get(index + 1);
            if place.segment == self.end.segment || next.is_some_and(|next| next.segment == place.segment) {
                continue;
            }
            let end = if next.is_none() { place.offset } else { place.end_offset() };
            let file = self.open_segment(place.segment)?;
            let forgotten = file.forget(end.saturating_sub(FORGOTTEN_BYTES)..end);
            forgotten.map_err(|error| medium(&format!("segment {} can't be forgotten", place.segment), &error))?;
        }
        Ok(())
    }

    /// Header and body of the record at `offset` of an older segment.
    ///
    /// # Errors
    /// [`StoreError`]; whatever is no record there is damage.
    pub(super) fn read_record(&self, segment: u64, offset: u64) -> Result<(Header, Body), StoreError> {
        let file = self.open_segment(segment)?;
        let damaged = || StoreError::Damaged(format!("segment {segment} has no sound record at {offset}"));
        let (header, _) = read_header_at(&*file, self.seed, segment, offset)?.ok_or_else(damaged)?;
        let body = read_body(&*file, self.seed, segment, offset, &header)?.ok_or_else(damaged)?;
        Ok((header, body))
    }

    /// Removes a segment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn remove(&mut self, segment: u64) -> Result<(), StoreError> {
        self.lock_open().remove(&segment);
        self.segments.remove(&segment);
        self.files
            .remove(&segment::name(segment))
            .map_err(|error| medium(&format!("segment {segment} can't be removed"), &error))
    }

    fn open_segment(&self, segment: u64) -> Result<Arc<dyn OpenFile>, StoreError> {
        if segment == self.end.segment {
            return Ok(self.tip.clone());
        }
        let mut open = self.lock_open();
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        if !self.segments.contains_key(&segment) {
            return Err(StoreError::Damaged(format!("segment {segment} is missing")));
        }
        let file = self.files.open(&segment::name(segment)).map_err(|error| unreadable(segment, &error))?;
        if open.len() >= OPEN_MAX {
            open.pop_first();
        }
        open.insert(segment, file.clone());
        Ok(file)
    }

    fn lock_open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<dyn OpenFile>>> {
        self.open.lock().expect("no code panics while it holds the lock")
    }
}

/// The header of the record at `offset` and its checksum, if there is one.
///
/// # Errors
/// [`StoreError::Medium`].
pub(super) fn read_header_at(
    file: &dyn OpenFile,
    seed: u32,
    segment: u64,
    offset: u64,
) -> Result<Option<(Header, u32)>, StoreError> {
    let length = file.length().map_err(|error| unreadable(segment, &error))?;
    if offset.checked_add(HEADER_BYTES as u64).is_none_or(|end| end > length) {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read(&mut bytes, offset).map_err(|error| unreadable(segment, &error))?;
    Ok(Header::parse(seed, &bytes))
}

/// The body of the record at `offset`, if it is all there and sound.
///
/// # Errors
/// [`StoreError::Medium`].
pub(super) fn read_body(
    file: &dyn OpenFile,
    seed: u32,
    segment: u64,
    offset: u64,
    header: &Header,
) -> Result<Option<Body>, StoreError> {
    let length = file.length().map_err(|error| unreadable(segment, &error))?;
    let content = u64::from(header.body_bytes) + u64::from(header.payload_bytes);
    let begin = offset + HEADER_BYTES as u64;
    if begin + content > length {
        return Ok(None);
    }
    let mut bytes = vec![0; to_usize(u64::from(header.body_bytes))];
    file.read(&mut bytes, begin).map_err(|error| unreadable(segment, &error))?;
    if !header.fits(seed, &bytes) {
        return Ok(None);
    }
    let body: Option<Body> = match header.kind {
        Kind::Next => bytes.is_empty().then(Body::default),
        Kind::Turn | Kind::Rewrite => codec::decode("record", &bytes, bytes.len()).ok(),
    };
    let fits =
        |body: &Body| body.runs.iter().map(|run| run.parts.bytes()).sum::<u64>() == u64::from(header.payload_bytes);
    Ok(body.filter(fits))
}

/// Whether the messages at `offset` are those of a body's runs.
///
/// # Errors
/// [`StoreError::Medium`].
pub(super) fn is_payload_sound(
    file: &dyn OpenFile,
    seed: u32,
    segment: u64,
    mut offset: u64,
    body: &Body,
) -> Result<bool, StoreError> {
    for run in &body.runs {
        for (first_nonce, offset, part) in run.parts.placed(run.first_nonce, offset) {
            let mut bytes = vec![0; to_usize(u64::from(part.bytes))];
            file.read(&mut bytes, offset).map_err(|error| unreadable(segment, &error))?;
            if !part.fits(seed, &run.lane, first_nonce, &bytes) {
                return Ok(false);
            }
        }
        offset += run.parts.bytes();
    }
    Ok(true)
}

/// That a segment's file couldn't be read.
pub(super) fn unreadable(segment: u64, error: &std::io::Error) -> StoreError {
    medium(&format!("segment {segment} can't be read"), error)
}

/// A length in memory.
pub(super) fn to_usize(length: u64) -> usize {
    usize::try_from(length).expect("lengths in memory fit a 64-bit machine's words")
}
