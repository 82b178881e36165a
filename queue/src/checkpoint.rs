//! Checkpoints: one shard at one height. Specified in `specs/checkpoint.md`.

use crate::codec::{self, DecodeError};
use crate::digest::{self, Crypto, Hash};
use crate::ids::{BridgeDomain, ShardId};
use borsh::{BorshDeserialize, BorshSerialize};

/// The only checkpoint version so far.
pub const CHECKPOINT_VERSION: u8 = 1;

/// Largest encoded checkpoint, in bytes: the fixed fields and three names.
pub const CHECKPOINT_BYTES_MAX: usize = 512;

/// One shard at one height, chained to the one before.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// [`CHECKPOINT_VERSION`].
    pub version: u8,
    /// The bridge that attests it.
    pub domain: BridgeDomain,
    /// Whose heads it covers.
    pub shard: ShardId,
    /// The key epoch whose derived key signs it.
    pub key_epoch: u32,
    /// The first height of that key epoch.
    pub epoch_first_height: u64,
    /// Counts the shard's checkpoints from 0, through all key epochs.
    pub height: u64,
    /// Hash of the checkpoint at the height before; zeros at height 0.
    pub previous: Hash,
    /// Root of the trie of heads.
    pub heads_root: Hash,
    /// Time of the last block it covers, by the clock rule; nanoseconds since the Unix epoch.
    #[serde(with = "codec::u64_string")]
    pub time_ns: u64,
}

/// Why a checkpoint contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Bytes that are no checkpoint.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A version that this software doesn't know.
    #[error("checkpoint version {0} is unknown, this software knows {CHECKPOINT_VERSION}: upgrade needed")]
    UnknownVersion(u8),
    /// Lies below the range of its own key epoch.
    #[error("checkpoint at height {height} lies before its key epoch, which begins at {epoch_first_height}")]
    BeforeEpoch {
        /// The checkpoint's height.
        height: u64,
        /// Where its key epoch begins.
        epoch_first_height: u64,
    },
    /// Only the checkpoint at height 0 has no previous one.
    #[error("checkpoint at height {0} names {reason} previous checkpoint", reason = if *.0 == 0 { "a" } else { "no" })]
    Previous(u64),
}

impl Checkpoint {
    /// The bytes that are hashed.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes and checks one checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let checkpoint: Checkpoint = codec::decode("checkpoint", bytes, CHECKPOINT_BYTES_MAX)?;
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Checks what a checkpoint must satisfy by itself.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn check(&self) -> Result<(), CheckpointError> {
        if self.version != CHECKPOINT_VERSION {
            return Err(CheckpointError::UnknownVersion(self.version));
        }
        if self.height < self.epoch_first_height {
            return Err(CheckpointError::BeforeEpoch {
                height: self.height,
                epoch_first_height: self.epoch_first_height,
            });
        }
        if (self.height == 0) != (self.previous == Hash::ZERO) {
            return Err(CheckpointError::Previous(self.height));
        }
        Ok(())
    }

    /// The checkpoint's hash: its RFC 6962 leaf hash, so that a checkpoint is its own tree of one.
    pub fn hash<C: Crypto>(&self) -> Hash {
        digest::leaf::<C>(&self.encode())
    }
}
