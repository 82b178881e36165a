use super::{Hex, parse};
use queue::codec;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::limits::FRAME_BYTES_MAX;
use queue::proof::{HeadProof, MessageProof};
use queue::trust::TrustRoot;
use serde::Deserialize;
use serde_json::Value;

/// Proof files, and the trust root under which they are judged.
#[derive(Deserialize)]
pub struct File {
    pub trust: TrustRoot,
    proofs: Vec<Case>,
    pub refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    proof: Value,
    head_bytes: Hex,
}

/// A file that proves nothing under the file's trust root.
#[derive(Deserialize)]
pub struct Refused {
    pub name: String,
    pub error: String,
    pub proof: MessageProof,
}

impl File {
    /// The proofs that hold.
    pub fn valid(&self) -> impl Iterator<Item = MessageProof> {
        self.proofs.iter().map(|case| serde_json::from_value(case.proof.clone()).expect(&case.name))
    }
}

/// The vectors.
pub fn file() -> File {
    parse(include_str!("../../../../specs/vectors/proofs.json"))
}

#[test]
fn message_proofs_of_the_vectors_hold() {
    let file = file();
    for case in &file.proofs {
        let proof: MessageProof = serde_json::from_value(case.proof.clone()).expect(&case.name);
        let verified = proof.clone().verify::<Native>(&file.trust, derive_public_key).expect(&case.name);
        assert_eq!(verified.nonce, proof.nonce, "{}", case.name);
        assert_eq!(verified.message.encode(), proof.message, "{}", case.name);
        assert_eq!(verified.head.head(), &proof.head.head, "{}", case.name);
    }
}

#[test]
fn proofs_encode_and_decode_as_in_the_vectors() {
    for case in &file().proofs {
        let proof: MessageProof = serde_json::from_value(case.proof.clone()).expect(&case.name);
        assert_eq!(serde_json::to_value(&proof).expect(&case.name), case.proof, "{}", case.name);
        assert_eq!(hex::encode(codec::encode(&proof.head)), hex::encode(&case.head_bytes.0), "{}", case.name);
        let decoded = codec::decode::<HeadProof>("head proof", &case.head_bytes.0, FRAME_BYTES_MAX);
        assert_eq!(decoded, Ok(proof.head), "{}", case.name);
    }
}

#[test]
fn refused_proofs_of_the_vectors_prove_nothing() {
    let file = file();
    for case in file.refused {
        let error = case.proof.verify::<Native>(&file.trust, derive_public_key).expect_err(&case.name);
        let found = super::settlement::kind(&error);
        assert_eq!(found, case.error, "{}", case.name);
    }
}
