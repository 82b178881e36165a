//! What a record changes in the index.

use super::index::{Changes, Index, VALUE_BYTES_MAX};
use super::log::RunPlace;
use super::record::Body;
use super::rows::{self, Layout, Row};
use super::tally::Tally;
use queue::codec;
use queue::ids::Lane;
use queue::store::StoreError;
use sled::IVec;
use std::collections::BTreeMap;

/// Longest encoded place of a run, in bytes: it has at most 33 parts, because two that adjoin have 16 KiB.
const PLACE_BYTES_MAX: usize = 1024;

/// Sets the rows that record `number` changes, counts them in `tally`, and returns them.
///
/// Every change is absolute. Without a tally, the rows may be those of a later state: old values
/// are not looked at, and the result is right once all up to that state is done.
///
/// # Errors
/// [`StoreError`].
pub(super) fn set_rows(
    index: &Index,
    tally: Option<&mut Tally>,
    number: u64,
    (segment, payload): (u64, u64),
    body: &Body,
) -> Result<Changes, StoreError> {
    let mut effect = Effect { index, tally, number, changes: Changes::new() };
    for (lane, from) in &body.truncates {
        effect.truncate(lane, *from)?;
    }
    let mut offset = payload;
    for run in &body.runs {
        let place = RunPlace { segment, offset, parts: run.parts.clone() };
        effect.place_run(&run.lane, run.first_nonce, &place)?;
        offset += run.parts.bytes();
    }
    for (lane, below) in &body.prunes {
        effect.prune(lane, *below)?;
    }
    let mut values: BTreeMap<&[u8], Option<&[u8]>> = body.deletes.iter().map(|key| (&key[..], None)).collect();
    values.extend(body.puts.iter().map(|(key, value)| (&key[..], Some(&value[..]))));
    for (key, value) in values {
        effect.set_value(key, value)?;
    }
    Ok(effect.changes)
}

/// The value whose key's row holds `head`.
///
/// # Errors
/// [`StoreError`].
pub(super) fn value(index: &Index, key: &[u8], head: &[u8]) -> Result<Vec<u8>, StoreError> {
    match layout(key, head)? {
        Layout::Inline(value) => Ok(value.to_vec()),
        Layout::Pieces(count) => {
            let mut value = Vec::new();
            for piece in 0..count {
                let bytes = index.get(&Row::Piece(key, piece).key())?;
                value.extend_from_slice(&bytes.ok_or_else(|| damaged_key(key, &format!("lacks piece {piece}")))?);
            }
            Ok(value)
        }
    }
}

/// The nonce below which a lane is pruned.
///
/// # Errors
/// [`StoreError`].
pub(super) fn pruned_below(index: &Index, lane: &Lane) -> Result<u64, StoreError> {
    let Some(value) = index.get(&Row::PrunedBelow(lane).key())? else { return Ok(0) };
    rows::decode_u64(&value).ok_or_else(|| StoreError::Damaged(format!("lane {lane} has a damaged watermark")))
}

/// Where a run stands, from its row.
///
/// # Errors
/// [`StoreError::Damaged`].
pub(super) fn decode_place(value: &[u8]) -> Result<RunPlace, StoreError> {
    codec::decode("place of a run", value, PLACE_BYTES_MAX).map_err(|error| StoreError::Damaged(error.to_string()))
}

struct Effect<'a> {
    index: &'a Index,
    tally: Option<&'a mut Tally>,
    number: u64,
    changes: Changes,
}

impl Effect<'_> {
    fn set(&mut self, key: Vec<u8>, value: Option<IVec>) {
        self.index.set(self.number, key.clone(), value.clone());
        self.changes.insert(key, value);
    }

    fn place_run(&mut self, lane: &Lane, first_nonce: u64, place: &RunPlace) -> Result<(), StoreError> {
        let key = Row::Run(lane, first_nonce).key();
        if let Some(old) = self.index.get(&key)? {
            self.drop_run(&key, &decode_place(&old)?);
        }
        if let Some(tally) = self.tally.as_mut() {
            tally.state.add(&key, &place.parts.count().to_le_bytes());
            let live = tally.live.entry(place.segment).or_default();
            *live = live.saturating_add(place.parts.bytes());
            let live = live.to_be_bytes();
            self.set(Row::Live(place.segment).key(), Some(live[..].into()));
        }
        self.set(key, Some(codec::encode(place).into()));
        Ok(())
    }

    /// Takes a run out of the tally.
    fn drop_run(&mut self, key: &[u8], place: &RunPlace) {
        let Some(tally) = self.tally.as_mut() else { return };
        tally.state.remove(key, &place.parts.count().to_le_bytes());
        let left = tally.live.remove(&place.segment).unwrap_or(0).saturating_sub(place.parts.bytes());
        if left > 0 {
            tally.live.insert(place.segment, left);
        }
        let row = (left > 0).then(|| left.to_be_bytes()[..].into());
        self.set(Row::Live(place.segment).key(), row);
    }

    /// Forgets the runs that lie wholly below `below`. Earlier messages of the run around it stay
    /// until the rest may go too, but can't be read.
    fn prune(&mut self, lane: &Lane, below: u64) -> Result<(), StoreError> {
        let old = pruned_below(self.index, lane)?;
        if old < below {
            self.raise_watermark(lane, old, below);
        } else if self.tally.is_some() {
            return Ok(());
        }
        let prefix = rows::run_prefix(lane);
        // Without a tally, the watermark doesn't mean that the runs below it are gone.
        let around_old = match self.tally {
            Some(_) => self.index.last(&prefix, &Row::Run(lane, old).key())?.map(|(key, _)| key),
            None => None,
        };
        let mut gone = Vec::new();
        self.index.walk(&prefix, &around_old.unwrap_or_default(), |key, value| {
            let place = decode_place(value)?;
            let first_nonce = rows::last_number(key).unwrap_or(u64::MAX);
            let is_below = first_nonce.saturating_add(place.parts.count()) <= below;
            if is_below {
                gone.push((key.to_vec(), place));
            }
            Ok(is_below)
        })?;
        for (key, place) in gone {
            self.drop_run(&key, &place);
            self.set(key, None);
        }
        Ok(())
    }

    /// Forgets the runs from nonce `from` on.
    fn truncate(&mut self, lane: &Lane, from: u64) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        self.index.walk(&rows::run_prefix(lane), &Row::Run(lane, from).key(), |key, value| {
            gone.push((key.to_vec(), decode_place(value)?));
            Ok(true)
        })?;
        for (key, place) in gone {
            self.drop_run(&key, &place);
            self.set(key, None);
        }
        Ok(())
    }

    fn raise_watermark(&mut self, lane: &Lane, old: u64, below: u64) {
        let key = Row::PrunedBelow(lane).key();
        if let Some(tally) = self.tally.as_mut() {
            if old > 0 {
                tally.state.remove(&key, &old.to_be_bytes());
            }
            tally.state.add(&key, &below.to_be_bytes());
        }
        self.set(key, Some(below.to_be_bytes()[..].into()));
    }

    /// Sets or removes one of the engine's keys, with the pieces of its old value.
    fn set_value(&mut self, key: &[u8], new: Option<&[u8]>) -> Result<(), StoreError> {
        let row = Row::Key(key).key();
        if let Some(head) = self.index.get(&row)? {
            if self.tally.is_some() {
                let old = value(self.index, key, &head)?;
                if let Some(tally) = self.tally.as_mut() {
                    tally.state.remove(&row, &old);
                }
            }
            for piece in 0..layout(key, &head)?.pieces() {
                self.set(Row::Piece(key, piece).key(), None);
            }
        }
        let Some(new) = new else {
            self.set(row, None);
            return Ok(());
        };
        if let Some(tally) = self.tally.as_mut() {
            tally.state.add(&row, new);
        }
        let (head, pieces) = Layout::split(new, VALUE_BYTES_MAX);
        self.set(row, Some(head.into()));
        for (piece, bytes) in (0u32..).zip(pieces) {
            self.set(Row::Piece(key, piece).key(), Some(bytes.into()));
        }
        Ok(())
    }
}

fn layout<'a>(key: &[u8], head: &'a [u8]) -> Result<Layout<'a>, StoreError> {
    Layout::parse(head).ok_or_else(|| damaged_key(key, "has a value in no known layout"))
}

fn damaged_key(key: &[u8], reason: &str) -> StoreError {
    StoreError::Damaged(format!("key {} {reason}", hex::encode(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::store::{Appended, Turn};
    use queue::stream::Stream;

    #[test]
    fn a_run_that_a_snapshot_saw_before_its_prune_goes_although_the_watermark_was_seen_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = Index::open(&folder.path().join("index")).expect("opens");
        let lane = Lane {
            source: "alpha".parse().expect("a name"),
            destination: "beta".parse().expect("a name"),
            source_incarnation: 0,
            destination_incarnation: 0,
        };
        let watermark = Changes::from([(Row::PrunedBelow(&lane).key(), Some(9u64.to_be_bytes()[..].into()))]);
        index.apply(&[(0, watermark)], None).expect("applied");
        let messages = Stream::of([b"message"; 4]).into();
        let messages = vec![Appended { lane: lane.clone(), first_nonce: 0, messages }];
        let (body, _) = Body::of_turn(0, Turn { messages, ..Turn::default() }).expect("short");
        set_rows(&index, None, 1, (1, 64), &body).expect("set");
        let body = Body { prunes: vec![(lane.clone(), 4)], ..Body::default() };
        set_rows(&index, None, 2, (1, 64), &body).expect("set");
        assert_eq!(index.get(&Row::Run(&lane, 0).key()), Ok(None));
        let body = Body { prunes: vec![(lane.clone(), 0)], ..Body::default() };
        assert_eq!(set_rows(&index, None, 3, (1, 64), &body), Ok(Changes::new()), "nothing is below 0");
        assert_eq!(pruned_below(&index, &lane), Ok(9), "the later watermark stays");
    }
}
