//! Segments: the log's files, their names and first bytes.

use super::checksum::crc;
use super::files::{Files, OpenFile};
use super::medium;
use queue::store::StoreError;
use std::sync::Arc;

/// Length of a segment's header, in bytes. Records follow.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 64;

const MAGIC: [u8; 8] = *b"SHARDLOG";
const CHECKED_BYTES: usize = 60;
/// A segment that is being made has this in front of its name.
const UNFINISHED: &str = "new.";

/// Random bytes that tell one log from all others. They never leave the node: a message can't
/// contain a record that passes for one of this log.
pub(super) type LogId = [u8; 16];

/// The seed of the checksums of a log's records.
pub(super) fn seed(id: &LogId) -> u32 {
    crc(0, &[id])
}

/// The name of a segment's file.
pub(super) fn name(segment: u64) -> String {
    format!("{segment:016x}.segment")
}

/// The number in the name of a segment's file.
pub(super) fn number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".segment")?, 16).ok()
}

/// Makes a segment; it and its name are durable when this returns.
pub(super) fn create(
    files: &dyn Files,
    format: u32,
    segment: u64,
    id: &LogId,
) -> Result<Arc<dyn OpenFile>, StoreError> {
    let mut header = Vec::with_capacity(CHECKED_BYTES + 4);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&format.to_le_bytes());
    header.extend_from_slice(&segment.to_le_bytes());
    header.extend_from_slice(id);
    header.resize(CHECKED_BYTES, 0);
    header.extend_from_slice(&crc(0, &[&header]).to_le_bytes());
    let unfinished = format!("{UNFINISHED}{}", name(segment));
    let make = || {
        let file = files.create(&unfinished)?;
        file.write(&header, 0)?;
        file.sync()?;
        files.rename(&unfinished, &name(segment))?;
        files.sync_names()?;
        Ok(file)
    };
    make().map_err(|error: std::io::Error| medium(&format!("segment {segment} can't be made"), &error))
}

/// The format and the log's id in a segment's header.
///
/// # Errors
/// [`StoreError`].
pub(super) fn read_header(file: &dyn OpenFile, segment: u64) -> Result<(u32, LogId), StoreError> {
    let mut header = [0; CHECKED_BYTES + 4];
    let damaged = || StoreError::Damaged(format!("the header of segment {segment} is damaged"));
    if file.length().map_err(|error| medium("a segment's length can't be read", &error))? < SEGMENT_HEADER_BYTES {
        return Err(damaged());
    }
    file.read(&mut header, 0).map_err(|error| medium(&format!("segment {segment} can't be read"), &error))?;
    let (checked, stored) = header.split_at(CHECKED_BYTES);
    if checked[..8] != MAGIC || crc(0, &[checked]).to_le_bytes() != stored || checked[12..20] != segment.to_le_bytes() {
        return Err(damaged());
    }
    let format = checked[8..12].try_into().map(u32::from_le_bytes);
    let id = checked[20..36].try_into();
    format.ok().zip(id.ok()).ok_or_else(damaged)
}
