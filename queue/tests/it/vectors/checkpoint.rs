use super::{Hex, parse};
use queue::checkpoint::{Checkpoint, CheckpointError};
use queue::codec::DecodeError;
use queue::digest::{Hash, Native};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    checkpoints: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    checkpoint: Value,
    bytes: Hex,
    hash: Hash,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    error: String,
    bytes: Hex,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/checkpoint.json"))
}

#[test]
fn checkpoints_encode_decode_and_hash_as_in_the_vectors() {
    for case in file().checkpoints {
        let checkpoint: Checkpoint = serde_json::from_value(case.checkpoint.clone()).expect(&case.name);
        assert_eq!(hex::encode(checkpoint.encode()), hex::encode(&case.bytes.0), "{}", case.name);
        assert_eq!(Checkpoint::decode(&case.bytes.0).as_ref(), Ok(&checkpoint), "{}", case.name);
        assert_eq!(checkpoint.hash::<Native>(), case.hash, "{}", case.name);
        assert_eq!(serde_json::to_value(&checkpoint).expect(&case.name), case.checkpoint, "{}", case.name);
    }
}

#[test]
fn refused_bytes_of_the_vectors_are_no_checkpoints() {
    for case in file().refused {
        let found = match Checkpoint::decode(&case.bytes.0).expect_err(&case.name) {
            CheckpointError::Decode(DecodeError::Malformed { .. }) => "malformed",
            CheckpointError::Decode(DecodeError::TooLarge { .. }) => "too_large",
            CheckpointError::UnknownVersion(_) => "unknown_version",
            CheckpointError::BeforeEpoch { .. } => "before_epoch",
            CheckpointError::Previous(_) => "previous",
        };
        assert_eq!(found, case.error, "{}", case.name);
    }
}
