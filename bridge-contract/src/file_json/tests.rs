use super::*;
use crate::from_json::tests::{json, reads_as_serde_does};
use serde_json::Value;

fn vectors(text: &str, lists: &[&str], name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("the vectors are JSON");
    let cases = lists.iter().flat_map(|list| file[list].as_array().expect("a list of cases").clone());
    cases.map(|case| case[name].clone()).collect()
}

#[test]
fn message_proofs_are_read_as_serde_reads_them_whatever_is_changed_in_them() {
    let text = include_str!("../../../specs/vectors/proofs.json");
    reads_as_serde_does::<MessageProof>(&vectors(text, &["proofs", "refused"], "proof"));
}

#[test]
fn delivery_and_expiry_proofs_are_read_as_serde_reads_them_whatever_is_changed_in_them() {
    let text = include_str!("../../../specs/vectors/settlement.json");
    reads_as_serde_does::<DeliveryProof>(&vectors(text, &["deliveries", "refused_deliveries"], "proof"));
    reads_as_serde_does::<ExpiryProof>(&vectors(text, &["expiries", "refused_expiries"], "proof"));
}

#[test]
fn evidence_is_read_as_serde_reads_it_whatever_is_changed_in_it() {
    let text = include_str!("../../../specs/vectors/evidence.json");
    reads_as_serde_does::<Evidence>(&vectors(text, &["evidence", "refused"], "file"));
}

fn wrong_field(file: &Value) -> Option<&'static str> {
    MessageProof::from_json(&json(file)).err().map(|error| error.name())
}

#[test]
fn a_refusal_names_the_field() {
    let text = include_str!("../../../specs/vectors/proofs.json");
    let mut file = vectors(text, &["proofs"], "proof").remove(0);
    file["head"]["attestation"]["checkpoint"]["heads_root"] = Value::from("zz");
    assert_eq!(wrong_field(&file), Some("heads_root"));
    file["nonce"] = Value::from("0");
    assert_eq!(wrong_field(&file), Some("nonce"));
}
