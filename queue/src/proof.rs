//! Proofs that leave the bridge: a head under an attested checkpoint, and the files that prove to a
//! stranger that a message was sent, was delivered, or never will be. Specified in
//! `specs/attestation.md` and `specs/settlement.md`.

mod delivery;
mod expiry;

pub use delivery::{DELIVERY_PROOF_FORMAT, DeliveryProof, DeliveryVerdict, VerifiedDelivery};
pub use expiry::{EXPIRY_PROOF_FORMAT, ExpiryGround, ExpiryProof, ResultProof, VerifiedExpiry};

use crate::attestation::{Attestation, AttestationError, VerifiedCheckpoint};
use crate::codec;
use crate::digest::{Crypto, Hash, leaf};
use crate::heads::{Head, root_from_path};
use crate::ids::{Lane, ShardId};
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
    /// Not a file of the expected kind and version.
    #[error("file format is {found:?}, expected {expected:?}")]
    Format {
        /// The file's format.
        found: String,
        /// What this software reads here.
        expected: &'static str,
    },
    /// The file was made under another trust root than the pinned one.
    #[error("the file's trust root is not the pinned one: {0}")]
    OtherTrustRoot(String),
    /// The file's heads are not of the two ends of one lane.
    #[error("the file's heads are not of one lane: {0}")]
    OtherLane(String),
    /// All that the file holds is true, and yet the message may still run, or has.
    #[error("the file does not show that the message never ran: {0}")]
    NotSettled(String),
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

    /// Whether this is the head of the lane's source for its destination.
    pub fn is_of(&self, lane: &Lane) -> bool {
        let Head { peer, own_incarnation, peer_incarnation, .. } = &self.head;
        let found = (&self.checkpoint.checkpoint().shard, peer, *own_incarnation, *peer_incarnation);
        found == (&lane.source, &lane.destination, lane.source_incarnation, lane.destination_incarnation)
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
        check_origin(&self.format, MESSAGE_PROOF_FORMAT, &self.trust, trust)?;
        let verified = self.head.verify::<C>(trust, derive)?;
        let head = verified.head();
        check_inclusion::<C>(&self.message, self.nonce, &self.inclusion, (head.sent_size, head.sent_root))?;
        let message = Message::decode(&self.message)?;
        let shard = &verified.checkpoint().checkpoint().shard;
        if !shard.owns(&message.sender) {
            return Err(ProofError::Sender { sender: message.sender.to_string(), shard: shard.clone() });
        }
        Ok(VerifiedMessage { head: verified, message, nonce: self.nonce })
    }
}

/// Whether a file is of the expected format, and made under the pinned trust root.
fn check_origin(
    format: &str,
    expected: &'static str,
    theirs: &TrustRoot,
    pinned: &TrustRoot,
) -> Result<(), ProofError> {
    if format != expected {
        return Err(ProofError::Format { found: format.to_owned(), expected });
    }
    if theirs != pinned {
        let domain = &theirs.domain;
        let named = format!("it names bridge {} on {}, instance {}", domain.bridge, domain.network, domain.instance);
        return Err(ProofError::OtherTrustRoot(named));
    }
    Ok(())
}

/// Whether `message` is number `nonce` of the log of this size and root.
fn check_inclusion<C: Crypto>(
    message: &[u8],
    nonce: u64,
    inclusion: &[Hash],
    (size, expected): (u64, Hash),
) -> Result<(), ProofError> {
    if inclusion.len() > LOG_PATH_LEN_MAX {
        return Err(ProofError::PathTooLong { found: inclusion.len(), limit: LOG_PATH_LEN_MAX });
    }
    let root = root_from_inclusion::<C>(leaf::<C>(message), nonce, size, inclusion);
    if root == Some(expected) { Ok(()) } else { Err(ProofError::Message { nonce, size }) }
}
