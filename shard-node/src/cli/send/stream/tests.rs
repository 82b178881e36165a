//! Lines sent to a fake node that answers as the test wants it.

use super::*;
use crate::api::STREAM_PATH;
use crate::api::types::{ErrorResponse, LaneSpan};
use crate::config::Config;
use crate::home::{HOME_FORMAT, Home};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt as _;
use queue::attestation::AttestationKind;
use queue::digest::Hash;
use queue::ids::BridgeDomain;
use queue::trust::TrustRoot;
use std::convert::Infallible;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Mutex;

/// What a fake node does with a stream that it has read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Takes it all.
    Done,
    /// Takes this many messages, and refuses the next one.
    Refused(u64),
    /// Takes this many, and ends.
    Gone(u64),
}

/// A node with one lane, to `beta`, in which `before` messages stand.
#[derive(Debug)]
struct FakeNode {
    end: End,
    before: u64,
    /// Messages that the feed has already.
    known: u64,
    /// Calls that find the node starting.
    starting: usize,
    query: Option<String>,
    read: Vec<u8>,
}

type Shared = Arc<Mutex<FakeNode>>;

impl FakeNode {
    fn new(end: End) -> Self {
        FakeNode { end, before: 0, known: 0, starting: 0, query: None, read: Vec::new() }
    }

    fn progress(&self, sent: u64) -> StreamProgress {
        let span = LaneSpan { first_nonce: self.before, nonce_end: self.before + sent };
        let lanes = (sent > 0).then(|| ("beta".parse().expect("a shard"), span)).into_iter().collect();
        StreamProgress { durable: self.known + sent, lanes, accepted_at_ns: 7, ..StreamProgress::default() }
    }
}

fn line(progress: &StreamProgress) -> Bytes {
    [serde_json::to_vec(progress).expect("a line"), b"\n".to_vec()].concat().into()
}

fn refusal(code: &str, retry_ms: Option<u64>) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: format!("refused: {code}"), retry_ms, first: None }
}

async fn answer(State(node): State<Shared>, uri: axum::http::Uri, body: Body) -> Response {
    let first = {
        let mut node = node.lock().expect("no panic");
        if node.starting > 0 {
            node.starting -= 1;
            let error = refusal("starting", Some(1));
            return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(ErrorResponse { error })).into_response();
        }
        node.query = uri.query().map(str::to_owned);
        node.progress(0)
    };
    let first = futures_util::stream::iter([Ok(line(&first))]);
    let rest = futures_util::stream::once(async move {
        let mut body = body.into_data_stream();
        while let Some(Ok(chunk)) = body.next().await {
            node.lock().expect("no panic").read.extend_from_slice(&chunk);
        }
        let node = node.lock().expect("no panic");
        let count = queue::stream::Stream::parse(node.read.clone()).expect("payloads").count();
        let last = match node.end {
            End::Done => StreamProgress { done: true, ..node.progress(count - node.known) },
            End::Refused(taken) => StreamProgress { error: Some(refusal("lane_frozen", None)), ..node.progress(taken) },
            End::Gone(taken) => node.progress(taken),
        };
        Ok::<_, Infallible>(line(&last))
    });
    Body::from_stream(first.chain(rest)).into_response()
}

fn config(api_addr: SocketAddr) -> Config {
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
        backlog_bytes_max: None,
        staged_bytes_max: None,
        deadline_default_ms: None,
        retention_bytes_max: None,
        inbound_retention_bytes_max: None,
        attestation: AttestationKind::Shard,
        round_wait_ms: None,
        budget: None,
    }
}

/// Sends lines to a node; gives the node, what is told about it, and how it ended.
async fn send(node: FakeNode, lines: &[Vec<u8>], feed: Option<&str>) -> (FakeNode, Tally, Result<(), String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    home.write_token().expect("a token");
    home.write_config(&config(listener.local_addr().expect("bound"))).expect("a configuration");
    let client = Client::of_home(&home).expect("a client");
    let node = Arc::new(Mutex::new(node));
    let router = Router::new().route(STREAM_PATH, post(answer)).with_state(node.clone());
    let serving = tokio::spawn(axum::serve(listener, router).into_future());

    let [from, to]: [AccountId; 2] = ["alpha", "bob.beta"].map(|name| name.parse().expect("an account"));
    let feed = feed.map(|feed| feed.parse().expect("a name"));
    let output = Output::new(true);
    let mut stream = Stream::new(&client, Destination { from, to, feed }, &output);
    let lines = Lines::read(Cursor::new(lines.join(&b'\n')), 10_000).expect("a thread");
    let ended = stream.send(lines).await.map_err(|error| error.to_string());
    serving.abort();
    let found = std::mem::replace(&mut *node.lock().expect("no panic"), FakeNode::new(End::Done));
    (found, stream.tally, ended)
}

/// Lines of all lengths, in no order of length, none of them empty.
fn mixed_lines(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("{n}:{}", "x".repeat(n * 7_919 % 400)).into_bytes()).collect()
}

#[tokio::test]
async fn lines_of_all_lengths_stay_in_order_also_to_a_node_that_is_starting() {
    let lines = mixed_lines(5_000);
    let (node, tally, ended) =
        send(FakeNode { starting: 2, before: 40, ..FakeNode::new(End::Done) }, &lines, None).await;
    ended.expect("all sent");
    let read = queue::stream::Stream::parse(node.read).expect("payloads");
    assert!(read.messages().eq(lines.iter().map(Vec::as_slice)));
    assert_eq!(tally.summary(), json!({ "peer": "beta", "sent": 5_000, "first_nonce": 40, "last_nonce": 5_039 }));
}

#[tokio::test]
async fn a_node_that_ends_in_the_middle_leaves_a_count_of_what_it_accepted() {
    for (end, reason) in [(End::Refused(250), "refused: lane_frozen"), (End::Gone(250), "gave no valid answer")] {
        let (_, tally, ended) = send(FakeNode::new(end), &mixed_lines(600), None).await;
        let error = ended.expect_err("it ended");
        assert!(error.contains(reason), "{error}");
        assert_eq!(tally.sent(), 250);
        let told = tally.to_string();
        assert!(told.starts_with("lines 1 to 250 were accepted, as messages 0 to 249 of the lane to beta"), "{told}");
        assert!(told.contains("up to 350 more"), "{told}");
    }
}

#[tokio::test]
async fn the_lines_of_a_feed_that_are_there_already_are_told_apart() {
    let node = FakeNode { known: 100, before: 130, ..FakeNode::new(End::Done) };
    let (node, tally, ended) = send(node, &mixed_lines(300), Some("orders")).await;
    ended.expect("all sent");
    assert!(node.query.is_some_and(|query| query.contains("feed=orders")));
    assert_eq!(tally.to_string(), "lines 101 to 300 were accepted, as messages 130 to 329 of the lane to beta");
    let expected = json!({ "peer": "beta", "sent": 200, "first_nonce": 130, "last_nonce": 329, "accepted": 300 });
    assert_eq!(tally.summary(), expected);
}

#[tokio::test]
async fn no_lines_are_no_messages() {
    let (node, tally, ended) = send(FakeNode::new(End::Done), &[], None).await;
    ended.expect("nothing to do");
    assert_eq!((node.read.len(), tally.to_string().as_str()), (0, "no line was accepted"));
    assert_eq!(tally.summary(), json!({ "peer": null, "sent": 0, "first_nonce": null, "last_nonce": null }));
}
