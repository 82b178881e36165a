//! `send --file` and `send --stdin`, as a shell runs them, between real nodes.

use queue::limits::MESSAGE_BYTES_MAX;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shard_node::api::types::InboxQuery;
use shard_node::client::Client;
use shard_node::demo::fleet::{Fleet, SHARDS};
use shard_node::home::Home;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;

/// Far above what a busy machine needs.
const TIME_LIMIT: Duration = Duration::from_secs(300);

const ALPHA: &str = SHARDS[0];
const BETA: &str = SHARDS[1];

struct Bridge {
    fleet: Fleet,
    folder: tempfile::TempDir,
}

impl Bridge {
    async fn start() -> Bridge {
        let folder = tempfile::tempdir().expect("a folder");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_shard-node"));
        let mut fleet = Fleet::new(program, folder.path().to_owned(), 20);
        fleet.start_all(drop).await.expect("a running bridge");
        Bridge { fleet, folder }
    }

    /// `send` from alpha to beta, with its input still open.
    fn send(&self, args: &[&str]) -> Child {
        let mut command = self.fleet.command();
        command.args(["send", "--json", "--to", "bob.beta", "--home"]).arg(self.fleet.home(ALPHA)).args(args);
        command.stdin(Stdio::piped()).spawn().expect("a process")
    }

    async fn send_lines(&self, lines: &[u8], args: &[&str]) -> Output {
        let mut child = self.send(&[&["--stdin"], args].concat());
        let mut input = child.stdin.take().expect("piped");
        // A line above the limit ends the reading: then the pipe breaks.
        let _ = input.write_all(lines).await;
        drop(input);
        child.wait_with_output().await.expect("an end")
    }

    fn client(&self, shard: &str) -> Client {
        Client::of_home(&Home::at(self.fleet.home(shard))).expect("a client")
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
}

fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}, {}", words(output)))
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
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
        bridge.fleet.stop().await.expect("a clean stop");
    };
    tokio::time::timeout(TIME_LIMIT, story).await.expect("in time");
}

async fn a_thousand_lines_arrive_in_order(bridge: &Bridge) {
    let lines: Vec<Vec<u8>> = (0..1_000usize)
        .map(|n| if n % 10 == 0 { Vec::new() } else { format!("{n} {}", "y".repeat(n * 31 % 300)).into_bytes() })
        .collect();
    let mut input = lines.join(&b'\n');
    input.push(b'\n');

    let output = bridge.send_lines(&input, &["--wait", "delivered"]).await;

    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(summary(&output), json!({ "peer": "beta", "sent": 1_000, "first_nonce": 0, "last_nonce": 999 }));
    assert!(words(&output).contains("1000 messages accepted, "), "{}", words(&output));
    assert_eq!(bridge.inbox(0, 1_000).await, lines);
}

async fn the_bytes_of_a_file_arrive_as_one_message(bridge: &Bridge) {
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let path = bridge.folder.path().join("picture.bin");
    std::fs::write(&path, &bytes).expect("a file");
    let file = path.to_str().expect("a name in UTF-8");

    let output = bridge.send(&["--file", file]).wait_with_output().await.expect("an end");
    assert_eq!(summary(&output)["nonce"], 1_000, "{}", words(&output));
    assert_eq!(bridge.inbox(1_000, 1).await, [bytes]);

    std::fs::File::create(&path).and_then(|file| file.set_len(5_000_000)).expect("a larger file");
    let output = bridge.send(&["--file", file]).wait_with_output().await.expect("an end");
    assert!(!output.status.success() && words(&output).contains("has 5000000 bytes"), "{}", words(&output));
}

async fn nothing_after_a_line_above_the_limit_is_sent(bridge: &Bridge) {
    let input = [b"before\n".to_vec(), vec![b'z'; MESSAGE_BYTES_MAX], b"\nafter\n".to_vec()].concat();

    let output = bridge.send_lines(&input, &[]).await;

    assert!(!output.status.success());
    assert!(words(&output).contains("line 2 has more than the"), "{}", words(&output));
    let expected = json!({ "peer": "beta", "sent": 1, "first_nonce": 1_001, "last_nonce": 1_001 });
    assert_eq!(summary(&output), expected);
    assert_eq!(bridge.inbox(1_001, 1).await, [b"before"]);
    assert_eq!(bridge.client(ALPHA).status().await.expect("a status").engine.outbound[0].accepted, 1_002);
}

async fn an_interrupted_sender_tells_how_far_it_came(bridge: &Bridge) {
    let mut child = bridge.send(&["--stdin"]);
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"zero\n").await.expect("read");
    // An open input holds nothing back: the line arrives while more may come.
    assert_eq!(bridge.inbox(1_002, 1).await, [b"zero"]);
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("it runs");
    kill_process(pid, Signal::INT).expect("a signal");

    let output = child.wait_with_output().await.expect("an end");

    assert!(!output.status.success());
    let told = words(&output);
    assert!(
        told.contains("lines 1 to 1 were accepted, as messages 1002 to 1002") && told.contains("interrupted"),
        "{told}"
    );
    assert_eq!(summary(&output)["sent"], 1);
    drop(input);
}

async fn a_killed_node_leaves_a_count_to_go_on_from(bridge: &mut Bridge) {
    let mut child = bridge.send(&["--stdin"]);
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"one\ntwo\n").await.expect("read");
    assert_eq!(bridge.inbox(1_003, 2).await, [b"one", b"two"]);
    bridge.fleet.kill(ALPHA).await.expect("it ran");
    input.write_all(b"three\n").await.expect("read");
    drop(input);

    let output = child.wait_with_output().await.expect("an end");

    assert!(!output.status.success());
    let told = words(&output);
    assert!(told.contains("lines 1 to 2 were accepted, as messages 1003 to 1004 of the lane to beta"), "{told}");
    assert_eq!(summary(&output)["sent"], 2);
    bridge.fleet.start_node(ALPHA).await.expect("a running node");
    let output = bridge.send_lines(b"three", &["--wait", "delivered"]).await;
    assert_eq!(summary(&output)["first_nonce"], 1_005, "{}", words(&output));
    assert_eq!(bridge.inbox(1_005, 1).await, [b"three"]);
}
