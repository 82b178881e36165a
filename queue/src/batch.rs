//! Batch files: a run of one lane's messages, with all that proves it to whoever pins the trust
//! root. Specified in `specs/files.md`.
//!
//! A file is a header and parts, each of which is proved by itself: a reader of a file of any
//! length holds one part.

mod verify;

pub use verify::{BatchVerifier, VerifiedBatch, VerifiedPart};

use crate::codec::{self, DecodeError};
use crate::digest::Hash;
use crate::ids::Lane;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::log::CompactRange;
use crate::proof::{HeadProof, ProofError};
use crate::trust::TrustRoot;
use borsh::{BorshDeserialize, BorshSerialize};

/// The first line of a batch file: names format and version.
pub const BATCH_MAGIC: &[u8] = b"private-shard-bridge batch v1\n";

/// Longest header, in bytes: three times the longest head proof.
pub const BATCH_HEADER_BYTES_MAX: usize = 64 * 1024;

/// Longest part, in bytes: the longest message, and a page for its length and its consistency proof.
pub const BATCH_PART_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 4 * 1024;

/// A writer begins another part above this many bytes of messages: what a node takes in one turn.
pub const BATCH_PART_BYTES: usize = 1024 * 1024;

/// Most bytes of messages in one file, each with its length: some seconds of work for a reader, and
/// what a node keeps of a received lane.
pub const BATCH_MESSAGE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

const _: () = assert!(BATCH_PART_BYTES <= MESSAGE_BYTES_MAX);

/// The beginning of a batch file: which messages it holds, and what they are proved under.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchHeader {
    /// The trust root under which it was made. Proves nothing: whoever verifies pins their own.
    pub trust: TrustRoot,
    /// The lane.
    pub lane: Lane,
    /// The lane's log up to the first message of the file.
    pub begin: CompactRange,
    /// Number of messages of the lane up to the file's end.
    pub end: u64,
    /// The source's attested head for the destination; its sent size is at least `end`.
    pub head: HeadProof,
}

/// Some messages of a batch file, proved under its head.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchPart {
    /// Number of messages of the lane up to the part's end.
    pub end: u64,
    /// Consistency proof from `end` to the head's sent size.
    pub consistency: Vec<Hash>,
    /// The lane's stream: each message as a little-endian `u32` length and its bytes.
    pub stream: Vec<u8>,
}

/// Why a batch file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not a batch file of this version.
    #[error("the file does not begin with a whole header of a batch file of this version")]
    Format,
    /// A part of the file isn't what it has to be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The file ends too early.
    #[error("the file is cut short: it ends at message {found}, its header says {expected}")]
    CutShort {
        /// Number of messages of the lane up to where it ends.
        found: u64,
        /// What the header says.
        expected: u64,
    },
    /// More follows what should be the last part.
    #[error("the file goes on after its last message")]
    AfterEnd,
    /// The sizes in the header contradict each other.
    #[error("the header names messages {begin} to {end} of a lane of which {attested} are attested")]
    Range {
        /// First message.
        begin: u64,
        /// One after the last.
        end: u64,
        /// The head's sent size.
        attested: u64,
    },
    /// The head isn't about the lane.
    #[error("the head is by {by} for {peer}, which is not of lane {lane} or not of the same incarnations")]
    OtherLane {
        /// Who attested the head.
        by: String,
        /// The head's peer.
        peer: String,
        /// The file's lane.
        lane: Lane,
    },
    /// The head proves nothing.
    #[error(transparent)]
    Head(#[from] ProofError),
    /// A part's messages aren't as many as it says, or one is cut short or too long.
    #[error("the part that ends at message {0} does not hold whole messages up to there")]
    Messages(u64),
    /// A part without messages stands beside others.
    #[error("the part that ends at message {0} holds no messages, and is not alone")]
    EmptyPart(u64),
    /// The messages aren't those of the attested lane.
    #[error("the messages up to {end} are not those of the attested lane of {attested} messages")]
    NotCovered {
        /// Number of messages up to the part's end.
        end: u64,
        /// The head's sent size.
        attested: u64,
    },
    /// More messages than a file may hold.
    #[error("the file holds more than {BATCH_MESSAGE_BYTES_MAX} bytes of messages")]
    TooLong,
}

impl BatchHeader {
    /// The bytes with which the file begins.
    pub fn encode(&self) -> Vec<u8> {
        [BATCH_MAGIC, &with_length(codec::encode(self))].concat()
    }
}

impl BatchPart {
    /// The part's bytes in the file.
    pub fn encode(&self) -> Vec<u8> {
        with_length(codec::encode(self))
    }
}

fn with_length(body: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a header or a part has less than 8 MiB");
    [&length.to_le_bytes()[..], &body].concat()
}

/// A piece of a batch file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchPiece {
    /// Its beginning.
    Header(Box<BatchHeader>),
    /// What follows.
    Part(BatchPart),
}

/// Takes a batch file apart as its bytes come. Holds at most one piece and what was pushed last.
#[derive(Debug, Default)]
pub struct BatchParser {
    buffer: Vec<u8>,
    /// What of `buffer` was given out.
    taken: usize,
    has_header: bool,
}

impl BatchParser {
    /// Takes the next bytes of the file. Between pushes [`BatchParser::next_piece`] is called until
    /// it has none.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece, if it is there as a whole. Nothing is allocated for one that isn't.
    ///
    /// # Errors
    /// [`BatchError::Format`] and [`BatchError::Decode`].
    pub fn next_piece(&mut self) -> Result<Option<BatchPiece>, BatchError> {
        let bytes = &self.buffer[self.taken..];
        let (magic, what, limit) = if self.has_header {
            (&b""[..], "part of a batch", BATCH_PART_BYTES_MAX)
        } else {
            (BATCH_MAGIC, "header of a batch", BATCH_HEADER_BYTES_MAX)
        };
        let Some((begin, bytes)) = bytes.split_at_checked(magic.len()) else {
            return if magic.starts_with(bytes) { Ok(None) } else { Err(BatchError::Format) };
        };
        if begin != magic {
            return Err(BatchError::Format);
        }
        let Some((length, bytes)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        let found = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if found > limit {
            return Err(DecodeError::TooLarge { what, found, limit }.into());
        }
        let Some(body) = bytes.get(..found) else { return Ok(None) };
        let piece = if self.has_header {
            BatchPiece::Part(codec::decode(what, body, limit)?)
        } else {
            BatchPiece::Header(Box::new(codec::decode(what, body, limit)?))
        };
        self.taken += magic.len() + length.len() + found;
        self.has_header = true;
        Ok(Some(piece))
    }

    /// Whether all that was pushed was given out: a file may end only here.
    pub fn is_empty(&self) -> bool {
        self.taken == self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_four_gigabytes_is_refused_by_its_length() {
        let mut parser = BatchParser::default();
        parser.push(BATCH_MAGIC);
        parser.push(&u32::MAX.to_le_bytes());
        let refused = parser.next_piece().expect_err("above the limit");
        assert!(matches!(refused, BatchError::Decode(DecodeError::TooLarge { .. })), "{refused}");
    }

    #[test]
    fn what_begins_otherwise_is_refused_at_its_first_byte() {
        let mut parser = BatchParser::default();
        parser.push(b"{");
        assert_eq!(parser.next_piece(), Err(BatchError::Format));
        let mut parser = BatchParser::default();
        parser.push(b"private-shard-bridge batch v2\n");
        assert_eq!(parser.next_piece(), Err(BatchError::Format));
    }
}
