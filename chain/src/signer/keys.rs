//! The signer's root keys, and the signatures that its nodes make together.
//!
//! Both keys come from the genesis seed and live in one process: this is a stand-in for a network in which no
//! single machine ever holds them.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar as EdScalar;
use ed25519_dalek::VerifyingKey as EdPublicKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, SigningKey, VerifyingKey};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::sec1::ToSec1Point;
use queue::trust::PublicKey;
use sha2::{Digest, Sha256, Sha512};

use super::faults::SignerFault;
use super::json::{AffinePoint, Payload, Response, Scalar, SignatureRequest};

/// The root key pairs of both domains.
#[derive(Clone)]
pub(crate) struct RootKeys {
    secp256k1: k256::Scalar,
    ed25519: EdScalar,
    /// Secret that makes the nonces of ed25519 signatures.
    ed25519_prefix: [u8; 32],
}

impl RootKeys {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let wide: [u8; 64] = Sha512::new().chain_update(b"signer ed25519 root:").chain_update(seed).finalize().into();
        let prefix: [u8; 32] =
            Sha256::new().chain_update(b"signer ed25519 nonces:").chain_update(seed).finalize().into();
        Self {
            secp256k1: secp256k1_from_seed(seed),
            ed25519: EdScalar::from_bytes_mod_order_wide(&wide),
            ed25519_prefix: prefix,
        }
    }

    /// The root public key of a domain: 0 is secp256k1, 1 is ed25519.
    pub(crate) fn public_key(&self, domain_id: u64) -> Option<PublicKey> {
        match domain_id {
            0 => Some(PublicKey::Secp256k1(secp256k1_public_key(&self.secp256k1)?)),
            1 => Some(PublicKey::Ed25519(EdwardsPoint::mul_base(&self.ed25519).compress().to_bytes())),
            _ => None,
        }
    }

    /// Answers a request, truthfully or as the fault says. `None` if the tweak is no scalar.
    pub(crate) fn sign(&self, request: &SignatureRequest, fault: SignerFault) -> Option<Response> {
        let mut tweak = request.tweak;
        if fault == SignerFault::WrongKey {
            tweak[31] ^= 1;
        }
        match &request.payload {
            Payload::Ecdsa(digest) => self.sign_ecdsa(tweak, digest, fault),
            Payload::Eddsa(message) => Some(self.sign_eddsa(tweak, message, fault)),
        }
    }

    fn sign_ecdsa(&self, tweak: [u8; 32], digest: &[u8; 32], fault: SignerFault) -> Option<Response> {
        let secret = self.secp256k1 + secp256k1_scalar(tweak)?;
        let key = SigningKey::from_slice(&secret.to_bytes()).ok()?;
        let digest = match fault {
            SignerFault::WrongPayload => Sha256::digest(digest).into(),
            _ => *digest,
        };
        let (mut signature, mut recovery_id) = key.sign_prehash_recoverable(&digest);
        if fault == SignerFault::HighS {
            let s: k256::Scalar = -*signature.s();
            signature = EcdsaSignature::from_scalars(signature.r().to_bytes(), s.to_bytes()).ok()?;
            recovery_id = RecoveryId::new(!recovery_id.is_y_odd(), recovery_id.is_x_reduced());
        }
        let (r, s) = signature.split_bytes();
        let mut point = vec![if recovery_id.is_y_odd() { 3 } else { 2 }];
        point.extend_from_slice(&r);
        let hex =
            if fault == SignerFault::MixedCase { mixed_case_hex } else { |bytes: &[u8]| hex::encode_upper(bytes) };
        Some(Response::Secp256k1 {
            big_r: AffinePoint { affine_point: hex(&point) },
            s: Scalar { scalar: hex(&s) },
            recovery_id: recovery_id.to_byte(),
        })
    }

    fn sign_eddsa(&self, tweak: [u8; 32], message: &[u8], fault: SignerFault) -> Response {
        let scalar = self.ed25519 + EdScalar::from_bytes_mod_order(tweak);
        let public_key = EdPublicKey::from(EdwardsPoint::mul_base(&scalar));
        let key = ExpandedSecretKey { scalar, hash_prefix: self.ed25519_prefix };
        let message = match fault {
            SignerFault::WrongPayload => Sha256::digest(message).to_vec(),
            _ => message.to_vec(),
        };
        let mut signature = raw_sign::<Sha512>(&key, &message, &public_key).to_bytes();
        if fault == SignerFault::HighS {
            add_order(&mut signature[32..]);
        }
        Response::Ed25519 { signature: signature.to_vec() }
    }

    /// Whether `response` is a signature of what was asked for, as the signer's contract checks it.
    pub(crate) fn verifies(&self, request: &SignatureRequest, response: &Response) -> bool {
        match (&request.payload, response) {
            (Payload::Ecdsa(digest), Response::Secp256k1 { big_r, s, recovery_id }) => {
                self.verify_ecdsa(request.tweak, digest, &big_r.affine_point, &s.scalar, *recovery_id).unwrap_or(false)
            }
            (Payload::Eddsa(message), Response::Ed25519 { signature }) => {
                let scalar = self.ed25519 + EdScalar::from_bytes_mod_order(request.tweak);
                let key = EdPublicKey::from(EdwardsPoint::mul_base(&scalar));
                ed25519_dalek::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
            _ => false,
        }
    }

    fn verify_ecdsa(&self, tweak: [u8; 32], digest: &[u8; 32], big_r: &str, s: &str, recovery_id: u8) -> Option<bool> {
        let point: [u8; 33] = hex::decode(big_r).ok()?.try_into().ok()?;
        let s: [u8; 32] = hex::decode(s).ok()?.try_into().ok()?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&point[1..]);
        bytes[32..].copy_from_slice(&s);
        let signature = EcdsaSignature::from_slice(&bytes).ok()?;
        if signature.normalize_s() != signature {
            return Some(false);
        }
        let recovery_id = RecoveryId::from_byte(recovery_id)?;
        let recovered = VerifyingKey::recover_from_prehash(digest, &signature, recovery_id).ok()?;
        let expected = secp256k1_public_key(&(self.secp256k1 + secp256k1_scalar(tweak)?))?;
        Some(recovered.to_sec1_point(false).as_bytes().get(1..)? == expected)
    }
}

/// Whether the bytes are smaller than the order of secp256k1.
pub(crate) fn is_secp256k1_scalar(bytes: [u8; 32]) -> bool {
    secp256k1_scalar(bytes).is_some()
}

fn secp256k1_scalar(bytes: [u8; 32]) -> Option<k256::Scalar> {
    k256::Scalar::from_repr(bytes.into()).into()
}

/// `x ‖ y`; `None` for the point at infinity.
fn secp256k1_public_key(secret: &k256::Scalar) -> Option<[u8; 64]> {
    let point = (k256::ProjectivePoint::GENERATOR * secret).to_affine().to_sec1_point(false);
    point.as_bytes().get(1..)?.try_into().ok()
}

/// The first hash of seed and counter that is a scalar other than zero: all but one in 2^128 are.
fn secp256k1_from_seed(seed: &[u8; 32]) -> k256::Scalar {
    let mut counter = 0u8;
    loop {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(b"signer secp256k1 root:")
            .chain_update(seed)
            .chain_update([counter])
            .finalize()
            .into();
        match secp256k1_scalar(hash) {
            Some(scalar) if scalar != k256::Scalar::ZERO => return scalar,
            _ => counter = counter.wrapping_add(1),
        }
    }
}

/// Each second digit in upper case.
fn mixed_case_hex(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let mixed = digits.char_indices().map(|(at, digit)| if at % 2 == 0 { digit } else { digit.to_ascii_uppercase() });
    mixed.collect()
}

/// Adds the order of ed25519's group to a little-endian scalar below it.
fn add_order(scalar: &mut [u8]) {
    let order_minus_one = (-EdScalar::ONE).to_bytes();
    let mut carry = 1u16;
    for (byte, add) in scalar.iter_mut().zip(order_minus_one) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        let [low, high] = sum.to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::derivation::{derive_public_key, tweak};

    fn request(payload: Payload) -> SignatureRequest {
        let domain_id = u64::from(matches!(payload, Payload::Eddsa(_)));
        SignatureRequest { tweak: tweak("bridge.near", "v1/x"), payload, domain_id }
    }

    fn both() -> [SignatureRequest; 2] {
        [request(Payload::Ecdsa([7; 32])), request(Payload::Eddsa(vec![9; 40]))]
    }

    #[test]
    fn honest_signatures_verify_and_every_wrong_one_does_not() {
        let keys = RootKeys::from_seed(&[1; 32]);
        for request in both() {
            let good = keys.sign(&request, SignerFault::None).expect("the tweak is a scalar");
            assert!(keys.verifies(&request, &good), "{good:?}");
            for fault in [SignerFault::WrongKey, SignerFault::WrongPayload, SignerFault::HighS] {
                let bad = keys.sign(&request, fault).expect("the tweak is a scalar");
                assert!(!keys.verifies(&request, &bad), "{fault:?} {bad:?}");
            }
        }
    }

    #[test]
    fn the_private_derivation_matches_the_public_one() {
        let keys = RootKeys::from_seed(&[2; 32]);
        let tweak_bytes = tweak("bridge.near", "v1/x");
        let root = keys.public_key(0).expect("domain 0 exists");
        let derived = derive_public_key(&root, "bridge.near", "v1/x");
        let secret = keys.secp256k1 + secp256k1_scalar(tweak_bytes).expect("a scalar");
        assert_eq!(derived, secp256k1_public_key(&secret).map(PublicKey::Secp256k1));

        let root = keys.public_key(1).expect("domain 1 exists");
        let derived = derive_public_key(&root, "bridge.near", "v1/x");
        let scalar = keys.ed25519 + EdScalar::from_bytes_mod_order(tweak_bytes);
        let expected = EdwardsPoint::mul_base(&scalar).compress().to_bytes();
        assert_eq!(derived, Some(PublicKey::Ed25519(expected)));
        assert!(keys.public_key(2).is_none());
    }

    #[test]
    fn another_seed_is_another_signer() {
        let one = RootKeys::from_seed(&[1; 32]);
        let two = RootKeys::from_seed(&[2; 32]);
        assert_ne!(one.public_key(0), two.public_key(0));
        assert_ne!(one.public_key(1), two.public_key(1));
    }
}
