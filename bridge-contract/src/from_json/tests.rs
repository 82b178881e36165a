use super::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub fn json(value: &Value) -> Json {
    serde_json::from_value(value.clone()).expect("any JSON is read")
}

/// The same value with one thing changed, at every place in it.
fn changed(value: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    collect_places(value, String::new(), &mut places);
    let replacements = [Value::Null, Value::Bool(true), Value::from(-1), Value::from(1u64 << 40), Value::from("zz")];
    let mut values = Vec::new();
    for place in places {
        for replacement in &replacements {
            let mut value = value.clone();
            *value.pointer_mut(&place).expect("collected from the value") = replacement.clone();
            values.push(value);
        }
        let (parent, name) = place.rsplit_once('/').expect("places begin with a slash");
        let mut without = value.clone();
        if let Some(object) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(name);
            values.push(without);
        }
    }
    values
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

/// Holds `T`'s reader to serde's, on values and on all that one change makes of them.
#[track_caller]
pub fn reads_as_serde_does<T: FromJson + DeserializeOwned + PartialEq + std::fmt::Debug>(values: &[Value]) {
    assert!(!values.is_empty());
    for value in values {
        assert!(serde_json::from_value::<T>(value.clone()).is_ok());
        let mut refused = 0;
        for value in changed(value).iter().chain([value]) {
            let (found, expected) = (T::from_json(&json(value)), serde_json::from_value::<T>(value.clone()));
            refused += usize::from(expected.is_err());
            assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{found:?} of {value}");
        }
        assert!(refused > 0, "nothing that was changed is refused");
    }
}

#[test]
fn an_object_that_names_a_field_twice_has_no_fields() {
    for (text, expected) in [(r#"{"n":1,"m":2}"#, Some(1)), (r#"{"n":1,"n":2}"#, None), (r#"[1]"#, None), ("1", None)] {
        let json = Json::parse(text.as_bytes()).expect("it is JSON");
        assert_eq!(field::<u64>(&json, "n").ok(), expected, "{text}");
    }
}

#[test]
fn what_is_no_json_is_not_read() {
    for text in ["", "{", "{}x", "nul", "[1,]", "\"\\x\"", &"[".repeat(200)] {
        assert_eq!(Json::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn an_error_names_the_innermost_field_and_says_what_is_wrong() {
    let error = |text: &str| {
        let json = Json::parse(text.as_bytes()).expect("it is JSON");
        field::<Vec<ShardId>>(&json, "shards").expect_err("it is wrong").to_string()
    };
    assert_eq!(error("{}"), "missing field `shards`");
    assert_eq!(error(r#"{"shards":"alpha"}"#), "field `shards`: expected a list");
    assert_eq!(error(r#"{"shards":[1]}"#), "field `shards`: expected a string");
    assert_eq!(error(r#"{"shards":["near"]}"#), "field `shards`: shard name \"near\" is reserved");
    assert_eq!(error("[]"), "field `shards`: expected in an object that names no field twice");
}
