//! The stage: an embedded NEAR, a node that Mallory attacks, and an honest third shard that goes on
//! sending to it. Both nodes are daemons with stores on disk.

use super::log_lines;
use crate::localnet::Network;
use queue::engine::{InboundStatus, OutboundStatus};
use queue::ids::ShardId;
use shard_node::api::types::{InboxMessage, InboxQuery, NewMessage, StatusResponse, WaitQuery};
use shard_node::client::Client;
use shard_node::daemon::{self, DaemonError};
use shard_node::driver::Milestone;
use shard_node::home::Home;
use shard_node::init;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Far above what anything here takes on a busy machine.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The embedded NEAR takes a poll as it comes: nodes see a shard soon after it is registered.
const NEAR_POLL_MS: u64 = 50;

/// A bound that a test reaches soon.
const STAGED_BYTES_MAX: u64 = 1024 * 1024;

/// A running node.
pub struct Node {
    pub shard: ShardId,
    pub client: Client,
    pub p2p: SocketAddr,
    reload: mpsc::Sender<()>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DaemonError>>,
}

/// The stage without Mallory.
pub struct Stage {
    pub network: Network,
    pub target: Node,
    third: Node,
    traffic: Traffic,
    /// How often the third shard was connected until its first message arrived.
    connections: usize,
    folder: TempDir,
}

/// Messages from the third shard to the target, one after the other.
struct Traffic {
    enough: watch::Sender<bool>,
    task: JoinHandle<Vec<String>>,
}

impl Stage {
    /// A stage whose shards carry names of their own, so that the log can be told from that of
    /// other tests.
    pub async fn start(target: &str, third: &str) -> Self {
        log_lines::capture();
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::start(&folder.path().join("near")).await;
        let target = Node::start(&network, folder.path().join("target"), target).await;
        let third = Node::start(&network, folder.path().join("third"), third).await;
        let traffic = Traffic::start(third.client.clone(), target.shard.clone());
        target.until(|status| inbound(status, &third.shard).is_some_and(|lane| lane.delivered > 0)).await;
        let connections = log_lines::connections(third.shard.as_str());
        Stage { network, target, third, traffic, connections, folder }
    }

    /// A folder for Mallory.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("mallory")
    }

    pub fn third(&self) -> &ShardId {
        &self.third.shard
    }

    /// Stops everything, and checks that the third shard has noticed nothing: its messages have
    /// all arrived, once and in order, over the one connection that it began with.
    pub async fn end(self) {
        let sent = self.traffic.stop().await;
        let texts = self.target.texts_from(&self.third.shard).await;
        assert_eq!(texts, sent, "the third shard's messages");
        let connections = log_lines::connections(self.third.shard.as_str());
        assert_eq!(connections, self.connections, "the third shard's connections to the target");
        for node in [self.target, self.third] {
            node.stop().await;
        }
        self.network.stop().await;
    }

    /// Waits until the third shard has had a message delivered that it sent after this call.
    pub async fn third_is_served(&self) {
        let lane = |status: &StatusResponse| inbound(status, &self.third.shard).map_or(0, |lane| lane.delivered);
        let before = lane(&self.target.status().await);
        // One may have been under way.
        self.target.until(|status| lane(status) >= before + 2).await;
    }
}

impl Traffic {
    fn start(client: Client, to: ShardId) -> Self {
        let (enough, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut sent = Vec::new();
            while !*stopped.borrow() {
                let text = format!("honest {}", sent.len());
                let receiver = format!("bob.{to}").parse().expect("an account");
                let message = NewMessage::new(receiver, text.clone().into_bytes());
                let accepted = client.send(message).await.expect("accepted");
                sent.push(text);
                let wait_ms = TIME_LIMIT.as_millis().try_into().expect("a minute");
                let query = WaitQuery { nonce: accepted.nonce, state: Milestone::Delivered, wait_ms };
                let answer = client.wait(&to, &query).await.expect("an answer");
                assert!(
                    answer.reached,
                    "message {} of the third shard waits for {:?}",
                    accepted.nonce, answer.waiting_for
                );
            }
            sent
        });
        Traffic { enough, task }
    }

    async fn stop(self) -> Vec<String> {
        self.enough.send_replace(true);
        self.task.await.expect("honest messages go on")
    }
}

impl Node {
    /// Registers the shard and starts its node.
    pub async fn start(network: &Network, home: PathBuf, shard: &str) -> Self {
        init::init(network.init_options(&home, shard), |_| ()).await.expect("registered");
        let home = Home::at(home);
        let mut config = home.read_config().expect("a configuration");
        config.near_poll_ms = NEAR_POLL_MS;
        config.staged_bytes_max = Some(STAGED_BYTES_MAX);
        home.write_config(&config).expect("written");
        Node::run(home).await
    }

    /// Runs the node of a home.
    pub async fn run(home: Home) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (reload, reloads) = mpsc::channel(1);
        let (started, ready) = oneshot::channel();
        let client = Client::of_home(&home).expect("a home");
        let task = tokio::spawn(async move {
            let ready = |ready: &daemon::Ready| started.send(ready.clone()).expect("the test waits");
            daemon::run(&home, ready, reloads, async { stopped.await.unwrap_or(()) }).await
        });
        let ready = ready.await.expect("the node starts");
        let node = Node { shard: ready.shard, client, p2p: ready.p2p, reload, stop, task };
        node.until(|status| status.engine.resumed).await;
        node
    }

    /// Has the node read its configuration again.
    pub async fn reload(&self) {
        self.reload.send(()).await.expect("the node runs");
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("the node runs");
        self.task.await.expect("no panic").expect("an orderly end");
    }

    pub async fn status(&self) -> StatusResponse {
        self.client.status().await.expect("a status")
    }

    /// Waits for a state.
    pub async fn until(&self, wanted: impl Fn(&StatusResponse) -> bool) -> StatusResponse {
        let waiting = async {
            loop {
                let status = self.status().await;
                if wanted(&status) {
                    return status;
                }
            }
        };
        match tokio::time::timeout(TIME_LIMIT, waiting).await {
            Ok(status) => status,
            Err(_) => panic!("{} never got there: {:#?}", self.shard, self.status().await.engine),
        }
    }

    pub async fn send(&self, to: &ShardId, text: &str) {
        let receiver = format!("bob.{to}").parse().expect("an account");
        let message = NewMessage::new(receiver, text.as_bytes().to_vec());
        self.client.send(message).await.expect("accepted");
    }

    /// The inbox's entries from one peer.
    pub async fn inbox_from(&self, peer: &ShardId) -> Vec<InboxMessage> {
        let mut entries = Vec::new();
        let mut from = 0;
        loop {
            let page = self.client.inbox(&InboxQuery { from, limit: None, wait_ms: 0 }).await.expect("an inbox");
            if page.entries.is_empty() {
                return entries;
            }
            from = page.next;
            entries.extend(page.entries.into_iter().filter(|entry| entry.peer == *peer));
        }
    }

    async fn texts_from(&self, peer: &ShardId) -> Vec<String> {
        let text = |entry: InboxMessage| String::from_utf8(entry.message.expect("no tombstone").payload).expect("text");
        self.inbox_from(peer).await.into_iter().map(text).collect()
    }
}

pub fn inbound<'a>(status: &'a StatusResponse, peer: &ShardId) -> Option<&'a InboundStatus> {
    status.engine.inbound.iter().find(|lane| lane.peer == *peer)
}

pub fn outbound<'a>(status: &'a StatusResponse, peer: &ShardId) -> Option<&'a OutboundStatus> {
    status.engine.outbound.iter().find(|lane| lane.peer == *peer)
}
