//! What the Wasm asks of its host, and where it comes from.

use crate::world::wasm;
use queue::digest::{Crypto, Native};
use serde_json::Value;

/// The host functions of protocol 84 (near-vm-runner 0.38, `imports.rs`, those behind no feature).
const PROTOCOL_84: [&str; 73] = [
    "read_register",
    "register_len",
    "write_register",
    "current_account_id",
    "signer_account_id",
    "signer_account_pk",
    "predecessor_account_id",
    "input",
    "block_index",
    "block_timestamp",
    "epoch_height",
    "storage_usage",
    "account_balance",
    "account_locked_balance",
    "attached_deposit",
    "prepaid_gas",
    "used_gas",
    "random_seed",
    "sha256",
    "keccak256",
    "keccak512",
    "ed25519_verify",
    "ripemd160",
    "ecrecover",
    "value_return",
    "panic",
    "panic_utf8",
    "log_utf8",
    "log_utf16",
    "abort",
    "promise_create",
    "promise_then",
    "promise_and",
    "promise_batch_create",
    "promise_batch_then",
    "promise_set_refund_to",
    "promise_batch_action_state_init",
    "promise_batch_action_state_init_by_account_id",
    "set_state_init_data_entry",
    "current_contract_code",
    "refund_to_account_id",
    "promise_batch_action_create_account",
    "promise_batch_action_deploy_contract",
    "promise_batch_action_deploy_global_contract",
    "promise_batch_action_deploy_global_contract_by_account_id",
    "promise_batch_action_use_global_contract",
    "promise_batch_action_use_global_contract_by_account_id",
    "promise_batch_action_function_call",
    "promise_batch_action_function_call_weight",
    "promise_batch_action_transfer",
    "promise_batch_action_stake",
    "promise_batch_action_add_key_with_full_access",
    "promise_batch_action_add_key_with_function_call",
    "promise_batch_action_delete_key",
    "promise_batch_action_delete_account",
    "promise_yield_create",
    "promise_yield_resume",
    "promise_results_count",
    "promise_result",
    "promise_return",
    "storage_write",
    "storage_read",
    "storage_remove",
    "storage_has_key",
    "storage_iter_prefix",
    "storage_iter_range",
    "storage_iter_next",
    "validator_stake",
    "validator_total_stake",
    "alt_bn128_g1_multiexp",
    "alt_bn128_g1_sum",
    "alt_bn128_pairing_check",
    "gas",
];

#[test]
fn the_wasm_imports_nothing_that_protocol_84_lacks() {
    let imports = imports(&wasm());
    assert!(imports.contains(&"env.ecrecover".to_owned()), "{imports:?}");
    for import in imports {
        let function = import.strip_prefix("env.").unwrap_or_else(|| panic!("import from outside env: {import}"));
        assert!(PROTOCOL_84.contains(&function), "{function} is no host function of protocol 84");
    }
}

/// Most bytes of the Wasm. Every call pays for loading them, the bridge account for keeping them, once
/// more while they are staged, and an auditor for what is in them.
const WASM_BYTES_MAX: usize = 350 * 1024;

#[test]
fn the_wasm_is_not_larger_than_its_callers_and_readers_shall_bear() {
    let found = wasm().len();
    assert!(found <= WASM_BYTES_MAX, "the Wasm has {found} bytes, expected at most {WASM_BYTES_MAX}");
}

#[test]
fn the_kept_wasm_is_the_one_that_its_description_names() {
    let res = concat!(env!("CARGO_MANIFEST_DIR"), "/res/bridge_contract");
    let wasm = std::fs::read(format!("{res}.wasm")).unwrap();
    let description: Value = serde_json::from_slice(&std::fs::read(format!("{res}.json")).unwrap()).unwrap();
    assert_eq!(description["wasm_sha256"], Native::sha256(&[&wasm]).to_string());
    assert_eq!(description["wasm_bytes"], wasm.len());
}

/// `module.name` of each import (WebAssembly core specification, §5.5.5).
pub fn imports(wasm: &[u8]) -> Vec<String> {
    const IMPORT_SECTION: u8 = 2;
    entries(wasm, IMPORT_SECTION, |section| {
        let (module, after) = text(section);
        let (name, after) = text(after);
        let (kind, after) = after.split_first().unwrap();
        assert_eq!(*kind, FUNCTION, "{module}.{name} is no function");
        (Some(format!("{module}.{name}")), leb128(after).1)
    })
}

/// The name of each exported function (§5.5.10).
pub fn exported_functions(wasm: &[u8]) -> Vec<String> {
    const EXPORT_SECTION: u8 = 7;
    entries(wasm, EXPORT_SECTION, |section| {
        let (name, after) = text(section);
        let (kind, after) = after.split_first().unwrap();
        ((*kind == FUNCTION).then(|| name.to_owned()), leb128(after).1)
    })
}

/// The kind of imports and exports that are functions.
const FUNCTION: u8 = 0;

/// What `read` makes of each entry of the section with this id.
fn entries(wasm: &[u8], id: u8, read: impl Fn(&[u8]) -> (Option<String>, &[u8])) -> Vec<String> {
    let mut rest = wasm.strip_prefix(b"\0asm\x01\0\0\0").unwrap();
    while let Some((&found, after)) = rest.split_first() {
        let (size, after) = leb128(after);
        let (section, next) = after.split_at(size);
        rest = next;
        if found == id {
            let (count, mut section) = leb128(section);
            let entry = |_| {
                let (entry, after) = read(section);
                section = after;
                entry
            };
            return (0..count).filter_map(entry).collect();
        }
    }
    panic!("the Wasm has no section {id}")
}

fn text(bytes: &[u8]) -> (&str, &[u8]) {
    let (length, bytes) = leb128(bytes);
    let (text, rest) = bytes.split_at(length);
    (std::str::from_utf8(text).unwrap(), rest)
}

fn leb128(bytes: &[u8]) -> (usize, &[u8]) {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (digits, rest) = bytes.split_at(length);
    (digits.iter().rev().fold(0, |value, digit| value << 7 | usize::from(digit & 0x7f)), rest)
}
