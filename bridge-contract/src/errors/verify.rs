//! Why the contract doesn't vouch for a proof.

use crate::from_json::FieldError;
use queue::ids::ShardId;
use queue::proof::ProofError;
use queue::trust::Curve;

/// A proof that proves nothing to this contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// Not a file of the expected kind.
    #[error("{} is missing, or not what the file's format says", .0.name())]
    Field(#[from] FieldError),
    /// A message for which one call's gas doesn't suffice.
    #[error("the message has {found} bytes, one call verifies at most {limit}: verify it offline")]
    MessageTooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The attesting shard was never registered here.
    #[error("shard {0} is not registered at this bridge")]
    UnknownShard(ShardId),
    /// The attesting shard never had this key epoch, or its key isn't known here.
    #[error("shard {shard} has no key epoch {key_epoch} with a known key")]
    NoEpoch {
        /// The shard.
        shard: ShardId,
        /// The checkpoint's key epoch.
        key_epoch: u32,
    },
    /// The checkpoint's height isn't one of its key epoch.
    #[error(
        "height {height} of shard {shard} is not in key epoch {key_epoch}, which begins at {first_height} and has {end}",
        end = match .end_height { Some(end) => format!("ended before {end}"), None => "not ended".to_owned() }
    )]
    OutsideEpoch {
        /// The shard.
        shard: ShardId,
        /// The checkpoint's key epoch.
        key_epoch: u32,
        /// The checkpoint's height.
        height: u64,
        /// The epoch's first height.
        first_height: u64,
        /// The first height of the next epoch, if there is one.
        end_height: Option<u64>,
    },
    /// The contract hasn't fetched the key of rounds on this curve.
    #[error("the {0} key that signs rounds is not known yet: call sync_signer")]
    NoRoundKey(Curve),
    /// The proof itself doesn't hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}
