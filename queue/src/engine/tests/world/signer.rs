//! The signer of the engine's tests, with a real key.

use crate::attestation::{AttestationKind, ChainSignature, attestation_digest, shard_path};
use crate::checkpoint::Checkpoint;
use crate::derivation::tweak;
use crate::digest::{Hash, Native};
use crate::ids::BridgeDomain;
use crate::trust::{Curve, PublicKey, TrustRoot};
use k256::{Scalar, SecretKey, ecdsa::SigningKey, elliptic_curve::PrimeField};

fn root_secret() -> Scalar {
    *SecretKey::from_slice(&[7; 32]).unwrap().to_nonzero_scalar()
}

fn signing_key(secret: Scalar) -> SigningKey {
    SigningKey::from_bytes(&secret.to_repr()).unwrap()
}

pub(in super::super) fn trust() -> TrustRoot {
    let public = signing_key(root_secret()).verifying_key().to_sec1_point(false);
    let domain = BridgeDomain {
        network: "localnet".parse().unwrap(),
        bridge: "bridge.test.near".parse().unwrap(),
        instance: Hash([9; 32]),
    };
    let key = PublicKey::Secp256k1(public.as_bytes()[1..].try_into().unwrap());
    TrustRoot { domain, secp256k1: Some(key), ed25519: None }
}

/// The chain signature that the real signer would give for a checkpoint.
pub(in super::super) fn sign(checkpoint: &Checkpoint) -> ChainSignature {
    let domain = &checkpoint.domain;
    let path = shard_path(domain, &checkpoint.shard, checkpoint.key_epoch);
    let tweak = Scalar::from_repr(tweak(domain.bridge.as_str(), &path).into()).unwrap();
    let root = checkpoint.hash::<Native>();
    let digest = attestation_digest::<Native>(AttestationKind::Shard, domain, &root, Curve::Secp256k1);
    let (signature, recovery_id) = signing_key(root_secret() + tweak).sign_prehash_recoverable(&digest.0);
    let rs = <[u8; 64]>::from(signature.to_bytes());
    ChainSignature::Secp256k1 { rs, recovery_id: recovery_id.to_byte() }
}
