//! The vectors in `specs/vectors`, made by the reference in `specs/reference`: both ways, byte for
//! byte.

pub mod attestation;
mod batches;
mod checkpoint;
mod contract;
mod derivation;
mod evidence;
mod frames;
mod heads;
mod merkle;
mod messages;
mod permissions;
pub mod proofs;
mod salts;
mod settlement;
mod statements;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Bytes that stand as hex in a vector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hex(#[serde(with = "hex::serde")] pub Vec<u8>);

/// Parses a vector file.
pub fn parse<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("specs/reference writes what these tests read")
}
