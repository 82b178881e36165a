use super::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn json(value: &Value) -> Json {
    serde_json::from_value(value.clone()).expect("any JSON is read")
}

fn vectors(text: &str, lists: &[&str], name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("the vectors are JSON");
    let cases = lists.iter().flat_map(|list| file[list].as_array().expect("a list of cases").clone());
    cases.map(|case| case[name].clone()).collect()
}

/// The same file with one thing changed, at every place in it.
fn changed(file: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    collect_places(file, String::new(), &mut places);
    let replacements = [Value::Null, Value::Bool(true), Value::from(-1), Value::from(1u64 << 40), Value::from("zz")];
    let mut files = Vec::new();
    for place in places {
        for replacement in &replacements {
            let mut file = file.clone();
            *file.pointer_mut(&place).expect("collected from the file") = replacement.clone();
            files.push(file);
        }
        let (parent, name) = place.rsplit_once('/').expect("places begin with a slash");
        let mut without = file.clone();
        if let Some(object) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(name);
            files.push(without);
        }
    }
    files
}

fn collect_places(value: &Value, at: String, places: &mut Vec<String>) {
    if !at.is_empty() {
        places.push(at.clone());
    }
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect_places(value, format!("{at}/{name}"), places))
        }
        Value::Array(items) => items.iter().take(1).for_each(|item| collect_places(item, format!("{at}/0"), places)),
        _ => {}
    }
}

#[track_caller]
fn reads_as_serde_does<T: FromJson + DeserializeOwned + PartialEq + std::fmt::Debug>(files: &[Value]) {
    assert!(!files.is_empty());
    for file in files {
        assert!(serde_json::from_value::<T>(file.clone()).is_ok());
        let mut refused = 0;
        for file in changed(file).iter().chain([file]) {
            let (found, expected) = (T::from_json(&json(file)), serde_json::from_value::<T>(file.clone()));
            refused += usize::from(expected.is_err());
            assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{found:?} of {file}");
        }
        assert!(refused > 0, "nothing that was changed is refused");
    }
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

#[test]
fn a_refusal_names_the_field() {
    let text = include_str!("../../../specs/vectors/proofs.json");
    let mut file = vectors(text, &["proofs"], "proof").remove(0);
    file["head"]["attestation"]["checkpoint"]["heads_root"] = Value::from("zz");
    assert_eq!(MessageProof::from_json(&json(&file)), Err(FieldError("heads_root")));
    file["nonce"] = Value::from("0");
    assert_eq!(MessageProof::from_json(&json(&file)), Err(FieldError("nonce")));
}
