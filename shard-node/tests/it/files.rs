//! Two nodes without any connection between them: all that they say to each other is carried as
//! files, by commands as operators give them.

use queue::ids::ShardId;
use shard_node::api::types::{InboxQuery, NewMessage};
use shard_node::client::Client;
use shard_node::demo::fleet::{Fleet, SHARDS};
use shard_node::home::Home;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far above what a busy machine needs; without it, a lost message would be waited for for ever.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Pause before a node is asked again.
const PAUSE: Duration = Duration::from_millis(50);

const MESSAGES: u64 = 1_000;

/// A bridge whose nodes have no address of each other.
struct Apart {
    fleet: Fleet,
    folder: tempfile::TempDir,
}

struct Said {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned() + &self.stderr
    }
}

impl Apart {
    async fn start() -> Apart {
        let folder = tempfile::tempdir().unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_shard-node"));
        let mut fleet = Fleet::new(program, folder.path().join("fleet"), 20);
        let rpc = fleet.start_near().await.unwrap();
        for shard in SHARDS {
            let (home, trust) = (fleet.home(shard), fleet.trust());
            let mut command = fleet.command();
            // A name that is reserved never to resolve.
            command.args([
                "init",
                "--shard",
                shard,
                "--near",
                &rpc,
                "--publish-address",
                "nowhere.invalid:1",
                "--home",
            ]);
            let made = command.arg(home).arg("--trust").arg(trust).output().await.unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            fleet.start_node(shard).await.unwrap();
        }
        Apart { fleet, folder }
    }

    fn client(&self, shard: &str) -> Client {
        Client::of_home(&Home::at(self.fleet.home(shard))).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, args: &[&str], path: Option<&Path>) -> Said {
        let output = self.fleet.command().args(args).args(path).output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Said { code: output.status.code(), stdout: output.stdout, stderr }
    }

    /// A command on a node's home.
    async fn at(&self, shard: &str, args: &[&str]) -> Said {
        let home = self.fleet.home(shard);
        self.run(&[args, &["--home", home.to_str().unwrap()]].concat(), None).await
    }

    async fn export(&self, shard: &str, args: &[&str], name: &str) -> PathBuf {
        let said = self.at(shard, &[&["export"], args].concat()).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        std::fs::write(self.path(name), said.stdout).unwrap();
        self.path(name)
    }

    async fn import(&self, shard: &str, file: &Path) -> Said {
        self.at(shard, &["import", "--json", file.to_str().unwrap()]).await
    }

    async fn taken(&self, shard: &str, file: &Path) -> u64 {
        let said = self.import(shard, file).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let answer: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        answer["taken"].as_u64().unwrap()
    }

    async fn verify(&self, file: &Path, more: &[&str]) -> Said {
        self.run(&[&["verify"], more].concat(), Some(file)).await
    }

    async fn send(&self, from: &str, to: &str, count: u64) {
        let client = self.client(from);
        let to: ShardId = to.parse().unwrap();
        let message =
            |number: u64| NewMessage::new(format!("bob.{to}").parse().unwrap(), number.to_string().into_bytes());
        while client.status().await.unwrap().engine.outbound.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        client.send_many((0..count).map(message).collect()).await.unwrap();
        while client.status().await.unwrap().engine.outbound[0].attested < count {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until an attested checkpoint of the shard says that it has received so many.
    async fn wait_until_acknowledging(&self, shard: &str, count: u64) {
        while self.client(shard).status().await.unwrap().engine.inbound[0].acknowledged < count {
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn inbox(&self, shard: &str) -> Vec<String> {
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
    let apart = Apart::start().await;
    tokio::time::timeout(TIME_LIMIT, exchange(&apart)).await.expect("messages were lost");
    apart.fleet.stop().await.unwrap();
}

async fn exchange(apart: &Apart) {
    tokio::join!(apart.send("alpha", "beta", MESSAGES), apart.send("beta", "alpha", MESSAGES));
    let there = apart.export("alpha", &["--to", "beta"], "there.batch").await;
    let back = apart.export("beta", &["--to", "alpha"], "back.batch").await;
    assert_eq!(tokio::join!(apart.taken("beta", &there), apart.taken("alpha", &back)), (MESSAGES, MESSAGES));
    assert_eq!(apart.inbox("beta").await, numbers(MESSAGES));
    assert_eq!(apart.inbox("alpha").await, numbers(MESSAGES));
    assert_eq!(apart.taken("beta", &there).await, 0, "a replayed file brings nothing");

    for (from, to) in [("beta", "alpha"), ("alpha", "beta")] {
        apart.wait_until_acknowledging(from, MESSAGES).await;
        let acknowledgement = apart.export(from, &["--to", to], "ack.batch").await;
        assert_eq!(apart.taken(to, &acknowledgement).await, 0);
        let status = apart.client(to).status().await.unwrap().engine;
        let (lane, inbound) = (&status.outbound[0], &status.inbound[0]);
        assert_eq!((lane.acknowledged, lane.backlog_bytes, lane.connected), (MESSAGES, 0, false));
        assert_eq!((inbound.delivered, inbound.connected, &inbound.frozen), (MESSAGES, false, &None));
        let pruned = apart.at(to, &["export", "--to", from, "--range", "0..10"]).await;
        assert!(pruned.code == Some(1) && pruned.stderr.contains("960..1000"), "{}", pruned.stderr);
    }
    let head = std::fs::metadata(apart.export("alpha", &["--to", "beta"], "head.batch").await).unwrap();
    assert!(head.len() < 4_096, "an acknowledgement alone has {} bytes", head.len());
    strangers(apart, &there).await;
    refusals(apart, &there).await;
}

/// What strangers find in files that the nodes wrote.
async fn strangers(apart: &Apart, there: &Path) {
    let trust = apart.fleet.trust();
    let pinned = ["--trust", trust.to_str().unwrap()];
    let honest = apart.verify(there, &pinned).await;
    assert_eq!(honest.code, Some(0), "{}", honest.stderr);
    let text = honest.text();
    assert!(text.contains("alpha → beta") && text.contains("0..1000") && text.contains("verified"), "{text}");
    let unpinned = apart.verify(there, &[]).await;
    assert_eq!(unpinned.code, Some(3));
    assert!(unpinned.text().contains("NOT authenticated"));
    let received = apart.export("beta", &["--lane", "alpha", "--range", "100..117"], "received.batch").await;
    let report = apart.verify(&received, &[&pinned[..], &["--json"]].concat()).await;
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((&report["begin"], &report["end"], &report["authenticated"]), (&100.into(), &117.into(), &true.into()));

    let bytes = std::fs::read(&received).unwrap();
    let changed = apart.path("changed.batch");
    for sample in 0..24 {
        let mut flipped = bytes.clone();
        flipped[sample * (bytes.len() - 1) / 23] ^= 1;
        std::fs::write(&changed, flipped).unwrap();
        let said = apart.verify(&changed, &pinned).await;
        assert!(said.code == Some(1) && said.stdout.is_empty(), "sample {sample}: {}", said.text());
    }
    for length in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&changed, &bytes[..length]).unwrap();
        let said = apart.verify(&changed, &pinned).await;
        assert!(said.code == Some(1) && said.stdout.is_empty(), "{length} bytes: {}", said.text());
    }
}

/// What a node refuses from its operator.
async fn refusals(apart: &Apart, there: &Path) {
    let own = apart.import("alpha", there).await;
    assert!(own.code == Some(1) && own.stderr.contains("belongs to a node of shard beta"), "{}", own.stderr);
    let nothing = apart.import("beta", &apart.fleet.trust()).await;
    assert!(nothing.code == Some(1) && nothing.stderr.contains("batch file"), "{}", nothing.stderr);
    apart.send("alpha", "beta", MESSAGES).await;
    let end = apart.client("alpha").status().await.unwrap().engine.outbound[0].accepted;
    while apart.client("alpha").status().await.unwrap().engine.outbound[0].attested < end {
        tokio::time::sleep(PAUSE).await;
    }
    let late = apart.export("alpha", &["--to", "beta", "--range", "1500..2000"], "late.batch").await;
    let gap = apart.import("beta", &late).await;
    assert!(gap.code == Some(1) && gap.stderr.contains("--range 1000..1500"), "{}", gap.stderr);
    let beyond = apart.at("alpha", &["export", "--to", "beta", "--range", "1000..2001"]).await;
    assert!(beyond.code == Some(1) && beyond.stderr.contains("..2000"), "{}", beyond.stderr);
    let evidence = apart.at("beta", &["evidence"]).await;
    assert!(evidence.code == Some(0) && evidence.text().contains("no lane was ever frozen"), "{}", evidence.text());
    let resume = apart.at("beta", &["lane", "unfreeze", "--lane", "alpha"]).await;
    assert!(resume.code == Some(1) && resume.stderr.contains("not frozen"), "{}", resume.stderr);
    let unknown = apart.at("beta", &["export", "--to", "gamma"]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("gamma"), "{}", unknown.stderr);
}
