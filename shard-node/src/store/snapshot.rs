//! Snapshots: the index's rows, walked while they change, with where in the log the walk began
//! and ended. What lies between is done again on top of them.

use super::checksum::crc;
use super::files::{Files, OpenFile};
use super::index::{Changes, Index};
use super::log::{Position, to_usize};
use super::{STORE_FORMAT, medium, rows};
use borsh::{BorshDeserialize, BorshSerialize};
use queue::codec;
use queue::store::StoreError;
use sled::IVec;
use std::io;
use std::sync::Arc;

/// Rows are gathered to blocks of about this length, in bytes.
const BLOCK_BYTES: usize = 256 * 1024;
/// Longest block, in bytes: one more row of 60 KiB and its key. What is longer is refused unread.
const BLOCK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Length and checksum in front of a block, in bytes.
const BLOCK_HEADER_BYTES: usize = 8;
/// A snapshot that is being written.
const UNFINISHED: &str = "new.snapshot";

/// What a snapshot consists of: one beginning, rows, one end. `B` are the bytes of keys and values.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Block<B> {
    Begin { format: u32, start: Position },
    Rows(Vec<(B, B)>),
    End { number: u64, rows: u64 },
}

/// The name of a snapshot's file; `number` is the last record before its start.
pub(super) fn name(number: u64) -> String {
    format!("{number:016x}.snapshot")
}

/// The number in the name of a snapshot's file.
pub(super) fn number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".snapshot")?, 16).ok()
}

/// A snapshot that was written.
pub(super) struct Written {
    /// The log is needed from here on.
    pub(super) start: Position,
    /// Length, in bytes.
    pub(super) bytes: u64,
}

/// Writes a snapshot of what is applied to `index`, and removes older ones; `None` if `is_stopped`
/// said so before the end.
///
/// # Errors
/// [`StoreError`].
pub(super) fn write(
    files: &dyn Files,
    index: &Index,
    is_stopped: impl Fn() -> bool,
) -> Result<Option<Written>, StoreError> {
    let Some(start) = index.position()? else { return Ok(None) };
    let file = files.create(UNFINISHED).map_err(|error| unwritable(&error))?;
    let mut writer = Writer { file, offset: 0 };
    writer.block(&Block::Begin { format: STORE_FORMAT, start })?;
    let mut count = 0;
    let mut gathered: Vec<(IVec, IVec)> = Vec::new();
    let mut bytes = 0;
    for row in rows::STATE_KINDS.iter().flat_map(|kind| index.applied(kind)) {
        if is_stopped() {
            return Ok(None);
        }
        let (key, value) = row?;
        bytes += key.len() + value.len();
        count += 1;
        gathered.push((key, value));
        if bytes >= BLOCK_BYTES {
            writer.block(&as_block(&gathered))?;
            gathered.clear();
            bytes = 0;
        }
    }
    writer.block(&as_block(&gathered))?;
    let number = index.position()?.map_or(start.number, |end| end.number);
    writer.block(&Block::End { number, rows: count })?;
    // The index must not fall behind the snapshot when the process is killed.
    index.flush()?;
    publish(files, &*writer.file, start.number).map_err(|error| unwritable(&error))?;
    Ok(Some(Written { start, bytes: writer.offset }))
}

fn as_block(rows: &[(IVec, IVec)]) -> Block<&[u8]> {
    Block::Rows(rows.iter().map(|(key, value)| (&key[..], &value[..])).collect())
}

fn publish(files: &dyn Files, file: &dyn OpenFile, number_before: u64) -> io::Result<()> {
    file.sync()?;
    files.rename(UNFINISHED, &name(number_before))?;
    files.sync_names()?;
    for older in files.names()? {
        if number(&older).is_some_and(|older| older < number_before) {
            files.remove(&older)?;
        }
    }
    Ok(())
}

/// Where the snapshot `number` says that it begins.
///
/// # Errors
/// [`StoreError`].
pub(super) fn start(files: &dyn Files, number: u64) -> Result<Position, StoreError> {
    let mut reader = Reader::open(files, number)?;
    match reader.block()? {
        Block::Begin { format: STORE_FORMAT, start } if start.number == number => Ok(start),
        _ => Err(damaged(number)),
    }
}

/// Fills an empty index with the snapshot `number`; returns the last record that may be in it.
///
/// # Errors
/// [`StoreError`].
pub(super) fn load(files: &dyn Files, number: u64, index: &Index) -> Result<u64, StoreError> {
    let mut reader = Reader::open(files, number)?;
    reader.block()?;
    let mut count = 0;
    loop {
        match reader.block()? {
            Block::Rows(rows) => {
                count += rows.len() as u64;
                let changes: Changes = rows.into_iter().map(|(key, value)| (key, Some(value.into()))).collect();
                index.apply(&[(0, changes)], None)?;
            }
            Block::End { number, rows } if rows == count && reader.is_at_end() => return Ok(number),
            Block::End { .. } | Block::Begin { .. } => return Err(damaged(number)),
        }
    }
}

/// The row `key` of the snapshot `number`, all of which is verified.
///
/// # Errors
/// [`StoreError`].
pub(super) fn find(files: &dyn Files, number: u64, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut reader = Reader::open(files, number)?;
    reader.block()?;
    let mut found = None;
    loop {
        match reader.block()? {
            Block::Rows(rows) => found = rows.into_iter().find(|(row, _)| row == key).map(|(_, value)| value).or(found),
            Block::End { .. } if reader.is_at_end() => return Ok(found),
            Block::End { .. } | Block::Begin { .. } => return Err(damaged(number)),
        }
    }
}

struct Writer {
    file: Arc<dyn OpenFile>,
    offset: u64,
}

impl Writer {
    fn block(&mut self, block: &Block<&[u8]>) -> Result<(), StoreError> {
        let content = codec::encode(block);
        let length = u32::try_from(content.len()).expect("a block has at most 8 MiB");
        let bytes = [&length.to_le_bytes()[..], &crc(0, &[&content]).to_le_bytes(), &content].concat();
        self.file.write(&bytes, self.offset).map_err(|error| unwritable(&error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

struct Reader {
    file: Arc<dyn OpenFile>,
    number: u64,
    offset: u64,
    length: u64,
}

impl Reader {
    fn open(files: &dyn Files, number: u64) -> Result<Self, StoreError> {
        let file = files.open(&name(number)).map_err(|error| unreadable(&error))?;
        let length = file.length().map_err(|error| unreadable(&error))?;
        Ok(Reader { file, number, offset: 0, length })
    }

    fn block(&mut self) -> Result<Block<Vec<u8>>, StoreError> {
        let header = self.take(BLOCK_HEADER_BYTES)?;
        let (length, checksum) = header.split_first_chunk().ok_or_else(|| damaged(self.number))?;
        let length = to_usize(u64::from(u32::from_le_bytes(*length)));
        if length > BLOCK_BYTES_MAX {
            return Err(damaged(self.number));
        }
        let content = self.take(length)?;
        if crc(0, &[&content]).to_le_bytes() != checksum {
            return Err(damaged(self.number));
        }
        codec::decode("block of a snapshot", &content, BLOCK_BYTES_MAX).map_err(|_| damaged(self.number))
    }

    fn is_at_end(&self) -> bool {
        self.offset == self.length
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, StoreError> {
        if self.length - self.offset < length as u64 {
            return Err(damaged(self.number));
        }
        let mut bytes = vec![0; length];
        self.file.read(&mut bytes, self.offset).map_err(|error| unreadable(&error))?;
        self.offset += length as u64;
        Ok(bytes)
    }
}

fn damaged(number: u64) -> StoreError {
    StoreError::Damaged(format!("snapshot {} doesn't match its checksums", name(number)))
}

fn unwritable(error: &io::Error) -> StoreError {
    medium("a snapshot can't be written", error)
}

fn unreadable(error: &io::Error) -> StoreError {
    medium("a snapshot can't be read", error)
}
