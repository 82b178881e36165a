//! Salts: unpredictable to everybody but the node, the same again when derived again.
//!
//! HMAC-SHA-256 (RFC 2104) under a secret of the node over tag ‖ borsh of what the salt is for; for messages,
//! what that gives for their lane is the key of a stream cipher, whose keystream are the salts.

use crate::codec;
use crate::digest::{Hash, Tag};
use crate::heads::SidePosition;
use crate::ids::{Lane, ShardId};
use borsh::BorshSerialize;
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
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
        MessageSalts(self.derive(Tag::MessageSalt, lane))
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
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(tag.as_bytes());
        mac.update(&codec::encode(purpose));
        Hash(mac.finalize().into_bytes().into())
    }
}

/// The salts of one lane's messages: a keystream of ChaCha20 (RFC 8439) under a key of the lane's own, 32 bytes
/// for each message in turn.
pub struct MessageSalts(Hash);

/// Salts that are made together, because that costs little more than one.
const GROUP: usize = 16;

/// Groups for which one nonce of ChaCha20 is enough: its block counter has 32 bits, and a block is two salts.
const GROUPS_PER_IV: u64 = (1 << 32) / GROUP as u64;

impl MessageSalts {
    /// The salt of the message with this nonce.
    pub fn of(&self, nonce: u64) -> Hash {
        self.from(nonce).next().expect("it doesn't end")
    }

    /// The salts of the messages from `nonce` on, without end.
    pub fn from(&self, nonce: u64) -> impl Iterator<Item = Hash> {
        let in_group = usize::try_from(nonce % GROUP as u64).expect("a group is short");
        (nonce / GROUP as u64..).flat_map(|group| self.group(group)).skip(in_group)
    }

    fn group(&self, group: u64) -> [Hash; GROUP] {
        let mut iv = [0; 12];
        iv[..8].copy_from_slice(&(group / GROUPS_PER_IV).to_le_bytes());
        let mut cipher = ChaCha20::new(&self.0.0.into(), &iv.into());
        let mut keystream = [[0; size_of::<Hash>()]; GROUP];
        cipher.seek(group % GROUPS_PER_IV * size_of_val(&keystream) as u64);
        cipher.apply_keystream(keystream.as_flattened_mut());
        keystream.map(Hash)
    }
}

impl std::fmt::Debug for MessageSalts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageSalts(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_made_together_are_those_made_one_by_one() {
        let [source, destination] = ["alpha", "beta"].map(|name| name.parse().expect("a name"));
        let lane = Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 };
        let salts = SaltSecret::new([7; 32]).messages(&lane);
        for first in [0, 5, 16, (1 << 32) - 20] {
            let together: Vec<Hash> = salts.from(first).take(40).collect();
            let one_by_one: Vec<Hash> = (first..first + 40).map(|nonce| salts.of(nonce)).collect();
            assert_eq!(together, one_by_one, "from {first} on");
        }
    }
}
