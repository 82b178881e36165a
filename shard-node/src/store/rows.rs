//! The bytes of the tree's rows: keys that sort as they are read, and values that stay short.

use queue::ids::Lane;
use queue::store::Appended;

/// The rows of the tree. The first byte of a key tells its kind, so that no two kinds collide.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    /// The format of the rows.
    Format,
    /// The newest turn.
    Turn,
    /// A key of the engine.
    Key(&'a [u8]),
    /// A piece of the value of a key of the engine. The index has a fixed length, so that the
    /// pieces of one key can't be those of a longer one.
    Piece(&'a [u8], u32),
    /// A piece of a chunk of messages: lane, first nonce, index.
    Chunk(&'a Lane, u64, u32),
    /// The nonce below which a lane is pruned.
    PrunedBelow(&'a Lane),
}

const KEY: u8 = b'k';

/// First nonce and piece index at the end of a chunk's key, in bytes.
const POSITION_BYTES: usize = 8 + 4;

impl Row<'_> {
    pub(super) fn key(self) -> Vec<u8> {
        match self {
            Row::Format => b"f".to_vec(),
            Row::Turn => b"t".to_vec(),
            Row::Key(key) => [&[KEY], key].concat(),
            Row::Piece(key, piece) => [b"p", key, &piece.to_be_bytes()[..]].concat(),
            Row::Chunk(lane, first_nonce, piece) => {
                [b"m", &lane_key(lane)[..], &first_nonce.to_be_bytes(), &piece.to_be_bytes()].concat()
            }
            Row::PrunedBelow(lane) => [b"w", &lane_key(lane)[..]].concat(),
        }
    }
}

/// Names end in a zero, which none contains: no lane's key is the beginning of another's.
fn lane_key(lane: &Lane) -> Vec<u8> {
    [
        lane.source.as_str().as_bytes(),
        &[0],
        lane.destination.as_str().as_bytes(),
        &[0],
        &lane.source_incarnation.to_be_bytes(),
        &lane.destination_incarnation.to_be_bytes(),
    ]
    .concat()
}

/// The engine's key in the key of its row.
pub(super) fn engine_key(row: &[u8]) -> &[u8] {
    row.strip_prefix(&[KEY]).unwrap_or(row)
}

pub(super) fn decode_u32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

pub(super) fn decode_u64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

/// How the value of one of the engine's keys is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout<'a> {
    /// In the key's own row.
    Inline(&'a [u8]),
    /// In so many rows of its own.
    Pieces(u32),
}

impl<'a> Layout<'a> {
    pub(super) fn parse(head: &'a [u8]) -> Option<Self> {
        match head.split_first()? {
            (0, value) => Some(Layout::Inline(value)),
            (1, count) => decode_u32(count).map(Layout::Pieces),
            _ => None,
        }
    }

    pub(super) fn pieces(self) -> u32 {
        match self {
            Layout::Inline(_) => 0,
            Layout::Pieces(count) => count,
        }
    }

    /// The key's own row, and the pieces that don't fit it.
    pub(super) fn split(value: &[u8], bytes_max: usize) -> (Vec<u8>, Vec<&[u8]>) {
        if value.len() < bytes_max {
            return ([&[0], value].concat(), Vec::new());
        }
        let pieces: Vec<&[u8]> = value.chunks(bytes_max).collect();
        let count = u32::try_from(pieces.len()).expect("a value has fewer than 2^32 pieces of 60 KiB");
        ([&[1], &count.to_be_bytes()[..]].concat(), pieces)
    }
}

/// Consecutive messages of a lane that are stored together: the number of messages, then each as
/// length and bytes (both numbers `u32` little-endian), cut into pieces. Only a chunk of one
/// message has more than one piece.
pub(super) struct Chunk {
    first_nonce: u64,
    count: u32,
    body: Vec<u8>,
}

impl Chunk {
    /// The rows of each chunk that `appended` is stored as.
    pub(super) fn pack(appended: &Appended, bytes_max: usize) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut chunks: Vec<Chunk> = Vec::new();
        for (nonce, message) in (appended.first_nonce..).zip(&appended.messages) {
            let length = u32::try_from(message.len()).expect("a message has at most 4 MiB");
            let fits = |chunk: &Chunk| 4 + chunk.body.len() + 4 + message.len() <= bytes_max;
            let chunk = match chunks.pop_if(|chunk| fits(chunk)) {
                Some(chunk) => chunk,
                None => Chunk { first_nonce: nonce, count: 0, body: Vec::new() },
            };
            chunks.push(chunk.with(length, message));
        }
        chunks.into_iter().map(|chunk| chunk.rows(&appended.lane, bytes_max)).collect()
    }

    fn with(mut self, length: u32, message: &[u8]) -> Self {
        self.count += 1;
        self.body.extend_from_slice(&length.to_le_bytes());
        self.body.extend_from_slice(message);
        self
    }

    fn rows(self, lane: &Lane, bytes_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let value = [&self.count.to_le_bytes()[..], &self.body].concat();
        let pieces = (0u32..).zip(value.chunks(bytes_max));
        pieces.map(|(piece, bytes)| (Row::Chunk(lane, self.first_nonce, piece).key(), bytes.to_vec())).collect()
    }
}

/// Where a chunk's row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) first_nonce: u64,
    pub(super) piece: u32,
}

/// Reads first nonce and piece index off the key of a chunk's row.
pub(super) fn chunk_position(key: &[u8]) -> Option<Position> {
    let (_, position) = key.split_at_checked(key.len().checked_sub(POSITION_BYTES)?)?;
    let (first_nonce, piece) = position.split_at(8);
    Some(Position { first_nonce: decode_u64(first_nonce)?, piece: decode_u32(piece)? })
}

/// The number of messages, from the first piece of a chunk.
pub(super) fn chunk_count(piece: &[u8]) -> Option<u32> {
    piece.first_chunk().map(|count| u32::from_le_bytes(*count))
}

/// Gathers messages from the rows of consecutive chunks.
pub(super) struct Reader {
    from: u64,
    bytes_max: usize,
    bytes: usize,
    found: Vec<Vec<u8>>,
    /// Nonce of the next message to parse.
    nonce: u64,
    /// What is left of the current chunk.
    body: Vec<u8>,
    /// Messages of the current chunk that are not parsed yet.
    left: u32,
    /// Index of the piece that comes next, if it is of the same chunk.
    piece: u32,
}

impl Reader {
    /// Reads from the chunk at `first_nonce` on, and keeps what begins at `from`.
    pub(super) fn new(first_nonce: u64, from: u64, bytes_max: usize) -> Self {
        Reader { from, bytes_max, bytes: 0, found: Vec::new(), nonce: first_nonce, body: Vec::new(), left: 0, piece: 0 }
    }

    /// Takes the next row; says whether more are wanted.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub(super) fn feed(&mut self, key: &[u8], value: &[u8]) -> Result<bool, String> {
        let at = chunk_position(key).ok_or("has a row with a damaged key")?;
        if at.piece == 0 {
            self.begin(at.first_nonce, value)?;
        } else if self.left > 0 && at.piece == self.piece {
            self.body.extend_from_slice(value);
        } else {
            return Err(format!("has piece {} of message {} out of place", at.piece, at.first_nonce));
        }
        self.piece = at.piece + 1;
        Ok(self.parse())
    }

    /// All that was read.
    ///
    /// # Errors
    /// A message that is cut short.
    pub(super) fn finish(self) -> Result<Vec<Vec<u8>>, String> {
        let full = self.bytes > self.bytes_max;
        if self.left > 0 && !full {
            return Err(format!("has message {} cut short", self.nonce));
        }
        Ok(self.found)
    }

    fn begin(&mut self, first_nonce: u64, value: &[u8]) -> Result<(), String> {
        if self.left > 0 || first_nonce != self.nonce {
            return Err(format!("has no message {}", self.nonce));
        }
        let (count, body) = value.split_at_checked(4).ok_or("has a chunk without a count")?;
        self.left = chunk_count(count).ok_or("has a chunk without a count")?;
        self.body = body.to_vec();
        Ok(())
    }

    /// Parses the messages that are there in full; false once no more fit.
    fn parse(&mut self) -> bool {
        let mut rest = &self.body[..];
        while self.left > 0 {
            let Some((message, after)) = split_message(rest) else { break };
            if self.nonce >= self.from {
                self.bytes = self.bytes.saturating_add(message.len());
                if !self.found.is_empty() && self.bytes > self.bytes_max {
                    return false;
                }
                self.found.push(message.to_vec());
            }
            rest = after;
            self.nonce += 1;
            self.left -= 1;
        }
        let parsed = self.body.len() - rest.len();
        self.body.drain(..parsed);
        self.bytes <= self.bytes_max
    }
}

/// The first message of a chunk's body and what follows it; `None` if it isn't there in full.
fn split_message(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, after) = body.split_first_chunk()?;
    after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
