//! Attestations: chain signatures over a root that contains a checkpoint. Specified in
//! `specs/attestation.md`.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::codec;
use crate::digest::{Crypto, Hash, Tag, tagged};
use crate::ids::{BridgeDomain, ShardId};
use crate::limits::LOG_PATH_LEN_MAX;
use crate::log::root_from_inclusion;
use crate::trust::{Curve, PublicKey, TrustRoot};
use borsh::{BorshDeserialize, BorshSerialize};

/// Order of the group of secp256k1, big-endian (SEC 2 §2.4.1). A payload must be below it.
const SECP256K1_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// What the signed root is over. All other values are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum AttestationKind {
    /// One shard's checkpoint: a tree of one.
    Shard = 0,
    /// The checkpoints of many shards.
    Round = 1,
}

/// A chain signature, as the signer returns it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum ChainSignature {
    /// ECDSA: `r ‖ s` with low s, and the recovery id.
    Secp256k1 {
        /// 64 bytes, as hex in JSON.
        #[serde(with = "hex::serde")]
        rs: [u8; 64],
        /// 0 or 1.
        recovery_id: u8,
    } = 0,
    /// RFC 8032 over the 32 bytes of the digest.
    Ed25519 {
        /// 64 bytes, as hex in JSON.
        #[serde(with = "hex::serde")]
        signature: [u8; 64],
    } = 1,
}

impl ChainSignature {
    /// The signature's curve.
    pub fn curve(&self) -> Curve {
        match self {
            ChainSignature::Secp256k1 { .. } => Curve::Secp256k1,
            ChainSignature::Ed25519 { .. } => Curve::Ed25519,
        }
    }

    /// Whether this signs `digest` under `key`.
    pub fn verifies<C: Crypto>(&self, digest: &Hash, key: &PublicKey) -> bool {
        match (self, key) {
            (ChainSignature::Secp256k1 { rs, recovery_id }, PublicKey::Secp256k1(key)) => {
                C::secp256k1_recover(digest, rs, *recovery_id).is_some_and(|recovered| recovered == *key)
            }
            (ChainSignature::Ed25519 { signature }, PublicKey::Ed25519(key)) => {
                C::ed25519_verify(key, &digest.0, signature)
            }
            _ => false,
        }
    }
}

/// A checkpoint and the chain signature that covers it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
pub struct Attestation {
    /// What the signed root is over.
    pub kind: AttestationKind,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The checkpoint's index in the signed tree; 0 for kind shard.
    pub index: u64,
    /// The signed tree's number of leaves; 1 for kind shard.
    pub size: u64,
    /// Inclusion proof of the checkpoint; empty for kind shard.
    pub path: Vec<Hash>,
    /// The signature over [`attestation_digest`] of the tree's root.
    pub signature: ChainSignature,
}

/// The derivation path of a shard's key in one key epoch.
pub fn shard_path(domain: &BridgeDomain, shard: &ShardId, key_epoch: u32) -> String {
    format!("v1/{}/shard/{shard}/{key_epoch}", domain.instance)
}

/// The derivation path of the key that signs rounds.
pub fn round_path(domain: &BridgeDomain, curve: Curve) -> String {
    format!("v1/{}/round/{curve}", domain.instance)
}

/// The 32 bytes that the signer signs for `root`:
/// SHA-256(tag ‖ kind ‖ bridge domain ‖ root ‖ counter), with the smallest counter for which they
/// are a secp256k1 scalar (it is 0 for ed25519, and but for one chance in 2^128 otherwise).
pub fn attestation_digest<C: Crypto>(kind: AttestationKind, domain: &BridgeDomain, root: &Hash, curve: Curve) -> Hash {
    let mut input = codec::encode(&(kind, domain, root));
    let counter_at = input.len();
    input.push(0);
    for counter in 0..=u8::MAX {
        input[counter_at] = counter;
        let digest = tagged::<C>(Tag::Attestation, &input);
        if curve == Curve::Ed25519 || digest.0 < SECP256K1_ORDER {
            return digest;
        }
    }
    unreachable!("256 digests in a row above the group order: one chance in 2^32768")
}

/// Why an attestation proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// The checkpoint contradicts itself.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Belongs to another bridge than the pinned one.
    #[error("attested by bridge {found}, but the trust root pins {expected}", found = show(.found), expected = show(.expected))]
    OtherBridge {
        /// The checkpoint's bridge.
        found: Box<BridgeDomain>,
        /// The pinned one.
        expected: Box<BridgeDomain>,
    },
    /// The inclusion proof doesn't fit the tree.
    #[error("the proof of the checkpoint in the signed tree does not fit a tree of {size} leaves at index {index}")]
    Path {
        /// The claimed index.
        index: u64,
        /// The claimed size.
        size: u64,
    },
    /// The trust root has no key for the signature's curve.
    #[error("the trust root pins no {0} key")]
    NoRootKey(Curve),
    /// The signer's key can't be derived for this path.
    #[error("no {0} key can be derived for this path")]
    NoDerivedKey(Curve),
    /// The signature isn't one of the signer over this checkpoint.
    #[error("the signature is not the signer's for this checkpoint")]
    Signature,
}

fn show(domain: &BridgeDomain) -> String {
    format!("{} on {} (instance {})", domain.bridge, domain.network, domain.instance)
}

impl Attestation {
    /// A shard attestation: the tree of one.
    pub fn of_shard(checkpoint: Checkpoint, signature: ChainSignature) -> Self {
        Attestation { kind: AttestationKind::Shard, checkpoint, index: 0, size: 1, path: Vec::new(), signature }
    }

    /// The root that was signed; `None` if the inclusion proof doesn't fit.
    pub fn signed_root<C: Crypto>(&self) -> Option<Hash> {
        let fits = match self.kind {
            AttestationKind::Shard => self.size == 1 && self.path.is_empty(),
            AttestationKind::Round => self.path.len() <= LOG_PATH_LEN_MAX,
        };
        if !fits {
            return None;
        }
        root_from_inclusion::<C>(self.checkpoint.hash::<C>(), self.index, self.size, &self.path)
    }

    /// The derivation path of the key that must have signed.
    pub fn derivation_path(&self) -> String {
        let checkpoint = &self.checkpoint;
        match self.kind {
            AttestationKind::Shard => shard_path(&checkpoint.domain, &checkpoint.shard, checkpoint.key_epoch),
            AttestationKind::Round => round_path(&checkpoint.domain, self.signature.curve()),
        }
    }

    /// Checks everything that a stranger can check offline, against a pinned trust root.
    ///
    /// `derive` gives the signer's key for a root key, the calling account and a path
    /// (`derivation::derive_public_key`; callers may cache it).
    ///
    /// # Errors
    /// [`AttestationError`] says what doesn't hold.
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl FnOnce(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<VerifiedCheckpoint, AttestationError> {
        let checkpoint = &self.checkpoint;
        checkpoint.check()?;
        if checkpoint.domain != trust.domain {
            return Err(AttestationError::OtherBridge {
                found: Box::new(checkpoint.domain.clone()),
                expected: Box::new(trust.domain.clone()),
            });
        }
        let root = self.signed_root::<C>().ok_or(AttestationError::Path { index: self.index, size: self.size })?;
        let curve = self.signature.curve();
        let root_key = trust.root_key(curve).ok_or(AttestationError::NoRootKey(curve))?;
        let key = derive(root_key, trust.domain.bridge.as_str(), &self.derivation_path())
            .ok_or(AttestationError::NoDerivedKey(curve))?;
        let digest = attestation_digest::<C>(self.kind, &trust.domain, &root, curve);
        if !self.signature.verifies::<C>(&digest, &key) {
            return Err(AttestationError::Signature);
        }
        Ok(VerifiedCheckpoint(self))
    }
}

/// A checkpoint whose attestation holds against a pinned trust root: the type is the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint(Attestation);

impl VerifiedCheckpoint {
    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.0.checkpoint
    }

    /// The attestation that was verified.
    pub fn attestation(&self) -> &Attestation {
        &self.0
    }
}
