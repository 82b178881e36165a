use super::{Hex, parse};
use queue::attestation::{Attestation, AttestationError, AttestationKind, attestation_digest};
use queue::codec;
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::limits::ATTESTATION_BYTES_MAX;
use queue::trust::{PublicKey, TrustRoot};
use serde::Deserialize;
use serde_json::Value;

/// Attestations, and the trust root under which they are judged.
#[derive(Deserialize)]
pub struct File {
    pub trust: TrustRoot,
    attestations: Vec<Case>,
    pub refused: Vec<Refused>,
    refused_bytes: Vec<RefusedBytes>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    attestation: Value,
    bytes: Hex,
    root: Hash,
    digest: Hash,
    path: String,
    key: PublicKey,
}

/// An attestation that proves nothing under the file's trust root.
#[derive(Deserialize)]
pub struct Refused {
    pub name: String,
    pub error: String,
    pub attestation: Attestation,
}

#[derive(Deserialize)]
struct RefusedBytes {
    name: String,
    bytes: Hex,
}

/// The vectors.
pub fn file() -> File {
    parse(include_str!("../../../../specs/vectors/attestation.json"))
}

#[test]
fn attestations_of_both_kinds_and_curves_verify_as_in_the_vectors() {
    let file = file();
    for case in file.attestations {
        let attestation: Attestation = serde_json::from_value(case.attestation).expect(&case.name);
        assert_eq!(attestation.signed_root::<Native>(), Some(case.root), "{}", case.name);
        assert_eq!(attestation.derivation_path(), case.path, "{}", case.name);
        let curve = attestation.signature.curve();
        let digest = attestation_digest::<Native>(attestation.kind, &file.trust.domain, &case.root, curve);
        assert_eq!(digest, case.digest, "{}", case.name);
        let root_key = file.trust.root_key(curve).expect("the trust root pins both keys");
        let bridge = file.trust.domain.bridge.as_str();
        assert_eq!(derive_public_key(root_key, bridge, &case.path), Some(case.key), "{}", case.name);
        let verified = attestation.clone().verify::<Native>(&file.trust, derive_public_key);
        assert_eq!(verified.as_ref().map(|verified| verified.attestation()), Ok(&attestation), "{}", case.name);
    }
}

#[test]
fn attestations_encode_and_decode_as_in_the_vectors() {
    for case in file().attestations {
        let attestation: Attestation = serde_json::from_value(case.attestation.clone()).expect(&case.name);
        assert_eq!(hex::encode(codec::encode(&attestation)), hex::encode(&case.bytes.0), "{}", case.name);
        let decoded = codec::decode::<Attestation>("attestation", &case.bytes.0, ATTESTATION_BYTES_MAX);
        assert_eq!(decoded.as_ref(), Ok(&attestation), "{}", case.name);
        assert_eq!(serde_json::to_value(&attestation).expect(&case.name), case.attestation, "{}", case.name);
    }
}

#[test]
fn refused_attestations_of_the_vectors_prove_nothing() {
    let file = file();
    for case in file.refused {
        let found = match case.attestation.verify::<Native>(&file.trust, derive_public_key).expect_err(&case.name) {
            AttestationError::Checkpoint(_) => "checkpoint",
            AttestationError::OtherBridge { .. } => "other_bridge",
            AttestationError::Path { .. } => "path",
            AttestationError::NoRootKey(_) => "no_root_key",
            AttestationError::NoDerivedKey(_) => "no_derived_key",
            AttestationError::Signature => "signature",
        };
        assert_eq!(found, case.error, "{}", case.name);
    }
}

#[test]
fn refused_bytes_of_the_vectors_are_no_attestations() {
    for case in file().refused_bytes {
        let decoded = codec::decode::<Attestation>("attestation", &case.bytes.0, ATTESTATION_BYTES_MAX);
        assert!(decoded.is_err(), "{}", case.name);
    }
}

#[test]
fn a_trust_root_without_the_signatures_curve_verifies_nothing() {
    let file = file();
    let trust = TrustRoot { secp256k1: None, ed25519: None, ..file.trust };
    for case in file.attestations {
        let attestation: Attestation = serde_json::from_value(case.attestation).expect(&case.name);
        let curve = attestation.signature.curve();
        let refused = attestation.verify::<Native>(&trust, derive_public_key);
        assert_eq!(refused, Err(AttestationError::NoRootKey(curve)), "{}", case.name);
    }
}

#[test]
fn a_digest_says_which_kind_of_root_it_is_over() {
    let file = file();
    let domain = &file.trust.domain;
    for case in &file.attestations {
        let curve = case.key.curve();
        let [shard, round] = [AttestationKind::Shard, AttestationKind::Round]
            .map(|kind| attestation_digest::<Native>(kind, domain, &case.root, curve));
        assert_ne!(shard, round, "{}", case.name);
    }
}
