//! Whose attestation it is: another bridge's proves nothing under a pinned trust root.

use crate::vectors::{attestation, proofs};
use queue::attestation::{Attestation, AttestationError, round_path, shard_path};
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::proof::{MessageProof, ProofError};
use queue::trust::{Curve, TrustRoot};

/// Attestations that the real signer made for a bridge of somebody else.
fn foreign_attestations() -> Vec<Attestation> {
    let refused = attestation::file().refused;
    refused.into_iter().filter(|case| case.error == "other_bridge").map(|case| case.attestation).collect()
}

fn proof_made_under(name: &str) -> MessageProof {
    let refused = proofs::file().refused;
    refused.into_iter().find(|case| case.name == name).expect("the vectors have this case").proof
}

#[test]
fn the_real_signers_signature_for_mallorys_own_bridge_proves_nothing_under_the_pinned_one() {
    let pinned = attestation::file().trust;
    let foreign = foreign_attestations();
    assert_eq!(foreign.len(), 4, "another account and another instance, on both curves");
    for attestation in foreign {
        let hers = TrustRoot { domain: attestation.checkpoint.domain.clone(), ..pinned.clone() };
        assert!(attestation.clone().verify::<Native>(&hers, derive_public_key).is_ok(), "it is truly signed");
        let refused = attestation.verify::<Native>(&pinned, derive_public_key);
        assert!(matches!(refused, Err(AttestationError::OtherBridge { .. })), "{refused:?}");
    }
}

#[test]
fn mallory_renames_her_bridge_to_the_pinned_one_and_the_signature_no_longer_fits() {
    let pinned = attestation::file().trust;
    for mut attestation in foreign_attestations() {
        attestation.checkpoint.domain = pinned.domain.clone();
        let refused = attestation.verify::<Native>(&pinned, derive_public_key);
        assert_eq!(refused, Err(AttestationError::Signature));
    }
}

#[test]
fn a_file_from_another_bridge_account_is_refused_under_the_pinned_trust_root() {
    let pinned = proofs::file().trust;
    let proof = proof_made_under("made under another bridge account");
    let own = proof.trust.clone();
    assert!(proof.clone().verify::<Native>(&own, derive_public_key).is_ok(), "consistent in itself");
    let refused = proof.verify::<Native>(&pinned, derive_public_key);
    assert!(matches!(refused, Err(ProofError::OtherTrustRoot(_))), "{refused:?}");
}

#[test]
fn a_file_from_another_instance_of_the_bridge_is_refused_under_the_pinned_trust_root() {
    let pinned = proofs::file().trust;
    let proof = proof_made_under("made under another instance");
    assert_eq!(proof.trust.domain.bridge, pinned.domain.bridge, "the same account, deployed again");
    let own = proof.trust.clone();
    assert!(proof.clone().verify::<Native>(&own, derive_public_key).is_ok(), "consistent in itself");
    let refused = proof.clone().verify::<Native>(&pinned, derive_public_key);
    assert!(matches!(refused, Err(ProofError::OtherTrustRoot(_))), "{refused:?}");
    let renamed = MessageProof { trust: pinned.clone(), ..proof };
    let refused = renamed.verify::<Native>(&pinned, derive_public_key);
    assert!(matches!(refused, Err(ProofError::Attestation(AttestationError::OtherBridge { .. }))), "{refused:?}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_proved_message_is_noticed() {
    let file = proofs::file();
    let proof = file.valid().next().expect("the vectors have valid proofs");
    for bit in 0..proof.message.len() * 8 {
        let mut forged = proof.clone();
        forged.message[bit / 8] ^= 1 << (bit % 8);
        let refused = forged.verify::<Native>(&file.trust, derive_public_key);
        assert!(matches!(refused, Err(ProofError::Message { .. })), "bit {bit}: {refused:?}");
    }
}

#[test]
fn a_shard_named_like_a_kind_of_path_gets_a_key_of_its_own() {
    let trust = attestation::file().trust;
    let root_key = trust.secp256k1.expect("the vectors pin one");
    let key = |path: &str| derive_public_key(&root_key, trust.domain.bridge.as_str(), path).expect("it derives");
    let round = key(&round_path(&trust.domain, Curve::Secp256k1));
    for name in ["round", "shard", "secp256k1", "v1"] {
        let shard = name.parse().expect("a valid shard name");
        for key_epoch in [0, 1] {
            assert_ne!(key(&shard_path(&trust.domain, &shard, key_epoch)), round, "{name}");
        }
    }
}
