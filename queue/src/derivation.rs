//! Key derivation of NEAR's chain signatures: from the signer's root key to the key of one path.
//!
//! Source: NEAR's MPC signer (`near/mpc`); the tweak is FIPS 202 SHA3-256, not Keccak.

use crate::trust::PublicKey;
use curve25519_dalek::{EdwardsPoint, Scalar as EdScalar, edwards::CompressedEdwardsY};
use k256::{
    ProjectivePoint, Scalar,
    elliptic_curve::{
        PrimeField,
        sec1::{FromSec1Point, ToSec1Point},
    },
};
use sha3::Digest as _;

const PREFIX: &str = "near-mpc-recovery v0.1.0 epsilon derivation:";

/// SHA3-256(prefix ‖ predecessor ‖ "," ‖ path): what is added to the root key.
///
/// `predecessor` is the account that calls the signer: the bridge contract.
pub fn tweak(predecessor: &str, path: &str) -> [u8; 32] {
    sha3::Sha3_256::new()
        .chain_update(PREFIX)
        .chain_update(predecessor)
        .chain_update(",")
        .chain_update(path)
        .finalize()
        .into()
}

/// The public key for `path`, derived from the signer's root key for calls by `predecessor`.
///
/// `None` if the root key is no point of its curve, or the tweak is no scalar (one chance in
/// 2^128).
pub fn derive_public_key(root: &PublicKey, predecessor: &str, path: &str) -> Option<PublicKey> {
    let tweak = tweak(predecessor, path);
    match root {
        PublicKey::Secp256k1(root) => derive_secp256k1(root, tweak),
        PublicKey::Ed25519(root) => derive_ed25519(root, tweak),
    }
}

fn derive_secp256k1(root: &[u8; 64], tweak: [u8; 32]) -> Option<PublicKey> {
    let tweak = Option::<Scalar>::from(Scalar::from_repr(tweak.into()))?;
    let mut encoded = [4; 65];
    encoded[1..].copy_from_slice(root);
    let root = k256::Sec1Point::from_bytes(encoded).ok()?;
    let root = Option::<ProjectivePoint>::from(ProjectivePoint::from_sec1_point(&root))?;
    let derived = (root + ProjectivePoint::GENERATOR * tweak).to_affine().to_sec1_point(false);
    derived.as_bytes().get(1..)?.try_into().ok().map(PublicKey::Secp256k1)
}

fn derive_ed25519(root: &[u8; 32], tweak: [u8; 32]) -> Option<PublicKey> {
    let root = CompressedEdwardsY(*root).decompress()?;
    let tweak = EdScalar::from_bytes_mod_order(tweak);
    Some(PublicKey::Ed25519((root + EdwardsPoint::mul_base(&tweak)).compress().to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tweak_equals_the_signers_own_vector() {
        let expected = "ad2d6fc1f445a1b43830415e7e6e3d03cd077673047848a085f130c24f53ee00";
        assert_eq!(hex::encode(tweak("dwefqwg", "frwewegwegweg")), expected);
    }

    #[test]
    fn a_root_key_that_is_no_point_derives_nothing() {
        assert_eq!(derive_public_key(&PublicKey::Secp256k1([0; 64]), "bridge", "v1"), None);
        assert_eq!(derive_public_key(&PublicKey::Secp256k1([0xff; 64]), "bridge", "v1"), None);
    }
}
