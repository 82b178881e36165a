use super::parse;
use queue::digest::Hash;
use queue::heads::SidePosition;
use queue::ids::{Lane, ShardId};
use queue::salt::SaltSecret;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    secret: Hash,
    messages: Vec<MessageSalt>,
    heads: Vec<HeadSalt>,
    empty_sides: Vec<EmptySide>,
}

#[derive(Deserialize)]
struct MessageSalt {
    lane: LaneJson,
    nonce: String,
    salt: Hash,
}

/// A lane as the vectors write it.
#[derive(Deserialize)]
pub struct LaneJson {
    source: ShardId,
    destination: ShardId,
    source_incarnation: u32,
    destination_incarnation: u32,
}

impl From<LaneJson> for Lane {
    fn from(json: LaneJson) -> Self {
        Lane {
            source: json.source,
            destination: json.destination,
            source_incarnation: json.source_incarnation,
            destination_incarnation: json.destination_incarnation,
        }
    }
}

#[derive(Deserialize)]
struct HeadSalt {
    own: ShardId,
    peer: ShardId,
    incarnations: (u32, u32),
    height: u64,
    salt: Hash,
}

#[derive(Deserialize)]
struct EmptySide {
    own: ShardId,
    height: u64,
    directions: String,
    salt: Hash,
}

fn position(directions: &str) -> SidePosition {
    let mut prefix = Hash::ZERO;
    for (depth, _) in directions.bytes().enumerate().filter(|(_, direction)| *direction == b'1') {
        prefix.0[depth / 8] |= 0x80 >> (depth % 8);
    }
    SidePosition { depth: u16::try_from(directions.len()).expect("at most 256"), prefix }
}

#[test]
fn salts_equal_the_vectors() {
    let file: File = parse(include_str!("../../../../specs/vectors/salts.json"));
    let secret = SaltSecret::new(file.secret.0);
    for case in file.messages {
        let nonce = case.nonce.parse().expect("a number");
        assert_eq!(secret.message(&case.lane.into(), nonce), case.salt);
    }
    for case in file.heads {
        assert_eq!(secret.head(&case.own, &case.peer, case.incarnations, case.height), case.salt);
    }
    for case in file.empty_sides {
        assert_eq!(secret.empty_side(&case.own, case.height, position(&case.directions)), case.salt);
    }
}
