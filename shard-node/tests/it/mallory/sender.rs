//! Lies of a source: wrong bytes under a right signature, right bytes under a wrong one.

use super::cases::Case;
use super::frames::{all_data, begin, data, mark, release, wish};
use super::lanes::honest_message;
use super::props::Props;
use queue::attestation::{AttestationKind, ChainSignature};
use queue::digest::Hash;
use queue::limits::{HEAD_PATH_LEN_MAX, MARKS_MAX};
use queue::proof::HeadProof;

/// More than the target stages: its limit of 1 MiB, and what an honest source may have under way.
const STAGED_MIB_MAX: usize = 56;

/// What a release says that covers nothing.
const NOT_COVERED: &str = "attested head does not cover";

/// What a release says of a size that is neither marked nor all that has arrived.
const NOT_MARKED: &str = "which it has not marked";

pub fn cases(props: &Props) -> Vec<Case> {
    let begun = [wrong_bytes, wrong_sizes, wrong_proofs, wrong_heads, wrong_signatures].into_iter();
    let begun = begun.flat_map(|cases| cases(props)).map(|mut case| {
        // What an earlier case left staged goes away.
        case.bytes.insert(0, begin(props.delivered));
        case
    });
    begun.chain(wrong_beginnings(props)).collect()
}

/// Frames before the first, or in its place.
fn wrong_beginnings(props: &Props) -> Vec<Case> {
    let held = props.delivered;
    vec![
        Case::sender("data before she begins", vec![data(&props.sent.stream(3, 6))], "not begun"),
        Case::sender("a mark before she begins", vec![mark(held)], "not begun"),
        Case::sender("a wish before she begins", vec![wish(1)], "not begun"),
        Case::sender(
            "a release before she begins",
            vec![release(held, &props.new, props.sent.consistency(3, 6))],
            "not begun",
        ),
        Case::sender("begins before what is verified", vec![begin(held - 1)], "began after 2 messages"),
        Case::sender("begins behind all that is staged", vec![begin(100)], "began after 100 messages"),
        Case::sender("begins behind all numbers that there are", vec![begin(u64::MAX)], "began after"),
        Case::sender("begins twice", vec![begin(held), begin(held)], "or twice"),
        Case::sender(
            "begins again after data",
            vec![begin(held), data(&props.sent.stream(3, 4)), begin(held)],
            "or twice",
        ),
    ]
}

/// The signature is real, and covers the rest of the lane: messages 3, 4 and 5.
fn wrong_bytes(props: &Props) -> Vec<Case> {
    let (sent, new) = (&props.sent, &props.new);
    let message = |nonce| sent.stream(nonce, nonce + 1);
    let full = |streams: &[Vec<u8>]| vec![data(&streams.concat()), release(6, new, Vec::new())];
    let mut flipped = sent.stream(3, 6);
    *flipped.last_mut().expect("three messages") ^= 1;
    let (own, target) = (&props.mallory.shard, &props.mallory.target);
    let other = super::frames::stream([&honest_message(own, target, "another")]);
    vec![
        Case::sender("a flipped bit", full(&[flipped]), NOT_COVERED),
        Case::sender("the messages in another order", full(&[message(4), message(3), message(5)]), NOT_COVERED),
        Case::sender("another message in one's place", full(&[message(3), other, message(5)]), NOT_COVERED),
        Case::sender("one message three times", full(&[message(3), message(3), message(3)]), NOT_COVERED),
        Case::sender("messages that the target has already", full(&[sent.stream(0, 3)]), NOT_COVERED),
        Case::sender("a gap, and then the true end", full(&[message(4), message(5)]), NOT_MARKED),
        Case::sender(
            "a gap, with its own end",
            vec![data(&[message(4), message(5)].concat()), release(5, new, sent.consistency(5, 6))],
            NOT_COVERED,
        ),
        Case::sender(
            "a message more than is attested",
            vec![data(&[sent.stream(3, 6), message(5)].concat()), release(7, new, Vec::new())],
            NOT_COVERED,
        ),
        Case::sender(
            "the batch twice under one release",
            vec![data(&sent.stream(3, 6)), data(&sent.stream(3, 6)), release(6, new, Vec::new())],
            NOT_MARKED,
        ),
        Case::sender(
            "the release before its data",
            vec![release(6, new, Vec::new()), data(&sent.stream(3, 6))],
            NOT_MARKED,
        ),
    ]
}

/// Sizes that don't fit what was sent.
fn wrong_sizes(props: &Props) -> Vec<Case> {
    let (sent, new) = (&props.sent, &props.new);
    let half = data(&sent.stream(3, 4)[..20]);
    let three = data(&sent.stream(3, 6));
    let (one, other) = (data(&sent.stream(3, 4)), data(&sent.stream(4, 5)));
    let marks: Vec<Vec<u8>> = (4..).take(MARKS_MAX + 1).flat_map(|size| [one.clone(), mark(size)]).collect();
    let mut flood = 1_000_u32.to_le_bytes().to_vec();
    flood.resize(1_004, 0);
    let flood = all_data(&flood.repeat(STAGED_MIB_MAX * 1024));
    vec![
        Case::sender(
            "a mark behind what was sent",
            vec![one.clone(), mark(5)],
            "marked size 5, but has sent 4 whole messages",
        ),
        Case::sender(
            "a mark below what was sent",
            vec![three.clone(), mark(5)],
            "marked size 5, but has sent 6 whole messages",
        ),
        Case::sender(
            "a mark within a message",
            vec![half.clone(), mark(4)],
            "marked size 4, but has sent 3 whole messages",
        ),
        Case::sender("a mark at all numbers that there are", vec![mark(u64::MAX)], "but has sent 3 whole messages"),
        Case::sender("a mark too many", marks, "marked more than 16 sizes"),
        Case::sender("a release within a message", vec![half, release(4, new, sent.consistency(4, 6))], NOT_MARKED),
        Case::sender("a release of what was not sent", vec![release(6, new, Vec::new())], NOT_MARKED),
        Case::sender("a release below what is held", vec![release(2, new, sent.consistency(2, 6))], NOT_MARKED),
        Case::sender("a release of all numbers that there are", vec![release(u64::MAX, new, Vec::new())], NOT_MARKED),
        Case::sender(
            "a release between marks",
            vec![three, mark(6), release(5, new, sent.consistency(5, 6))],
            NOT_MARKED,
        ),
        Case::sender(
            "a release at a mark of other messages",
            vec![other, mark(4), release(4, new, sent.consistency(4, 6))],
            NOT_COVERED,
        ),
        Case::sender("more data than is staged", flood, "without a release"),
    ]
}

/// Proofs that lead elsewhere.
fn wrong_proofs(props: &Props) -> Vec<Case> {
    let (sent, new) = (&props.sent, &props.new);
    let consistency = sent.consistency(3, 6);
    vec![
        Case::sender("no consistency proof", vec![release(3, new, Vec::new())], NOT_COVERED),
        Case::sender("a consistency proof of another size", vec![release(3, new, sent.consistency(2, 6))], NOT_COVERED),
        Case::sender(
            "a consistency proof with a hash too many",
            vec![release(3, new, [consistency.clone(), vec![Hash([1; 32])]].concat())],
            NOT_COVERED,
        ),
        Case::sender(
            "a consistency proof with another hash",
            vec![release(3, new, [vec![Hash([1; 32])], consistency[1..].to_vec()].concat())],
            NOT_COVERED,
        ),
        Case::sender(
            "a consistency proof of a thousand hashes",
            vec![release(3, new, vec![Hash([1; 32]); 1_000])],
            NOT_COVERED,
        ),
        Case::sender(
            "a consistency proof where none is due",
            vec![data(&sent.stream(3, 6)), release(6, new, vec![Hash([1; 32])])],
            NOT_COVERED,
        ),
    ]
}

/// Heads that are attested, but not what the release needs; or not as they are shown.
fn wrong_heads(props: &Props) -> Vec<Case> {
    let consistency = props.sent.consistency(3, 6);
    let with = |head: &HeadProof| vec![release(3, head, consistency.clone())];
    let changed = |change: fn(&mut HeadProof)| {
        let mut head = props.new.clone();
        change(&mut head);
        with(&head)
    };
    vec![
        Case::sender("the head before the newest", with(&props.old), "height 0 after one of height 1"),
        Case::sender("another shard's head", with(&props.of_third), "released with a head of the lane"),
        Case::sender("her own head for another shard", with(&props.new_for_third), "released with a head of the lane"),
        Case::sender(
            "a head that claims more",
            changed(|new| new.head.sent_size = 7),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a head with another root",
            changed(|new| new.head.sent_root = Hash([1; 32])),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a head that acknowledges more",
            changed(|new| new.head.received_size = 3),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a head of her next life",
            changed(|new| new.head.own_incarnation = 1),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a head under another salt",
            changed(|new| new.head.salt = Hash([1; 32])),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a path without its sibling",
            changed(|new| new.path.clear()),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a path with another sibling",
            changed(|new| new.path[0] = Hash([1; 32])),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a path with a sibling too many",
            changed(|new| new.path.push(Hash([1; 32]))),
            "is not in the attested checkpoint",
        ),
        Case::sender(
            "a path deeper than any trie",
            changed(|new| new.path = vec![Hash([1; 32]); HEAD_PATH_LEN_MAX + 1]),
            "longer than the limit",
        ),
    ]
}

/// Attestations that are none.
fn wrong_signatures(props: &Props) -> Vec<Case> {
    let consistency = props.sent.consistency(3, 6);
    let changed = |change: &dyn Fn(&mut HeadProof)| {
        let mut head = props.new.clone();
        change(&mut head);
        vec![release(3, &head, consistency.clone())]
    };
    let not_the_signers = "not the signer's";
    let (old, third) = (&props.old.attestation, &props.of_third.attestation);
    vec![
        Case::sender(
            "a flipped bit in the signature",
            changed(&|new| flip(&mut new.attestation.signature)),
            not_the_signers,
        ),
        Case::sender(
            "the signature of another height",
            changed(&|new| new.attestation.signature = old.signature.clone()),
            not_the_signers,
        ),
        Case::sender(
            "another shard's signature",
            changed(&|new| new.attestation.signature = third.signature.clone()),
            not_the_signers,
        ),
        Case::sender(
            "a checkpoint of a later time",
            changed(&|new| new.attestation.checkpoint.time_ns += 1),
            not_the_signers,
        ),
        Case::sender(
            "a checkpoint of a later height",
            changed(&|new| new.attestation.checkpoint.height += 1),
            not_the_signers,
        ),
        Case::sender(
            "a checkpoint of another key epoch",
            changed(&|new| new.attestation.checkpoint.key_epoch = 1),
            not_the_signers,
        ),
        Case::sender(
            "a checkpoint of the third shard's name",
            changed(&|new| new.attestation.checkpoint.shard = third.checkpoint.shard.clone()),
            not_the_signers,
        ),
        Case::sender(
            "a checkpoint without its previous one",
            changed(&|new| new.attestation.checkpoint.previous = Hash::ZERO),
            "names no previous",
        ),
        Case::sender(
            "a checkpoint of an unknown version",
            changed(&|new| new.attestation.checkpoint.version = 2),
            "version 2 is unknown",
        ),
        Case::sender(
            "an attestation by another bridge",
            changed(&|new| new.attestation.checkpoint.domain.instance = Hash([1; 32])),
            "but the trust root pins",
        ),
        Case::sender(
            "a signature passed off as a round's",
            changed(&|new| new.attestation.kind = AttestationKind::Round),
            not_the_signers,
        ),
        Case::sender(
            "a checkpoint beside the signed tree",
            changed(&|new| new.attestation.index = 1),
            "does not fit a tree",
        ),
        Case::sender(
            "a signed tree of many without a path",
            changed(&|new| new.attestation.size = 2),
            "does not fit a tree",
        ),
    ]
}

fn flip(signature: &mut ChainSignature) {
    match signature {
        ChainSignature::Secp256k1 { rs, .. } => rs[40] ^= 1,
        ChainSignature::Ed25519 { signature } => signature[40] ^= 1,
    }
}
