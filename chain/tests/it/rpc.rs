//! The JSON-RPC, compared with what a real node answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chain::near_primitives::action::TransferAction;
use chain::near_primitives::transaction::{Action, SignedTransaction};
use chain::near_primitives::types::Balance;
use chain::rpc::{self, Reply, Wait};
use serde_json::{Value, json};

use crate::harness::{TestChain, call, id, key, sign};

fn post(test: &TestChain, method: &str, params: Value) -> (u16, Value) {
    let body = json!({"jsonrpc": "2.0", "id": "x", "method": method, "params": params});
    match rpc::handle(&serde_json::to_vec(&body).unwrap(), &test.chain.view()) {
        Reply::Answer { http_status, body } => (http_status, body),
        other => panic!("{other:?}"),
    }
}

fn result(test: &TestChain, method: &str, params: Value) -> Value {
    let (status, body) = post(test, method, params);
    assert_eq!((status, &body["id"]), (200, &json!("x")), "{body}");
    body["result"].clone()
}

fn error(test: &TestChain, method: &str, params: Value) -> (u16, Value) {
    let (status, body) = post(test, method, params);
    (status, body["error"].clone())
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn encoded(transaction: &SignedTransaction) -> String {
    STANDARD.encode(borsh::to_vec(transaction).unwrap())
}

fn transfer(test: &mut TestChain) -> SignedTransaction {
    let deposit = Balance::from_yoctonear(1);
    test.transaction("alice.near", "near", vec![Action::Transfer(TransferAction { deposit })])
}

/// Sends a transaction as a driver does: submit, make blocks, ask after each.
fn send(test: &mut TestChain, method: &str, params: Value) -> (u16, Value) {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let reply = rpc::handle(&serde_json::to_vec(&body).unwrap(), &test.chain.view());
    let Reply::Submit { transaction, wait } = reply else { panic!("{reply:?}") };
    if let Err(error) = test.chain.submit(*transaction) {
        return wait.refused(error);
    }
    until_answered(test, &wait)
}

fn until_answered(test: &mut TestChain, wait: &Wait) -> (u16, Value) {
    for _ in 0..20 {
        if let Some(answer) = wait.check(&test.chain.view()) {
            return answer;
        }
        test.block();
    }
    wait.timed_out()
}

#[test]
fn an_account_looks_as_on_the_recorded_node() {
    let test = TestChain::new();
    let named = json!({"finality": "optimistic", "request_type": "view_account", "account_id": "near"});
    let account = result(&test, "query", named);
    assert_eq!(
        account,
        json!({
            "amount": "1000000000000000000000000000",
            "block_hash": test.chain.view().block_hash(),
            "block_height": 0,
            "code_hash": "11111111111111111111111111111111",
            "locked": "0",
            "storage_paid_at": 0,
            "storage_usage": 182,
        })
    );
    assert_eq!(result(&test, "query", json!(["account/near", ""])), account);
}

#[test]
fn keys_look_as_on_the_recorded_node() {
    let test = TestChain::new();
    let public_key = key().public_key().to_string();
    let params = json!({"finality": "final", "request_type": "view_access_key",
        "account_id": "near", "public_key": public_key});
    let one = result(&test, "query", params);
    assert_eq!(one["nonce"], 0);
    assert_eq!(one["permission"], "FullAccess");
    assert_eq!(result(&test, "query", json!([format!("access_key/near/{public_key}"), ""])), one);
    let params = json!({"finality": "final", "request_type": "view_access_key_list", "account_id": "near"});
    let list = result(&test, "query", params);
    assert_eq!(
        list["keys"],
        json!([{
        "access_key": {"nonce": 0, "permission": "FullAccess"}, "public_key": public_key}])
    );
}

#[test]
fn a_missing_key_and_a_failed_view_are_results_with_an_error() {
    let test = TestChain::new();
    let public_key = "ed25519:5BGSaf6YjVm7565VzWQHNxoyEjwr3jUpRJSGjREvU9dB";
    let params = json!({"finality": "final", "request_type": "view_access_key",
        "account_id": "near", "public_key": public_key});
    let missing = result(&test, "query", params);
    assert_eq!(missing["error"], format!("access key {public_key} does not exist while viewing"));
    assert_eq!(missing["logs"], json!([]));

    let view = |account: &str, method: &str| {
        let params = json!({"finality": "final", "request_type": "call_function",
            "account_id": account, "method_name": method, "args_base64": ""});
        result(&test, "query", params)
    };
    assert_eq!(
        view("notebook.near", "nope")["error"],
        "wasm execution failed with error: MethodResolveError(MethodNotFound)"
    );
    assert_eq!(
        view("near", "get")["error"],
        "wasm execution failed with error: CompilationError(CodeDoesNotExist { account_id: \"near\" })"
    );
}

#[test]
fn a_view_returns_bytes_and_state_is_listed_in_base64() {
    let mut test = TestChain::new();
    test.call("alice.near", "notebook.near", "put", b"hi");
    let params = json!({"finality": "final", "request_type": "call_function",
        "account_id": "notebook.near", "method_name": "get", "args_base64": ""});
    let called = result(&test, "query", params);
    assert_eq!((&called["result"], &called["logs"]), (&json!([104, 105]), &json!([])));
    let params = json!({"finality": "final", "request_type": "view_state",
        "account_id": "notebook.near", "prefix_base64": ""});
    let state = result(&test, "query", params);
    assert_eq!(state["values"], json!([{"key": "bm90ZQ==", "value": "aGk="}]));
    let params = json!({"finality": "final", "request_type": "view_code", "account_id": "notebook.near"});
    let code = result(&test, "query", params);
    assert_eq!(keys(&code), ["block_hash", "block_height", "code_base64", "hash"]);
}

#[test]
fn unknown_things_have_the_recorded_errors() {
    let test = TestChain::new();
    let params = json!({"finality": "optimistic", "request_type": "view_account", "account_id": "nobody.near"});
    let (status, found) = error(&test, "query", params);
    assert_eq!(status, 200);
    assert_eq!(
        found,
        json!({
            "name": "HANDLER_ERROR",
            "cause": {"name": "UNKNOWN_ACCOUNT", "info": {
                "block_hash": test.chain.view().block_hash(),
                "block_height": 0,
                "requested_account_id": "nobody.near",
            }},
            "code": -32000,
            "message": "Server error",
            "data": "account nobody.near does not exist while viewing",
        })
    );

    let params = json!({"finality": "final", "request_type": "view_code", "account_id": "near"});
    assert_eq!(error(&test, "query", params).1["cause"]["name"], "NO_CONTRACT_CODE");

    let params = json!({"request_type": "view_account", "account_id": "near", "block_id": 99_999_999});
    let (_, found) = error(&test, "query", params);
    assert_eq!(
        found["cause"],
        json!({
        "info": {"block_reference": {"block_id": 99_999_999}}, "name": "UNKNOWN_BLOCK"})
    );
    assert_eq!(found["data"], "DB Not Found Error: BLOCK HEIGHT: 99999999 \n Cause: Unknown");

    let (_, found) = error(&test, "block", json!({"block_id": 99_999_999}));
    assert_eq!(found["cause"], json!({"info": {}, "name": "UNKNOWN_BLOCK"}));
    assert_eq!(found["data"], "DB Not Found Error: BLOCK HEIGHT: 99999999 \n Cause: Unknown");

    let hash = "11111111111111111111111111111113";
    let params = json!({"tx_hash": hash, "sender_account_id": "near", "wait_until": "NONE"});
    let (_, found) = error(&test, "tx", params);
    assert_eq!(
        found["cause"],
        json!({
        "info": {"requested_transaction_hash": hash}, "name": "UNKNOWN_TRANSACTION"})
    );
    assert_eq!(found["data"], format!("Transaction {hash} doesn't exist"));
}

#[test]
fn an_old_block_is_there_but_its_state_is_not() {
    let mut test = TestChain::new();
    let genesis = test.chain.view().block_hash();
    test.block();
    let params = json!({"request_type": "view_account", "account_id": "near", "block_id": 0});
    let (status, found) = error(&test, "query", params);
    assert_eq!(status, 200);
    assert_eq!(found["cause"]["name"], "GARBAGE_COLLECTED_BLOCK");
    assert_eq!(result(&test, "block", json!([genesis]))["header"]["height"], 0);
}

#[test]
fn senseless_requests_are_refused_as_recorded() {
    let test = TestChain::new();
    let (status, found) = error(&test, "nope", json!([]));
    assert_eq!(status, 400);
    assert_eq!(
        found,
        json!({
        "name": "REQUEST_VALIDATION_ERROR",
        "cause": {"name": "METHOD_NOT_FOUND", "info": {"method_name": "nope"}},
        "code": -32601, "message": "Method not found", "data": "nope"})
    );

    let view = test.chain.view();
    let Reply::Text { http_status: 400, body } = rpc::handle(b"{bad", &view) else { panic!("not text") };
    assert!(body.starts_with("Failed to parse the request body as JSON: key must be a string"));
    for body in [
        json!({"jsonrpc": "2.0", "id": 1}),
        json!({"id": 1, "method": "status", "params": []}),
        json!({"jsonrpc": "2.0", "method": "status", "params": []}),
        json!([{"jsonrpc": "2.0", "id": "x", "method": "gas_price", "params": [null]}]),
    ] {
        let reply = rpc::handle(&serde_json::to_vec(&body).unwrap(), &view);
        let Reply::Answer { http_status: 400, body } = reply else { panic!("{reply:?}") };
        assert_eq!(body["id"], Value::Null);
        assert_eq!(body["error"]["cause"]["info"]["error_message"], "JSON RPC Request format was expected");
    }

    let message = |params| {
        let (status, found) = error(&test, "query", params);
        assert_eq!((status, &found["cause"]["name"]), (400, &json!("PARSE_ERROR")));
        found["data"].as_str().unwrap().to_owned()
    };
    let text = message(json!({"request_type": "zzz", "finality": "final"}));
    assert!(text.starts_with("Failed parsing args: unknown variant `zzz`"), "{text}");
    let text = message(json!({"request_type": "view_account", "account_id": "near"}));
    assert_eq!(text, "Failed parsing args: no variant of enum BlockReference found in flattened data");
    let text = message(json!({"request_type": "view_account", "account_id": "BAD!", "finality": "final"}));
    assert!(text.contains("BAD!"), "{text}");

    let (status, found) = error(&test, "send_tx", json!({"signed_tx_base64": "AAAA", "wait_until": "NONE"}));
    assert_eq!(status, 400);
    assert_eq!(
        found["data"],
        "Failed parsing args: the value could not decoded from borsh due to: Unexpected length of input"
    );
}

#[test]
fn a_transfer_that_is_sent_comes_back_as_recorded() {
    let mut test = TestChain::new();
    let transaction = transfer(&mut test);
    let params = json!({"signed_tx_base64": encoded(&transaction), "wait_until": "EXECUTED_OPTIMISTIC"});
    let (status, body) = send(&mut test, "send_tx", params);
    assert_eq!((status, &body["id"]), (200, &json!(7)));
    let found = &body["result"];
    assert_eq!(
        keys(found),
        ["final_execution_status", "receipts_outcome", "status", "transaction", "transaction_outcome",]
    );
    assert_eq!(found["status"], json!({"SuccessValue": ""}));
    assert_eq!(found["transaction"]["actions"], json!([{"Transfer": {"deposit": "1"}}]));
    assert_eq!(found["transaction"]["priority_fee"], 0);
    let receipt = &found["receipts_outcome"][0];
    assert_eq!(receipt["proof"], json!([]));
    assert_eq!(receipt["outcome"]["gas_burnt"], 223_182_562_500u64);
    assert_eq!(receipt["outcome"]["tokens_burnt"], "22318256250000000000");
    assert_eq!(receipt["outcome"]["metadata"], json!({"gas_profile": [], "version": 3}));
    assert_eq!(found["transaction_outcome"]["outcome"]["metadata"], json!({"gas_profile": null, "version": 1}));

    let again = send(&mut test, "send_tx", json!([encoded(&transaction)]));
    assert_eq!(again.1["result"], *found);
    let asked = result(&test, "tx", json!([transaction.get_hash(), "alice.near"]));
    assert_eq!(asked["final_execution_status"], "FINAL");
    let detailed = json!({"tx_hash": transaction.get_hash(), "sender_account_id": "alice.near"});
    let detailed = result(&test, "EXPERIMENTAL_tx_status", detailed);
    assert_eq!(detailed["receipts"][0]["predecessor_id"], "alice.near");
    let receipt_id = &detailed["receipts"][0]["receipt_id"];
    let receipt = result(&test, "EXPERIMENTAL_receipt", json!({"receipt_id": receipt_id}));
    assert_eq!(receipt, detailed["receipts"][0]);
}

#[test]
fn a_call_shows_its_gas_profile_and_its_refund() {
    let mut test = TestChain::new();
    let transaction = test.transaction("alice.near", "notebook.near", vec![call("say", b"hello", 0)]);
    let params = json!({"signed_tx_base64": encoded(&transaction), "wait_until": "FINAL"});
    let (_, body) = send(&mut test, "send_tx", params);
    let outcomes = body["result"]["receipts_outcome"].as_array().unwrap().clone();
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0]["outcome"]["logs"], json!(["hello"]));
    let profile = outcomes[0]["outcome"]["metadata"]["gas_profile"].as_array().unwrap();
    assert!(profile.iter().any(|cost| cost["cost"] == "CONTRACT_LOADING_BASE"
        && cost["cost_category"] == "WASM_HOST_COST"
        && cost["gas_used"] == "35445963"));
    assert_eq!(outcomes[1]["outcome"]["tokens_burnt"], "0");
}

#[test]
fn none_and_included_answer_the_state_alone() {
    let mut test = TestChain::new();
    for until in ["NONE", "INCLUDED"] {
        let transaction = transfer(&mut test);
        let params = json!({"signed_tx_base64": encoded(&transaction), "wait_until": until});
        let (status, body) = send(&mut test, "send_tx", params);
        assert_eq!((status, &body["result"]), (200, &json!({"final_execution_status": until})));
    }
    let transaction = transfer(&mut test);
    let (_, body) = send(&mut test, "broadcast_tx_async", json!([encoded(&transaction)]));
    assert_eq!(body["result"], json!(transaction.get_hash()));
    let transaction = transfer(&mut test);
    let (_, body) = send(&mut test, "broadcast_tx_commit", json!([encoded(&transaction)]));
    assert_eq!(body["result"]["status"], json!({"SuccessValue": ""}));
}

#[test]
fn an_invalid_transaction_is_refused_as_recorded() {
    let mut test = TestChain::new();
    test.call("alice.near", "notebook.near", "put", b"");
    let stale = sign("alice.near", &key(), 1, "near", test.chain.view().block_hash(), vec![]);
    let (status, body) = send(&mut test, "send_tx", json!({"signed_tx_base64": encoded(&stale)}));
    assert_eq!(status, 200);
    assert_eq!(
        body["error"],
        json!({
            "name": "HANDLER_ERROR",
            "cause": {"info": {}, "name": "INVALID_TRANSACTION"},
            "code": -32000,
            "message": "Server error",
            "data": {"TxExecutionError": {"InvalidTxError": {"InvalidNonce": {"ak_nonce": 1, "tx_nonce": 1}}}},
        })
    );
}

#[test]
fn a_wait_for_nothing_times_out_as_recorded() {
    let mut test = TestChain::new();
    let hash = "11111111111111111111111111111112";
    let params = json!({"tx_hash": hash, "sender_account_id": "near", "wait_until": "EXECUTED"});
    let body = json!({"jsonrpc": "2.0", "id": "x", "method": "tx", "params": params});
    let reply = rpc::handle(&serde_json::to_vec(&body).unwrap(), &test.chain.view());
    let Reply::Wait(wait) = reply else { panic!("{reply:?}") };
    let (status, body) = until_answered(&mut test, &wait);
    assert_eq!(status, 408);
    assert_eq!(
        body["error"],
        json!({"name": "HANDLER_ERROR", "cause": {"name": "TIMEOUT_ERROR"},
        "code": -32000, "message": "Server error", "data": "Timeout"})
    );
}

#[test]
fn a_block_has_every_field_of_the_recorded_one() {
    let mut test = TestChain::new();
    test.block();
    let block = result(&test, "block", json!({"finality": "final"}));
    assert_eq!(keys(&block), ["author", "chunks", "header"]);
    assert_eq!(
        keys(&block["header"]),
        [
            "approvals",
            "block_body_hash",
            "block_merkle_root",
            "block_ordinal",
            "challenges_result",
            "challenges_root",
            "chunk_endorsements",
            "chunk_headers_root",
            "chunk_mask",
            "chunk_receipts_root",
            "chunk_tx_root",
            "chunks_included",
            "epoch_id",
            "epoch_sync_data_hash",
            "gas_price",
            "hash",
            "height",
            "last_ds_final_block",
            "last_final_block",
            "latest_protocol_version",
            "next_bp_hash",
            "next_epoch_id",
            "outcome_root",
            "prev_hash",
            "prev_height",
            "prev_state_root",
            "random_value",
            "rent_paid",
            "shard_split",
            "signature",
            "timestamp",
            "timestamp_nanosec",
            "total_supply",
            "validator_proposals",
            "validator_reward",
        ]
    );
    assert_eq!(
        keys(&block["chunks"][0]),
        [
            "balance_burnt",
            "bandwidth_requests",
            "chunk_hash",
            "congestion_info",
            "encoded_length",
            "encoded_merkle_root",
            "gas_limit",
            "gas_used",
            "height_created",
            "height_included",
            "outcome_root",
            "outgoing_receipts_root",
            "prev_block_hash",
            "prev_state_root",
            "rent_paid",
            "shard_id",
            "signature",
            "tx_root",
            "validator_proposals",
            "validator_reward",
        ]
    );
    assert_eq!(block["header"]["hash"], json!(test.chain.view().block_hash()));
}

#[test]
fn a_node_tells_about_itself() {
    let test = TestChain::new();
    let status = result(&test, "status", Value::Null);
    assert_eq!(
        keys(&status),
        [
            "chain_id",
            "genesis_hash",
            "latest_protocol_version",
            "node_key",
            "node_public_key",
            "protocol_version",
            "sync_info",
            "uptime_sec",
            "validator_account_id",
            "validator_public_key",
            "validators",
            "version",
        ]
    );
    assert_eq!(status["chain_id"], "localnet");
    assert_eq!(status["sync_info"]["latest_block_time"], "2023-11-14T22:13:20Z");
    assert_eq!(rpc::status_page(&test.chain.view()), status);
    assert_eq!(result(&test, "health", json!([])), Value::Null);
    assert_eq!(result(&test, "gas_price", json!([null])), json!({"gas_price": "100000000"}));
    assert_eq!(error(&test, "gas_price", json!(["5"])).0, 400);
    assert_eq!(result(&test, "validators", json!([null]))["epoch_height"], 0);
    let config = result(&test, "EXPERIMENTAL_protocol_config", json!({"finality": "optimistic"}));
    let runtime = &config["runtime_config"];
    assert_eq!(runtime["storage_amount_per_byte"], "10000000000000000000");
    assert_eq!(
        runtime["transaction_costs"]["action_creation_config"]["transfer_cost"]["execution"],
        115_123_062_500u64
    );
    assert_eq!(runtime["wasm_config"]["limit_config"]["yield_timeout_length_in_blocks"], 200);
}

#[test]
fn blocks_are_skipped_on_request() {
    let mut test = TestChain::new();
    let body = json!({"jsonrpc": "2.0", "id": "x", "method": "sandbox_fast_forward",
        "params": {"delta_height": 20}});
    let reply = rpc::handle(&serde_json::to_vec(&body).unwrap(), &test.chain.view());
    let Reply::FastForward { blocks, body } = reply else { panic!("{reply:?}") };
    let now_ns = test.now_ns();
    test.chain.fast_forward(now_ns, blocks);
    assert_eq!(test.chain.view().height(), 20);
    assert_eq!(body["result"], json!({}));
    assert!(test.chain.view().account(&id("near")).is_some());
}

#[test]
fn answers_parse_as_the_types_that_clients_use() {
    use near_jsonrpc_primitives::types;
    fn parses<T: serde::de::DeserializeOwned>(value: Value) {
        if let Err(error) = serde_json::from_value::<T>(value.clone()) {
            panic!("{error}: {value}");
        }
    }
    let mut test = TestChain::new();
    let transaction = transfer(&mut test);
    let params = json!({"signed_tx_base64": encoded(&transaction), "wait_until": "FINAL"});
    let (_, sent) = send(&mut test, "send_tx", params);
    parses::<types::transactions::RpcTransactionResponse>(sent["result"].clone());
    let params = json!({"finality": "final", "request_type": "view_account", "account_id": "near"});
    parses::<types::query::RpcQueryResponse>(result(&test, "query", params));
    parses::<types::blocks::RpcBlockResponse>(result(&test, "block", json!({"finality": "final"})));
    parses::<types::status::RpcStatusResponse>(result(&test, "status", json!([])));
    parses::<types::gas_price::RpcGasPriceResponse>(result(&test, "gas_price", json!([null])));
    parses::<types::validator::RpcValidatorResponse>(result(&test, "validators", json!([null])));
    parses::<types::network_info::RpcNetworkInfoResponse>(result(&test, "network_info", json!([])));
    let (_, failed) = error(&test, "block", json!({"block_id": 5_000}));
    parses::<near_jsonrpc_primitives::errors::RpcError>(failed);
}
