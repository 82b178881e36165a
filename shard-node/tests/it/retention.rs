//! What a node keeps of what it delivered, and what it says of the rest; and that a cut through its
//! log, also through what was pruned, leaves a store that adds up.

use crate::fleet::{ALPHA, BETA, Bridge, in_time, until_there_is};
use shard_node::api::types::{BatchQuery, ErrorBody, InboxQuery, LaneSide, NewMessage};
use shard_node::client::ClientError;
use shard_node::fsck::fsck;
use shard_node::home::Home;
use shard_node::store::DiskStore;
use std::fs;

/// Of one lane; the messages below take several times as much.
const KEPT_BYTES: u64 = 20_000;

const MESSAGES: u64 = 600;

/// How often the log is cut.
const CUTS: usize = 40;

/// Sends in rounds, each delivered before the next: what nobody could read yet is not pruned.
async fn send_rounds(bridge: &Bridge) {
    let client = bridge.client(ALPHA);
    for round in 0..6 {
        let message = |nonce: u64| NewMessage::new("bob.beta".parse().expect("an account"), text(nonce).into_bytes());
        let numbers = round * MESSAGES / 6..(round + 1) * MESSAGES / 6;
        let end = numbers.end;
        let sent = client.send_many(numbers.map(message).collect()).await.expect("accepted");
        assert_eq!(sent.results.len(), 100);
        bridge.until(BETA, "delivers a round", |status| status.engine.inbox_size == end).await;
    }
    // Turns that come after the last one was durable: by then all is pruned that will be.
    bridge.send(BETA, "that was all", Some("delivered")).await;
}

fn text(nonce: u64) -> String {
    format!("{nonce:0100}")
}

fn pruned<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> u64 {
    match answer {
        Err(ClientError::Refused(ErrorBody { code, first: Some(first), .. })) if code == "pruned" => first,
        other => panic!("expected what is pruned to be called so, found {other:?}"),
    }
}

/// A bridge whose beta keeps little of what it delivers.
async fn forgetful() -> Bridge {
    let mut bridge = Bridge::start().await;
    bridge.configure(BETA, |config| config.inbound_retention_bytes_max = Some(KEPT_BYTES));
    bridge.restart(BETA).await;
    bridge.until(ALPHA, "sees beta", |status| status.engine.outbound.iter().any(|lane| lane.connected)).await;
    bridge
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_keeps_no_longer_is_called_pruned_with_the_first_that_is_kept() {
    in_time(async {
        let mut bridge = forgetful().await;
        send_rounds(&bridge).await;
        let first = what_is_kept(&bridge).await;
        bridge.restart(BETA).await;
        assert_eq!(what_is_kept(&bridge).await, first, "a restart changes nothing");
        as_a_shell_sees_it(&bridge, first).await;
        bridge.send(ALPHA, "goes on", Some("settled")).await;
        bridge.stop().await;
    })
    .await;
}

/// The first message that is kept, as all parts of the API say it.
async fn what_is_kept(bridge: &Bridge) -> u64 {
    let (client, alpha) = (bridge.client(BETA), ALPHA.parse().expect("a shard"));
    let at = |from| InboxQuery { from, limit: None, wait_ms: 0 };
    let first = until_there_is("beta prunes", async || match client.inbox(&at(0)).await {
        Ok(_) => None,
        refused => Some(pruned(refused)),
    })
    .await;
    // One lane alone: positions in the inbox are its nonces.
    assert!(first > MESSAGES / 2 && first < MESSAGES, "{first} is the first of {MESSAGES}");
    assert_eq!(pruned(client.inbox(&at(first - 1)).await), first);
    let kept = client.inbox(&at(first)).await.expect("kept");
    let payload = |entry: &shard_node::api::types::InboxMessage| entry.message.as_ref().map(|it| it.payload.clone());
    let payloads: Vec<_> = kept.entries.iter().filter_map(payload).collect();
    assert!(payloads.into_iter().eq((first..MESSAGES).map(|nonce| text(nonce).into_bytes())), "from {first} on");

    assert_eq!(pruned(client.prove(&alpha, None, 0).await), first);
    assert_eq!(pruned(client.prove(&alpha, None, first - 1).await), first);
    assert_eq!(client.prove(&alpha, None, first).await.expect("kept").nonce, first);
    let query = BatchQuery { side: LaneSide::From, begin: Some(first - 1), end: Some(MESSAGES) };
    let Err(ClientError::Refused(refused)) = client.export(&alpha, &query).await else { panic!("it was exported") };
    assert_eq!(refused.code, "not_there");
    assert!(refused.message.contains(&format!("{first}..{MESSAGES} are attested and kept here")), "{refused:?}");
    first
}

async fn as_a_shell_sees_it(bridge: &Bridge, first: u64) {
    let shown = bridge.run(&["--json", "inbox", "--home", BETA]).await;
    assert!(shown.stderr.contains("position 0 of the inbox is pruned") && shown.code == Some(0), "{shown:?}");
    let entries = shown.json()["entries"].as_array().cloned().unwrap_or_default();
    let nonces: Vec<_> = entries.iter().map(|entry| entry["nonce"].as_u64()).collect();
    assert_eq!(nonces, (first..MESSAGES).map(Some).collect::<Vec<_>>(), "it goes on behind what is pruned");

    let proof = bridge.refused(&["export", "--home", BETA, "--lane", ALPHA, "--nonce", "0"]).await;
    assert!(proof.contains(&format!("nonce 0 of the lane from alpha is pruned: messages from {first} on")), "{proof}");
    let range = bridge.refused(&["export", "--home", BETA, "--lane", ALPHA, "--range", "0..600"]).await;
    assert!(range.contains(&format!("{first}..{MESSAGES} are attested and kept here")), "{range}");
    bridge.keep("kept.batch", &["export", "--home", BETA, "--lane", ALPHA]).await;
    let told = bridge.done(&["verify", "kept.batch", "--trust", "near/trust.json"]).await;
    assert_eq!((told["begin"].as_u64(), told["end"].as_u64()), (Some(first), Some(MESSAGES)), "{told}");
}

/// A log is only appended to: cut anywhere, it is what a crash would have left then.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_node_that_prunes_cut_anywhere_opens_and_adds_up() {
    in_time(async {
        let mut bridge = forgetful().await;
        send_rounds(&bridge).await;
        let first = what_is_kept(&bridge).await;
        bridge.fleet.kill(BETA).await.expect("it ran");
        let home = bridge.home(BETA);
        let path = home.store_path().join("log/0000000000000001.segment");
        let whole = fs::read(&path).expect("the log's only segment");
        assert!(!path.with_file_name("0000000000000002.segment").exists(), "no segment may be gone");
        let used = whole.iter().rposition(|byte| *byte != 0).expect("records") + 1;
        let begin = whole.windows(100).position(|bytes| bytes == text(0).as_bytes()).expect("the first message");

        let mut kept_from = Vec::new();
        for cut in 0..=CUTS {
            let at = begin + (used - begin) * cut / CUTS;
            let mut torn = whole.clone();
            torn[at..].fill(0);
            fs::write(&path, torn).expect("written");
            fs::remove_dir_all(home.store_path().join("index")).expect("the index goes");
            kept_from.push(opens_and_adds_up(&home, &format!("cut at {at} of {used}")));
        }
        assert!(kept_from.is_sorted(), "{kept_from:?}");
        assert_eq!((kept_from[0], kept_from[CUTS]), (0, first), "{kept_from:?}");
        kept_from.dedup();
        assert!(kept_from.len() > 3, "cuts before, between and behind prunings: {kept_from:?}");
    })
    .await;
}

/// Has the store repaired as at a start, and checked: gives the first message that is kept.
fn opens_and_adds_up(home: &Home, what: &str) -> u64 {
    drop(DiskStore::open(&home.store_path(), Box::new(|| ())).unwrap_or_else(|error| panic!("{what}: {error}")));
    let verdict = fsck(home, |_| ()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(verdict.is_sound(), "{what}: {:?}", verdict.findings().collect::<Vec<_>>());
    let lanes = verdict.engine.into_iter().flat_map(|engine| engine.lanes);
    lanes.filter(|lane| lane.source.as_str() == ALPHA).map(|lane| lane.kept_from).next().unwrap_or_default()
}
