//! One node and one user: a message at a time, and another process that sends.

use super::{RECEIVER, receiver};
use crate::bench::bridge::Bridge;
use crate::bench::child::Part;
use crate::bench::ingest::Ingested;
use crate::bench::node::{Latencies, Order};
use crate::bench::plan::Bench;
use anyhow::Context as _;
use std::time::Duration;

/// Single messages whose latency is taken, in each run.
const SINGLE_MESSAGES: u64 = 100;

impl Bench<'_> {
    pub(in crate::bench) async fn latency(&mut self) -> anyhow::Result<()> {
        self.step("one message at a time");
        let folder = self.folder()?;
        let mut bridge = Bridge::start(&self.program, folder.path(), self.pinning, Duration::ZERO).await?;
        let order = Order { to: vec![receiver()?], messages: SINGLE_MESSAGES, size: 256, window: 1, one_by_one: true };
        bridge.source()?.order(&order).await?;
        let mut found: Latencies = bridge.source()?.hear().await?;
        bridge.stop().await?;
        found.total_ns.sort_unstable();
        found.beyond_ns.sort_unstable();
        self.figures.add("latency_total_p50", percentile_ms(&found.total_ns, 50)?);
        self.figures.add("latency_total_p99", percentile_ms(&found.total_ns, 99)?);
        self.figures.add("latency_p50", percentile_ms(&found.beyond_ns, 50)?);
        self.figures.add("latency_p99", percentile_ms(&found.beyond_ns, 99)?);
        Ok(())
    }

    pub(in crate::bench) async fn ingest(&mut self) -> anyhow::Result<()> {
        self.step("another process sends through the local API");
        let folder = self.folder()?;
        let mut bridge = Bridge::make(&self.program, folder.path(), self.pinning, Duration::ZERO).await?;
        bridge.start_source().await?;
        bridge.ready_to_send(false).await?;
        let home = bridge.source_home();
        let home = home.to_str().context("the folder's name is not text")?;
        let messages = (self.options.messages / 2).to_string();
        let arguments =
            ["ingest", "--home", home, "--to", RECEIVER, "--messages", &messages, "--size", "256"].map(str::to_owned);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut part = Part::start(&self.program, "the program", self.pinning.destination, &arguments)?;
        let ingested: Ingested = part.hear().await?;
        bridge.stop().await?;
        self.figures.add("ingest", ingested.messages as f64 / Duration::from_nanos(ingested.elapsed_ns).as_secs_f64());
        Ok(())
    }
}

/// The value that so many percent of the sorted values don't exceed, in milliseconds.
fn percentile_ms(sorted_ns: &[u64], percent: usize) -> anyhow::Result<f64> {
    let rank = (sorted_ns.len() * percent).div_ceil(100).saturating_sub(1);
    let value = sorted_ns.get(rank).context("no message was alone: the machine is too busy")?;
    Ok(Duration::from_nanos(*value).as_secs_f64() * 1e3)
}
