//! The same work by NATS JetStream, where its server is installed.

use crate::bench::nats::{self, Nats};
use crate::bench::plan::Bench;
use anyhow::Context as _;
use std::time::Duration;

/// Messages sent one by one: each is a sync at either server, so few are enough.
const SINGLE_MESSAGES: u64 = 4_000;

/// Messages under way at once, one by one.
const SINGLE_WINDOW: u64 = 4_000;

/// Batches made by hand.
const BATCHES: u64 = 2_000;

/// Bytes of such a batch: 1,024 messages of 256 B.
const BATCH_BYTES: usize = 256 * 1024;

/// See [`BATCH_BYTES`].
const BATCH_MESSAGES: f64 = 1_024.0;

/// Batches under way at once.
const BATCH_WINDOW: u64 = 16;

/// Without any message for this long, a run has failed. A mirror takes some seconds to begin.
const PATIENCE: Duration = Duration::from_secs(60);

impl Bench<'_> {
    /// Leaves the rows out where the server isn't installed, and says so.
    pub(in crate::bench) async fn nats(&mut self) -> anyhow::Result<()> {
        if !nats::is_installed().await {
            self.step("NATS is left out: there is no nats-server in the PATH");
            return Ok(());
        }
        self.step("NATS JetStream, made durable");
        let folder = self.folder()?;
        let mut servers = Nats::start(folder.path(), [self.pinning.source, self.pinning.destination]).await?;
        let single = servers.measure(SINGLE_MESSAGES, 256, SINGLE_WINDOW, PATIENCE).await?;
        let batches = servers.measure(BATCHES, BATCH_BYTES, BATCH_WINDOW, PATIENCE).await?;
        let batched = batches * BATCH_MESSAGES;
        let ours = self.figures.of_run("rate_256", self.run).context("the row of 256 B comes first")?;
        self.figures.add("rate_nats", single);
        self.figures.add("nats", ours / single);
        self.figures.add("rate_nats_batched", batched);
        self.figures.add("nats_batched", ours / batched);
        Ok(())
    }
}
