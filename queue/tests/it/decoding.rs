//! Bytes from outside: limits come before allocation, and nothing panics.

use crate::vectors::proofs;
use proptest::prelude::*;
use queue::attestation::Attestation;
use queue::checkpoint::Checkpoint;
use queue::codec::{self, DecodeError};
use queue::contract::AttestArgs;
use queue::digest::{Hash, Tag};
use queue::frame::{DATA_BYTES_MAX, ReceiverFrame, Release, SenderFrame, decode_frame, encode_frame, frame_length};
use queue::heads::Head;
use queue::ids::ShardId;
use queue::limits::{ATTESTATION_BYTES_MAX, FRAME_BYTES_MAX, HEAD_PATH_LEN_MAX, LOG_PATH_LEN_MAX};
use queue::log::CompactRange;
use queue::message::{Message, decide};

const TAGS: [Tag; 10] = [
    Tag::Attestation,
    Tag::Instance,
    Tag::Peer,
    Tag::Endorse,
    Tag::Rotate,
    Tag::Rekey,
    Tag::Lift,
    Tag::MessageSalt,
    Tag::HeadSalt,
    Tag::EmptySide,
];

fn release() -> Release {
    let proof = proofs::file().valid().next().expect("the vectors have valid proofs");
    Release { end: 11, head: proof.head, consistency: vec![] }
}

#[test]
fn a_frame_that_claims_four_gigabytes_is_refused_by_its_header() {
    for claimed in [u32::MAX, 1 << 31, 262_145] {
        let refused = frame_length(claimed.to_le_bytes());
        let found = usize::try_from(claimed).expect("32 bits fit");
        assert_eq!(refused, Err(DecodeError::TooLarge { what: "frame", found, limit: FRAME_BYTES_MAX }));
    }
    assert_eq!(frame_length(262_144u32.to_le_bytes()), Ok(FRAME_BYTES_MAX));
}

#[test]
fn the_longest_data_frame_and_the_longest_release_fit_a_frame() {
    let data = SenderFrame::Data(vec![7; DATA_BYTES_MAX]);
    assert_eq!(encode_frame(&data).len(), 4 + FRAME_BYTES_MAX);
    let mut longest = release();
    longest.head.path = vec![Hash::ZERO; HEAD_PATH_LEN_MAX];
    longest.head.attestation.path = vec![Hash::ZERO; LOG_PATH_LEN_MAX];
    longest.consistency = vec![Hash::ZERO; LOG_PATH_LEN_MAX + 1];
    assert!(encode_frame(&SenderFrame::Release(Box::new(longest))).len() <= 4 + FRAME_BYTES_MAX);
}

#[test]
fn a_release_cut_short_anywhere_or_with_a_trailing_byte_is_refused() {
    let mut whole = codec::encode(&SenderFrame::Release(Box::new(release())));
    for length in 0..whole.len() {
        assert!(decode_frame::<SenderFrame>(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    whole.push(0);
    assert!(decode_frame::<SenderFrame>(&whole).is_err());
}

#[test]
fn every_variant_but_those_specified_is_refused() {
    let body = codec::encode(&release());
    for variant in 0..=u8::MAX {
        let frame = [&[variant], &body[..]].concat();
        assert_eq!(decode_frame::<SenderFrame>(&frame).is_ok(), variant == 0x13, "variant {variant:#04x}");
        assert!(decode_frame::<ReceiverFrame>(&frame).is_err(), "variant {variant:#04x}");
    }
}

#[test]
fn a_list_that_claims_four_billion_hashes_is_refused_at_its_true_end() {
    let mut bytes = codec::encode(&release().head);
    let head = codec::encode(&release().head.head).len();
    bytes[head..head + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let refused = codec::decode::<queue::proof::HeadProof>("head proof", &bytes, FRAME_BYTES_MAX);
    assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{refused:?}");
}

#[test]
fn no_tag_is_the_beginning_of_another_or_of_a_tree_hash() {
    for (at, tag) in TAGS.iter().enumerate() {
        assert!(tag.as_bytes().ends_with(b":"));
        assert!(tag.as_bytes()[0] > 3, "the tree prefixes are 0 to 3");
        for (other_at, other) in TAGS.iter().enumerate() {
            assert!(at == other_at || !other.as_bytes().starts_with(tag.as_bytes()), "{tag:?} begins {other:?}");
        }
    }
}

/// Decodes `bytes` as everything that comes from outside. What decodes must encode to the same
/// bytes: there is one encoding of each value.
fn decode_as_everything(bytes: &[u8]) {
    fn canonical<T: borsh::BorshDeserialize + borsh::BorshSerialize>(bytes: &[u8]) {
        if let Ok(value) = codec::decode::<T>("anything", bytes, ATTESTATION_BYTES_MAX) {
            assert_eq!(codec::encode(&value), bytes);
        }
    }
    canonical::<Message>(bytes);
    canonical::<Head>(bytes);
    canonical::<Checkpoint>(bytes);
    canonical::<Attestation>(bytes);
    canonical::<AttestArgs>(bytes);
    canonical::<CompactRange>(bytes);
    canonical::<SenderFrame>(bytes);
    canonical::<ReceiverFrame>(bytes);
    let (alpha, beta): (ShardId, ShardId) = ("alpha".parse().expect("valid"), "beta".parse().expect("valid"));
    let _ = decide(bytes, &alpha, &beta, 0);
}

proptest! {
    #[test]
    fn random_bytes_never_panic_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn damaged_frames_never_panic_a_decoder_and_decode_to_nothing_ambiguous(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = codec::encode(&SenderFrame::Release(Box::new(release())));
        let mut bytes = whole.clone();
        for (at, value) in damage {
            bytes[at.index(whole.len())] = value;
        }
        decode_as_everything(&bytes);
        decode_as_everything(&bytes[cut.index(bytes.len())..]);
        decode_as_everything(&bytes[..cut.index(bytes.len())]);
    }
}
