//! The chain-signature signer: honest, late, silent, lying.

use chain::near_primitives::errors::ActionErrorKind;
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::transaction::Action;
use chain::near_primitives::types::Gas;
use chain::near_primitives::views::{ActionView, FinalExecutionStatus, ReceiptEnumView};
use chain::{FAN_OUT_LIMIT, SignerCondition, SignerFault, TIMEOUT_MESSAGE};
use queue::derivation::derive_public_key;
use queue::digest::{Crypto, Hash, Native};
use queue::trust::PublicKey;
use serde_json::{Value, json};

use crate::harness::{SIGNER, SIGNER_DELAY_NS, TestChain, call, failure, id, panic_message, value};

const PATH: &str = "v1/0a/shard/alpha/0";

fn ecdsa(digest: [u8; 32]) -> Vec<u8> {
    let request = json!({"path": PATH, "payload_v2": {"Ecdsa": hex::encode(digest)}, "domain_id": 0});
    serde_json::to_vec(&json!({ "request": request })).unwrap()
}

fn eddsa(message: &[u8]) -> Vec<u8> {
    let request = json!({"path": PATH, "payload_v2": {"Eddsa": hex::encode(message)}, "domain_id": 1});
    serde_json::to_vec(&json!({ "request": request })).unwrap()
}

fn sign_call(args: &[u8], deposit: u128) -> Vec<Action> {
    vec![call("sign", args, deposit)]
}

/// Asks for a signature as `client.near`, directly.
fn sign(test: &mut TestChain, args: &[u8]) -> Value {
    let outcome = test.run("client.near", SIGNER, sign_call(args, 1));
    serde_json::from_slice(&value(&outcome)).unwrap()
}

fn view(test: &TestChain, method: &str, args: Value) -> Value {
    let args = serde_json::to_vec(&args).unwrap();
    let bytes = test.chain.view().call(&id(SIGNER), method, &args).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn root(test: &TestChain, domain_id: u64) -> PublicKey {
    view(test, "public_key", json!({ "domain_id": domain_id })).as_str().unwrap().parse().unwrap()
}

fn verifies_ecdsa(test: &TestChain, response: &Value, digest: [u8; 32]) -> bool {
    assert_eq!(response["scheme"], "Secp256k1");
    let point = hex::decode(response["big_r"]["affine_point"].as_str().unwrap()).unwrap();
    let s = hex::decode(response["s"]["scalar"].as_str().unwrap()).unwrap();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&point[1..]);
    signature[32..].copy_from_slice(&s);
    let recovery_id = u8::try_from(response["recovery_id"].as_u64().unwrap()).unwrap();
    let recovered = Native::secp256k1_recover(&Hash(digest), &signature, recovery_id);
    let expected = derive_public_key(&root(test, 0), "client.near", PATH).unwrap();
    recovered.map(PublicKey::Secp256k1) == Some(expected)
}

#[test]
fn a_secp256k1_signature_verifies_under_the_derived_key() {
    let mut test = TestChain::new();
    let response = sign(&mut test, &ecdsa([5; 32]));
    assert!(verifies_ecdsa(&test, &response, [5; 32]), "{response}");
}

#[test]
fn an_ed25519_signature_verifies_under_the_derived_key() {
    let mut test = TestChain::new();
    let message = [8; 40];
    let response = sign(&mut test, &eddsa(&message));
    assert_eq!(response["scheme"], "Ed25519");
    let signature: Vec<u8> = serde_json::from_value(response["signature"].clone()).unwrap();
    let signature: [u8; 64] = signature.try_into().unwrap();
    let Some(PublicKey::Ed25519(key)) = derive_public_key(&root(&test, 1), "client.near", PATH) else {
        panic!("domain 1 is ed25519");
    };
    assert!(Native::ed25519_verify(&key, &message, &signature));
}

#[test]
fn the_answer_comes_in_the_first_block_after_the_delay() {
    let mut test = TestChain::new();
    let hash = test.submit("client.near", SIGNER, sign_call(&ecdsa([5; 32]), 1));
    test.block();
    test.block();
    let asked_ns = test.now_ns();
    let due = test.chain.next_block_at(asked_ns).unwrap();
    assert!(due <= asked_ns + 1_000_000_000, "height grows while something waits");
    test.settle();
    assert!(test.now_ns() >= asked_ns + SIGNER_DELAY_NS);
    assert!(test.now_ns() < asked_ns + SIGNER_DELAY_NS + 2_000_000_000);
    value(&test.outcome(&hash));
}

#[test]
fn the_views_agree_with_each_other() {
    let test = TestChain::new();
    for domain in [0, 1] {
        let args = json!({"path": PATH, "predecessor": "client.near", "domain_id": domain});
        let derived: PublicKey = view(&test, "derived_public_key", args).as_str().unwrap().parse().unwrap();
        assert_eq!(Some(derived), derive_public_key(&root(&test, domain), "client.near", PATH));
    }
    assert_eq!(view(&test, "config", json!({}))["sign_call_gas_attachment_requirement_tera_gas"], 15);
    assert_eq!(view(&test, "latest_key_version", json!({})), 0);
    let domains = view(&test, "state", json!({}))["Running"]["domains"]["domains"].clone();
    assert_eq!(domains[0]["id"], 0);
    assert_eq!(domains[1]["purpose"], "Sign");
    assert!(test.chain.view().call(&id(SIGNER), "public_key", br#"{"domain_id":2}"#).is_err());
}

#[test]
fn a_contract_gets_its_signature_through_a_callback() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "client.near", "ask", &ecdsa([6; 32]));
    let returned = value(&outcome);
    assert_eq!(returned[0], 1);
    let response: Value = serde_json::from_slice(&returned[1..]).unwrap();
    assert!(verifies_ecdsa(&test, &response, [6; 32]), "{response}");
}

#[test]
fn a_silent_signer_times_out_and_the_callback_learns_only_that_it_failed() {
    let mut test = TestChain::new();
    test.chain.script_signer(SignerFault::NoAnswer);
    let outcome = test.call("alice.near", "client.near", "ask", &ecdsa([6; 32]));
    assert_eq!(value(&outcome), b"\x02");
    let reasons: Vec<String> =
        outcome.receipts_outcome.iter().map(|receipt| format!("{:?}", receipt.outcome.status)).collect();
    assert!(reasons.iter().any(|reason| reason.contains(TIMEOUT_MESSAGE)), "{reasons:?}");
    let again = test.call("alice.near", "client.near", "ask", &ecdsa([6; 32]));
    assert_eq!(value(&again)[0], 1);
}

#[test]
fn a_late_answer_is_published_in_the_arguments_of_a_respond_that_fails() {
    let mut test = TestChain::new();
    test.chain.script_signer(SignerFault::AnswerAfterBlocks(210));
    let outcome = test.run("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    assert!(panic_message(&failure(&outcome)).contains(TIMEOUT_MESSAGE));

    // All transactions are on disk; the nodes' one is found there as a stranger would find it on chain.
    let published = test
        .disk
        .iter()
        .filter(|(key, _)| key[0] == 31)
        .map(|(key, _)| test.outcome(&CryptoHash::try_from(&key[1..]).unwrap()))
        .find(|outcome| outcome.transaction.signer_id.as_str() == "node.v1.signer")
        .expect("the nodes answered");
    assert!(panic_message(&failure(&published)).contains("RequestNotFound"));
    let ActionView::FunctionCall { method_name, args, .. } = &published.transaction.actions[0] else {
        panic!("respond is a call");
    };
    assert_eq!(method_name, "respond");
    let args: Value = serde_json::from_slice(args).unwrap();
    assert!(verifies_ecdsa(&test, &args["response"], [6; 32]));
}

#[test]
fn an_answer_within_the_timeout_is_in_time_however_late() {
    let mut test = TestChain::new();
    test.chain.script_signer(SignerFault::AnswerAfterBlocks(190));
    let response = sign(&mut test, &ecdsa([6; 32]));
    assert!(verifies_ecdsa(&test, &response, [6; 32]));
}

#[test]
fn wrong_signatures_reach_the_caller_and_do_not_verify() {
    for fault in [SignerFault::WrongKey, SignerFault::WrongPayload, SignerFault::HighS] {
        let mut test = TestChain::new();
        test.chain.script_signer(fault);
        let response = sign(&mut test, &ecdsa([6; 32]));
        assert!(!verifies_ecdsa(&test, &response, [6; 32]), "{fault:?}");
    }
}

#[test]
fn an_answer_in_hex_of_mixed_case_or_with_blanks_behind_it_is_still_right() {
    for fault in [SignerFault::MixedCase, SignerFault::TooLong] {
        let mut test = TestChain::new();
        test.chain.script_signer(fault);
        let outcome = test.run("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
        let answer = value(&outcome);
        assert_eq!(answer.len() > 2048, fault == SignerFault::TooLong);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let scalar = answer["s"]["scalar"].as_str().unwrap();
        let has_both_cases = scalar != scalar.to_lowercase() && scalar != scalar.to_uppercase();
        assert_eq!(has_both_cases, fault == SignerFault::MixedCase, "{scalar}");
        assert!(verifies_ecdsa(&test, &answer, [6; 32]), "{answer}");
    }
}

#[test]
fn a_signer_that_makes_its_keys_gives_none_and_signs_nothing() {
    let mut test = TestChain::new();
    test.chain.set_signer_condition(SignerCondition { is_initializing: true, ..SignerCondition::default() });
    let outcome = test.run("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    assert!(panic_message(&failure(&outcome)).contains("ProtocolStateNotRunning"));
    let derived = json!({"path": PATH, "predecessor": "client.near"});
    for (method, args) in [("public_key", json!({})), ("derived_public_key", derived), ("state", json!({}))] {
        let args = serde_json::to_vec(&args).unwrap();
        assert!(test.chain.view().call(&id(SIGNER), method, &args).is_err(), "{method}");
    }
    test.chain.set_signer_condition(SignerCondition::default());
    let response = sign(&mut test, &ecdsa([6; 32]));
    assert!(verifies_ecdsa(&test, &response, [6; 32]), "{response}");
}

#[test]
fn the_gas_that_sign_requires_is_what_the_signer_says() {
    let mut test = TestChain::new();
    test.chain.set_signer_condition(SignerCondition { sign_gas_tgas: 101, ..SignerCondition::default() });
    assert_eq!(view(&test, "config", json!({}))["sign_call_gas_attachment_requirement_tera_gas"], 101);
    let outcome = test.run("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    assert!(panic_message(&failure(&outcome)).contains("InsufficientGas"), "{outcome:?}");
}

#[test]
fn a_halted_signer_refuses_at_once() {
    let mut test = TestChain::new();
    test.chain.script_signer(SignerFault::Halted);
    let outcome = test.run("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    assert!(panic_message(&failure(&outcome)).contains("TeeValidationFailed"));
    assert!(test.chain.view().height() < 10);
}

#[test]
fn identical_requests_share_one_answer_up_to_the_limit() {
    let mut test = TestChain::new();
    let hashes: Vec<_> =
        (0..=FAN_OUT_LIMIT).map(|_| test.submit("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1))).collect();
    test.settle();
    let (full, served) = hashes.split_last().unwrap();
    let answers: std::collections::BTreeSet<_> = served.iter().map(|hash| value(&test.outcome(hash))).collect();
    assert_eq!(answers.len(), 1);
    assert!(panic_message(&failure(&test.outcome(full))).contains("PendingRequestQueueFull"));
}

#[test]
fn bad_requests_are_refused_synchronously() {
    let mut test = TestChain::new();
    let mut refusal = |args: &[u8], deposit| {
        let outcome = test.run("client.near", SIGNER, sign_call(args, deposit));
        panic_message(&failure(&outcome))
    };
    assert!(refusal(&ecdsa([0xff; 32]), 1).contains("MalformedPayload"));
    assert!(refusal(&ecdsa([1; 32]), 0).contains("InsufficientDeposit"));
    assert!(refusal(&eddsa(&[1; 31]), 1).contains("MalformedPayload"));
    assert!(refusal(b"{}", 1).contains("Failed to deserialize"));
    let unknown = json!({"request": {"path": "p", "payload_v2": {"Ecdsa": "01".repeat(32)}, "domain_id": 9}});
    assert!(refusal(&serde_json::to_vec(&unknown).unwrap(), 1).contains("DomainNotFound"));
}

#[test]
fn too_little_gas_is_refused_and_change_comes_back() {
    let mut test = TestChain::new();
    let mut short = call("sign", &ecdsa([1; 32]), 1);
    if let Action::FunctionCall(call) = &mut short {
        call.gas = Gas::from_teragas(14);
    }
    let outcome = test.run("client.near", SIGNER, vec![short]);
    assert!(panic_message(&failure(&outcome)).contains("InsufficientGas"));

    let outcome = test.run("client.near", SIGNER, sign_call(&ecdsa([1; 32]), 1_000));
    value(&outcome);
    let status = test.chain.view().transaction_status(&outcome.transaction_outcome.id).expect("it is known");
    let change = status.receipts.iter().any(|receipt| match &receipt.receipt {
        ReceiptEnumView::Action { actions, .. } => actions
            .iter()
            .any(|action| matches!(action, ActionView::Transfer { deposit } if deposit.as_yoctonear() == 999)),
        _ => false,
    });
    assert!(change, "{:?}", status.receipts);
}

#[test]
fn only_the_nodes_respond_and_only_the_contract_calls_itself() {
    let mut test = TestChain::new();
    let response = json!({"scheme": "Ed25519", "signature": vec![0; 64]});
    let request = json!({"tweak": vec![0; 32], "payload": {"Ecdsa": "01".repeat(32)}, "domain_id": 0});
    let args = serde_json::to_vec(&json!({"request": request, "response": response})).unwrap();
    let outcome = test.call("alice.near", SIGNER, "respond", &args);
    assert!(panic_message(&failure(&outcome)).contains("NotParticipant"));
    let outcome = test.call("alice.near", SIGNER, "return_signature_and_clean_state_on_success", b"[]");
    assert!(matches!(failure(&outcome), ActionErrorKind::FunctionCallError(_)));
}

#[test]
fn a_pending_request_is_shown_until_it_is_answered() {
    let mut test = TestChain::new();
    test.submit("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    test.block();
    test.block();
    let tweak = queue::derivation::tweak("client.near", PATH);
    let request = json!({"tweak": tweak, "payload": {"Ecdsa": "06".repeat(32)}, "domain_id": 0});
    let pending = view(&test, "get_pending_request", json!({"request": request.clone()}));
    assert_eq!(pending["data_id"].as_array().unwrap().len(), 32);
    test.settle();
    assert_eq!(view(&test, "get_pending_request", json!({ "request": request })), Value::Null);
}

#[test]
fn a_retry_is_answered_in_time_although_the_first_answer_is_still_on_its_way() {
    let mut test = TestChain::new();
    test.chain.script_signer(SignerFault::AnswerAfterBlocks(1_000));
    let first = test.submit("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    while !matches!(test.chain.view().outcome(&first).map(|outcome| outcome.status), Some(status) if is_over(&status)) {
        let at = test.chain.next_block_at(test.now_ns()).unwrap();
        let diff = test.chain.make_block(at.max(test.now_ns()));
        test.persist(diff);
    }
    assert!(panic_message(&failure(&test.outcome(&first))).contains(TIMEOUT_MESSAGE));
    let asked_ns = test.now_ns();
    let again = test.submit("client.near", SIGNER, sign_call(&ecdsa([6; 32]), 1));
    while test.now_ns() < asked_ns + SIGNER_DELAY_NS + 2_000_000_000 {
        let at = test.chain.next_block_at(test.now_ns()).unwrap();
        let diff = test.chain.make_block(at.max(test.now_ns()));
        test.persist(diff);
    }
    let response: Value = serde_json::from_slice(&value(&test.outcome(&again))).unwrap();
    assert!(verifies_ecdsa(&test, &response, [6; 32]));
}

fn is_over(status: &FinalExecutionStatus) -> bool {
    matches!(status, FinalExecutionStatus::SuccessValue(_) | FinalExecutionStatus::Failure(_))
}
