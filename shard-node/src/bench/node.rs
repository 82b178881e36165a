//! A node with the sender of a measurement in its own process: what is measured is the node, not
//! how fast another process can talk to it.
//!
//! Orders come as lines of JSON on stdin, and each is answered by a line on stdout.

use crate::cli::Output;
use crate::daemon::{self, Ready};
use crate::driver::{Accepted, Batch, DriverHandle, Milestone, Run, SentMessage};
use crate::home::Home;
use anyhow::Context as _;
use queue::engine::Enqueue;
use queue::ids::{AccountId, ShardId};
use queue::message::Body;
use queue::stream::Stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Bytes of payload per command to the driver.
const BATCH_BYTES: usize = 256 * 1024;

/// Commands to the driver whose messages aren't durable yet. Enough that the driver finds some
/// whenever it looks, also while a sync takes long.
const BATCHES_MAX: usize = 64;

/// How often a sender whose window is full looks whether more was delivered.
const WINDOW_PAUSE: Duration = Duration::from_millis(2);

/// Pause between messages that are sent one by one, so that the destination's own checkpoint for
/// the one before is through.
const IDLE_PAUSE: Duration = Duration::from_millis(100);

/// What to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// The accounts that are spoken to, a batch each in turn; at least one.
    pub(super) to: Vec<AccountId>,
    /// Number of messages.
    pub(super) messages: u64,
    /// Bytes of each payload.
    pub(super) size: usize,
    /// Most messages that are accepted here and not yet durable at their destinations.
    pub(super) window: u64,
    /// Whether to send each message alone, after the one before was delivered: answered with
    /// [`Latencies`].
    pub(super) one_by_one: bool,
}

/// What messages that were sent one by one took, in nanoseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Latencies {
    /// From handing a message to the node until the destination said that it is durable there.
    pub(super) total_ns: Vec<u64>,
    /// The same without the time from asking for the signature until it was there.
    pub(super) beyond_ns: Vec<u64>,
}

/// Runs the node of `home` until `shutdown` or the end of stdin, and does what stdin says.
///
/// # Errors
/// As [`daemon::run`].
pub(super) async fn run(home: &Home, output: &Output, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (handle, taken) = oneshot::channel();
    let ready = |ready: &Ready, driver: DriverHandle| {
        let Ready { shard, p2p, api } = ready;
        output.finish("ready", &json!({ "ready": true, "shard": shard, "p2p": p2p, "api": api }));
        // The receiver waits below.
        let _ = handle.send((shard.clone(), driver));
    };
    let obey = async {
        let Ok((shard, driver)) = taken.await else { return Ok(()) };
        obey(&shard, &driver, output).await
    };
    let stop = async {
        tokio::select! {
            ended = obey => if let Err(error) = ended {
                tracing::error!(%error, "an order could not be carried out");
            },
            () = shutdown => {}
        }
    };
    // Nobody sends a reload.
    let (_keep, reload) = mpsc::channel(1);
    Ok(daemon::run_beside(home, ready, reload, stop).await?)
}

async fn obey(shard: &ShardId, driver: &DriverHandle, output: &Output) -> anyhow::Result<()> {
    let sender = Sender { own: shard.as_str().parse()?, driver };
    let mut lines = lines_of_stdin();
    while let Some(line) = lines.recv().await {
        let order: Order = serde_json::from_str(&line).with_context(|| format!("the order {line:?}"))?;
        match order.one_by_one {
            true => output.finish("done", &sender.send_one_by_one(&order).await?),
            false => output.finish("done", &json!({ "sent": sender.send_all(&order).await? })),
        }
    }
    Ok(())
}

/// Reads on a thread of its own, which ends with stdin or with the process.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

struct Sender<'a> {
    own: AccountId,
    driver: &'a DriverHandle,
}

impl Sender<'_> {
    /// Sends what is ordered, and returns once all of it is durable here.
    async fn send_all(&self, order: &Order) -> anyhow::Result<u64> {
        let per_batch = u64::try_from(BATCH_BYTES / order.size.max(1))?.max(1);
        let (mut sent, mut open) = (0, self.open_messages().await?);
        let mut batches = JoinSet::new();
        let mut receivers = order.to.iter().cycle();
        while sent < order.messages {
            let count = per_batch.min(order.messages - sent);
            while open + count > order.window.max(per_batch) {
                tokio::time::sleep(WINDOW_PAUSE).await;
                let unknown = u64::try_from(batches.len())? * per_batch;
                open = self.open_messages().await? + unknown;
            }
            if batches.len() == BATCHES_MAX
                && let Some(ended) = batches.join_next().await
            {
                ended??;
            }
            let receiver = receivers.next().context("an order names a receiver")?;
            let payload = vec![0x5a; order.size];
            let payloads = Stream::of((0..count).map(|_| &payload));
            let run = Run { sender: self.own.clone(), receiver: receiver.clone(), payloads };
            batches.spawn(enqueue(self.driver.clone(), Batch { runs: vec![run], feed: None }));
            sent += count;
            open += count;
        }
        while let Some(ended) = batches.join_next().await {
            ended??;
        }
        Ok(sent)
    }

    /// Sends each message once the one before was delivered and the node is idle again.
    async fn send_one_by_one(&self, order: &Order) -> anyhow::Result<Latencies> {
        let receiver = order.to.first().context("an order names a receiver")?;
        let mut latencies = Latencies::default();
        for _ in 0..order.messages {
            tokio::time::sleep(IDLE_PAUSE).await;
            let before = self.driver.status().await?.near.attested;
            let started = Instant::now();
            let accepted = self.driver.enqueue(vec![self.message(receiver, order.size).into()]).await?.pop();
            let Accepted { peer, nonce, .. } = accepted.context("one result for one message")??;
            self.driver.wait(SentMessage { peer, incarnation: None, nonce }, Milestone::Delivered).await??;
            let total_ns = u64::try_from(started.elapsed().as_nanos())?;
            let after = self.driver.status().await?.near.attested;
            latencies.total_ns.push(total_ns);
            // More than one signature: the node was not idle, and which one it waited for is unknown.
            if after.count == before.count + 1 {
                latencies.beyond_ns.push(total_ns.saturating_sub(after.took_ns - before.took_ns));
            }
        }
        Ok(latencies)
    }

    fn message(&self, receiver: &AccountId, size: usize) -> Enqueue {
        let body = Body::Data(vec![0x5a; size]);
        Enqueue { sender: self.own.clone(), receiver: receiver.clone(), body, deadline_ns: None, key: None }
    }

    /// How many messages are accepted and not delivered, over all lanes.
    async fn open_messages(&self) -> anyhow::Result<u64> {
        let lanes = self.driver.status().await?.engine.outbound;
        Ok(lanes.iter().map(|lane| lane.accepted - lane.delivered).sum())
    }
}

async fn enqueue(driver: DriverHandle, batch: Batch) -> anyhow::Result<()> {
    let taken = driver.enqueue_batch(batch).await?;
    if let Some(refused) = taken.refused {
        return Err(refused.into());
    }
    taken.durable.await?;
    Ok(())
}
