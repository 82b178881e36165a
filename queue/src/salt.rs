//! Salts: unpredictable to everybody but the node, the same again when derived again.
//!
//! HMAC-SHA-256 (RFC 2104) under a secret of the node over tag ‖ borsh of what the salt is for.

use crate::codec;
use crate::digest::{Hash, Tag};
use crate::heads::SidePosition;
use crate::ids::{Lane, ShardId};
use borsh::BorshSerialize;
use hmac::{KeyInit as _, Mac as _};

/// A node's secret for salts. Whoever knows it can test guesses of what a hash hides.
#[derive(Clone)]
pub struct SaltSecret([u8; 32]);

impl std::fmt::Debug for SaltSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaltSecret(…)")
    }
}

impl SaltSecret {
    /// A secret from 32 random bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        SaltSecret(secret)
    }

    /// The salt of the message with this nonce.
    pub fn message(&self, lane: &Lane, nonce: u64) -> Hash {
        self.messages(lane).of(nonce)
    }

    /// The salts of a lane's messages.
    pub fn messages(&self, lane: &Lane) -> MessageSalts {
        MessageSalts(self.begin(Tag::MessageSalt, lane))
    }

    /// The salt of the head for `peer` in the checkpoint at `height`.
    pub fn head(&self, own: &ShardId, peer: &ShardId, incarnations: (u32, u32), height: u64) -> Hash {
        self.derive(Tag::HeadSalt, &(own, peer, incarnations, height))
    }

    /// What stands for an empty side of the trie of heads in the checkpoint at `height`.
    pub fn empty_side(&self, own: &ShardId, height: u64, position: SidePosition) -> Hash {
        self.derive(Tag::EmptySide, &(own, height, position))
    }

    fn derive(&self, tag: Tag, purpose: &impl BorshSerialize) -> Hash {
        Hash(self.begin(tag, purpose).finalize().into_bytes().into())
    }

    fn begin(&self, tag: Tag, purpose: &impl BorshSerialize) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(tag.as_bytes());
        mac.update(&codec::encode(purpose));
        mac
    }
}

/// The salts of one lane's messages: what they have in common is hashed once.
#[derive(Clone)]
pub struct MessageSalts(hmac::Hmac<sha2::Sha256>);

impl MessageSalts {
    /// The salt of the message with this nonce.
    pub fn of(&self, nonce: u64) -> Hash {
        let mut mac = self.0.clone();
        mac.update(&nonce.to_le_bytes());
        Hash(mac.finalize().into_bytes().into())
    }
}

impl std::fmt::Debug for MessageSalts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageSalts(…)")
    }
}
