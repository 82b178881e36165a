use super::parse;
use queue::codec;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::evidence::{Evidence, EvidenceError};
use queue::trust::TrustRoot;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    trust: TrustRoot,
    evidence: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    proven: bool,
    file: Value,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    error: String,
    file: Evidence,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/evidence.json"))
}

#[test]
fn evidence_of_the_vectors_proves_what_it_should_and_claims_the_rest() {
    let file = file();
    for case in file.evidence {
        let evidence: Evidence = serde_json::from_value(case.file.clone()).expect(&case.name);
        assert_eq!(serde_json::to_value(&evidence).expect(&case.name), case.file, "{}", case.name);
        let kept = codec::decode("evidence", &codec::encode(&evidence), usize::MAX);
        assert_eq!(kept.as_ref(), Ok(&evidence), "{}: a node keeps it as borsh", case.name);
        let verified = evidence.verify::<Native>(&file.trust, derive_public_key).expect(&case.name);
        assert_eq!(verified.proven.is_some(), case.proven, "{}: {:?}", case.name, verified.proven);
    }
}

#[test]
fn evidence_that_is_none_is_refused_for_the_reason_of_the_vectors() {
    let file = file();
    for case in file.refused {
        let found = match case.file.verify::<Native>(&file.trust, derive_public_key).expect_err(&case.name) {
            EvidenceError::Format(_) => "format",
            EvidenceError::Head(_) => "head",
            EvidenceError::OtherLane { .. } => "other_lane",
            EvidenceError::Root(_) => "root",
        };
        assert_eq!(found, case.error, "{}", case.name);
    }
}
