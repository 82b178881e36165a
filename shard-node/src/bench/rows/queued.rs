//! Long queues and many lanes.

use super::receiver;
use crate::bench::bridge::Bridge;
use crate::bench::child::Part;
use crate::bench::node::Order;
use crate::bench::plan::Bench;
use crate::bench::proofs::Proved;
use crate::bench::sustained;
use crate::demo::fleet::SHARDS;
use anyhow::{Context as _, ensure};
use queue::ids::AccountId;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause before a node is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long a full queue may take to be attested.
const FILL_TIMEOUT: Duration = Duration::from_secs(600);

/// Lanes of the row with many.
const LANES: usize = 100;

impl Bench<'_> {
    pub(in crate::bench) async fn queued(&mut self) -> anyhow::Result<()> {
        let queued = self.options.queued;
        self.step(&format!("a queue of {queued} messages whose peer is away"));
        let folder = self.folder()?;
        let mut bridge = Bridge::make(&self.program, folder.path(), self.pinning, Duration::ZERO).await?;
        bridge.start_source().await?;
        bridge.ready_to_send(false).await?;
        let fill = Order { to: vec![receiver()?], messages: queued, size: 256, window: u64::MAX, one_by_one: false };
        let started = Instant::now();
        bridge.source()?.order(&fill).await?;
        bridge.source()?.wait().await?;
        self.figures.add("fill", queued as f64 / started.elapsed().as_secs_f64());
        while bridge.attested().await? < queued {
            ensure!(started.elapsed() < FILL_TIMEOUT, "the queue was not attested within {FILL_TIMEOUT:?}");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        let (resident, peak) = bridge.source()?.memory()?;
        self.figures.add("memory", mebibytes(resident));
        self.figures.add("memory_peak", mebibytes(peak));
        bridge.stop_source().await?;
        self.figures.add("open", bridge.start_source().await?.as_secs_f64());

        self.step("the peer is back");
        bridge.start_destination().await?;
        bridge.connected().await?;
        let order = Order {
            to: vec![receiver()?],
            messages: self.options.messages,
            size: 256,
            window: queued,
            one_by_one: false,
        };
        let found = sustained::measure(&mut bridge, &order).await?;
        self.figures.add("rate_queued", found.rate);
        if let Some(rate) = self.figures.of_run("rate_256", self.run) {
            self.figures.add("queued", found.rate / rate);
        }
        let home = bridge.destination_home();
        bridge.stop().await?;
        self.proofs(&home).await
    }

    async fn proofs(&mut self, home: &Path) -> anyhow::Result<()> {
        let home = home.to_str().context("the folder's name is not text")?;
        let arguments = ["proofs", "--home", home, "--source", SHARDS[0]];
        let mut part = Part::start(&self.program, "the prover", self.pinning.destination, &arguments)?;
        let proved: Proved = part.hear().await?;
        let microseconds = |ns: u64| ns as f64 / 1e3;
        self.figures.add("proof_messages", proved.messages as f64);
        self.figures.add("proof_make", microseconds(proved.make_ns));
        self.figures.add("proof_verify", microseconds(proved.verify_ns));
        self.figures.add("proof_verify_file", microseconds(proved.verify_file_ns));
        Ok(())
    }

    /// What one node takes in, for one peer and for many, while they are away: the cost of lanes at
    /// their source. 100 destinations don't fit one machine.
    pub(in crate::bench) async fn lanes(&mut self) -> anyhow::Result<()> {
        self.step(&format!("one lane and {LANES}, whose peers are away"));
        let folder = self.folder()?;
        let mut bridge = Bridge::make(&self.program, folder.path(), self.pinning, Duration::ZERO).await?;
        let peers: Vec<String> = (1..LANES).map(|peer| format!("peer-{peer}")).collect();
        bridge.register(&peers).await?;
        bridge.start_source().await?;
        bridge.ready_to_send(false).await?;
        bridge.knows(LANES).await?;
        let others = peers.iter().map(|peer| Ok(format!("sink.{peer}").parse()?));
        let many = [receiver()].into_iter().chain(others).collect::<anyhow::Result<Vec<AccountId>>>()?;
        let one = self.taken(&mut bridge, vec![receiver()?]).await?;
        let many = self.taken(&mut bridge, many).await?;
        bridge.stop().await?;
        self.figures.add("rate_lanes", many);
        self.figures.add("lanes", many / one);
        Ok(())
    }

    /// Messages per second that become durable at the source.
    async fn taken(&self, bridge: &mut Bridge, to: Vec<AccountId>) -> anyhow::Result<f64> {
        let messages = self.options.messages;
        let order = Order { to, messages, size: 256, window: u64::MAX, one_by_one: false };
        let started = Instant::now();
        bridge.source()?.order(&order).await?;
        bridge.source()?.wait().await?;
        Ok(messages as f64 / started.elapsed().as_secs_f64())
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
