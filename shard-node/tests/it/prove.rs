//! What became of a message, proved by the node that sent it and verified by a process that has a
//! file and a pinned trust root.

use queue::ids::ShardId;
use serde_json::Value;
use shard_node::api::types::{NewMessage, SentMessage, WaitQuery};
use shard_node::client::{Client, ClientError};
use shard_node::demo::fleet::{Fleet, SHARDS};
use shard_node::driver::Milestone;
use shard_node::home::Home;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far above what a busy machine needs; without it, a lost message would be waited for for ever.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Pause before a node is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Over before the destination, which is away, can have started.
const DEADLINE_MS: u64 = 1;

struct Stage {
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

    #[track_caller]
    fn refuses(&self, reason: &str) {
        assert!(self.code == Some(1) && self.stdout.is_empty() && self.stderr.contains(reason), "{}", self.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_proves_to_a_stranger_which_message_was_delivered_and_which_never_ran() {
    let folder = tempfile::tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_shard-node"));
    let mut stage = Stage { fleet: Fleet::new(program, folder.path().join("fleet"), 20), folder };
    tokio::time::timeout(TIME_LIMIT, prove_both(&mut stage)).await.expect("a message was not settled");
    stage.fleet.stop().await.unwrap();
}

async fn prove_both(stage: &mut Stage) {
    let rpc = stage.fleet.start_near().await.unwrap();
    for shard in SHARDS {
        stage.fleet.init(shard, &rpc).await.unwrap();
        stage.fleet.start_node(shard).await.unwrap();
    }
    let delivered = stage.send("in time").await;
    stage.wait_until_acknowledged(delivered).await;

    stage.fleet.kill("beta").await.unwrap();
    stage.fleet.kill("alpha").await.unwrap();
    stage.set_deadline();
    stage.fleet.start_node("alpha").await.unwrap();
    let expired = stage.send("too late").await;
    assert_eq!((delivered, expired), (0, 1));
    stage.prove("delivery", "beta/1").await.refuses("try again");
    stage.prove("expiry", "beta/1").await.refuses("nonce 1");
    stage.fleet.start_node("beta").await.unwrap();
    let proof = stage.expiry_of("beta/1").await;

    stage.prove("delivery", "beta/1").await.refuses("it is expired; that can be proved with `prove expiry`");
    stage.prove("expiry", "beta/0").await.refuses("nonce 0 has not expired");
    stage.prove("expiry", "beta/2").await.refuses("nonce 2 of the lane to beta is not accepted yet");
    stage.prove("delivery", "gamma/0").await.refuses("no lane to gamma");
    assert_eq!(stage.prove("delivery", "beta").await.code, Some(2));

    let said = stage.prove("delivery", "beta/0").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    stage.is_convincing("d.json", &said.stdout, "delivered, as beta attested").await;
    stage.is_convincing("x.json", &proof, "never ran and never will (expired)").await;
}

impl Stage {
    fn home(&self, shard: &str) -> Home {
        Home::at(self.fleet.home(shard))
    }

    /// Has alpha's node give messages a deadline, from its next start on.
    fn set_deadline(&self) {
        let path = self.fleet.home("alpha").join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["deadline_default_ms"] = DEADLINE_MS.into();
        std::fs::write(&path, serde_json::to_vec_pretty(&config).unwrap()).unwrap();
    }

    /// Sends from alpha to beta as soon as alpha's node takes it, and gives the nonce.
    async fn send(&self, text: &str) -> u64 {
        let client = Client::of_home(&self.home("alpha")).unwrap();
        loop {
            let payload = text.as_bytes().to_vec();
            let to = "bob.beta".parse().unwrap();
            let message = NewMessage { to, from: None, expires_in_ms: None, key: None, payload };
            match client.send(message).await {
                Ok(SentMessage { nonce, .. }) => return nonce,
                Err(ClientError::Refused(error)) if error.code == "starting" => tokio::time::sleep(PAUSE).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn wait_until_acknowledged(&self, nonce: u64) {
        let client = Client::of_home(&self.home("alpha")).unwrap();
        let beta: ShardId = "beta".parse().unwrap();
        let query = WaitQuery { nonce, state: Milestone::Acknowledged, wait_ms: 1_000 };
        while !client.wait(&beta, &query).await.unwrap().reached {}
    }

    /// What a command prints on alpha's home.
    async fn prove(&self, claim: &str, message: &str) -> Said {
        let home = self.fleet.home("alpha");
        self.run(&["prove", claim, message, "--home", home.to_str().unwrap()], None).await
    }

    /// The proof that a message expired, as soon as there is one.
    async fn expiry_of(&self, message: &str) -> Vec<u8> {
        loop {
            let said = self.prove("expiry", message).await;
            if said.code == Some(0) {
                return said.stdout;
            }
            said.refuses("nonce 1");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn run(&self, args: &[&str], path: Option<&Path>) -> Said {
        let output = self.fleet.command().args(args).args(path).output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Said { code: output.status.code(), stdout: output.stdout, stderr }
    }

    /// Whether a stranger believes a file, under the pinned trust root only, and only as it was
    /// written.
    async fn is_convincing(&self, name: &str, proof: &[u8], verdict: &str) {
        let (trust, path) = (self.fleet.trust(), self.folder.path().join(name));
        let pinned = ["verify", "--trust", trust.to_str().unwrap()];
        std::fs::write(&path, proof).unwrap();
        let said = self.run(&pinned, Some(&path)).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let text = said.text();
        assert!(text.contains(verdict) && text.contains("under the pinned trust root"), "{text}");
        let unpinned = self.run(&["verify"], Some(&path)).await;
        assert!(unpinned.code == Some(3) && unpinned.text().contains("NOT authenticated"), "{}", unpinned.text());

        // Mallory claims the same of another message.
        let mut changed: Value = serde_json::from_slice(proof).unwrap();
        changed["nonce"] = (1 - changed["nonce"].as_u64().unwrap()).into();
        std::fs::write(&path, changed.to_string()).unwrap();
        self.run(&pinned, Some(&path)).await.refuses("proves nothing");
    }
}
