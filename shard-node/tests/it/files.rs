//! Two nodes without any connection between them: all that they say to each other is carried as
//! files, by commands as operators give them.

use crate::fleet::{ALPHA, BETA, Bridge, TRUST, in_time};
use crate::operator::Ran;
use queue::engine::InboundStatus;
use queue::ids::ShardId;
use serde_json::json;
use shard_node::api::types::{InboxQuery, NewMessage};
use shard_node::demo::fleet::SHARDS;

const MESSAGES: u64 = 1_000;

const PINNED: [&str; 2] = ["--trust", TRUST];

impl Bridge {
    /// A bridge whose nodes have no address of each other.
    async fn apart() -> Self {
        let mut bridge = Bridge::new();
        let rpc = bridge.fleet.start_near().await.unwrap();
        for shard in SHARDS {
            // A name that is reserved never to resolve.
            let nowhere = ["--publish-address", "nowhere.invalid:1"];
            let init = ["init", "--home", shard, "--shard", shard, "--near", &rpc];
            bridge.done(&[&init[..], &PINNED, &nowhere].concat()).await;
            bridge.fleet.start_node(shard).await.unwrap();
        }
        bridge
    }

    /// A command on a node's home.
    async fn at(&self, shard: &str, args: &[&str]) -> Ran {
        self.run(&[args, &["--home", shard]].concat()).await
    }

    async fn export(&self, shard: &str, args: &[&str], name: &'static str) -> &'static str {
        self.keep(name, &[&["export", "--home", shard], args].concat()).await;
        name
    }

    async fn import(&self, shard: &str, file: &str) -> Ran {
        self.at(shard, &["import", "--json", file]).await
    }

    async fn taken(&self, shard: &str, file: &str) -> u64 {
        self.import(shard, file).await.json()["taken"].as_u64().unwrap()
    }

    async fn verify(&self, file: &str, more: &[&str]) -> Ran {
        self.run(&[&["verify", file], more].concat()).await
    }

    /// Sends numbers, and waits until they are attested.
    async fn send_numbers(&self, from: &str, to: &str, count: u64) {
        let to: ShardId = to.parse().unwrap();
        let message =
            |number: u64| NewMessage::new(format!("bob.{to}").parse().unwrap(), number.to_string().into_bytes());
        self.until(from, "has a lane", |status| !status.engine.outbound.is_empty()).await;
        self.client(from).send_many((0..count).map(message).collect()).await.unwrap();
        self.until(from, "has all attested", |status| {
            let lane = &status.engine.outbound[0];
            lane.accepted >= count && lane.attested == lane.accepted
        })
        .await;
    }

    async fn texts(&self, shard: &str) -> Vec<String> {
        let (client, mut from, mut texts) = (self.client(shard), 0, Vec::new());
        loop {
            let page = client.inbox(&InboxQuery { from, limit: Some(1_000), wait_ms: 0 }).await.unwrap();
            if page.entries.is_empty() {
                return texts;
            }
            from = page.next;
            let text = |payload: Vec<u8>| String::from_utf8(payload).unwrap();
            texts.extend(page.entries.into_iter().map(|entry| text(entry.message.unwrap().payload)));
        }
    }
}

fn numbers(count: u64) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_never_connect_exchange_a_thousand_messages_each_way_and_their_acknowledgements_by_files() {
    let apart = Bridge::apart().await;
    in_time(exchange(&apart)).await;
    apart.stop().await;
}

async fn exchange(apart: &Bridge) {
    tokio::join!(apart.send_numbers(ALPHA, BETA, MESSAGES), apart.send_numbers(BETA, ALPHA, MESSAGES));
    let there = apart.export(ALPHA, &["--to", BETA], "there.batch").await;
    let back = apart.export(BETA, &["--to", ALPHA], "back.batch").await;
    assert_eq!(tokio::join!(apart.taken(BETA, there), apart.taken(ALPHA, back)), (MESSAGES, MESSAGES));
    assert_eq!(apart.texts(BETA).await, numbers(MESSAGES));
    assert_eq!(apart.texts(ALPHA).await, numbers(MESSAGES));
    assert_eq!(apart.taken(BETA, there).await, 0, "a replayed file brings nothing");

    for (from, to) in [(BETA, ALPHA), (ALPHA, BETA)] {
        let acknowledges = |lane: &InboundStatus| lane.acknowledged >= MESSAGES;
        apart.until(from, "acknowledges all", |status| acknowledges(&status.engine.inbound[0])).await;
        let acknowledgement = apart.export(from, &["--to", to], "ack.batch").await;
        assert_eq!(apart.taken(to, acknowledgement).await, 0);
        let status = apart.client(to).status().await.unwrap().engine;
        let (lane, inbound) = (&status.outbound[0], &status.inbound[0]);
        assert_eq!((lane.acknowledged, lane.backlog_bytes, lane.connected), (MESSAGES, 0, false));
        assert_eq!((inbound.delivered, inbound.connected, &inbound.frozen), (MESSAGES, false, &None));
        let pruned = apart.at(to, &["export", "--to", from, "--range", "0..10"]).await;
        assert!(pruned.code == Some(1) && pruned.stderr.contains("960..1000"), "{pruned:?}");
    }
    let head = apart.export(ALPHA, &["--to", BETA], "head.batch").await;
    let head = std::fs::metadata(apart.path(head)).unwrap();
    assert!(head.len() < 4_096, "an acknowledgement alone has {} bytes", head.len());
    strangers(apart, there).await;
    refusals(apart, there).await;
}

/// What strangers find in files that the nodes wrote.
async fn strangers(apart: &Bridge, there: &str) {
    let honest = apart.verify(there, &PINNED).await;
    assert_eq!(honest.code, Some(0), "{honest:?}");
    let text = honest.text();
    assert!(text.contains("alpha → beta") && text.contains("0..1000") && text.contains("verified"), "{text}");
    let unpinned = apart.verify(there, &[]).await;
    assert_eq!(unpinned.code, Some(3));
    assert!(unpinned.text().contains("NOT authenticated"));
    let received = apart.export(BETA, &["--lane", ALPHA, "--range", "100..117"], "received.batch").await;
    let report = apart.verify(received, &[&PINNED[..], &["--json"]].concat()).await;
    let report = report.json();
    assert_eq!((&report["begin"], &report["end"], &report["authenticated"]), (&json!(100), &json!(117), &json!(true)));

    let bytes = std::fs::read(apart.path(received)).unwrap();
    let changed = "changed.batch";
    for sample in 0..24 {
        let mut flipped = bytes.clone();
        flipped[sample * (bytes.len() - 1) / 23] ^= 1;
        std::fs::write(apart.path(changed), flipped).unwrap();
        let said = apart.verify(changed, &PINNED).await;
        assert!(said.code == Some(1) && said.stdout.is_empty(), "sample {sample}: {said:?}");
    }
    for length in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(apart.path(changed), &bytes[..length]).unwrap();
        let said = apart.verify(changed, &PINNED).await;
        assert!(said.code == Some(1) && said.stdout.is_empty(), "{length} bytes: {said:?}");
    }
}

/// What a node refuses from its operator.
async fn refusals(apart: &Bridge, there: &str) {
    let own = apart.import(ALPHA, there).await;
    assert!(own.code == Some(1) && own.stderr.contains("belongs to a node of shard beta"), "{own:?}");
    let nothing = apart.import(BETA, TRUST).await;
    assert!(nothing.code == Some(1) && nothing.stderr.contains("batch file"), "{nothing:?}");
    apart.send_numbers(ALPHA, BETA, MESSAGES).await;
    let late = apart.export(ALPHA, &["--to", BETA, "--range", "1500..2000"], "late.batch").await;
    let gap = apart.import(BETA, late).await;
    assert!(gap.code == Some(1) && gap.stderr.contains("--range 1000..1500"), "{gap:?}");
    let beyond = apart.at(ALPHA, &["export", "--to", BETA, "--range", "1000..2001"]).await;
    assert!(beyond.code == Some(1) && beyond.stderr.contains("..2000"), "{beyond:?}");
    let evidence = apart.at(BETA, &["evidence"]).await;
    assert!(evidence.code == Some(0) && evidence.text().contains("no lane was ever frozen"), "{evidence:?}");
    let resume = apart.at(BETA, &["lane", "unfreeze", "--lane", ALPHA]).await;
    assert!(resume.code == Some(1) && resume.stderr.contains("not frozen"), "{resume:?}");
    let unknown = apart.at(BETA, &["export", "--to", "gamma"]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("gamma"), "{unknown:?}");
}
