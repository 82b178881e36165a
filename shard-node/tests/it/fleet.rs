//! A bridge whose parts are all real processes, and the commands that its operators give at a shell.

use crate::operator::Ran;
use serde_json::Value;
use shard_node::api::types::{NewMessage, SentMessage, StatusResponse};
use shard_node::client::{Client, ClientError};
use shard_node::config::Config;
use shard_node::demo::fleet::{Fleet, SHARDS};
use shard_node::home::Home;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

pub const ALPHA: &str = SHARDS[0];
pub const BETA: &str = SHARDS[1];

/// The trust root that the embedded NEAR wrote, as seen from the bridge's folder.
pub const TRUST: &str = "near/trust.json";

/// Far above what a busy machine needs; without it, what never comes would be waited for for ever.
pub const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Between two questions to somebody who tells nothing unasked.
const PAUSE: Duration = Duration::from_millis(20);

/// How long NEAR's signer takes: enough that messages are staged before they are released.
const SIGNER_DELAY_MS: u64 = 20;

/// The processes, and the folder that commands run in: homes are named as their shards.
pub struct Bridge {
    pub fleet: Fleet,
    pub folder: TempDir,
}

/// Ends a test that waits for what never comes.
pub async fn in_time<T>(story: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIME_LIMIT, story).await.expect("in time")
}

/// Asks again and again until there is an answer.
pub async fn until_there_is<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            match ask().await {
                Some(answer) => return answer,
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    tokio::time::timeout(TIME_LIMIT, asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

impl Bridge {
    /// A bridge of which nothing runs yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_shard-node"));
        Bridge { fleet: Fleet::new(program, folder.path().to_owned(), SIGNER_DELAY_MS), folder }
    }

    /// A running bridge.
    pub async fn start() -> Self {
        let mut bridge = Self::new();
        bridge.fleet.start_all(drop).await.expect("a running bridge");
        bridge
    }

    pub async fn stop(self) {
        self.fleet.stop().await.expect("a clean stop");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn home(&self, shard: &str) -> Home {
        Home::at(self.fleet.home(shard))
    }

    pub fn client(&self, shard: &str) -> Client {
        Client::of_home(&self.home(shard)).expect("a client")
    }

    /// Changes a node's configuration; a node that runs reads it at its next start.
    pub fn configure(&self, shard: &str, change: impl FnOnce(&mut Config)) {
        let mut config = self.home(shard).read_config().expect("a configuration");
        change(&mut config);
        self.home(shard).write_config(&config).expect("written");
    }

    /// Kills a node as a power cut would, and starts it again.
    pub async fn restart(&mut self, shard: &str) {
        self.fleet.kill(shard).await.expect("it ran");
        self.fleet.start_node(shard).await.expect("a running node");
    }

    /// A command in the bridge's folder, with nothing but its arguments to say where keys are.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.fleet.command();
        command.current_dir(self.folder.path()).env("HOME", self.folder.path()).args(args);
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().await.expect("a process").into()
    }

    /// Runs a command that succeeds, and gives its last line of JSON, if it prints any.
    pub async fn done(&self, args: &[&str]) -> Value {
        let ran = self.run(&[&["--json"], args].concat()).await;
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        serde_json::from_str(ran.text().lines().last().unwrap_or_default()).unwrap_or_default()
    }

    /// Runs a command that succeeds, and keeps what it prints as a file.
    pub async fn keep(&self, name: &str, args: &[&str]) {
        let ran = self.run(args).await;
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        std::fs::write(self.path(name), ran.stdout).expect("written");
    }

    /// Runs a command that fails, and gives what it says.
    pub async fn refused(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["--json"], args].concat()).await;
        assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
        ran.stderr
    }

    /// Sends one message to the other shard, and waits until that is so far.
    pub async fn send(&self, from: &str, text: &str, until: Option<&str>) -> Value {
        let to = if from == ALPHA { "bob.beta" } else { "bob.alpha" };
        let wait = until.map_or(vec![], |until| vec!["--wait", until]);
        self.done(&[&["send", "--home", from, "--to", to, text][..], &wait].concat()).await
    }

    /// Has a node take a message, as soon as it takes any: until it has seen NEAR it takes nothing.
    pub async fn accepted(&self, shard: &str, message: NewMessage) -> SentMessage {
        let client = self.client(shard);
        until_there_is(&format!("{shard} takes a message"), async || match client.send(message.clone()).await {
            Err(ClientError::Refused(error)) if error.code == "starting" => None,
            result => Some(result.expect("accepted")),
        })
        .await
    }

    /// Waits until a node's status is as wanted.
    pub async fn until(&self, shard: &str, what: &str, wanted: impl Fn(&StatusResponse) -> bool) -> StatusResponse {
        let client = self.client(shard);
        until_there_is(&format!("{shard} {what}"), async || {
            let status = client.status().await.expect("a status");
            wanted(&status).then_some(status)
        })
        .await
    }
}
