//! Streams of messages over real HTTP, in front of a real driver and engine with a store in memory.

use crate::api::{Node, refusal, registered, shard};
use crate::fleet::until_there_is;
use queue::limits::MESSAGE_BYTES_MAX;
use queue::stream::Stream;
use reqwest::StatusCode;
use serde_json::{Value, json};
use shard_node::api::STREAMS_MAX;
use shard_node::api::types::{LaneSpan, StreamProgress, StreamQuery};
use shard_node::client::{StreamAnswers, StreamSender};
use shard_node::driver::Request;
use shard_node::near::NearEvent;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const PAYLOADS: &str = "application/vnd.private-shard.payloads";
const LINES: &str = "application/x-ndjson";

fn to_bob() -> StreamQuery {
    StreamQuery { to: Some("bob.beta".parse().unwrap()), ..StreamQuery::default() }
}

fn orders(at: u64) -> StreamQuery {
    StreamQuery { feed: Some("orders".parse().unwrap()), at: Some(at), ..to_bob() }
}

fn numbered(numbers: std::ops::Range<u64>) -> Stream {
    Stream::of(numbers.map(|n| format!("message {n}").into_bytes()))
}

async fn until(answers: &mut StreamAnswers, reached: impl Fn(&StreamProgress) -> bool) -> StreamProgress {
    loop {
        let progress = answers.next().await.unwrap().expect("the stream goes on");
        if reached(&progress) {
            return progress;
        }
    }
}

async fn accepted(node: &Node) -> u64 {
    node.client.status().await.unwrap().engine.outbound[0].accepted
}

/// A stream that is there as a whole: the status, and the last line or the error.
async fn post(node: &Node, query: &str, media_type: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request = reqwest::Client::new().post(format!("http://{}/v1/messages/stream?{query}", node.address));
    let request = request.bearer_auth(node.home.read_token().unwrap()).header("content-type", media_type);
    let response = request.body(body).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(text.lines().last().unwrap()).unwrap())
}

#[tokio::test]
async fn a_stream_is_acknowledged_in_order_while_it_goes_on() {
    let node = Node::alpha().await;
    let (sender, mut answers) = node.client.open_stream(&to_bob()).await.unwrap();
    assert_eq!(answers.next().await.unwrap(), Some(StreamProgress::default()), "the node is listening");
    assert!(sender.send(numbered(0..3)).await);
    let progress = until(&mut answers, |progress| progress.durable == 3).await;
    assert_eq!(progress.lanes[&shard("beta")], LaneSpan { first_nonce: 0, nonce_end: 3 });
    assert!(progress.accepted_at_ns > 0);
    node.client.send(crate::api::message("bob.beta", b"between")).await.unwrap();
    assert!(sender.send(numbered(3..5_000)).await);
    drop(sender);
    let last = until(&mut answers, |progress| progress.done).await;
    assert_eq!((last.durable, last.lanes[&shard("beta")].nonce_end), (5_000, 5_001));
    assert_eq!(answers.next().await.unwrap(), None);
    assert_eq!(accepted(&node).await, 5_001);
}

#[tokio::test]
async fn lines_of_json_speak_to_several_shards_also_to_one_registered_a_moment_ago() {
    let mut node = Node::alpha().await;
    let lines = [
        json!({ "payload_base64": "aGVsbG8=" }),
        json!({ "payload_base64": "aGVsbG8=", "from": "ann.alpha" }),
        json!({ "payload_base64": "aGVsbG8=", "to": "carol.gamma" }),
        json!({ "payload_base64": "aGVsbG8=" }),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (near, address, token) = (node.near.clone(), node.address, node.home.read_token().unwrap());
    let asked = async {
        node.expect_request(|request| matches!(request, Request::RefreshRegistry)).await;
        near.send(NearEvent::Registry(["alpha", "beta", "gamma"].map(registered).to_vec())).await.unwrap();
    };
    let request = reqwest::Client::new().post(format!("http://{address}/v1/messages/stream?to=bob.beta"));
    let request = request.bearer_auth(token).header("content-type", LINES).body(body);
    let (response, ()) = tokio::join!(request.send(), asked);
    let text = response.unwrap().text().await.unwrap();
    let last: StreamProgress = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(last.done, "{text}");
    let spans: Vec<(&str, LaneSpan)> = last.lanes.iter().map(|(peer, span)| (peer.as_str(), *span)).collect();
    let span = |nonce_end| LaneSpan { first_nonce: 0, nonce_end };
    assert_eq!(spans, [("beta", span(3)), ("gamma", span(1))]);
}

#[tokio::test]
async fn a_stream_that_breaks_or_makes_no_sense_takes_what_stands_before_and_says_how_much() {
    let whole = numbered(0..3).into_bytes();
    let line = |value: Value| format!("{value}\n");
    let good = line(json!({ "payload_base64": "" })).repeat(3);
    let long = MESSAGE_BYTES_MAX - 40;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (PAYLOADS, [&whole[..], b"\x05\0\0\0four"].concat(), "truncated"),
        (PAYLOADS, [&whole[..], b"\x05\0"].concat(), "truncated"),
        (PAYLOADS, [&whole[..], &u32::MAX.to_le_bytes(), b"and so on"].concat(), "too_large"),
        (PAYLOADS, [whole.clone(), Stream::of([vec![0; long]]).into_bytes(), whole.clone()].concat(), "too_large"),
        (LINES, [good.as_bytes(), b"{\"payload_base64\": \"aG"].concat(), "bad_request"),
        (LINES, [good.as_bytes(), b"nonsense\n", good.as_bytes()].concat(), "bad_request"),
        (LINES, (good.clone() + &line(json!({ "to": "bob.near", "payload_base64": "" }))).into(), "near_has_no_lane"),
        (LINES, (good.clone() + &line(json!({ "from": "bob.beta", "payload_base64": "" }))).into(), "sender_not_yours"),
    ];
    for (media_type, body, code) in cases {
        let node = Node::alpha().await;
        let (status, last) = post(&node, "to=bob.beta", media_type, body).await;
        let found = (status, last["error"]["code"].as_str(), last["durable"].as_u64());
        assert_eq!(found, (StatusCode::OK, Some(code), Some(3)), "{last}");
        assert_eq!(accepted(&node).await, 3, "{last}");
    }
}

#[tokio::test]
async fn a_stream_of_which_nothing_could_be_taken_is_refused_before_it_is_read() {
    let node = Node::alpha().await;
    let cases = [
        ("to=bob.beta", "application/json", 415, "unsupported_media_type"),
        ("", PAYLOADS, 400, "bad_request"),
        ("to=Bob!", LINES, 400, "bad_request"),
        ("to=bob.beta&at=5", PAYLOADS, 400, "bad_request"),
        ("to=bob.beta&feed=a/b", PAYLOADS, 400, "bad_request"),
        ("to=bob.beta&nonce=5", PAYLOADS, 400, "bad_request"),
        ("to=bob.alpha", PAYLOADS, 400, "receiver_is_local"),
        ("to=bob.near", LINES, 404, "near_has_no_lane"),
        ("to=bob.beta&from=bob.beta", PAYLOADS, 403, "sender_not_yours"),
        ("to=bob.beta&feed=orders&at=1", PAYLOADS, 409, "feed_gap"),
    ];
    for (query, media_type, status, code) in cases {
        let (found, answer) = post(&node, query, media_type, numbered(0..100).into_bytes()).await;
        assert_eq!((found.as_u16(), answer["error"]["code"].as_str()), (status, Some(code)), "{query}: {answer}");
    }
    let starting = Node::start(1_000).await;
    let (code, _, retry_ms) = refusal(starting.client.open_stream(&to_bob()).await.map(drop).unwrap_err());
    assert_eq!(code, "starting");
    assert!(retry_ms.is_some());
    assert_eq!(accepted(&node).await, 0);
}

#[tokio::test]
async fn a_stream_into_a_full_lane_waits_and_loses_nothing_when_the_node_closes() {
    let node = Node::with_backlog(10_000).await;
    let (sender, mut answers) = node.client.open_stream(&to_bob()).await.unwrap();
    assert!(sender.send(Stream::of(vec![[7; 800]; 20])).await);
    let waiting = until(&mut answers, |progress| progress.waiting.is_some()).await.waiting.unwrap();
    assert_eq!(waiting.code, "busy");
    assert!(waiting.message.contains("beta"), "{}", waiting.message);
    // Others are still served, and the node stops when it is told to.
    let taken = accepted(&node).await;
    assert!((5..20).contains(&taken), "{taken}");
    node.closing.send(true).unwrap();
    let last = until(&mut answers, |progress| progress.error.is_some()).await;
    assert_eq!((last.error.unwrap().code.as_str(), last.durable), ("shutting_down", taken));
}

#[tokio::test]
async fn a_feed_that_broke_in_the_middle_goes_on_without_a_gap_or_a_message_twice() {
    let node = Node::alpha().await;
    let (sender, mut answers) = node.client.open_stream(&orders(0)).await.unwrap();
    assert!(sender.send(numbered(0..600)).await);
    until(&mut answers, |progress| progress.durable == 600).await;
    assert!(sender.send(numbered(600..700)).await);
    // The sender is gone before it learns of the last hundred, whatever became of them.
    drop((sender, answers));
    let known = node.client.feed(&"orders".parse().unwrap()).await.unwrap().durable;
    assert!((600..=700).contains(&known), "{known}");

    let (sender, mut answers) = node.client.open_stream(&orders(600)).await.unwrap();
    assert!(answers.next().await.unwrap().is_some_and(|first| first.durable >= known));
    assert!(sender.send(numbered(600..1_000)).await);
    drop(sender);
    assert_eq!(until(&mut answers, |progress| progress.done).await.durable, 1_000);
    assert_eq!(accepted(&node).await, 1_000);

    // All of it once more changes nothing, and what would leave a gap is refused.
    let (sender, mut answers) = node.client.open_stream(&orders(0)).await.unwrap();
    assert!(sender.send(numbered(0..1_000)).await);
    drop(sender);
    let last = until(&mut answers, |progress| progress.done).await;
    assert_eq!((last.durable, last.lanes.len()), (1_000, 0));
    let (code, text, _) = refusal(node.client.open_stream(&orders(1_001)).await.map(drop).unwrap_err());
    assert_eq!(code, "feed_gap");
    assert!(text.contains("continue at 1000"), "{text}");
    assert_eq!(accepted(&node).await, 1_000);
    assert_eq!(node.client.feed(&"unknown".parse().unwrap()).await.unwrap().durable, 0);
}

#[tokio::test]
async fn two_senders_of_one_feed_take_each_message_once() {
    let node = Node::alpha().await;
    let query = StreamQuery { at: None, ..orders(0) };
    let (one, other) = tokio::join!(node.client.open_stream(&query), node.client.open_stream(&query));
    let send = async |(sender, mut answers): (StreamSender, StreamAnswers)| {
        for start in (0..3_000).step_by(100) {
            assert!(sender.send(numbered(start..start + 100)).await);
        }
        drop(sender);
        until(&mut answers, |progress| progress.done).await.durable
    };
    assert_eq!(tokio::join!(send(one.unwrap()), send(other.unwrap())), (3_000, 3_000));
    assert_eq!(accepted(&node).await, 3_000);
}

#[tokio::test]
async fn a_sender_who_reads_no_answer_before_the_end_is_not_held_up() {
    let node = Node::alpha().await;
    let mut connection = TcpStream::connect(node.address).await.unwrap();
    let token = node.home.read_token().unwrap();
    let head = format!(
        "POST /v1/messages/stream?to=bob.beta HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: {PAYLOADS}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let body = Stream::of(vec![[9; 60_000]; 20]).into_bytes();
    // Chunks that end anywhere, and more of them than the sockets between hold.
    for chunk in body.chunks(77_777) {
        connection.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        connection.write_all(chunk).await.unwrap();
        connection.write_all(b"\r\n").await.unwrap();
    }
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"durable\":20,") && answer.contains("\"done\":true"), "{answer}");
}

#[tokio::test]
async fn a_sender_who_disconnects_inside_a_message_leaves_the_whole_ones_and_a_free_place() {
    let node = Node::alpha().await;
    for round in 1..=3 {
        let mut connections = Vec::new();
        for _ in 0..STREAMS_MAX {
            connections.push(half_a_stream(&node).await);
        }
        let (code, _, retry_ms) = refusal(node.client.open_stream(&to_bob()).await.map(drop).unwrap_err());
        assert_eq!((code.as_str(), retry_ms.is_some()), ("busy", true), "round {round}");
        drop(connections);
        // The places come back as the node notices, one by one.
        let wanted = u64::try_from(STREAMS_MAX).unwrap() * round;
        let mut free = Vec::new();
        while free.len() < STREAMS_MAX {
            match node.client.open_stream(&to_bob()).await {
                Ok(stream) => free.push(stream),
                Err(error) => assert_eq!(refusal(error).0, "busy"),
            }
        }
        drop(free);
        assert_eq!(accepted(&node).await, wanted);
        until_there_is("room for a stream", async || node.client.open_stream(&to_bob()).await.ok()).await;
    }
}

/// A connection with one whole message, acknowledged, and a part of another one.
async fn half_a_stream(node: &Node) -> BufReader<TcpStream> {
    let mut connection = BufReader::new(TcpStream::connect(node.address).await.unwrap());
    let token = node.home.read_token().unwrap();
    let head = format!(
        "POST /v1/messages/stream?to=bob.beta HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: {PAYLOADS}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(b"8\r\n\x03\0\0\0one\x03\r\n").await.unwrap();
    let mut line = String::new();
    while !line.contains("\"durable\":1,") {
        line.clear();
        assert!(connection.read_line(&mut line).await.unwrap() > 0, "the node closed the connection");
    }
    connection
}
