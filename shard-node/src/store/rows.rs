//! The bytes of the index's rows: keys that sort as they are read, and values that stay short.

use queue::ids::Lane;

/// The rows of the index. The first byte of a key tells its kind, so that no two kinds collide.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    /// The format of the rows.
    Format,
    /// What the machine called its boot when the rows were last compared with their checksum.
    Boot,
    /// Up to where the log is applied.
    Position,
    /// A key of the engine.
    Key(&'a [u8]),
    /// A piece of the value of a key of the engine. The index has a fixed length, so that the
    /// pieces of one key can't be those of a longer one.
    Piece(&'a [u8], u32),
    /// Where the run of messages from a nonce on stands.
    Run(&'a Lane, u64),
    /// The nonce below which a lane is pruned.
    PrunedBelow(&'a Lane),
    /// Bytes of live messages in a segment.
    Live(u64),
}

/// First bytes of the keys of the state's rows, which a snapshot holds and the checksum covers.
pub(super) const STATE_KINDS: [&[u8]; 4] = [KEY, PIECE, RUN, PRUNED];
/// First byte of the rows of the engine's keys.
pub(super) const KEY: &[u8] = b"k";
/// First byte of the rows of pieces of values.
pub(super) const PIECE: &[u8] = b"p";
/// First byte of the rows of runs.
pub(super) const RUN: &[u8] = b"r";
/// First byte of the rows of watermarks.
pub(super) const PRUNED: &[u8] = b"w";
/// First byte of the rows of segments.
pub(super) const LIVE: &[u8] = b"s";

impl Row<'_> {
    pub(super) fn key(self) -> Vec<u8> {
        match self {
            Row::Format => b"f".to_vec(),
            Row::Boot => b"b".to_vec(),
            Row::Position => b"t".to_vec(),
            Row::Key(key) => [KEY, key].concat(),
            Row::Piece(key, piece) => [PIECE, key, &piece.to_be_bytes()[..]].concat(),
            Row::Run(lane, first_nonce) => [&run_prefix(lane)[..], &first_nonce.to_be_bytes()].concat(),
            Row::PrunedBelow(lane) => [PRUNED, &lane_key(lane)[..]].concat(),
            Row::Live(segment) => [LIVE, &segment.to_be_bytes()].concat(),
        }
    }
}

/// How the keys of a lane's runs begin.
pub(super) fn run_prefix(lane: &Lane) -> Vec<u8> {
    [RUN, &lane_key(lane)[..]].concat()
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

/// The lane and the nonce in the key of a run's row.
pub(super) fn parse_run(row: &[u8]) -> Option<(Lane, u64)> {
    let mut names = row.strip_prefix(RUN)?.splitn(3, |byte| *byte == 0);
    let mut name = || std::str::from_utf8(names.next()?).ok()?.parse().ok();
    let (source, destination) = (name()?, name()?);
    let numbers: &[u8; 16] = names.next()?.try_into().ok()?;
    let (incarnations, nonce) = numbers.split_at(8);
    let (source_incarnation, destination_incarnation) = incarnations.split_at(4);
    let lane = Lane {
        source,
        destination,
        source_incarnation: decode_u32(source_incarnation)?,
        destination_incarnation: decode_u32(destination_incarnation)?,
    };
    Some((lane, decode_u64(nonce)?))
}

/// The engine's key in the key of its row.
pub(super) fn engine_key(row: &[u8]) -> &[u8] {
    row.strip_prefix(KEY).unwrap_or(row)
}

/// The nonce or segment that a key ends in.
pub(super) fn last_number(row: &[u8]) -> Option<u64> {
    row.last_chunk().map(|digits| u64::from_be_bytes(*digits))
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
