//! Batch files of a lane, out of the store.

use super::Engine;
use super::inbound::Inbound;
use super::io::Direction;
use super::tree::{LaneTree, prune_point};
use crate::batch::{BATCH_MESSAGE_BYTES_MAX, BATCH_PART_BYTES, BatchHeader, BatchPart};
use crate::ids::{Lane, ShardId};
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};
use std::ops::Range;

/// Why a batch file can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// There is no lane with this shard.
    #[error("there is no lane with {0}: check the name, `shard-node status` lists the lanes")]
    NoLane(ShardId),
    /// No attested head covers any of the lane.
    #[error("nothing of lane {0} is attested yet: try again when `shard-node status` says so")]
    NotAttested(Lane),
    /// The range isn't one of the lane.
    #[error("messages {}..{} of lane {lane} can't be exported: {kept}..{attested} are attested and kept here", range.start, range.end)]
    Range {
        /// The lane.
        lane: Lane,
        /// The range asked for.
        range: Range<u64>,
        /// First message that is here.
        kept: u64,
        /// One after the last that is attested and here.
        attested: u64,
    },
    /// More bytes than a file may hold.
    #[error(
        "messages {}..{} of lane {lane} have {bytes} bytes, a file holds {BATCH_MESSAGE_BYTES_MAX}: export {}..{fits} first",
        range.start, range.end, range.start
    )]
    TooLong {
        /// The lane.
        lane: Lane,
        /// The range asked for.
        range: Range<u64>,
        /// Its bytes.
        bytes: u64,
        /// The largest end that fits.
        fits: u64,
    },
    /// A message was above the limit when it arrived: only its hash is here.
    #[error(
        "message {nonce} of lane {lane} was above the limit and is not kept: export the ranges before and behind it"
    )]
    NotKept {
        /// The lane.
        lane: Lane,
        /// The message.
        nonce: u64,
    },
    /// The newest head covers more than has arrived.
    #[error("lane {lane} is catching up: {size} of {attested} attested messages are here; try again when it has")]
    CatchingUp {
        /// The lane.
        lane: Lane,
        /// Messages here.
        size: u64,
        /// Messages that the newest head covers.
        attested: u64,
    },
    /// The lane is frozen after a signed contradiction, and releases nothing.
    #[error("lane {lane} is frozen and releases no messages: {reason}")]
    Frozen {
        /// The lane.
        lane: Lane,
        /// The contradiction.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What remains to be read of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    direction: Direction,
    lane: Lane,
    at: u64,
    end: u64,
    attested: u64,
    is_begun: bool,
}

/// What there is of a lane for files.
struct Exportable<'a> {
    lane: &'a Lane,
    head: &'a Option<HeadProof>,
    kept: u64,
    default: Range<u64>,
    frozen: Option<&'a String>,
}

impl<S: Store> Engine<S> {
    /// Begins a batch file of the lane to (`Outbound`) or from (`Inbound`) a peer, under the newest
    /// attested head. Without a range: to a peer all that is attested and not acknowledged, from a
    /// peer all that is here; as much of it as a file holds.
    ///
    /// What was delivered in an open turn can't be read yet: commit first.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn export(
        &self,
        direction: Direction,
        peer: &ShardId,
        range: Option<Range<u64>>,
    ) -> Result<(BatchHeader, Export), ExportError> {
        let Exportable { lane, head, kept, default, frozen } = self.exportable(direction, peer)?;
        let head = head.clone().ok_or_else(|| ExportError::NotAttested(lane.clone()))?;
        let tree = LaneTree { store: &self.store, lane };
        let (attested, is_default) = (head.head.sent_size, range.is_none());
        let mut range = range.unwrap_or(default);
        if range.start < kept || range.start > range.end || range.end > attested {
            return Err(ExportError::Range { lane: lane.clone(), range, kept, attested });
        }
        if let Some(reason) = frozen.filter(|_| !range.is_empty()).cloned() {
            return Err(ExportError::Frozen { lane: lane.clone(), reason });
        }
        let fits = largest_fitting(&tree, &range)?;
        if fits < range.end && !is_default {
            let bytes = tree.bytes_at(range.end)? - tree.bytes_at(range.start)?;
            return Err(ExportError::TooLong { lane: lane.clone(), range, bytes, fits });
        }
        range.end = fits;
        let begin = tree.range_at(range.start)?;
        let (trust, lane) = (self.config.trust.clone(), lane.clone());
        let header = BatchHeader { trust, lane: lane.clone(), begin, end: range.end, head };
        Ok((header, Export { direction, lane, at: range.start, end: range.end, attested, is_begun: false }))
    }

    fn exportable(&self, direction: Direction, peer: &ShardId) -> Result<Exportable<'_>, ExportError> {
        let no_lane = || ExportError::NoLane(peer.clone());
        if direction == Direction::Outbound {
            let record = &self.outbound.get(peer).ok_or_else(no_lane)?.record;
            let end = if record.frozen.is_some() { record.acknowledged } else { record.attested };
            return Ok(Exportable {
                lane: &record.lane,
                head: &record.head,
                kept: prune_point(record.acknowledged),
                default: record.acknowledged.min(end)..end,
                frozen: record.frozen.as_ref(),
            });
        }
        let inbound = self.inbound.get(peer).ok_or_else(no_lane)?;
        let (record, kept) = (&inbound.record, inbound.kept_from());
        let size = record.log.size();
        match record.head.as_ref().map(|head| head.head.sent_size).filter(|attested| *attested > size) {
            Some(attested) => Err(ExportError::CatchingUp { lane: record.lane.clone(), size, attested }),
            None => Ok(Exportable { lane: &record.lane, head: &record.head, kept, default: kept..size, frozen: None }),
        }
    }

    /// The next part of a batch file; `None` at its end.
    ///
    /// # Errors
    /// [`ExportError::Range`] if the messages were pruned since it began.
    pub fn export_part(&self, export: &mut Export) -> Result<Option<BatchPart>, ExportError> {
        let Export { direction, lane, at, end, attested, is_begun } = export;
        if std::mem::replace(is_begun, true) && at == end {
            return Ok(None);
        }
        let kept = match direction {
            Direction::Outbound => {
                self.outbound.get(&lane.destination).map_or(0, |lane| prune_point(lane.record.acknowledged))
            }
            Direction::Inbound => self.inbound.get(&lane.source).map_or(0, Inbound::kept_from),
        };
        if *at < kept {
            return Err(ExportError::Range { lane: lane.clone(), range: *at..*end, kept, attested: *attested });
        }
        let stream = if at == end { Vec::new() } else { read_part(&self.store, lane, at, *end)? };
        let consistency = LaneTree { store: &self.store, lane }.consistency(*at, *attested)?;
        Ok(Some(BatchPart { end: *at, consistency, stream }))
    }
}

/// The largest end up to which a file holds the messages of the range; at least one of them.
fn largest_fitting<S: Store>(tree: &LaneTree<'_, S>, range: &Range<u64>) -> Result<u64, StoreError> {
    if range.is_empty() {
        return Ok(range.end);
    }
    let begin = tree.bytes_at(range.start)?;
    if tree.bytes_at(range.end)? - begin <= BATCH_MESSAGE_BYTES_MAX {
        return Ok(range.end);
    }
    let (mut fits, mut end) = (range.start + 1, range.end);
    while fits < end {
        let middle = end - (end - fits) / 2;
        if tree.bytes_at(middle)? - begin <= BATCH_MESSAGE_BYTES_MAX { fits = middle } else { end = middle - 1 }
    }
    Ok(fits)
}

/// Reads the lane's stream from message `at` on, about [`BATCH_PART_BYTES`] of it, at most to `end`.
fn read_part<S: Store>(store: &S, lane: &Lane, at: &mut u64, end: u64) -> Result<Vec<u8>, ExportError> {
    let stream = store.read(lane, *at..end, BATCH_PART_BYTES)?;
    if stream.is_empty() {
        return Err(StoreError::Damaged(format!("{lane} lacks message {at}")).into());
    }
    let tree = LaneTree { store, lane };
    for (nonce, message) in (*at..).zip(stream.messages()) {
        if message.is_empty() && tree.is_hashed(nonce)? {
            return Err(ExportError::NotKept { lane: lane.clone(), nonce });
        }
    }
    *at += stream.count();
    Ok(stream.into_bytes())
}
