//! Frames between peers. Specified in `specs/peer.md`.
//!
//! Each lane has one stream of the peers' QUIC connection, opened by the lane's destination. On
//! it, a frame is a little-endian `u32` length and that many bytes of borsh.

use crate::codec::{self, DecodeError};
use crate::digest::Hash;
use crate::ids::Lane;
use crate::limits::FRAME_BYTES_MAX;
use crate::proof::HeadProof;
use crate::stream::Piece;
use borsh::{BorshDeserialize, BorshSerialize};

/// The protocol's version in TLS (ALPN): peers of another version never connect.
pub const ALPN: &[u8] = b"private-shard-bridge/1";

/// Bytes of the length that stands before every frame.
pub const FRAME_HEADER_BYTES: usize = 4;

/// Most bytes of the lane that one [`SenderFrame::Data`] carries: what is left of
/// [`FRAME_BYTES_MAX`] beside the variant and the length.
pub const DATA_BYTES_MAX: usize = FRAME_BYTES_MAX - 5;

const DATA_VARIANT: u8 = 0x10;

/// From a lane's destination to its source.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum ReceiverFrame {
    /// First frame of the stream: what the destination holds of the lane, durably.
    Open {
        /// The lane.
        lane: Lane,
        /// Number of messages that are verified.
        size: u64,
        /// Root of the lane's log at that size.
        root: Hash,
        /// Number of messages with those that are staged behind them; at least `size`.
        staged_size: u64,
        /// Root of the lane's log at that size, if they are what they seem.
        staged_root: Hash,
    } = 0x00,
    /// The messages below `size` are verified, decided and durable.
    Ack {
        /// Number of messages held.
        size: u64,
    } = 0x01,
    /// The messages below `size` are durable, verified or staged.
    Staged {
        /// Number of messages held.
        size: u64,
    } = 0x02,
}

/// From a lane's source to its destination.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum SenderFrame {
    /// The next bytes of the lane: each message as a little-endian `u32` length and its bytes, cut
    /// into frames anywhere. Goes on after the size of [`SenderFrame::Begin`].
    Data(Vec<u8>) = DATA_VARIANT,
    /// A sealed checkpoint covers the messages sent so far: it may be attested at this size.
    Mark {
        /// Number of messages of the lane.
        size: u64,
    } = 0x11,
    /// Wishes for an attested head of the destination with at least this time: by then, a deadline
    /// of this lane has passed, and it will say which messages it has expired.
    Wish {
        /// Nanoseconds since the Unix epoch.
        time_ns: u64,
    } = 0x12,
    /// What was sent up to a marked size, or just now, is attested. Without anything new, brings
    /// the source's newest view of the reverse lane.
    Release(Box<Release>) = 0x13,
    /// First frame: data will go on after this size. One of the two that the destination opened
    /// with; if it is the verified one, what is staged is not the source's and goes away.
    Begin {
        /// Number of messages.
        size: u64,
    } = 0x14,
}

/// What releases a batch.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Release {
    /// Number of messages of the lane that are released: marked, or all that was sent.
    pub end: u64,
    /// The source's attested head for the destination; its sent size is at least `end`.
    pub head: HeadProof,
    /// Consistency proof from `end` to the head's sent size; empty if they are equal.
    pub consistency: Vec<Hash>,
}

/// A frame as it is sent: its length and body, of which a lane's bytes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// All before `data`.
    pub head: Vec<u8>,
    /// The last bytes, if they are a lane's.
    pub data: Option<Piece>,
}

impl EncodedFrame {
    /// All bytes, one behind the other.
    pub fn to_vec(&self) -> Vec<u8> {
        let data = self.data.as_ref().map_or(&[][..], Piece::as_ref);
        [&self.head, data].concat()
    }
}

impl From<Vec<u8>> for EncodedFrame {
    fn from(head: Vec<u8>) -> Self {
        EncodedFrame { head, data: None }
    }
}

/// Puts the length before an encoded frame.
///
/// # Panics
/// If the frame is longer than [`FRAME_BYTES_MAX`]: the engine cuts data, and `limits` asserts
/// that the largest release fits.
pub fn encode_frame<T: BorshSerialize>(frame: &T) -> Vec<u8> {
    let body = codec::encode(frame);
    assert!(body.len() <= FRAME_BYTES_MAX, "frame of {} bytes", body.len());
    let length = u32::try_from(body.len()).expect("at most FRAME_BYTES_MAX, asserted above");
    [&length.to_le_bytes()[..], &body].concat()
}

/// The encoded frame of a [`SenderFrame::Data`], without copying its bytes.
///
/// # Panics
/// If they are more than [`DATA_BYTES_MAX`].
pub fn encode_data(data: Piece) -> EncodedFrame {
    EncodedFrame { head: data_head(data.as_ref().len()), data: Some(data) }
}

/// What stands before the lane's bytes in the frame of a [`SenderFrame::Data`].
///
/// # Panics
/// If they are more than [`DATA_BYTES_MAX`].
pub fn data_head(bytes: usize) -> Vec<u8> {
    assert!(bytes <= DATA_BYTES_MAX, "data of {bytes} bytes");
    let length = u32::try_from(bytes).expect("at most DATA_BYTES_MAX, asserted above");
    let body_length = length + 5;
    [&body_length.to_le_bytes()[..], &[DATA_VARIANT], &length.to_le_bytes()].concat()
}

/// Reads the length that stands before a frame.
///
/// # Errors
/// [`DecodeError::TooLarge`], before anything of that length is allocated.
pub fn frame_length(header: [u8; FRAME_HEADER_BYTES]) -> Result<usize, DecodeError> {
    let found = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    if found > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLarge { what: "frame", found, limit: FRAME_BYTES_MAX });
    }
    Ok(found)
}

/// The lane's bytes in a [`SenderFrame::Data`], without copying them; `None` for any other body.
pub fn data_bytes(body: &[u8]) -> Option<&[u8]> {
    let (length, bytes) = body.strip_prefix(&[DATA_VARIANT])?.split_first_chunk()?;
    let is_whole = usize::try_from(u32::from_le_bytes(*length)) == Ok(bytes.len());
    (is_whole && body.len() <= FRAME_BYTES_MAX).then_some(bytes)
}

/// Decodes a frame's body.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_frame<T: BorshDeserialize>(body: &[u8]) -> Result<T, DecodeError> {
    codec::decode("frame", body, FRAME_BYTES_MAX)
}
