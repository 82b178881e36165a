//! Proofs that leave the bridge: a head under an attested checkpoint, and the file that proves one
//! message to a stranger. Specified in `specs/attestation.md`.

use crate::attestation::{Attestation, AttestationError, VerifiedCheckpoint};
use crate::codec;
use crate::digest::{Crypto, Hash, leaf};
use crate::heads::{Head, root_from_path};
use crate::ids::ShardId;
use crate::limits::{HEAD_PATH_LEN_MAX, LOG_PATH_LEN_MAX};
use crate::log::root_from_inclusion;
use crate::message::{Message, MessageError};
use crate::trust::{PublicKey, TrustRoot};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// First field of a message-proof file: names format and version.
pub const MESSAGE_PROOF_FORMAT: &str = "private-shard-bridge message proof v1";

/// A head, and what proves it under an attested checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct HeadProof {
    /// The head.
    pub head: Head,
    /// Its siblings in the trie of heads, topmost first.
    pub path: Vec<Hash>,
    /// The attestation of the checkpoint.
    pub attestation: Attestation,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The attestation doesn't hold.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// The head isn't in the checkpoint.
    #[error(
        "the head for {peer} is not in the attested checkpoint: its path leads to root {found}, expected {expected}"
    )]
    Head {
        /// The head's peer.
        peer: ShardId,
        /// The root that the path leads to.
        found: Hash,
        /// The checkpoint's root.
        expected: Hash,
    },
    /// A path is longer than any tree is deep.
    #[error("a path of {found} hashes is longer than the limit of {limit}")]
    PathTooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The message isn't in the lane.
    #[error("the message is not number {nonce} of the attested lane of {size} messages")]
    Message {
        /// The claimed nonce.
        nonce: u64,
        /// The lane's attested size.
        size: u64,
    },
    /// The bytes are in the lane, but are no message.
    #[error("the attested bytes are no message: {0}")]
    NotAMessage(#[from] MessageError),
    /// The sender isn't an account of the attesting shard.
    #[error("sender {sender} does not belong to shard {shard}, which attested the message")]
    Sender {
        /// The message's sender.
        sender: String,
        /// The attesting shard.
        shard: ShardId,
    },
    /// Not a message-proof file of this version.
    #[error("file format is {0:?}, this software reads {MESSAGE_PROOF_FORMAT:?}")]
    Format(String),
    /// The file was made under another trust root than the pinned one.
    #[error("the file's trust root is not the pinned one: {0}")]
    OtherTrustRoot(String),
}

/// A head that is proved under a pinned trust root: the type is the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHead {
    checkpoint: VerifiedCheckpoint,
    head: Head,
}

impl VerifiedHead {
    /// The attested checkpoint.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// The head in it.
    pub fn head(&self) -> &Head {
        &self.head
    }
}

impl HeadProof {
    /// Checks attestation and path. `derive` as in [`Attestation::verify`].
    ///
    /// # Errors
    /// [`ProofError`] says what doesn't hold.
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl FnOnce(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<VerifiedHead, ProofError> {
        let checkpoint = self.attestation.verify::<C>(trust, derive)?;
        let found = root_from_path::<C>(&self.head, &self.path)
            .ok_or(ProofError::PathTooLong { found: self.path.len(), limit: HEAD_PATH_LEN_MAX })?;
        let expected = checkpoint.checkpoint().heads_root;
        if found != expected {
            return Err(ProofError::Head { peer: self.head.peer, found, expected });
        }
        Ok(VerifiedHead { checkpoint, head: self.head })
    }
}

/// A file that proves one message: that the source shard sent it, as number `nonce` of its lane to
/// the destination, and that NEAR attested so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageProof {
    /// [`MESSAGE_PROOF_FORMAT`].
    pub format: String,
    /// The trust root under which it was made. Proves nothing: whoever verifies pins their own.
    pub trust: TrustRoot,
    /// The message's index in the lane.
    pub nonce: u64,
    /// The encoded message.
    #[serde(with = "codec::base64_bytes")]
    pub message: Vec<u8>,
    /// Inclusion proof in the lane log, nearest sibling first.
    pub inclusion: Vec<Hash>,
    /// The lane's head under the attestation.
    pub head: HeadProof,
}

/// What a message proof proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedMessage {
    /// The attested head that covers the message.
    pub head: VerifiedHead,
    /// The message.
    pub message: Message,
    /// Its index in the lane.
    pub nonce: u64,
}

impl MessageProof {
    /// Checks the whole file against `trust`: the pinned trust root, or the file's own if the
    /// caller has none and says so. `derive` as in [`Attestation::verify`].
    ///
    /// # Errors
    /// [`ProofError`] says what doesn't hold.
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl FnOnce(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<VerifiedMessage, ProofError> {
        if self.format != MESSAGE_PROOF_FORMAT {
            return Err(ProofError::Format(self.format));
        }
        if self.trust != *trust {
            let domain = &self.trust.domain;
            let theirs =
                format!("it names bridge {} on {}, instance {}", domain.bridge, domain.network, domain.instance);
            return Err(ProofError::OtherTrustRoot(theirs));
        }
        if self.inclusion.len() > LOG_PATH_LEN_MAX {
            return Err(ProofError::PathTooLong { found: self.inclusion.len(), limit: LOG_PATH_LEN_MAX });
        }
        let verified = self.head.verify::<C>(trust, derive)?;
        let head = verified.head();
        let root = root_from_inclusion::<C>(leaf::<C>(&self.message), self.nonce, head.sent_size, &self.inclusion);
        if root != Some(head.sent_root) {
            return Err(ProofError::Message { nonce: self.nonce, size: head.sent_size });
        }
        let message = Message::decode(&self.message)?;
        let shard = &verified.checkpoint().checkpoint().shard;
        if !shard.owns(&message.sender) {
            return Err(ProofError::Sender { sender: message.sender.to_string(), shard: shard.clone() });
        }
        Ok(VerifiedMessage { head: verified, message, nonce: self.nonce })
    }
}
