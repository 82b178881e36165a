//! The vectors that the contract can judge: by its Wasm where they are arguments and views, by its
//! rules where they belong to the vectors' own bridge.

use crate::world::*;
use bridge_contract::errors::{CheckpointRefusal, Refusal};
use bridge_contract::registry::ShardRecord;
use bridge_contract::rules::{self, AttestRequest};
use bridge_contract::signer::Answer;
use queue::attestation::{Attestation, AttestationKind, shard_path};
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestationFailure, Endorsement, Endorsements, ReserveArgs, method};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::ids::BridgeDomain;
use queue::statement::Statement;
use queue::trust::{PublicKey, TrustRoot};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn file(name: &str) -> Value {
    let path = format!("{}/../specs/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap()
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

#[derive(Deserialize)]
struct Claim {
    name: String,
    #[serde(default)]
    error: Option<String>,
    attestation: Attestation,
}

/// An active shard with one member, on whatever bridge the rules are told.
fn record(member: [u8; 32], members_version: u32) -> ShardRecord {
    let args = ReserveArgs { members: vec![PublicKey::Ed25519(member)], ..reservation("alpha") };
    let (record, _) = rules::judge_reservation(&args, OWNER.parse().unwrap(), 0, 0).unwrap();
    ShardRecord { members_version, balance_yocto: 1, ..record }
}

/// What the contract's callback makes of the signature.
fn judge_signature(trust: &TrustRoot, attestation: &Attestation) -> Result<(), AttestationFailure> {
    let checkpoint = &attestation.checkpoint;
    let curve = attestation.signature.curve();
    let path = shard_path(&trust.domain, &checkpoint.shard, checkpoint.key_epoch);
    let key = derive_public_key(trust.root_key(curve).unwrap(), trust.domain.bridge.as_str(), &path).unwrap();
    let digest = rules::shard_digest::<Native>(&trust.domain, &checkpoint.hash::<Native>(), curve);
    rules::judge_answer::<Native>(Answer::Given(attestation.signature.clone()), &digest, &key).map(|_| ())
}

#[test]
fn the_contract_believes_the_attestations_of_the_vectors_and_none_of_the_refused() {
    let vectors = file("attestation");
    let trust: TrustRoot = read(&vectors["trust"]);
    let of_shards = |list: &Value| -> Vec<Claim> {
        let claims: Vec<Claim> = read(list);
        claims.into_iter().filter(|claim| claim.attestation.kind == AttestationKind::Shard).collect()
    };
    let genuine = of_shards(&vectors["attestations"]);
    assert_eq!(genuine.len(), 4);
    for Claim { name, attestation, .. } in genuine {
        assert_eq!(judge_signature(&trust, &attestation), Ok(()), "{name}");
    }
    let mut judged = 0;
    for Claim { name, error, attestation } in of_shards(&vectors["refused"]) {
        match error.as_deref() {
            Some("signature") => {
                assert_eq!(judge_signature(&trust, &attestation), Err(AttestationFailure::WrongSignature), "{name}");
            }
            Some("other_bridge") => {
                let refusal = judge_checkpoint(&trust.domain, attestation.checkpoint);
                assert!(matches!(refusal, CheckpointRefusal::OtherBridge { .. }), "{name}: {refusal:?}");
            }
            Some("checkpoint") => {
                let refusal = judge_checkpoint(&trust.domain, attestation.checkpoint);
                assert!(matches!(refusal, CheckpointRefusal::Checkpoint(_)), "{name}: {refusal:?}");
            }
            // Proofs in a tree: the contract makes them, and reads none for kind shard.
            Some("path") => continue,
            other => panic!("{name}: {other:?}"),
        }
        judged += 1;
    }
    assert!(judged > 20, "{judged}");
}

fn judge_checkpoint(domain: &BridgeDomain, checkpoint: Checkpoint) -> CheckpointRefusal {
    let refused = rules::judge_checkpoint::<Native>(AttestRequest {
        domain,
        record: &record([1; 32], 0),
        tip: None,
        block_ns: checkpoint.time_ns,
        checkpoint,
        endorsements: &Endorsements::default(),
    });
    match refused {
        Err(Refusal::Checkpoint(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_contract_counts_the_endorsement_of_the_vectors_and_none_of_the_refused() {
    let vectors = file("statements");
    let domain: BridgeDomain = read(&vectors["scope"]["domain"]);
    let member: Hash = read(&vectors["member"]);
    let record = record(member.0, read(&vectors["scope"]["members_version"]));
    let checkpoint = read(&vectors["statements"][0]["statement"]["endorse"]["checkpoint"]);
    let judge = |case: &Value| {
        let endorsement: Endorsement = read(&json!({ "member": 0, "signature": case["signature"] }));
        let endorsements = vec![endorsement].try_into().unwrap();
        let statement = Statement::Endorse { checkpoint };
        rules::judge_endorsements::<Native>(&domain, &shard("alpha"), &record, &statement, &endorsements)
    };
    assert_eq!(judge(&vectors["statements"][0]), Ok(()));
    let refused = vectors["refused"].as_array().unwrap();
    assert!(!refused.is_empty());
    for case in refused {
        assert!(judge(case).is_err(), "{case}");
    }
}

#[test]
fn the_wasm_refuses_the_refused_checkpoints_of_the_vectors_for_their_reasons() {
    let mut world = World::with_alpha();
    let vectors = file("checkpoint");
    let refused = vectors["refused"].as_array().unwrap();
    assert!(!refused.is_empty());
    for case in refused {
        let mut args = hex::decode(case["bytes"].as_str().unwrap()).unwrap();
        args.extend(queue::codec::encode(&Endorsements::default()));
        let reason = match case["error"].as_str().unwrap() {
            "unknown_version" => "upgrade needed",
            "before_epoch" => "lies before its key epoch",
            "previous" => "previous checkpoint",
            "malformed" | "too_large" => "Failed to deserialize input from Borsh",
            other => panic!("{other}"),
        };
        let said = world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 60).failure();
        assert!(said.contains(reason), "{}: {said}", case["name"]);
    }
    assert_eq!(world.tip("alpha"), None);
}

#[test]
fn the_wasm_reads_the_arguments_of_attest_as_the_vectors_have_them() {
    let mut world = World::with_alpha();
    let vectors = file("contract");
    let cases = vectors["attest_args"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let args = hex::decode(case["bytes"].as_str().unwrap()).unwrap();
        let said = world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 60).failure();
        let domain: BridgeDomain = read(&case["args"]["checkpoint"]["domain"]);
        let read_as = format!("for bridge {} on {} (instance {})", domain.bridge, domain.network, domain.instance);
        assert!(said.contains(&read_as), "{said}");
    }
}

#[test]
fn the_wasm_answers_in_the_form_of_the_vectors() {
    let mut world = World::with_alpha();
    let pending = world.first_checkpoint("alpha");
    world.chain.script_signer(chain::SignerFault::Halted);
    let failed = world.attest_endorsed(&pending).value::<Value>();
    let vectors = file("contract");
    let tip: Value = world.view(BRIDGE, method::TIP, &json!({ "shard": "alpha" }));
    let tips = tips_of_no_round(&vectors);
    assert!(tips.contains(&form(&tip)), "{tip}");

    let attested = world.attest(&pending, &[]).value::<Value>();
    let tip: Value = world.view(BRIDGE, method::TIP, &json!({ "shard": "alpha" }));
    assert!(tips.contains(&form(&tip)), "{tip}");
    let forms = |values: &[Value]| values.iter().map(form).collect::<BTreeSet<_>>();
    let expected = vectors["attest_results"].as_array().unwrap();
    assert_eq!(forms(&[attested, failed]), forms(expected));

    let rotation = json!({ "shard": "alpha", "members": [public_key_of("new member")], "threshold": 1 });
    world.json(OWNER, BRIDGE, method::PROPOSE_ROTATION, &rotation, 0).success();
    let alpha: Value = world.view(BRIDGE, method::SHARD, &json!({ "shard": "alpha" }));
    assert_eq!(form(&alpha), form(&vectors["shard_views"][0]));
}

/// The forms of the vectors' tips, as they are while no round has them.
fn tips_of_no_round(vectors: &Value) -> Vec<BTreeSet<String>> {
    let mut tips = vectors["tip_views"].as_array().unwrap().clone();
    for tip in &mut tips {
        tip["round"].take();
    }
    tips.iter().map(form).collect()
}

/// The paths and kinds of all values in it, whatever they are.
fn form(value: &Value) -> BTreeSet<String> {
    let of = |key: &str, inner: &Value| form(inner).into_iter().map(|rest| format!("{key}.{rest}")).collect::<Vec<_>>();
    match value {
        Value::Null => ["null".to_owned()].into(),
        Value::Bool(_) => ["bool".to_owned()].into(),
        Value::Number(_) => ["number".to_owned()].into(),
        Value::String(_) => ["string".to_owned()].into(),
        Value::Array(items) => items.iter().flat_map(|item| of("[]", item)).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(key, inner)| of(key, inner)).collect(),
    }
}
