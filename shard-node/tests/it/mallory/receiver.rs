//! Lies of a destination: about the lane, about what it holds, about what it was sent.

use super::cases::{Case, Then};
use super::frames::{ack, open, staged};
use super::props::Props;
use queue::digest::Hash;
use queue::ids::Lane;

pub fn cases(props: &Props) -> Vec<Case> {
    let lane = props.mallory.reverse_lane();
    let held = &props.received;
    let root = |size| held.root_at(size);
    let at = |size, root| vec![open(&lane, size, root)];
    let mut cases = vec![
        Case::receiver("holds less than she has acknowledged under attestation", at(1, root(1)), "claims to hold 1"),
        Case::receiver("holds nothing any more", at(0, root(0)), "claims to hold 0"),
        Case::receiver("holds more than was ever sent", at(4, root(3)), "claims to hold 4"),
        Case::receiver(
            "holds all numbers that there are",
            at(u64::MAX, root(3)),
            "claims to hold 18446744073709551615",
        ),
        Case::receiver("holds another history", at(3, Hash([7; 32])), "claims root"),
        Case::receiver("holds the right root at the wrong size", at(2, root(3)), "claims root"),
        Case::receiver("holds nothing under the right size", at(3, Hash::ZERO), "claims root"),
    ];
    let opened = |frames: &[Vec<u8>]| [at(3, root(3)), frames.to_vec()].concat();
    cases.extend([
        Case::receiver("opens the lane twice", opened(&at(3, root(3))), "twice"),
        Case::receiver("acknowledges before she opens", vec![ack(3)], "before it opened"),
        Case::receiver("acknowledges less than she held", opened(&[ack(2)]), "acknowledged size 2"),
        Case::receiver("acknowledges what was never sent", opened(&[ack(4)]), "acknowledged size 4"),
        Case::receiver("acknowledges all numbers that there are", opened(&[ack(u64::MAX)]), "acknowledged size"),
        Case::receiver("takes back what she acknowledged", opened(&[ack(3), ack(2)]), "acknowledged size 2"),
        Case::receiver("stages before she opens", vec![staged(3)], "before it opened"),
        Case::receiver("stages less than she held", opened(&[staged(2)]), "acknowledged size 2"),
        Case::receiver("stages what was never sent", opened(&[staged(4)]), "acknowledged size 4"),
        Case::receiver("stages all numbers that there are", opened(&[staged(u64::MAX)]), "acknowledged size"),
        Case::receiver("does not read what she opened", at(2, root(2)), "stopped").then(Then::StopsReading),
    ]);
    cases.extend(
        wrong_lanes(&lane)
            .into_iter()
            .map(|(name, lane)| Case::receiver(name, vec![open(&lane, 3, root(3))], "opened the lane")),
    );
    cases
}

fn wrong_lanes(lane: &Lane) -> [(&'static str, Lane); 5] {
    let other = || "nobody".parse().expect("a name");
    [
        ("opens a lane of another source", Lane { source: other(), ..lane.clone() }),
        ("opens another shard's lane", Lane { destination: other(), ..lane.clone() }),
        (
            "opens her own lane",
            Lane { source: lane.destination.clone(), destination: lane.source.clone(), ..lane.clone() },
        ),
        ("opens a lane of the target's next life", Lane { source_incarnation: 1, ..lane.clone() }),
        ("opens a lane of her own next life", Lane { destination_incarnation: 1, ..lane.clone() }),
    ]
}
