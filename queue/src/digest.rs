//! The only place that hashes. Every input begins with a domain: an ASCII [`Tag`] that ends in a
//! colon, or one of the four tree prefixes 0x00–0x03, which no tag begins with.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// A SHA-256 digest. Shown and parsed as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands where there is nothing to point to: the `previous` of a shard's first checkpoint.
    pub const ZERO: Hash = Hash([0; 32]);
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Hash(bytes))
    }
}

/// The cryptography that checks need. Nodes use [`Native`], the contract NEAR's host functions.
pub trait Crypto {
    /// SHA-256 over the concatenation of `parts`.
    fn sha256(parts: &[&[u8]]) -> Hash;

    /// RFC 8032 verification of a signature over raw bytes.
    fn ed25519_verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;

    /// The public key (`x ‖ y`) under which `signature` (`r ‖ s`, low s) signs `digest`;
    /// `None` if there is none or if s is high.
    fn secp256k1_recover(digest: &Hash, signature: &[u8; 64], recovery_id: u8) -> Option<[u8; 64]>;
}

/// What a tagged hash, a statement or a salt is for. No tag is the beginning of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The digest that a chain signature signs.
    Attestation,
    /// A bridge contract's instance id.
    Instance,
    /// The path of a peer in the trie of heads.
    Peer,
    /// A member's endorsement of a checkpoint.
    Endorse,
    /// The members' agreement to a new set of members.
    Rotate,
    /// The members' agreement to a new key epoch.
    Rekey,
    /// The members' agreement to the end of a freeze.
    Lift,
    /// The salt of a message.
    MessageSalt,
    /// The salt of a head in one checkpoint.
    HeadSalt,
    /// The bytes that stand for an empty side of the trie of heads.
    EmptySide,
}

impl Tag {
    /// The tag's bytes, as specified in `specs/README.md`.
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Tag::Attestation => b"private-shard-bridge v1 attestation:",
            Tag::Instance => b"private-shard-bridge v1 instance:",
            Tag::Peer => b"private-shard-bridge v1 peer:",
            Tag::Endorse => b"private-shard-bridge v1 endorse:",
            Tag::Rotate => b"private-shard-bridge v1 rotate:",
            Tag::Rekey => b"private-shard-bridge v1 rekey:",
            Tag::Lift => b"private-shard-bridge v1 lift:",
            Tag::MessageSalt => b"private-shard-bridge v1 message salt:",
            Tag::HeadSalt => b"private-shard-bridge v1 head salt:",
            Tag::EmptySide => b"private-shard-bridge v1 empty side:",
        }
    }
}

/// SHA-256(tag ‖ part).
pub fn tagged<C: Crypto>(tag: Tag, part: &[u8]) -> Hash {
    C::sha256(&[tag.as_bytes(), part])
}

/// RFC 6962 leaf hash: SHA-256(0x00 ‖ leaf).
pub fn leaf<C: Crypto>(leaf: &[u8]) -> Hash {
    C::sha256(&[&[0x00], leaf])
}

/// RFC 6962 node hash: SHA-256(0x01 ‖ left ‖ right).
pub fn node<C: Crypto>(left: &Hash, right: &Hash) -> Hash {
    C::sha256(&[&[0x01], &left.0, &right.0])
}

/// RFC 6962 root of an empty tree: SHA-256 of nothing.
pub fn empty_root<C: Crypto>() -> Hash {
    C::sha256(&[])
}

/// Leaf of the trie of heads: SHA-256(0x02 ‖ head).
pub fn head_leaf<C: Crypto>(head: &[u8]) -> Hash {
    C::sha256(&[&[0x02], head])
}

/// Node of the trie of heads: SHA-256(0x03 ‖ left ‖ right).
pub fn head_node<C: Crypto>(left: &Hash, right: &Hash) -> Hash {
    C::sha256(&[&[0x03], &left.0, &right.0])
}

/// So many inputs and more are hashed side by side, in the vectors of the processor; fewer would leave
/// most of a vector empty.
#[cfg(feature = "native")]
const SIDE_BY_SIDE_MIN: usize = 8;

/// [`leaf`] of each.
#[cfg(feature = "native")]
pub fn leaves(leaves: &[&[u8]]) -> Vec<Hash> {
    prefixed(0x00, leaves)
}

/// [`node`] of each pair.
#[cfg(feature = "native")]
pub fn nodes<'a>(pairs: impl Iterator<Item = &'a [Hash; 2]>) -> Vec<Hash> {
    let joined: Vec<[u8; 64]> = pairs.map(|[left, right]| join(left, right)).collect();
    prefixed(0x01, &joined.iter().map(<[u8; 64]>::as_slice).collect::<Vec<_>>())
}

#[cfg(feature = "native")]
fn join(left: &Hash, right: &Hash) -> [u8; 64] {
    let mut joined = [0; 64];
    joined[..32].copy_from_slice(&left.0);
    joined[32..].copy_from_slice(&right.0);
    joined
}

#[cfg(feature = "native")]
fn prefixed(prefix: u8, inputs: &[&[u8]]) -> Vec<Hash> {
    if inputs.len() < SIDE_BY_SIDE_MIN {
        return inputs.iter().map(|input| Native::sha256(&[&[prefix], input])).collect();
    }
    let mut hashes = vec![[0; 32]; inputs.len()];
    tape_sha256::hash_many_prefixed(&[prefix], inputs, &mut hashes);
    hashes.into_iter().map(Hash).collect()
}

/// A leaf hash of bytes that come in parts.
#[cfg(feature = "native")]
#[derive(Debug, Clone)]
pub struct LeafHasher(sha2::Sha256);

#[cfg(feature = "native")]
impl LeafHasher {
    /// For the next leaf.
    pub fn begin() -> Self {
        LeafHasher(sha2::Digest::new_with_prefix([0x00]))
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// The leaf hash of all bytes.
    pub fn finish(self) -> Hash {
        Hash(sha2::Digest::finalize(self.0).into())
    }
}

/// Hashing and signature checks in Rust.
#[cfg(feature = "native")]
#[derive(Debug, Clone, Copy)]
pub struct Native;

#[cfg(feature = "native")]
impl Crypto for Native {
    fn sha256(parts: &[&[u8]]) -> Hash {
        use sha2::Digest as _;
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    fn ed25519_verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(public_key) else { return false };
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }

    fn secp256k1_recover(digest: &Hash, signature: &[u8; 64], recovery_id: u8) -> Option<[u8; 64]> {
        use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
        let signature = Signature::from_slice(signature).ok()?;
        if signature.normalize_s() != signature {
            return None;
        }
        let recovery_id = RecoveryId::from_byte(recovery_id)?;
        let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, recovery_id).ok()?;
        let point = key.to_sec1_point(false);
        point.as_bytes().get(1..)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Lengths around the ends of SHA-256's blocks, and numbers of inputs around those of vectors.
        #[test]
        fn what_is_hashed_side_by_side_has_the_hashes_that_it_has_one_by_one(
            inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..70),
            same_length in prop::option::of(0usize..1_100),
        ) {
            let resized = |mut input: Vec<u8>| {
                input.resize(same_length.unwrap_or(input.len()), 0xa5);
                input
            };
            let inputs: Vec<Vec<u8>> = inputs.into_iter().map(resized).collect();
            let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
            let hashes = leaves(&inputs);
            prop_assert_eq!(&hashes, &inputs.iter().map(|input| leaf::<Native>(input)).collect::<Vec<_>>());
            let (pairs, _) = hashes.as_chunks();
            let expected: Vec<Hash> = pairs.iter().map(|[left, right]| node::<Native>(left, right)).collect();
            prop_assert_eq!(nodes(pairs.iter()), expected);
        }
    }
}
