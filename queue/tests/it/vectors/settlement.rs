use super::parse;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::message::Tombstone;
use queue::proof::{DeliveryProof, DeliveryVerdict, ExpiryProof, ProofError};
use queue::trust::TrustRoot;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    trust: TrustRoot,
    deliveries: Vec<Delivery>,
    refused_deliveries: Vec<Refused>,
    expiries: Vec<Expiry>,
    refused_expiries: Vec<Refused>,
}

#[derive(Deserialize)]
struct Delivery {
    name: String,
    verdict: String,
    proof: Value,
}

#[derive(Deserialize)]
struct Expiry {
    name: String,
    reason: Tombstone,
    proof: Value,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    error: String,
    proof: Value,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/settlement.json"))
}

#[test]
fn delivery_proofs_of_the_vectors_prove_as_much_as_they_say() {
    let file = file();
    for case in &file.deliveries {
        let proof: DeliveryProof = serde_json::from_value(case.proof.clone()).expect(&case.name);
        assert_eq!(serde_json::to_value(&proof).expect(&case.name), case.proof, "{}", case.name);
        let verified = proof.clone().verify::<Native>(&file.trust, derive_public_key).expect(&case.name);
        let verdict = match &verified.verdict {
            DeliveryVerdict::Delivered(message) => {
                assert_eq!(message.encode(), proof.message, "{}", case.name);
                "delivered"
            }
            DeliveryVerdict::Decided(_) => "decided",
        };
        assert_eq!(verdict, case.verdict, "{}", case.name);
        assert_eq!((verified.nonce, verified.message), (proof.nonce, proof.message), "{}", case.name);
    }
}

#[test]
fn expiry_proofs_of_the_vectors_hold() {
    let file = file();
    for case in &file.expiries {
        let proof: ExpiryProof = serde_json::from_value(case.proof.clone()).expect(&case.name);
        assert_eq!(serde_json::to_value(&proof).expect(&case.name), case.proof, "{}", case.name);
        let verified = proof.clone().verify::<Native>(&file.trust, derive_public_key).expect(&case.name);
        assert_eq!(verified.reason, case.reason, "{}", case.name);
        assert_eq!((verified.nonce, verified.message), (proof.nonce, proof.message), "{}", case.name);
    }
}

#[test]
fn refused_deliveries_of_the_vectors_prove_nothing() {
    let file = file();
    for case in file.refused_deliveries {
        let proof: DeliveryProof = serde_json::from_value(case.proof).expect(&case.name);
        let error = proof.verify::<Native>(&file.trust, derive_public_key).expect_err(&case.name);
        assert_eq!(kind(&error), case.error, "{}: {error}", case.name);
    }
}

#[test]
fn refused_expiries_of_the_vectors_prove_nothing() {
    let file = file();
    for case in file.refused_expiries {
        let proof: ExpiryProof = serde_json::from_value(case.proof).expect(&case.name);
        let error = proof.verify::<Native>(&file.trust, derive_public_key).expect_err(&case.name);
        assert_eq!(kind(&error), case.error, "{}: {error}", case.name);
    }
}

/// The word that the vectors use.
pub(super) fn kind(error: &ProofError) -> &'static str {
    match error {
        ProofError::Attestation(_) => "attestation",
        ProofError::Head { .. } => "head",
        ProofError::PathTooLong { .. } => "path_too_long",
        ProofError::Message { .. } => "message",
        ProofError::NotAMessage(_) => "not_a_message",
        ProofError::Sender { .. } => "sender",
        ProofError::Format { .. } => "format",
        ProofError::OtherTrustRoot(_) => "other_trust_root",
        ProofError::OtherLane(_) => "other_lane",
        ProofError::NotSettled(_) => "not_settled",
    }
}
