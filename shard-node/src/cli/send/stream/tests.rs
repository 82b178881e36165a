//! Lines sent to a fake node whose lane is full when the test wants it.

use super::*;
use crate::api::types::{SendRequest, SendResponse};
use crate::config::Config;
use crate::home::{HOME_FORMAT, Home};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use queue::digest::Hash;
use queue::ids::{BridgeDomain, ShardId};
use queue::trust::TrustRoot;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

const OVERHEAD_BYTES: usize = 100;

/// A node with one lane, to `beta`. What it refused as busy is followed by an acknowledgement
/// of all.
#[derive(Debug, Default)]
struct FakeNode {
    backlog_bytes_max: usize,
    backlog_bytes: usize,
    /// Calls that find the node starting.
    starting: usize,
    /// Calls until the node shuts down.
    shutdown_after: Option<usize>,
    calls: usize,
    refused: usize,
    accepted: Vec<Vec<u8>>,
}

type Shared = Arc<Mutex<FakeNode>>;

impl FakeNode {
    fn take(&mut self, message: NewMessage, full: &mut bool) -> SendResult {
        let bytes = message.payload.len() + OVERHEAD_BYTES;
        *full |= self.backlog_bytes > 0 && self.backlog_bytes + bytes > self.backlog_bytes_max;
        if *full || self.calls <= self.starting {
            self.refused += 1;
            return SendResult::Refused { error: refusal("not now", Some(1)) };
        }
        self.backlog_bytes += bytes;
        self.accepted.push(message.payload);
        let nonce = u64::try_from(self.accepted.len() - 1).expect("a length fits");
        SendResult::Sent(SentMessage { peer: beta(), nonce, accepted_at_ns: 0 })
    }
}

fn refusal(code: &str, retry_ms: Option<u64>) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: format!("refused: {code}"), retry_ms }
}

fn beta() -> ShardId {
    "beta".parse().expect("a shard")
}

async fn messages(
    State(node): State<Shared>,
    Json(request): Json<SendRequest>,
) -> Result<Json<SendResponse>, (axum::http::StatusCode, Json<Value>)> {
    let mut node = node.lock().expect("no panic");
    if node.shutdown_after == Some(node.calls) {
        let body = json!({ "error": refusal("shutting_down", None) });
        return Err((axum::http::StatusCode::SERVICE_UNAVAILABLE, Json(body)));
    }
    node.calls += 1;
    let refused_before = node.refused;
    let SendRequest::Many { messages } = request else { panic!("lines are sent in batches") };
    let mut full = false;
    let results = messages.into_iter().map(|message| node.take(message, &mut full)).collect();
    if node.refused > refused_before {
        node.backlog_bytes = 0;
    }
    Ok(Json(SendResponse { results }))
}

fn config(api_addr: SocketAddr, backlog_bytes_max: usize) -> Config {
    let domain = BridgeDomain {
        network: "localnet".parse().expect("a network"),
        bridge: "bridge.test.near".parse().expect("an account"),
        instance: Hash([9; 32]),
    };
    Config {
        format: HOME_FORMAT,
        shard: "alpha".parse().expect("a shard"),
        owner: "alpha.test.near".parse().expect("an account"),
        near_rpc: "http://127.0.0.1:1".to_owned(),
        near_poll_ms: 1_000,
        trust: TrustRoot { domain, secp256k1: None, ed25519: None },
        p2p_addr: "127.0.0.1:0".parse().expect("an address"),
        api_addr,
        addresses: vec![],
        peers: Default::default(),
        lanes: Default::default(),
        backlog_bytes_max: Some(u64::try_from(backlog_bytes_max).expect("a length fits")),
        staged_bytes_max: None,
        deadline_default_ms: None,
        retention_bytes_max: None,
        budget: None,
    }
}

/// A fake node that serves, and what is needed to send to it.
struct Served {
    node: Shared,
    client: Client,
    output: Output,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn start(node: FakeNode) -> Served {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let config = config(listener.local_addr().expect("bound"), node.backlog_bytes_max);
        home.write_token().expect("a token");
        home.write_config(&config).expect("a configuration");
        let client = Client::of_home(&home).expect("a client");
        let node = Arc::new(Mutex::new(node));
        let router = Router::new().route("/v1/messages", post(messages));
        tokio::spawn(axum::serve(listener, router.with_state(node.clone())).into_future());
        Served { node, client, output: Output::new(true), _folder: folder }
    }

    fn stream(&self) -> Stream<'_> {
        let [from, to]: [AccountId; 2] = ["alpha", "bob.beta"].map(|name| name.parse().expect("an account"));
        Stream::new(&self.client, Destination { from, to }, &self.output)
    }

    fn node(&self) -> FakeNode {
        std::mem::take(&mut *self.node.lock().expect("no panic"))
    }
}

fn read(lines: &[Vec<u8>]) -> Lines {
    Lines::read(Cursor::new(lines.join(&b'\n')), 10_000).expect("a thread")
}

/// Sends lines to a node; gives what it accepted, and what the sender says about it.
async fn send(node: FakeNode, lines: &[Vec<u8>]) -> (FakeNode, Tally, Result<(), String>) {
    let served = Served::start(node).await;
    let mut stream = served.stream();
    let ended = stream.send(read(lines)).await.map_err(|error| error.to_string());
    (served.node(), stream.tally, ended)
}

/// Lines of all lengths, in no order of length, none of them empty.
fn mixed_lines(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("{n}:{}", "x".repeat(n * 7_919 % 400)).into_bytes()).collect()
}

#[tokio::test]
async fn lines_of_all_lengths_stay_in_order_on_a_lane_that_fills_again_and_again() {
    let lines = mixed_lines(1_000);
    let node = FakeNode { backlog_bytes_max: 30_000, starting: 2, ..FakeNode::default() };
    let (node, tally, ended) = send(node, &lines).await;
    ended.expect("all sent");
    assert_eq!(node.accepted, lines);
    assert!(node.refused > 5, "the lane was full {} times", node.refused);
    assert_eq!(tally.summary(), json!({ "peer": "beta", "sent": 1_000, "first_nonce": 0, "last_nonce": 999 }));
}

#[tokio::test]
async fn a_node_that_ends_in_the_middle_leaves_a_count_of_what_it_accepted() {
    let lines = mixed_lines(600);
    let node = FakeNode { backlog_bytes_max: 1_000_000, shutdown_after: Some(1), ..FakeNode::default() };
    let (node, tally, ended) = send(node, &lines).await;
    let accepted = node.accepted.len();
    assert_eq!(ended.expect_err("shut down"), "refused: shutting_down");
    assert_eq!(node.accepted, lines[..accepted]);
    assert_eq!(tally.sent, u64::try_from(accepted).expect("a length fits"));
    let told = tally.to_string();
    assert!(told.starts_with(&format!("lines 1 to {accepted} were accepted, as messages 0 to")), "{told}");
    assert!(tally.unknown > 0 && told.contains(&format!("up to {} more", tally.unknown)), "{told}");
}

#[tokio::test]
async fn no_lines_are_no_messages() {
    let (node, tally, ended) = send(FakeNode::default(), &[]).await;
    ended.expect("nothing to do");
    assert_eq!((node.calls, tally.to_string().as_str()), (0, "no line was accepted"));
    assert_eq!(tally.summary(), json!({ "peer": null, "sent": 0, "first_nonce": null, "last_nonce": null }));
}
