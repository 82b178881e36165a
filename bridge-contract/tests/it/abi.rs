//! `abi.json` says what the Wasm offers, in near-abi's schema 0.4. It is kept by hand, as near-sdk
//! makes one only of types with JSON schemas of their own; here the Wasm itself is held against it.

use crate::wasm::exported_functions;
use crate::world::*;
use queue::contract::method;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A function, as `abi.json` lists it.
pub struct Function {
    pub name: String,
    is_view: bool,
    modifiers: Vec<String>,
    /// Names of the JSON arguments in their order, and whether they may be left out.
    args: Vec<(String, bool)>,
    is_borsh: bool,
}

/// Everything that `abi.json` lists.
pub fn functions() -> Vec<Function> {
    let abi: Value = serde_json::from_str(include_str!("../../abi.json")).unwrap();
    assert_eq!(abi["metadata"]["version"], env!("CARGO_PKG_VERSION"));
    let functions = abi["body"]["functions"].as_array().unwrap();
    functions.iter().map(Function::read).collect()
}

impl Function {
    fn read(json: &Value) -> Self {
        let name = json["name"].as_str().unwrap().to_owned();
        assert!(["view", "call"].contains(&json["kind"].as_str().unwrap()), "{name}");
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let args = list(&json["params"]["args"]).into_iter().map(|arg| {
            let is_optional = list(&arg["type_schema"]["anyOf"]).contains(&json!({ "type": "null" }));
            (arg["name"].as_str().unwrap().to_owned(), is_optional)
        });
        let modifiers = list(&json["modifiers"]).into_iter().map(|modifier| modifier.as_str().unwrap().to_owned());
        Function {
            is_view: json["kind"] == "view",
            modifiers: modifiers.collect(),
            args: args.collect(),
            is_borsh: json["params"]["serialization_type"] == "borsh",
            name,
        }
    }

    pub fn is(&self, modifier: &str) -> bool {
        self.modifiers.iter().any(|found| found == modifier)
    }

    /// Whoever may call it.
    pub fn caller(&self) -> &'static str {
        if self.is("private") { BRIDGE } else { MALLORY }
    }

    /// JSON with the first so many arguments, each of the right form; with none if they are borsh.
    pub fn first_args(&self, count: usize) -> Value {
        if self.is_borsh {
            return json!({});
        }
        let sample = |(name, _): &(String, bool)| (name.clone(), sample_arg(name));
        Value::Object(self.args.iter().take(count).map(sample).collect::<Map<_, _>>())
    }

    /// JSON with all arguments.
    pub fn all_args(&self) -> Value {
        self.first_args(self.args.len())
    }
}

/// An argument of the right form, whatever the method makes of it.
fn sample_arg(name: &str) -> Value {
    match name {
        "shard" => json!("alpha"),
        "peer" => json!("beta"),
        "members" | "transport_keys" | "addresses" | "endorsements" => json!([]),
        "terms" => json!({ "message_bytes_max": 1, "result_bytes_max": 1, "call_window": 1, "call_gas_max": "1",
            "deadline_ms": null, "permissions": "everybody" }),
        "direction" => json!("both"),
        "proof" | "one" | "other" | "evidence" => json!({}),
        "curve" => json!("secp256k1"),
        "threshold" | "evidence_floor" | "key_epoch" | "from_index" | "limit" | "staging_duration" | "round" => {
            json!(1)
        }
        "hash" => json!("00".repeat(32)),
        "network" => json!("localnet"),
        "signer" | "admin" | "account_id" => json!("somebody"),
        "role" => json!("Registrar"),
        "key" => json!("reserve"),
        "open" => json!(true),
        "open_registration" | "function_call_args" | "amount_yocto" => Value::Null,
        other => panic!("no sample for the argument {other}: add one"),
    }
}

#[test]
fn the_abi_lists_what_the_wasm_exports_and_nothing_else() {
    let listed: BTreeSet<_> = functions().into_iter().map(|function| function.name).collect();
    let exported: BTreeSet<_> = exported_functions(&wasm()).into_iter().collect();
    assert_eq!(listed, exported);
    assert_eq!(listed.len(), functions().len(), "a function is listed twice");
}

#[test]
fn the_abi_knows_the_names_and_the_order_of_all_arguments() {
    let (mut world, mut empty) = (World::with_alpha(), World::deployed());
    for function in functions() {
        // Where there is a state, `init` refuses before it reads.
        let world = if function.name == method::INIT { &mut empty } else { &mut world };
        if function.is_borsh {
            let refused = world.json(function.caller(), BRIDGE, &function.name, &json!({}), 0).failure();
            assert!(refused.contains("Failed to deserialize input from Borsh"), "{}: {refused}", function.name);
            continue;
        }
        for (count, (arg, is_optional)) in function.args.iter().enumerate() {
            if *is_optional {
                continue;
            }
            let args = function.first_args(count);
            let refused = world.json(function.caller(), BRIDGE, &function.name, &args, 0).failure();
            assert!(refused.contains(&format!("missing field `{arg}`")), "{}: {refused}", function.name);
        }
        let outcome = world.json(function.caller(), BRIDGE, &function.name, &function.all_args(), 0);
        let refused = outcome.try_failure().unwrap_or_default();
        assert!(!refused.contains("missing field"), "{}: {refused}", function.name);
        assert!(!refused.contains("deserialize input"), "{}: {refused}", function.name);
    }
}

#[test]
fn the_abi_knows_which_functions_are_private() {
    let mut world = World::with_alpha();
    for function in functions() {
        let outcome = world.json(MALLORY, BRIDGE, &function.name, &function.all_args(), 0);
        let refused = outcome.try_failure().unwrap_or_default();
        let is_private = refused.contains(&format!("Method {} is private", function.name));
        assert_eq!(is_private, function.is("private"), "{}: {refused}", function.name);
    }
}

#[test]
fn the_abi_knows_which_functions_take_a_deposit() {
    let mut world = World::with_alpha();
    for function in functions().into_iter().filter(|function| !function.is_view) {
        let outcome = world.json(function.caller(), BRIDGE, &function.name, &function.all_args(), 1);
        let refused = outcome.try_failure().unwrap_or_default();
        let refuses_deposits = refused.contains("doesn't accept deposit");
        assert!(!(refuses_deposits && function.is("payable")), "{}: {refused}", function.name);
        // These read their arguments first, which are borsh. Of callbacks, near-sdk looks for a deposit
        // where the root state is written, and this contract attaches none.
        let reads_first = ["attest", "submit", "on_signature", "on_derived_key", "on_round_signature", "on_round_key"];
        let refuses = !function.is("payable") && !reads_first.contains(&function.name.as_str());
        assert_eq!(refuses_deposits, refuses, "{}: {refused}", function.name);
    }
}

#[test]
fn the_views_of_the_abi_can_be_viewed() {
    let world = World::with_alpha();
    for function in functions().into_iter().filter(|function| function.is_view) {
        let args = serde_json::to_vec(&function.all_args()).unwrap();
        let viewed = world.chain.view().call(&account(BRIDGE), &function.name, &args);
        assert!(viewed.is_ok(), "{}: {viewed:?}", function.name);
    }
}
