//! The bridge that is measured: an embedded NEAR, a source and a destination as processes.

use super::child::{Part, Pinning};
use crate::api::types::StatusResponse;
use crate::client::Client;
use crate::demo::fleet::{Fleet, SHARDS};
use crate::home::Home;
use anyhow::{Context as _, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Limit of what the measured lanes hold at either end: the measurement bounds its queues itself.
const LANE_BYTES_MAX: u64 = 1 << 50;

/// How long the nodes may take to find each other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause before a node is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// An embedded NEAR, and the nodes of two registered shards. Dropping it kills what runs.
#[derive(Debug)]
pub(super) struct Bridge {
    program: PathBuf,
    pinning: Pinning,
    /// How long the signer takes.
    pub(super) signer_delay: Duration,
    fleet: Fleet,
    /// NEAR's RPC address.
    rpc: String,
    clients: [Client; 2],
    source: Option<Part>,
    destination: Option<Part>,
}

impl Bridge {
    /// Starts NEAR and registers both shards in `folder`; no node runs yet.
    ///
    /// # Errors
    /// A process fails.
    pub(super) async fn make(
        program: &Path,
        folder: &Path,
        pinning: Pinning,
        signer_delay: Duration,
    ) -> anyhow::Result<Self> {
        let delay_ms = signer_delay.as_millis().try_into()?;
        let mut fleet = Fleet::new(program.to_owned(), folder.to_owned(), delay_ms);
        let rpc = fleet.start_near().await?;
        for shard in SHARDS {
            fleet.init(shard, &rpc).await?;
            let home = Home::at(fleet.home(shard));
            let mut config = home.read_config()?;
            config.backlog_bytes_max = Some(LANE_BYTES_MAX);
            config.staged_bytes_max = Some(LANE_BYTES_MAX);
            config.inbound_retention_bytes_max = Some(LANE_BYTES_MAX);
            home.write_config(&config)?;
        }
        let [source, destination] = SHARDS.map(|shard| Client::of_home(&Home::at(fleet.home(shard))));
        Ok(Bridge {
            program: program.to_owned(),
            pinning,
            signer_delay,
            fleet,
            rpc,
            clients: [source?, destination?],
            source: None,
            destination: None,
        })
    }

    /// As [`Bridge::make`], with both nodes running and connected.
    ///
    /// # Errors
    /// A process fails.
    pub(super) async fn start(
        program: &Path,
        folder: &Path,
        pinning: Pinning,
        signer_delay: Duration,
    ) -> anyhow::Result<Self> {
        let mut bridge = Bridge::make(program, folder, pinning, signer_delay).await?;
        bridge.start_destination().await?;
        bridge.start_source().await?;
        bridge.connected().await?;
        Ok(bridge)
    }

    /// Registers further shards, whose nodes never run: one after the other, because one account
    /// pays for all of them.
    ///
    /// # Errors
    /// One can't be registered.
    pub(super) async fn register(&self, shards: &[String]) -> anyhow::Result<()> {
        for shard in shards {
            self.fleet.init(shard, &self.rpc).await?;
        }
        Ok(())
    }

    /// Starts the source's node; tells how long it took until it was ready.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub(super) async fn start_source(&mut self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.source = Some(self.node(SHARDS[0], self.pinning.source).await?);
        Ok(started.elapsed())
    }

    /// Starts the destination's node.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub(super) async fn start_destination(&mut self) -> anyhow::Result<()> {
        self.destination = Some(self.node(SHARDS[1], self.pinning.destination).await?);
        Ok(())
    }

    /// Stops the source's node, if it runs.
    ///
    /// # Errors
    /// It doesn't stop cleanly.
    pub(super) async fn stop_source(&mut self) -> anyhow::Result<()> {
        match self.source.take() {
            Some(source) => source.stop().await,
            None => Ok(()),
        }
    }

    /// Stops everything.
    ///
    /// # Errors
    /// A process doesn't stop cleanly.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop_source().await?;
        if let Some(destination) = self.destination.take() {
            destination.stop().await?;
        }
        self.fleet.stop().await
    }

    /// The source's process.
    ///
    /// # Errors
    /// It doesn't run.
    pub(super) fn source(&mut self) -> anyhow::Result<&mut Part> {
        self.source.as_mut().context("the source does not run")
    }

    /// The destination's process.
    ///
    /// # Errors
    /// It doesn't run.
    pub(super) fn destination(&mut self) -> anyhow::Result<&mut Part> {
        self.destination.as_mut().context("the destination does not run")
    }

    /// The home of the source's node.
    pub(super) fn source_home(&self) -> PathBuf {
        self.fleet.home(SHARDS[0])
    }

    /// The home of the destination's node.
    pub(super) fn destination_home(&self) -> PathBuf {
        self.fleet.home(SHARDS[1])
    }

    /// Messages that are durable at the source.
    ///
    /// # Errors
    /// The node doesn't answer.
    pub(super) async fn accepted(&self) -> anyhow::Result<u64> {
        let lanes = self.status(SHARDS[0]).await?.engine.outbound;
        Ok(lanes.iter().find(|lane| lane.peer.as_str() == SHARDS[1]).map_or(0, |lane| lane.accepted))
    }

    /// Messages that an attestation covers.
    ///
    /// # Errors
    /// The node doesn't answer.
    pub(super) async fn attested(&self) -> anyhow::Result<u64> {
        let lanes = self.status(SHARDS[0]).await?.engine.outbound;
        Ok(lanes.iter().find(|lane| lane.peer.as_str() == SHARDS[1]).map_or(0, |lane| lane.attested))
    }

    /// Messages that are verified, decided and durable at the destination.
    ///
    /// # Errors
    /// The node doesn't answer.
    pub(super) async fn delivered(&self) -> anyhow::Result<u64> {
        let lanes = self.status(SHARDS[1]).await?.engine.inbound;
        Ok(lanes.iter().find(|lane| lane.peer.as_str() == SHARDS[0]).map_or(0, |lane| lane.delivered))
    }

    /// Waits until the source may send: the shards are known, and `connected` if the peer runs.
    ///
    /// # Errors
    /// That takes too long.
    pub(super) async fn ready_to_send(&self, connected: bool) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < CONNECT_TIMEOUT {
            let engine = self.status(SHARDS[0]).await?.engine;
            let known = |lane: &queue::engine::OutboundStatus| {
                lane.peer.as_str() == SHARDS[1] && (lane.connected || !connected)
            };
            if engine.resumed && engine.outbound.iter().any(known) {
                return Ok(());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        bail!("the nodes did not find each other within {CONNECT_TIMEOUT:?}")
    }

    /// Waits until the source knows so many lanes.
    ///
    /// # Errors
    /// That takes too long.
    pub(super) async fn knows(&self, lanes: usize) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.status(SHARDS[0]).await?.engine.outbound.len() < lanes {
            ensure!(started.elapsed() < CONNECT_TIMEOUT, "the source did not learn of {lanes} lanes");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        Ok(())
    }

    /// Waits until the nodes are connected.
    ///
    /// # Errors
    /// That takes too long.
    pub(super) async fn connected(&self) -> anyhow::Result<()> {
        self.ready_to_send(true).await
    }

    async fn node(&self, shard: &'static str, core: Option<usize>) -> anyhow::Result<Part> {
        let home = self.fleet.home(shard);
        let home = home.to_str().context("the folder's name is not text")?;
        let mut part = Part::start(&self.program, shard, core, &["node", "--home", home])?;
        part.wait().await?;
        Ok(part)
    }

    async fn status(&self, shard: &str) -> anyhow::Result<StatusResponse> {
        let [source, destination] = &self.clients;
        let client = if shard == SHARDS[0] { source } else { destination };
        Ok(client.status().await?)
    }
}
