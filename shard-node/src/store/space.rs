//! Space: segments without a live message go; what lives in a mostly dead one moves to the end.

use super::log::{Log, PartPlace};
use super::record::{Body, Kind};
use super::rows::Row;
use super::segment::SEGMENT_HEADER_BYTES;
use super::{Limits, effect, index::Index, tally::Tally};
use queue::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The log may take so many times the bytes that are alive in it. Then a segment of which at most one
/// part in so many is alive is written again.
const DEAD_PARTS: u64 = 4;
/// And so many segments beyond that: in a lane that is pruned as it grows, the oldest segments die by
/// themselves, and what is left of them isn't worth writing again.
const SPARE_SEGMENTS: u64 = 2;
/// Most bytes of messages that move with one turn, unless a single run is longer.
const MOVED_BYTES_MAX: usize = 256 * 1024;
/// Most records that are looked at with one turn.
const LOOKED_MAX: usize = 128;
/// Segments are looked through whenever this part of a segment was appended.
const CHECK_PARTS: u64 = 64;

/// Runs to be written again, and their messages.
pub(super) struct Move {
    pub(super) body: Body,
    pub(super) payload: Vec<u8>,
}

/// Keeps the log's space bounded by what is alive.
pub(super) struct Space {
    /// Segments below this aren't needed for a rebuild.
    covered: Arc<AtomicU64>,
    segment_bytes: u64,
    check_bytes: u64,
    /// Bytes appended since the segments were looked through.
    unchecked: u64,
    /// Dead segments, with the record that must be durable before they may go.
    dead: BTreeMap<u64, u64>,
    /// Segment that is being emptied, and where in it the next record begins.
    moving: Option<(u64, u64)>,
}

impl Space {
    /// Of a log of which all below segment `covered` isn't needed for a rebuild.
    pub(super) fn new(covered: Arc<AtomicU64>, limits: Limits) -> Self {
        let check_bytes = limits.segment_bytes / CHECK_PARTS;
        let segment_bytes = limits.segment_bytes;
        Space { covered, segment_bytes, check_bytes, unchecked: check_bytes, dead: BTreeMap::new(), moving: None }
    }

    /// Notes that `bytes` were appended; removes segments that nobody needs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn note(&mut self, bytes: u64, durable: u64, log: &mut Log, tally: &Tally) -> Result<(), StoreError> {
        self.unchecked = self.unchecked.saturating_add(bytes);
        if self.unchecked < self.check_bytes {
            return Ok(());
        }
        self.unchecked = 0;
        let covered = self.covered.load(Ordering::Acquire).min(log.end().segment);
        for segment in log.segments().range(..covered).map(|(segment, _)| *segment) {
            if !tally.live.contains_key(&segment) {
                self.dead.entry(segment).or_insert(log.end().number);
            }
        }
        let removable: Vec<u64> =
            self.dead.iter().filter(|(_, needed)| **needed <= durable).map(|(segment, _)| *segment).collect();
        for segment in removable {
            if self.moving.is_some_and(|(moving, _)| moving == segment) {
                self.moving = None;
            }
            self.dead.remove(&segment);
            log.remove(segment)?;
        }
        if self.moving.is_none() {
            self.moving = self.deadest(covered, log, tally).map(|segment| (segment, SEGMENT_HEADER_BYTES));
        }
        Ok(())
    }

    /// The segment below `covered` that gives most space for what has to be written again, if there
    /// is too little alive in all of them.
    fn deadest(&self, covered: u64, log: &Log, tally: &Tally) -> Option<u64> {
        let live = |segment: &u64| tally.live.get(segment).copied().unwrap_or(0);
        let used: u64 = log.segments().range(..covered).map(|(_, bytes)| bytes).sum();
        let alive: u64 = tally.live.values().sum();
        let allowed = alive.saturating_mul(DEAD_PARTS).saturating_add(self.segment_bytes * SPARE_SEGMENTS);
        if used <= allowed {
            return None;
        }
        let parts = log.segments().range(..covered).filter(|(segment, _)| live(segment) > 0);
        let mostly_dead = parts.filter(|(segment, bytes)| live(segment).saturating_mul(DEAD_PARTS) <= **bytes);
        mostly_dead
            .min_by_key(|(segment, bytes)| live(segment).saturating_mul(1024) / **bytes)
            .map(|(segment, _)| *segment)
    }

    /// The next runs to move, if any.
    ///
    /// # Errors
    /// [`StoreError`], also of a segment that counts live bytes but has none.
    pub(super) fn next_move(&mut self, log: &Log, index: &Index, tally: &Tally) -> Result<Option<Move>, StoreError> {
        let Some((segment, mut offset)) = self.moving else { return Ok(None) };
        let mut moved = Move { body: Body::default(), payload: Vec::new() };
        for _ in 0..LOOKED_MAX {
            if !tally.live.contains_key(&segment) {
                self.moving = None;
                break;
            }
            let (header, body) = log.read_record(segment, offset)?;
            gather(log, index, (segment, offset + header.payload_offset()), body, &mut moved)?;
            offset += header.record_bytes();
            self.moving = Some((segment, offset));
            if header.kind == Kind::Next {
                self.moving = None;
                if moved.body.runs.is_empty() {
                    return Err(StoreError::Damaged(format!("segment {segment} lacks messages that should be alive")));
                }
                break;
            }
            if moved.payload.len() >= MOVED_BYTES_MAX {
                break;
            }
        }
        Ok((!moved.body.runs.is_empty()).then_some(moved))
    }
}

/// Adds those runs of a record to `moved` that are alive where they stand.
fn gather(
    log: &Log,
    index: &Index,
    (segment, payload): (u64, u64),
    body: Body,
    moved: &mut Move,
) -> Result<(), StoreError> {
    let mut offset = payload;
    for run in body.runs {
        let row = index.get(&Row::Run(&run.lane, run.first_nonce).key())?;
        let place = row.map(|row| effect::decode_place(&row)).transpose()?;
        if let Some(place) = place.filter(|place| (place.segment, place.offset) == (segment, offset)) {
            let parts: Vec<PartPlace> = place.parts(run.first_nonce).collect();
            log.read_parts(&run.lane, &parts, &mut moved.payload)?;
            moved.body.runs.push(run.clone());
        }
        offset += run.parts.bytes();
    }
    Ok(())
}
