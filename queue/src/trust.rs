//! The trust root: what a verifier pins, and never takes from a file, a peer or an RPC.

use crate::ids::BridgeDomain;
use borsh::{BorshDeserialize, BorshSerialize};
use std::{fmt, str::FromStr};

/// The signature schemes of NEAR's signer that shards and rounds use.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[borsh(use_discriminant = true)]
pub enum Curve {
    /// ECDSA over secp256k1 (the signer's domain 0).
    Secp256k1 = 0,
    /// EdDSA over ed25519 (the signer's domain 1).
    Ed25519 = 1,
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Curve::Secp256k1 => "secp256k1",
            Curve::Ed25519 => "ed25519",
        })
    }
}

/// A public key of the signer or derived from it, in NEAR's notation `curve:base58`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum PublicKey {
    /// 64 bytes `x ‖ y`.
    Secp256k1([u8; 64]),
    /// 32 bytes.
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// The key's curve.
    pub fn curve(&self) -> Curve {
        match self {
            PublicKey::Secp256k1(_) => Curve::Secp256k1,
            PublicKey::Ed25519(_) => Curve::Ed25519,
        }
    }
}

/// A key that isn't `secp256k1:` or `ed25519:` and base58 of the right length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no public key: expected secp256k1:<base58 of 64 bytes> or ed25519:<base58 of 32 bytes>")]
pub struct PublicKeyError(String);

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || PublicKeyError(text.to_owned());
        let (curve, encoded) = text.split_once(':').ok_or_else(refused)?;
        let mut bytes = [0; 64];
        let length = bs58::decode(encoded).onto(&mut bytes[..]).map_err(|_| refused())?;
        match (curve, length) {
            ("secp256k1", 64) => Ok(PublicKey::Secp256k1(bytes)),
            ("ed25519", 32) => Ok(PublicKey::Ed25519(*bytes.first_chunk().expect("64 bytes begin with 32"))),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublicKey::Secp256k1(bytes) => write!(f, "secp256k1:{}", bs58::encode(bytes).into_string()),
            PublicKey::Ed25519(bytes) => write!(f, "ed25519:{}", bs58::encode(bytes).into_string()),
        }
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a verifier trusts: one bridge on one network, and the signer's root keys.
///
/// Invariant (checked by [`TrustRoot::checked`]): each key stands on its own curve.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
pub struct TrustRoot {
    /// The bridge whose checkpoints count.
    #[serde(flatten)]
    pub domain: BridgeDomain,
    /// The signer's root key for secp256k1, if it has one.
    pub secp256k1: Option<PublicKey>,
    /// The signer's root key for ed25519, if it has one.
    pub ed25519: Option<PublicKey>,
}

/// A trust root whose key stands under the wrong curve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the trust root lists {key} as its {expected} key")]
pub struct TrustRootError {
    expected: Curve,
    key: PublicKey,
}

impl TrustRoot {
    /// The same trust root, once each key is known to stand on its own curve.
    ///
    /// # Errors
    /// [`TrustRootError`] names the key that doesn't.
    pub fn checked(self) -> Result<Self, TrustRootError> {
        for (expected, key) in [(Curve::Secp256k1, self.secp256k1), (Curve::Ed25519, self.ed25519)] {
            if let Some(key) = key.filter(|key| key.curve() != expected) {
                return Err(TrustRootError { expected, key });
            }
        }
        Ok(self)
    }

    /// Whether this trust root, as a file names it, is the pinned one.
    ///
    /// # Errors
    /// What the file names instead.
    pub fn expect_pinned(&self, pinned: &TrustRoot) -> Result<(), String> {
        if self == pinned {
            return Ok(());
        }
        let BridgeDomain { network, bridge, instance } = &self.domain;
        Err(format!("it names bridge {bridge} on {network}, instance {instance}"))
    }

    /// The signer's root key for `curve`, if pinned.
    pub fn root_key(&self, curve: Curve) -> Option<&PublicKey> {
        match curve {
            Curve::Secp256k1 => self.secp256k1.as_ref(),
            Curve::Ed25519 => self.ed25519.as_ref(),
        }
    }
}
