//! The local API over real HTTP, in front of a real driver and engine with a store in memory.

use crate::fleet::until_there_is;
use queue::attestation::AttestationKind;
use queue::contract::{ShardStatus, ShardView};
use queue::digest::Hash;
use queue::ids::{BridgeDomain, ShardId};
use queue::salt::SaltSecret;
use queue::store::{CrashPlan, MemoryStore};
use queue::trust::{Curve, PublicKey, TrustRoot};
use reqwest::StatusCode;
use serde_json::{Value, json};
use shard_node::api::types::{InboxQuery, NewMessage, SendResult, WaitQuery};
use shard_node::api::{Api, BODY_BYTES_MAX, NodeFacts};
use shard_node::client::{Client, ClientError};
use shard_node::config::Config;
use shard_node::driver::{AttestOutcome, Channels, Driver, Milestone, NodeStop, Request};
use shard_node::home::{HOME_FORMAT, Home};
use shard_node::near::NearEvent;
use shard_node::transport::PeerEvent;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};

const SECOND_NS: u64 = 1_000_000_000;

/// A node without network: the test plays NEAR.
pub struct Node {
    pub client: Client,
    pub home: Home,
    pub address: SocketAddr,
    pub near: mpsc::Sender<NearEvent>,
    requests: mpsc::UnboundedReceiver<Request>,
    pub closing: watch::Sender<bool>,
    stopped: oneshot::Receiver<Result<(), NodeStop>>,
    _peers: mpsc::Sender<PeerEvent>,
    _attested: mpsc::Sender<AttestOutcome>,
    _folder: tempfile::TempDir,
}

pub fn shard(name: &str) -> ShardId {
    name.parse().unwrap()
}

fn trust() -> TrustRoot {
    let domain = BridgeDomain {
        network: "localnet".parse().unwrap(),
        bridge: "bridge.test.near".parse().unwrap(),
        instance: Hash([9; 32]),
    };
    TrustRoot { domain, secp256k1: None, ed25519: Some(PublicKey::Ed25519([7; 32])) }
}

pub fn registered(name: &str) -> ShardView {
    ShardView {
        shard: shard(name),
        owner: format!("{name}.test.near").parse().unwrap(),
        status: ShardStatus::Active,
        members: vec![],
        threshold: 1,
        members_version: 0,
        transport_keys: vec![],
        addresses: vec![],
        curve: Curve::Secp256k1,
        key_epoch: 0,
        epoch_first_height: 0,
        incarnation: 0,
        public_key: None,
        rotation: None,
        frozen_height: None,
        balance_yocto: 0,
    }
}

pub fn message(to: &str, payload: &[u8]) -> NewMessage {
    NewMessage::new(to.parse().unwrap(), payload.to_vec())
}

impl Node {
    /// A node of `alpha` that knows `beta`, with nothing connected.
    pub async fn alpha() -> Node {
        Node::with_backlog(64 * 1024 * 1024).await
    }

    pub async fn with_backlog(backlog_bytes_max: u64) -> Node {
        let mut node = Node::start(backlog_bytes_max).await;
        node.expect_request(|request| matches!(request, Request::FetchTip)).await;
        node.near.send(NearEvent::BlockTime(1_000 * SECOND_NS)).await.unwrap();
        node.near.send(NearEvent::Lanes(vec![])).await.unwrap();
        node.near.send(NearEvent::Tip(None)).await.unwrap();
        node.near.send(NearEvent::Registry(vec![registered("alpha"), registered("beta")])).await.unwrap();
        node.expect_request(|request| matches!(request, Request::SetPeers(_))).await;
        node
    }

    pub async fn start(backlog_bytes_max: u64) -> Node {
        let (peers, peer_events) = mpsc::channel(1);
        let (near, near_events) = mpsc::channel(8);
        let (attested, attest_outcomes) = mpsc::channel(1);
        let (request_sender, requests) = mpsc::unbounded_channel();
        let channels = Channels {
            peers: peer_events,
            near: near_events,
            attested: attest_outcomes,
            durable: Arc::new(Notify::new()),
            requests: request_sender,
        };
        let engine = queue::engine::Config {
            shard: shard("alpha"),
            trust: trust(),
            salt_secret: SaltSecret::new([5; 32]),
            backlog_bytes_max,
            staged_bytes_max: 64 * 1024 * 1024,
            closed_lanes: Default::default(),
            settling: Default::default(),
            budget: None,
        };
        let (driver, handle) = Driver::open(engine, MemoryStore::new(CrashPlan::Prompt), channels).unwrap();
        let (ended, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || ended.send(driver.run(&runtime)));

        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        home.write_token().unwrap();
        let api = Api::bind("127.0.0.1:0".parse().unwrap(), home.read_token().unwrap()).await.unwrap();
        let address = api.local_addr().unwrap();
        home.write_config(&config(address)).unwrap();
        let facts = NodeFacts {
            shard: shard("alpha"),
            near_rpc: "http://near".to_owned(),
            bridge: "bridge.test.near".to_owned(),
        };
        let (closing, closed) = watch::channel(false);
        tokio::spawn(api.serve(handle, facts, closed));
        let client = Client::of_home(&home).unwrap();
        Node {
            client,
            home,
            address,
            near,
            requests,
            closing,
            stopped,
            _peers: peers,
            _attested: attested,
            _folder: folder,
        }
    }

    pub async fn expect_request(&mut self, wanted: impl Fn(&Request) -> bool) {
        loop {
            let request = self.requests.recv().await.expect("the driver runs");
            if wanted(&request) {
                return;
            }
        }
    }

    async fn raw(&self, method: reqwest::Method, path: &str, token: Option<&str>, body: String) -> (StatusCode, Value) {
        let request = reqwest::Client::new().request(method, format!("http://{}{path}", self.address));
        let request = request.header("content-type", "application/json").body(body);
        let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn post(&self, body: Value) -> (StatusCode, Value) {
        let token = self.home.read_token().unwrap();
        self.raw(reqwest::Method::POST, "/v1/messages", Some(&token), body.to_string()).await
    }
}

fn config(api_addr: SocketAddr) -> Config {
    Config {
        format: HOME_FORMAT,
        shard: shard("alpha"),
        owner: "alpha.test.near".parse().unwrap(),
        near_rpc: "http://127.0.0.1:1".to_owned(),
        near_poll_ms: 1_000,
        trust: trust(),
        p2p_addr: "127.0.0.1:0".parse().unwrap(),
        api_addr,
        addresses: vec![],
        peers: Default::default(),
        lanes: Default::default(),
        backlog_bytes_max: Some(1),
        staged_bytes_max: None,
        deadline_default_ms: None,
        retention_bytes_max: None,
        inbound_retention_bytes_max: None,
        attestation: AttestationKind::Shard,
        round_wait_ms: None,
        budget: None,
    }
}

pub fn refusal(error: ClientError) -> (String, String, Option<u64>) {
    match error {
        ClientError::Refused(body) => (body.code, body.message, body.retry_ms),
        other => panic!("expected a refusal, found {other}"),
    }
}

#[tokio::test]
async fn messages_are_numbered_in_the_order_in_which_they_were_sent() {
    let node = Node::alpha().await;
    let first = node.client.send(message("bob.beta", b"one")).await.unwrap();
    assert_eq!((first.peer, first.nonce), (shard("beta"), 0));
    let batch = (0..100u8).map(|n| message("bob.beta", &[n])).collect();
    let results = node.client.send_many(batch).await.unwrap().results;
    let nonce = |result: &SendResult| match result {
        SendResult::Sent(sent) => sent.nonce,
        SendResult::Refused { error } => panic!("{}", error.message),
    };
    let nonces: Vec<u64> = results.iter().map(nonce).collect();
    assert_eq!(nonces, (1..=100).collect::<Vec<u64>>());
    let status = node.client.status().await.unwrap();
    assert_eq!(status.engine.outbound[0].accepted, 101);
    assert!(status.near.state.reachable);
    assert!(status.engine.outbound[0].waiting_for.is_some());
}

#[tokio::test]
async fn mallory_without_the_token_reaches_nothing_but_health() {
    let node = Node::alpha().await;
    let token = node.home.read_token().unwrap();
    for wrong in [None, Some(""), Some("0"), Some(&token[1..])] {
        for path in [
            "/v1/messages",
            "/v1/messages/stream?to=bob.beta",
            "/v1/feeds/orders",
            "/v1/inbox",
            "/v1/status",
            "/v1/lanes/beta/wait?nonce=0&state=delivered",
            "/v1/lanes/beta/messages/0",
            "/v1/proofs/beta/0",
        ] {
            let method = if path.starts_with("/v1/messages") { reqwest::Method::POST } else { reqwest::Method::GET };
            let (status, body) = node.raw(method, path, wrong, "{}".to_owned()).await;
            assert_eq!(
                (status, body["error"]["code"].as_str()),
                (StatusCode::UNAUTHORIZED, Some("unauthorized")),
                "{path}"
            );
        }
    }
    let health = reqwest::get(format!("http://{}/health", node.address)).await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_shard_registered_a_moment_ago_is_found_by_asking_near_once() {
    let mut node = Node::alpha().await;
    let client = node.client.clone();
    let sending = tokio::spawn(async move { client.send(message("carol.gamma", b"hello")).await });
    node.expect_request(|request| matches!(request, Request::RefreshRegistry)).await;
    let shards = ["alpha", "beta", "gamma"].map(registered).to_vec();
    node.near.send(NearEvent::Registry(shards)).await.unwrap();
    assert_eq!(sending.await.unwrap().unwrap().peer, shard("gamma"));
}

#[tokio::test]
async fn a_shard_that_near_does_not_know_either_is_refused_by_name() {
    let mut node = Node::alpha().await;
    let client = node.client.clone();
    let sending = tokio::spawn(async move { client.send(message("carol.gamma", b"hello")).await });
    node.expect_request(|request| matches!(request, Request::RefreshRegistry)).await;
    node.near.send(NearEvent::Unreachable("connection refused".to_owned())).await.unwrap();
    let (code, text, _) = refusal(sending.await.unwrap().unwrap_err());
    assert_eq!(code, "unknown_shard");
    assert!(text.contains("gamma"), "{text}");
    let status = node.client.status().await.unwrap();
    assert!(!status.near.state.reachable);
    assert_eq!(status.near.state.last_error.as_deref(), Some("connection refused"));
}

#[tokio::test]
async fn each_refusal_has_its_own_status_and_code() {
    let node = Node::alpha().await;
    let payload_base64 = "aGVsbG8=";
    let cases = [
        (json!({ "to": "bob.alpha", "payload_base64": payload_base64 }), 400, "receiver_is_local"),
        (json!({ "to": "bob.near", "payload_base64": payload_base64 }), 404, "near_has_no_lane"),
        (json!({ "to": "bob.beta", "from": "bob.beta", "payload_base64": payload_base64 }), 403, "sender_not_yours"),
        (json!({ "to": "Bob!", "payload_base64": payload_base64 }), 400, "bad_request"),
        (json!({ "to": "bob.beta", "payload_base64": "?" }), 400, "bad_request"),
        (json!({ "to": "bob.beta" }), 400, "bad_request"),
        (json!({ "to": "bob.beta", "payload_base64": payload_base64, "deadline": 5 }), 400, "bad_request"),
        (json!({ "to": "bob.beta", "payload_base64": payload_base64, "expires_in_ms": 0 }), 400, "deadline_passed"),
        (json!({ "to": "bob.beta", "payload_base64": payload_base64, "expires_in_ms": -1 }), 400, "bad_request"),
        (json!({ "to": "bob.beta", "payload_base64": payload_base64, "key": "a key" }), 400, "bad_request"),
        (json!({ "to": "bob.beta", "payload_base64": payload_base64, "key": "" }), 400, "bad_request"),
        (json!({ "to": "bob.beta", "payload_base64": "A".repeat(BODY_BYTES_MAX) }), 413, "too_large"),
        (json!({ "to": "bob.beta", "payload_base64": "A".repeat(5_600_000) }), 413, "too_large"),
    ];
    for (body, status, code) in cases {
        let (found, answer) = node.post(body.clone()).await;
        let shown: String = body.to_string().chars().take(80).collect();
        assert_eq!((found.as_u16(), answer["error"]["code"].as_str()), (status, Some(code)), "{shown}: {answer}");
    }
    assert_eq!(node.client.status().await.unwrap().engine.outbound[0].accepted, 0);
}

#[tokio::test]
async fn the_same_key_is_the_same_message_and_another_content_is_refused() {
    let node = Node::alpha().await;
    let keyed = |payload: &[u8]| NewMessage { key: Some("invoice-7".parse().unwrap()), ..message("bob.beta", payload) };
    assert_eq!(node.client.send(keyed(b"pay")).await.unwrap().nonce, 0);
    // A deadline that counts from each try doesn't make it another message.
    let again = NewMessage { expires_in_ms: Some(60_000), ..keyed(b"pay") };
    assert_eq!(node.client.send(again).await.unwrap().nonce, 0);
    let batch = vec![message("bob.beta", b"pay"), keyed(b"pay twice"), keyed(b"pay")];
    let results = node.client.send_many(batch).await.unwrap().results;
    assert!(matches!(&results[0], SendResult::Sent(sent) if sent.nonce == 1));
    let SendResult::Refused { error } = &results[1] else { panic!("another content was taken: {results:?}") };
    assert_eq!((error.code.as_str(), error.retry_ms), ("key_reused", None));
    assert!(error.message.contains("invoice-7") && error.message.contains("nonce 0"), "{}", error.message);
    assert!(matches!(&results[2], SendResult::Sent(sent) if sent.nonce == 0));
    let reused = json!({ "to": "bob.beta", "payload_base64": "", "key": "invoice-7" });
    assert_eq!(node.post(reused).await.0, StatusCode::CONFLICT);
    assert_eq!(node.client.status().await.unwrap().engine.outbound[0].accepted, 2);
}

#[tokio::test]
async fn a_node_that_knows_no_time_takes_no_deadline_to_count_from_it() {
    let mut node = Node::start(1_000).await;
    node.expect_request(|request| matches!(request, Request::FetchTip)).await;
    node.near.send(NearEvent::Lanes(vec![])).await.unwrap();
    node.near.send(NearEvent::Tip(None)).await.unwrap();
    node.near.send(NearEvent::Registry(vec![registered("alpha"), registered("beta")])).await.unwrap();
    node.expect_request(|request| matches!(request, Request::SetPeers(_))).await;
    let dated = NewMessage { expires_in_ms: Some(60_000), ..message("bob.beta", b"dated") };
    let (code, text, retry_ms) = refusal(node.client.send(dated.clone()).await.unwrap_err());
    assert_eq!((code.as_str(), retry_ms.is_some()), ("starting", true));
    assert!(text.contains("knows no time"), "{text}");
    node.near.send(NearEvent::BlockTime(1_000 * SECOND_NS)).await.unwrap();
    let reachable = async || node.client.status().await.unwrap().near.state.reachable.then_some(());
    until_there_is("NEAR is reachable", reachable).await;
    assert_eq!(node.client.send(dated).await.unwrap().nonce, 0);
}

#[tokio::test]
async fn a_message_tells_how_far_it_has_come() {
    let node = Node::alpha().await;
    let sent = node.client.send(message("bob.beta", b"hello")).await.unwrap();
    let token = node.home.read_token().unwrap();
    let path = "/v1/lanes/beta/messages/0";
    let (status, answer) = node.raw(reqwest::Method::GET, path, Some(&token), String::new()).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "peer": "beta", "nonce": 0, "state": "sealed" })));
    let query = WaitQuery { nonce: sent.nonce, state: Milestone::Settled, wait_ms: 20 };
    assert!(!node.client.wait(&sent.peer, &query).await.unwrap().reached);
    assert_eq!(refusal(node.client.message(&sent.peer, 1).await.unwrap_err()).0, "not_accepted");
    assert_eq!(refusal(node.client.message(&shard("gamma"), 0).await.unwrap_err()).0, "no_lane");
}

#[tokio::test]
async fn a_refused_message_of_a_batch_does_not_hold_up_the_others() {
    let node = Node::alpha().await;
    let batch = vec![message("bob.beta", b"one"), message("bob.alpha", b"local"), message("bob.beta", b"two")];
    let results = node.client.send_many(batch).await.unwrap().results;
    assert!(matches!(&results[0], SendResult::Sent(sent) if sent.nonce == 0));
    assert!(matches!(&results[1], SendResult::Refused { error } if error.code == "receiver_is_local"));
    assert!(matches!(&results[2], SendResult::Sent(sent) if sent.nonce == 1));
}

#[tokio::test]
async fn a_full_lane_takes_nothing_behind_a_refused_message_however_short() {
    let node = Node::with_backlog(1_000).await;
    let long = vec![0; 800];
    let messages = vec![message("bob.beta", &long), message("bob.beta", &long), message("bob.beta", b"short")];
    let results = node.client.send_many(messages).await.unwrap().results;
    let accepted: Vec<bool> = results.iter().map(|result| matches!(result, SendResult::Sent(_))).collect();
    assert_eq!(accepted, [true, false, false]);
    node.client.send(message("bob.beta", b"short")).await.expect("there is room for it by itself");
}

#[tokio::test]
async fn a_full_lane_answers_busy_and_when_to_try_again() {
    let node = Node::with_backlog(1_000).await;
    node.client.send(message("bob.beta", &[0; 600])).await.unwrap();
    let (code, text, retry_ms) = refusal(node.client.send(message("bob.beta", &[0; 600])).await.unwrap_err());
    assert_eq!(code, "busy");
    assert!(retry_ms.is_some_and(|retry_ms| retry_ms > 0));
    assert!(text.contains("beta"), "{text}");
}

#[tokio::test]
async fn a_node_that_has_not_found_the_tip_takes_nothing_and_says_so() {
    let node = Node::start(1_000).await;
    let (code, _, retry_ms) = refusal(node.client.send(message("bob.beta", b"early")).await.unwrap_err());
    assert_eq!(code, "starting");
    assert!(retry_ms.is_some());
    assert!(!node.client.status().await.unwrap().engine.resumed);
}

#[tokio::test]
async fn waiting_ends_in_time_and_tells_what_the_lane_waits_for() {
    let node = Node::alpha().await;
    let sent = node.client.send(message("bob.beta", b"hello")).await.unwrap();
    let query = WaitQuery { nonce: sent.nonce, state: Milestone::Delivered, wait_ms: 20 };
    let answer = node.client.wait(&sent.peer, &query).await.unwrap();
    assert!(!answer.reached && answer.waiting_for.is_some());
    let early = WaitQuery { nonce: 1, ..query.clone() };
    assert_eq!(refusal(node.client.wait(&sent.peer, &early).await.unwrap_err()).0, "not_accepted");
    assert_eq!(refusal(node.client.wait(&shard("gamma"), &query).await.unwrap_err()).0, "no_lane");
}

#[tokio::test]
async fn an_empty_inbox_is_waited_for_until_the_node_closes() {
    let node = Node::alpha().await;
    let nothing = node.client.inbox(&InboxQuery { from: 7, limit: None, wait_ms: 20 }).await.unwrap();
    assert_eq!((nothing.entries.len(), nothing.next), (0, 7));
    let client = node.client.clone();
    let reading =
        tokio::spawn(async move { client.inbox(&InboxQuery { from: 0, limit: None, wait_ms: 60_000 }).await });
    node.closing.send(true).unwrap();
    // Either the node answers that there is nothing, or it was closed before the request came.
    match tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap().unwrap() {
        Ok(answer) => assert!(answer.entries.is_empty()),
        Err(error) => assert!(matches!(error, ClientError::NotRunning { .. } | ClientError::Answer { .. }), "{error}"),
    }
    let too_many = InboxQuery { from: 0, limit: Some(0), wait_ms: 0 };
    assert!(node.client.inbox(&too_many).await.is_err());
}

#[tokio::test]
async fn a_message_that_was_never_received_cannot_be_proved() {
    let node = Node::alpha().await;
    let (code, text, _) = refusal(node.client.prove(&shard("beta"), None, 3).await.unwrap_err());
    assert_eq!(code, "not_there");
    assert!(text.contains("beta") && text.contains('3'), "{text}");
    assert_eq!(refusal(node.client.prove(&shard("gamma"), None, 0).await.unwrap_err()).0, "no_lane");
}

#[tokio::test]
async fn an_rpc_server_of_another_bridge_stops_the_node() {
    let node = Node::alpha().await;
    node.near.send(NearEvent::WrongTrust("wrong trust root".to_owned())).await.unwrap();
    let stopped = node.stopped.await.unwrap().unwrap_err();
    assert!(stopped.to_string().contains("wrong trust root"), "{stopped}");
}

#[tokio::test]
async fn a_node_that_does_not_run_is_named_with_the_command_that_starts_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    home.write_token().unwrap();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.write_config(&config(unused)).unwrap();
    let error = Client::of_home(&home).unwrap().status().await.unwrap_err().to_string();
    assert!(error.contains(&unused.to_string()) && error.contains("shard-node run --home"), "{error}");
}

#[tokio::test]
async fn the_local_api_listens_on_loopback_only() {
    let refused = Api::bind("0.0.0.0:0".parse().unwrap(), "token".to_owned()).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
}
