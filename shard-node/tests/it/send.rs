//! `send --file` and `send --stdin`, as a shell runs them, between real nodes.

use crate::fleet::{ALPHA, BETA, Bridge, in_time, until_there_is};
use crate::operator::Ran;
use queue::engine::{MessageState, Settled};
use queue::limits::MESSAGE_BYTES_MAX;
use queue::message::Tombstone;
use queue::stream::Stream;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shard_node::api::types::{InboxQuery, NewMessage, StreamProgress, StreamQuery, WaitQuery};
use shard_node::client::{StreamAnswers, StreamSender};
use shard_node::driver::Milestone;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;

impl Bridge {
    /// `send` from alpha to beta, with its input still open.
    fn sending(&self, args: &[&str]) -> Child {
        let begin = ["send", "--json", "--to", "bob.beta", "--home", ALPHA];
        self.command(&[&begin[..], args].concat()).stdin(Stdio::piped()).spawn().expect("a process")
    }

    async fn sent(&self, args: &[&str]) -> Ran {
        ended(self.sending(args)).await
    }

    async fn send_lines(&self, lines: &[u8], args: &[&str]) -> Ran {
        let mut child = self.sending(&[&["--stdin"], args].concat());
        let mut input = child.stdin.take().expect("piped");
        // A line above the limit ends the reading: then the pipe breaks.
        let _ = input.write_all(lines).await;
        drop(input);
        ended(child).await
    }

    /// What beta's inbox holds from `from` on, once there are `count` messages.
    async fn inbox(&self, from: u64, count: usize) -> Vec<Vec<u8>> {
        let client = self.client(BETA);
        let mut query = InboxQuery { from, limit: Some(1_000), wait_ms: 10_000 };
        let mut payloads = Vec::new();
        while payloads.len() < count {
            let page = client.inbox(&query).await.expect("an inbox");
            query.from = page.next;
            payloads.extend(page.entries.into_iter().map(|entry| entry.message.expect("no tombstone").payload));
        }
        payloads
    }

    async fn inbox_size_of_beta(&self) -> u64 {
        self.client(BETA).status().await.expect("a status").engine.inbox_size
    }

    /// A stream to beta, as soon as alpha's node takes any: until it has seen NEAR it takes nothing.
    async fn stream(&self, query: &StreamQuery) -> (StreamSender, StreamAnswers) {
        let client = self.client(ALPHA);
        until_there_is("alpha takes a stream", async || client.open_stream(query).await.ok()).await
    }
}

async fn ended(child: Child) -> Ran {
    child.wait_with_output().await.expect("an end").into()
}

/// What `send` tells at its end, also when it failed.
#[track_caller]
fn summary(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_files_arrive_in_order_and_a_script_learns_how_far_it_came() {
    let story = async {
        let mut bridge = Bridge::start().await;
        a_thousand_lines_arrive_in_order(&bridge).await;
        the_bytes_of_a_file_arrive_as_one_message(&bridge).await;
        nothing_after_a_line_above_the_limit_is_sent(&bridge).await;
        an_interrupted_sender_tells_how_far_it_came(&bridge).await;
        a_killed_node_leaves_a_count_to_go_on_from(&mut bridge).await;
        a_feed_goes_on_after_a_kill_with_all_that_was_acknowledged_and_nothing_twice(&mut bridge).await;
        a_stream_waits_for_room_in_a_full_lane_and_keeps_its_order(&mut bridge).await;
        bridge.stop().await;
    };
    in_time(story).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_message_through_a_restart_and_what_became_of_a_message_is_told() {
    let story = async {
        let mut bridge = Bridge::start().await;
        a_key_is_one_message_through_a_restart(&mut bridge).await;
        a_message_that_expires_is_told_as_expired(&bridge).await;
        bridge.stop().await;
    };
    in_time(story).await;
}

async fn a_key_is_one_message_through_a_restart(bridge: &mut Bridge) {
    let args = ["--key", "invoice-7", "--deadline", "10m", "--wait", "settled", "pay"];
    let output = bridge.sent(&args).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let told = summary(&output);
    assert_eq!((&told["nonce"], &told["state"]), (&json!(0), &json!("settled")), "{told}");
    assert_eq!(told["outcome"], json!({ "how": "delivered" }));

    bridge.restart(ALPHA).await;
    let client = bridge.client(ALPHA);
    let keyed = |payload: &[u8]| NewMessage {
        key: Some("invoice-7".parse().expect("a key")),
        ..NewMessage::new("bob.beta".parse().expect("an account"), payload.to_vec())
    };
    let again = bridge.accepted(ALPHA, keyed(b"pay")).await;
    assert_eq!(again.nonce, 0);
    let output = bridge.sent(&["--key", "invoice-7", "pay twice"]).await;
    assert!(output.code == Some(1) && output.stderr.contains("nonce 0"), "{output:?}");
    assert_eq!(client.status().await.expect("a status").engine.outbound[0].accepted, 1);
}

/// A signature alone takes longer than the message has.
async fn a_message_that_expires_is_told_as_expired(bridge: &Bridge) {
    let output = bridge.sent(&["--deadline", "1ms", "--wait", "settled", "late"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("message 1 of the lane to beta is settled without effect: expired"), "{output:?}");
    let told = summary(&output);
    let beta = BETA.parse().expect("a shard");
    match bridge.client(ALPHA).message(&beta, 1).await.expect("an answer").state {
        MessageState::Settled(outcome @ (Settled::Expired | Settled::Tombstone { reason: Tombstone::Expired, .. })) => {
            assert_eq!(told["outcome"], json!(outcome), "{told}");
        }
        other => panic!("a message that expired is {other:?}"),
    }
}

async fn a_thousand_lines_arrive_in_order(bridge: &Bridge) {
    let lines: Vec<Vec<u8>> = (0..1_000usize)
        .map(|n| if n % 10 == 0 { Vec::new() } else { format!("{n} {}", "y".repeat(n * 31 % 300)).into_bytes() })
        .collect();
    let mut input = lines.join(&b'\n');
    input.push(b'\n');

    let output = bridge.send_lines(&input, &["--wait", "delivered"]).await;

    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(summary(&output), json!({ "peer": "beta", "sent": 1_000, "first_nonce": 0, "last_nonce": 999 }));
    assert!(output.stderr.contains("1000 messages accepted, "), "{output:?}");
    assert_eq!(bridge.inbox(0, 1_000).await, lines);
}

async fn the_bytes_of_a_file_arrive_as_one_message(bridge: &Bridge) {
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let path = bridge.path("picture.bin");
    std::fs::write(&path, &bytes).expect("a file");
    let file = path.to_str().expect("a name in UTF-8");

    let output = bridge.sent(&["--file", file]).await;
    assert_eq!(summary(&output)["nonce"], 1_000, "{output:?}");
    assert_eq!(bridge.inbox(1_000, 1).await, [bytes]);

    std::fs::File::create(&path).and_then(|file| file.set_len(5_000_000)).expect("a larger file");
    let output = bridge.sent(&["--file", file]).await;
    assert!(output.code == Some(1) && output.stderr.contains("has 5000000 bytes"), "{output:?}");
}

async fn nothing_after_a_line_above_the_limit_is_sent(bridge: &Bridge) {
    let input = [b"before\n".to_vec(), vec![b'z'; MESSAGE_BYTES_MAX], b"\nafter\n".to_vec()].concat();

    let output = bridge.send_lines(&input, &[]).await;

    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("line 2 has more than the"), "{output:?}");
    let expected = json!({ "peer": "beta", "sent": 1, "first_nonce": 1_001, "last_nonce": 1_001 });
    assert_eq!(summary(&output), expected);
    assert_eq!(bridge.inbox(1_001, 1).await, [b"before"]);
    assert_eq!(bridge.client(ALPHA).status().await.expect("a status").engine.outbound[0].accepted, 1_002);
}

async fn an_interrupted_sender_tells_how_far_it_came(bridge: &Bridge) {
    let mut child = bridge.sending(&["--stdin"]);
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"zero\n").await.expect("read");
    // An open input holds nothing back: the line arrives while more may come.
    assert_eq!(bridge.inbox(1_002, 1).await, [b"zero"]);
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("it runs");
    kill_process(pid, Signal::INT).expect("a signal");

    let output = ended(child).await;

    assert_eq!(output.code, Some(1), "{output:?}");
    let told = &output.stderr;
    assert!(
        told.contains("lines 1 to 1 were accepted, as messages 1002 to 1002") && told.contains("interrupted"),
        "{told}"
    );
    assert_eq!(summary(&output)["sent"], 1);
    drop(input);
}

async fn a_killed_node_leaves_a_count_to_go_on_from(bridge: &mut Bridge) {
    let mut child = bridge.sending(&["--stdin"]);
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"one\ntwo\n").await.expect("read");
    assert_eq!(bridge.inbox(1_003, 2).await, [b"one", b"two"]);
    bridge.fleet.kill(ALPHA).await.expect("it ran");
    // The sender may have noticed already.
    let _ = input.write_all(b"three\n").await;
    drop(input);

    let output = ended(child).await;

    assert_eq!(output.code, Some(1), "{output:?}");
    let told = &output.stderr;
    assert!(told.contains("lines 1 to 2 were accepted, as messages 1003 to 1004 of the lane to beta"), "{told}");
    assert_eq!(summary(&output)["sent"], 2);
    bridge.fleet.start_node(ALPHA).await.expect("a running node");
    let output = bridge.send_lines(b"three", &["--wait", "delivered"]).await;
    assert_eq!(summary(&output)["first_nonce"], 1_005, "{output:?}");
    assert_eq!(bridge.inbox(1_005, 1).await, [b"three"]);
}

/// Message `n` of a feed, of 256 bytes.
fn order(n: u64) -> Vec<u8> {
    format!("{n:0256}").into_bytes()
}

fn orders(numbers: std::ops::Range<u64>) -> Stream {
    Stream::of(numbers.map(order))
}

fn to_bob(feed: &str, at: u64) -> StreamQuery {
    let (to, feed) = ("bob.beta".parse().expect("an account"), feed.parse().expect("a name"));
    StreamQuery { to: Some(to), from: None, feed: Some(feed), at: Some(at) }
}

/// The last of what a node says about a stream: with how it ended, or before the connection broke.
async fn last_word(mut answers: StreamAnswers) -> StreamProgress {
    let mut last = StreamProgress::default();
    while let Ok(Some(progress)) = answers.next().await {
        assert!(progress.durable >= last.durable, "what is durable stays so");
        last = progress;
    }
    last
}

async fn a_feed_goes_on_after_a_kill_with_all_that_was_acknowledged_and_nothing_twice(bridge: &mut Bridge) {
    const ORDERS: u64 = 60_000;
    let first_position = bridge.inbox_size_of_beta().await;
    let (sender, mut answers) = bridge.stream(&to_bob("orders", 0)).await;
    let sending = tokio::spawn(async move {
        for start in (0..ORDERS).step_by(500) {
            if !sender.send(orders(start..start + 500)).await {
                return;
            }
        }
    });
    while answers.next().await.expect("a running node").expect("a stream that goes on").durable < 20_000 {}
    bridge.fleet.kill(ALPHA).await.expect("it ran");
    let told = last_word(answers).await;
    sending.await.expect("no panic");
    let acknowledged = told.durable;
    assert!((told.error, told.done) == (None, false), "killed after {acknowledged} messages, not at the end");

    bridge.fleet.start_node(ALPHA).await.expect("a running node");
    let client = bridge.client(ALPHA);
    let known = client.feed(&"orders".parse().expect("a name")).await.expect("a feed").durable;
    assert!(known >= acknowledged, "{acknowledged} messages were acknowledged, {known} are there");
    let (sender, answers) = bridge.stream(&to_bob("orders", acknowledged)).await;
    let rest = async {
        assert!(sender.send(orders(acknowledged..ORDERS)).await);
        drop(sender);
    };
    let (last, ()) = tokio::join!(last_word(answers), rest);
    assert!(last.done && last.durable == ORDERS, "{last:?}");

    let count = usize::try_from(ORDERS).expect("a small number");
    assert!(bridge.inbox(first_position, count).await.into_iter().eq((0..ORDERS).map(order)));
    assert_eq!(bridge.inbox_size_of_beta().await, first_position + ORDERS);
    let lines = orders(0..10).messages().collect::<Vec<_>>().join(&b'\n');
    let output = bridge.send_lines(&lines, &["--feed", "orders"]).await;
    assert_eq!((&summary(&output)["sent"], &summary(&output)["accepted"]), (&json!(0), &json!(ORDERS)));
}

async fn a_stream_waits_for_room_in_a_full_lane_and_keeps_its_order(bridge: &mut Bridge) {
    const ORDERS: u64 = 4_000;
    let first_position = bridge.inbox_size_of_beta().await;
    bridge.fleet.kill(ALPHA).await.expect("it ran");
    bridge.configure(ALPHA, |config| config.backlog_bytes_max = Some(400_000));
    bridge.fleet.start_node(ALPHA).await.expect("a running node");
    let (sender, mut answers) = bridge.stream(&to_bob("more", 0)).await;
    let sending = async {
        assert!(sender.send(orders(0..ORDERS)).await);
        drop(sender);
    };
    let mut waited = false;
    let listening = async {
        loop {
            let progress = answers.next().await.expect("a running node").expect("a last word");
            waited |= progress.waiting.is_some_and(|waiting| waiting.code == "busy");
            if progress.done {
                return progress.durable;
            }
        }
    };
    // What beta seals tells what it has received, which makes room.
    let acknowledging = async {
        let beta = bridge.client(BETA);
        loop {
            let to = "ann.alpha".parse().expect("an account");
            let message = NewMessage::new(to, vec![]);
            let sent = beta.send(message).await.expect("accepted");
            let query = WaitQuery { nonce: sent.nonce, state: Milestone::Delivered, wait_ms: 5_000 };
            beta.wait(&sent.peer, &query).await.expect("an answer");
        }
    };
    let durable = tokio::select! {
        (durable, ()) = async { tokio::join!(listening, sending) } => durable,
        () = acknowledging => unreachable!("it goes on for ever"),
    };
    assert!(waited, "a lane of 400 kB takes 1.4 MB only as they are acknowledged");
    assert_eq!(durable, ORDERS);
    let count = usize::try_from(ORDERS).expect("a small number");
    assert!(bridge.inbox(first_position, count).await.into_iter().eq((0..ORDERS).map(order)));
}
