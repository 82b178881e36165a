//! The bytes of a record: header, body, and the message bytes behind them.

use super::checksum::{StateSum, crc};
use borsh::{BorshDeserialize, BorshSerialize};
use queue::codec;
use queue::ids::Lane;
use queue::store::{Appended, KeyValue, StoreError, Turn};
use queue::stream::{LENGTH_BYTES, Stream};
use std::sync::Arc;

/// Length of a header, in bytes.
pub(super) const HEADER_BYTES: usize = 72;
/// Records begin at multiples of this, in bytes, so that one can be found behind a damaged one.
pub(super) const ALIGNMENT: usize = 8;
/// Most message bytes in a run of more than one part: the more, the fewer rows the index has.
const RUN_BYTES_MAX: u64 = 256 * 1024;
/// Most message bytes in a part of more than one message: what is read and checked for one message.
const PART_BYTES_MAX: usize = 32 * 1024;
/// A part of so many bytes ends with a block of messages.
const PART_BYTES_MIN: usize = 16 * 1024;
/// Messages that a proof of one of them reads, from a multiple of their number on.
const BLOCK_MESSAGES: u64 = 64;

const MAGIC: u32 = u32::from_le_bytes(*b"TURN");
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[repr(u8)]
#[borsh(use_discriminant = true)]
pub(super) enum Kind {
    /// A turn.
    Turn = 1,
    /// Runs of messages that move here from a mostly dead segment.
    Rewrite = 2,
    /// The end of a segment: the log goes on in the next.
    Next = 3,
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Header {
    magic: u32,
    pub(super) kind: Kind,
    zero: [u8; 7],
    /// Counts the log's records from 1.
    pub(super) number: u64,
    /// The newest turn, with this record.
    pub(super) turn: u64,
    /// The newest record that was known to be durable when this one was written.
    pub(super) durable: u64,
    /// Length of the body, in bytes.
    pub(super) body_bytes: u32,
    /// Length of the messages behind the body, in bytes.
    pub(super) payload_bytes: u32,
    body_crc: u32,
    /// Checksum of the record before; 0 for the first.
    pub(super) previous: u32,
    /// The whole state, with this record.
    pub(super) state: StateSum,
}

impl Header {
    /// The record's length with its padding, in bytes.
    pub(super) fn record_bytes(&self) -> u64 {
        record_bytes(u64::from(self.body_bytes), u64::from(self.payload_bytes))
    }

    /// Where the payload begins, from the record's beginning, in bytes.
    pub(super) fn payload_offset(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }

    /// Parses a header and checks its checksum; `None` if these bytes are none. `seed` is the
    /// log's own, so that no message can contain a header.
    pub(super) fn parse(seed: u32, bytes: &[u8; HEADER_BYTES]) -> Option<(Self, u32)> {
        let (checked, stored) = bytes.split_at(CHECKED_BYTES);
        if checked[..4] != MAGIC.to_le_bytes() {
            return None;
        }
        let stored = u32::from_le_bytes(stored.try_into().ok()?);
        if crc(seed, &[checked]) != stored {
            return None;
        }
        Some((Header::try_from_slice(checked).ok()?, stored))
    }

    /// Whether `body` is the one that was written with this header.
    pub(super) fn fits(&self, seed: u32, body: &[u8]) -> bool {
        crc(seed, &[body]) == self.body_crc
    }
}

/// The length of a record with its padding, in bytes.
pub(super) fn record_bytes(body: u64, payload: u64) -> u64 {
    (HEADER_BYTES as u64 + body + payload).next_multiple_of(ALIGNMENT as u64)
}

/// What stands in a header besides what follows from the record's content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) turn: u64,
    pub(super) durable: u64,
    pub(super) previous: u32,
    pub(super) state: StateSum,
}

/// Header and body of a record with so many bytes of payload, and its checksum.
///
/// # Errors
/// [`StoreError::Damaged`] for more than 4 GiB of messages or of other changes.
pub(super) fn encode(seed: u32, label: Label, body: &[u8], payload: usize) -> Result<(Vec<u8>, u32), StoreError> {
    let length = |bytes: usize, what: &str| {
        u32::try_from(bytes).map_err(|_| {
            StoreError::Damaged(format!("turn {} has {bytes} bytes of {what}, 4 GiB are the most", label.turn))
        })
    };
    let header = Header {
        magic: MAGIC,
        kind: label.kind,
        zero: [0; 7],
        number: label.number,
        turn: label.turn,
        durable: label.durable,
        body_bytes: length(body.len(), "changes")?,
        payload_bytes: length(payload, "messages")?,
        body_crc: crc(seed, &[body]),
        previous: label.previous,
        state: label.state,
    };
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    record.extend_from_slice(&codec::encode(&header));
    let checksum = crc(seed, &[&record]);
    record.extend_from_slice(&checksum.to_le_bytes());
    record.extend_from_slice(body);
    Ok((record, checksum))
}

/// Consecutive messages of a lane that stand, and go, together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Run {
    pub(super) lane: Lane,
    pub(super) first_nonce: u64,
    pub(super) parts: Parts,
}

/// What a run consists of, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Parts(Vec<Part>);

/// Consecutive messages of a lane that are read and checked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Part {
    pub(super) count: u32,
    /// Length, in bytes.
    pub(super) bytes: u32,
    /// Checksum of lane, first nonce, count and bytes.
    pub(super) crc: u32,
}

impl Parts {
    /// Number of messages.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|part| u64::from(part.count)).sum()
    }

    /// Length, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|part| u64::from(part.bytes)).sum()
    }

    /// The parts, each with the nonce of its first message and where it begins, of a run that begins with
    /// message `first_nonce` at `offset`.
    pub(super) fn placed(&self, first_nonce: u64, offset: u64) -> impl Iterator<Item = (u64, u64, Part)> {
        self.0.iter().scan((first_nonce, offset), |(nonce, offset), part| {
            let placed = (*nonce, *offset, *part);
            *nonce = nonce.saturating_add(u64::from(part.count));
            *offset = offset.saturating_add(u64::from(part.bytes));
            Some(placed)
        })
    }
}

impl Part {
    /// Whether `bytes` are its messages, which begin with `first_nonce`.
    pub(super) fn fits(&self, seed: u32, lane: &Lane, first_nonce: u64, bytes: &[u8]) -> bool {
        checksum(seed, lane, first_nonce, self.count, bytes) == self.crc
    }
}

fn checksum(seed: u32, lane: &Lane, first_nonce: u64, count: u32, bytes: &[u8]) -> u32 {
    crc(seed, &[&codec::encode(lane), &first_nonce.to_le_bytes(), &count.to_le_bytes(), bytes])
}

/// What a record changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Body {
    /// Done before the rest.
    pub(super) truncates: Vec<(Lane, u64)>,
    /// In the order of the payload.
    pub(super) runs: Vec<Run>,
    pub(super) prunes: Vec<(Lane, u64)>,
    pub(super) deletes: Vec<Vec<u8>>,
    pub(super) puts: Vec<KeyValue>,
}

impl Body {
    /// The body of a turn, and its messages.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a nonce above 64 bits.
    pub(super) fn of_turn(seed: u32, turn: Turn) -> Result<(Self, Vec<Arc<Stream>>), StoreError> {
        let mut runs = Vec::new();
        for appended in &turn.messages {
            pack(seed, appended, &mut runs)?;
        }
        let payload = turn.messages.into_iter().map(|appended| appended.messages).collect();
        let Turn { truncates, prunes, deletes, puts, .. } = turn;
        Ok((Body { truncates, runs, prunes, deletes, puts }, payload))
    }
}

/// Divides messages into runs, and these into parts, as long as they may be.
fn pack(seed: u32, appended: &Appended, runs: &mut Vec<Run>) -> Result<(), StoreError> {
    let no_nonce_left = || StoreError::Damaged(format!("lane {} has no nonce left", appended.lane));
    let begin = |first_nonce| Run { lane: appended.lane.clone(), first_nonce, parts: Parts::default() };
    let (mut nonce, mut run) = (appended.first_nonce, begin(appended.first_nonce));
    let mut rest = appended.messages.bytes();
    let mut messages = appended.messages.messages().map(|message| LENGTH_BYTES + message.len()).peekable();
    while let Some(first) = messages.next() {
        let (first_nonce, mut length) = (nonce, first);
        nonce = nonce.checked_add(1).ok_or_else(no_nonce_left)?;
        while !(length >= PART_BYTES_MIN && nonce.is_multiple_of(BLOCK_MESSAGES))
            && let Some(next) = messages.next_if(|next| length + next <= PART_BYTES_MAX)
        {
            length += next;
            nonce = nonce.checked_add(1).ok_or_else(no_nonce_left)?;
        }
        let (bytes, behind) = rest.split_at(length);
        if !run.parts.0.is_empty() && run.parts.bytes() + length as u64 > RUN_BYTES_MAX {
            runs.push(std::mem::replace(&mut run, begin(first_nonce)));
        }
        let count = u32::try_from(nonce - first_nonce).expect("a part is a short one or a single message");
        let crc = checksum(seed, &appended.lane, first_nonce, count, bytes);
        let bytes = u32::try_from(length).expect("a part is a short one or a single message");
        run.parts.0.push(Part { count, bytes, crc });
        rest = behind;
    }
    if !run.parts.0.is_empty() {
        runs.push(run);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LABEL: Label =
        Label { kind: Kind::Turn, number: 7, turn: 5, durable: 6, previous: 9, state: StateSum::EMPTY };

    fn lane() -> Lane {
        let [source, destination] = ["alpha", "beta"].map(|name| name.parse().expect("a name"));
        Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 }
    }

    #[test]
    fn a_header_comes_back_as_it_was_and_no_flipped_bit_of_it_is_accepted() {
        let (record, checksum) = encode(3, LABEL, b"body", 8).expect("short");
        let header: [u8; HEADER_BYTES] = *record.first_chunk().expect("a header");
        let (parsed, found) = Header::parse(3, &header).expect("a header");
        assert_eq!((parsed.number, parsed.turn, parsed.durable, parsed.previous), (7, 5, 6, 9));
        assert_eq!((found, parsed.record_bytes()), (checksum, record.len() as u64 + 12));
        assert!(parsed.fits(3, b"body") && !parsed.fits(3, b"bodz"));
        assert!(Header::parse(4, &header).is_none(), "another log's header");
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = header;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::parse(3, &flipped).is_none(), "bit {bit}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn runs_and_their_parts_hold_all_messages_in_order_within_their_bounds(
            first_nonce in 0u64..200,
            lengths in prop::collection::vec(prop_oneof![8 => 0usize..400, 1 => 10_000usize..70_000], 1..3_000),
        ) {
            let lane = lane();
            let messages = Arc::new(Stream::of(lengths.iter().map(|length| vec![0xa5; *length])));
            let appended = Appended { lane: lane.clone(), first_nonce, messages: messages.clone() };
            let turn = Turn { messages: vec![appended], ..Turn::default() };
            let (body, _) = Body::of_turn(3, turn).expect("nonces are left");
            let (mut nonce, mut offset) = (first_nonce, 0);
            for Run { parts, first_nonce, .. } in &body.runs {
                prop_assert!(*first_nonce == nonce && (parts.bytes() <= RUN_BYTES_MAX || parts.0.len() == 1));
                prop_assert!(parts.0.len() <= 33);
                for (first_nonce, at, part) in parts.placed(nonce, offset) {
                    let begin = usize::try_from(at).expect("small");
                    let bytes = &messages.bytes()[begin..][..part.bytes as usize];
                    prop_assert!(part.fits(3, &lane, first_nonce, bytes));
                    prop_assert!(bytes.len() <= PART_BYTES_MAX || part.count == 1);
                    (nonce, offset) = (first_nonce + u64::from(part.count), at + u64::from(part.bytes));
                }
            }
            prop_assert_eq!((nonce, offset), (first_nonce + lengths.len() as u64, messages.bytes().len() as u64));
        }
    }

    #[test]
    fn parts_of_messages_of_one_length_are_whole_blocks() {
        let appended = Appended { lane: lane(), first_nonce: 10, messages: Stream::of([[0xa5; 300]; 1_000]).into() };
        let (body, _) = Body::of_turn(3, Turn { messages: vec![appended], ..Turn::default() }).expect("short");
        let placed = body.runs.iter().flat_map(|run| run.parts.placed(run.first_nonce, 0));
        let ends: Vec<u64> = placed.map(|(first_nonce, _, part)| first_nonce + u64::from(part.count)).collect();
        let (last, blocks) = ends.split_last().expect("some parts");
        assert!(*last == 1_010 && blocks.iter().all(|end| end.is_multiple_of(64)), "{ends:?}");
        assert_eq!(body.runs.len(), 2);
    }
}
