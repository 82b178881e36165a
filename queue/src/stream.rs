//! A run of a lane's messages as bytes. Specified in `specs/peer.md`.
//!
//! Messages are encoded once: these bytes are stored, sent, and stored again at the other end.

use crate::limits::MESSAGE_BYTES_MAX;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the length that stands before every message.
pub const LENGTH_BYTES: usize = 4;

/// Messages one behind the other, each as a little-endian `u32` length and its bytes.
///
/// Invariant: `bytes` are exactly `count` whole messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    bytes: Vec<u8>,
    count: u64,
}

/// Why bytes are no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The last message isn't all there.
    #[error("message {0} of the stream is cut short")]
    CutShort(u64),
    /// A length is above the limit.
    #[error("message {index} of the stream has {length} bytes, more than the limit of {MESSAGE_BYTES_MAX}")]
    TooLarge {
        /// Place of the message in the stream, from 0.
        index: u64,
        /// The announced length, in bytes.
        length: usize,
    },
}

impl Stream {
    /// An empty stream with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Stream { bytes: Vec::with_capacity(bytes), count: 0 }
    }

    /// The stream of these messages.
    pub fn of<T: AsRef<[u8]>>(messages: impl IntoIterator<Item = T>) -> Self {
        let mut stream = Stream::default();
        messages.into_iter().for_each(|message| stream.push(message.as_ref()));
        stream
    }

    /// A stream from its bytes.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, StreamError> {
        let mut count = 0;
        let mut rest = &bytes[..];
        while let Some(found) = split_message(rest, count)? {
            rest = found.1;
            count += 1;
        }
        if rest.is_empty() { Ok(Stream { bytes, count }) } else { Err(StreamError::CutShort(count)) }
    }

    /// Appends a message.
    ///
    /// # Panics
    /// If it is longer than [`MESSAGE_BYTES_MAX`]: callers have checked.
    pub fn push(&mut self, message: &[u8]) {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", message.len());
        let length = u32::try_from(message.len()).expect("at most MESSAGE_BYTES_MAX, asserted above");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(message);
        self.count += 1;
    }

    /// Appends the messages of another stream.
    pub fn append(&mut self, other: &Stream) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// Appends messages of another stream as long as the whole stays within `bytes_max` and
    /// `count_max` messages; one message is taken whatever its length. Returns whether all were.
    pub fn append_within(&mut self, other: &Stream, bytes_max: usize, count_max: u64) -> bool {
        if self.bytes.len() + other.bytes.len() <= bytes_max && self.count.saturating_add(other.count) <= count_max {
            self.append(other);
            return true;
        }
        for message in other.messages() {
            let is_full = self.count > 0 && self.bytes.len() + LENGTH_BYTES + message.len() > bytes_max;
            if is_full || self.count >= count_max {
                return false;
            }
            self.push(message);
        }
        true
    }

    /// Takes the first `count` messages away.
    pub fn skip(&mut self, count: u64) {
        let skipped: usize = self.messages().zip(0..count).map(|(message, _)| LENGTH_BYTES + message.len()).sum();
        self.bytes.drain(..skipped);
        self.count = self.count.saturating_sub(count);
    }

    /// Takes all away but the first messages: at most `count_max` that fit `bytes_max`, but one
    /// whatever its length.
    pub fn shorten(&mut self, bytes_max: usize, count_max: u64) {
        let (part, count, _) = split_stream(&self.bytes, bytes_max, count_max);
        let length = part.len();
        self.bytes.truncate(length);
        self.count = count;
    }

    /// The messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (message, behind) = split_message(rest, 0).ok()??;
            rest = behind;
            Some(message)
        })
    }

    /// Takes all messages away.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Gives back memory that isn't used.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Number of messages.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Some bytes of a stream that others may hold too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    stream: Arc<Stream>,
    /// Invariant: lies within the stream's bytes.
    range: Range<usize>,
}

impl Piece {
    /// The bytes `range` of `stream`.
    ///
    /// # Panics
    /// If it has fewer.
    pub fn new(stream: Arc<Stream>, range: Range<usize>) -> Self {
        assert!(range.end <= stream.bytes.len(), "bytes {range:?} of {}", stream.bytes.len());
        Piece { stream, range }
    }

    /// Cuts it into pieces of at most `bytes_max`.
    pub fn chunks(&self, bytes_max: usize) -> impl Iterator<Item = Piece> {
        let Range { start, end } = self.range;
        let begins = (start..end).step_by(bytes_max);
        begins.map(move |begin| Piece::new(self.stream.clone(), begin..end.min(begin + bytes_max)))
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.stream.bytes[self.range.clone()]
    }
}

impl From<Stream> for Piece {
    fn from(stream: Stream) -> Self {
        let range = 0..stream.bytes.len();
        Piece::new(Arc::new(stream), range)
    }
}

/// A message, and the bytes behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// Divides the bytes of a stream behind at most `count_max` messages that fit `bytes_max`; one
/// message is taken whatever its length. Gives the part, its number of messages, and the rest.
pub fn split_stream(bytes: &[u8], bytes_max: usize, count_max: u64) -> (&[u8], u64, &[u8]) {
    let (mut at, mut count) = (0, 0);
    while let Ok(Some((message, _))) = split_message(&bytes[at..], count) {
        let end = at + LENGTH_BYTES + message.len();
        if count >= count_max || (count > 0 && end > bytes_max) {
            break;
        }
        (at, count) = (end, count + 1);
    }
    let (part, rest) = bytes.split_at(at);
    (part, count, rest)
}

/// The first message of `bytes` and what stands behind it; `None` if it isn't all there.
///
/// # Errors
/// [`StreamError::TooLarge`], before the message is there.
fn split_message(bytes: &[u8], index: u64) -> Result<Option<Split<'_>>, StreamError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(StreamError::TooLarge { index, length });
    }
    Ok(rest.split_at_checked(length))
}

/// Bytes that a message takes in a stream: its length and itself.
pub fn stream_bytes(message: &[u8]) -> u64 {
    u64::try_from(LENGTH_BYTES + message.len()).expect("a length fits 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_parsed_into_the_messages_that_it_was_made_of() {
        let messages = [&b"one"[..], b"", b"three"];
        let stream = Stream::of(messages);
        assert_eq!(stream.bytes(), b"\x03\0\0\0one\0\0\0\0\x05\0\0\0three");
        assert_eq!(stream.messages().collect::<Vec<_>>(), messages);
        assert_eq!(Stream::parse(stream.bytes().to_vec()), Ok(stream));
    }

    #[test]
    fn a_stream_that_is_cut_short_anywhere_is_refused() {
        let stream = Stream::of([&b"one"[..], b"", b"three"]);
        for end in 0..stream.bytes().len() {
            let parsed = Stream::parse(stream.bytes()[..end].to_vec());
            let is_boundary = [0, 7, 11].contains(&end);
            assert_eq!(parsed.is_ok(), is_boundary, "{end} bytes: {parsed:?}");
        }
        let huge = [0xff; 8];
        assert!(matches!(Stream::parse(huge.to_vec()), Err(StreamError::TooLarge { index: 0, .. })));
    }

    #[test]
    fn a_part_of_a_stream_ends_at_its_bounds_but_holds_one_message() {
        let all = Stream::of(["aaaa", "bb", "c"]);
        let part = |bytes_max, count_max| {
            let mut part = Stream::default();
            let whole = part.append_within(&all, bytes_max, count_max);
            (part.count(), whole)
        };
        assert_eq!(part(0, 9), (1, false));
        assert_eq!(part(14, 9), (2, false));
        assert_eq!(part(19, 9), (3, true));
        assert_eq!(part(99, 2), (2, false));
        assert_eq!(split_stream(all.bytes(), 14, 9), (&all.bytes()[..14], 2, &all.bytes()[14..]));
        assert_eq!(split_stream(all.bytes(), 0, 9).1, 1);
        assert_eq!(split_stream(all.bytes(), 99, 0).1, 0);
        let mut rest = all.clone();
        rest.skip(2);
        assert_eq!(rest, Stream::of(["c"]));
    }
}
