//! What can be wrong with a frame, and what follows from it.

use super::io::Direction;
use crate::codec::DecodeError;
use crate::proof::ProofError;
use crate::store::StoreError;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Unsigned nonsense: drops the connection.
    Peer(String),
    /// What is staged can't be what was attested: drops it, and the connection.
    Staged(String),
    /// Signed nonsense: freezes a lane.
    Contradiction(Direction, String),
    /// The store failed: stops the node.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Refusal::Peer(error.to_string())
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        Refusal::Peer(error.to_string())
    }
}
