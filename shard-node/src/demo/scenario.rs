//! One run: both shards send to each other while processes are killed and started again, and both
//! inboxes are counted against the record of what was sent.

use super::fleet::{Fleet, NEAR, SHARDS};
use super::ledger::{Ledger, Tally};
use crate::api::types::{InboxQuery, NewMessage, SendResult};
use crate::client::{Client, ClientError};
use crate::home::Home;
use anyhow::{Context as _, bail, ensure};
use queue::ids::AccountId;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Messages per call of the local API.
const BATCH_MESSAGES: u64 = 250;

/// Most payload bytes per call of the local API, within what it takes.
const BATCH_BYTES: u64 = 2 * 1024 * 1024;

/// Pause before a node that doesn't answer is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How long one look into an inbox waits for something new, in milliseconds.
const INBOX_WAIT_MS: u64 = 300;

/// Pause before a node that is still starting is asked again, in milliseconds.
const STARTING_PAUSE_MS: u64 = 50;

/// Codes of the local API's errors that go away by themselves.
const BUSY: &str = "busy";
/// See [`BUSY`].
const STARTING: &str = "starting";

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Messages each way.
    pub messages: u64,
    /// Bytes of each payload.
    pub size: usize,
    /// Processes ([`NEAR`] or a shard) that are killed and started again, spread over the run; those
    /// of one group at once.
    pub kills: Vec<Vec<&'static str>>,
}

/// One lane's side of a run, shared between its sender and its counter.
#[derive(Debug)]
pub struct LaneRun {
    /// The sending shard.
    pub from: &'static str,
    /// The receiving shard.
    pub to: &'static str,
    state: Mutex<LaneState>,
}

#[derive(Debug)]
struct LaneState {
    ledger: Ledger,
    tally: Tally,
    latencies_ns: Vec<u64>,
    /// When something last arrived.
    last_arrival: Option<Instant>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Messages that the nodes durably accepted, both ways.
    pub sent: u64,
    /// The two inboxes, counted.
    pub tallies: Vec<Tally>,
    /// From accepted-durable to inbox-durable, in nanoseconds, sorted; of the messages whose node
    /// lived to tell both.
    pub latencies_ns: Vec<u64>,
    /// From the first message sent to the last one counted.
    pub elapsed: Duration,
}

impl Outcome {
    /// Delivered messages per second of [`Outcome::elapsed`].
    pub fn messages_per_second(&self) -> f64 {
        let delivered: u64 = self.tallies.iter().map(|tally| tally.delivered).sum();
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { Duration::from_secs(delivered).as_secs_f64() / seconds } else { 0.0 }
    }
}

impl LaneRun {
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().expect("no code panics while it holds the lock")
    }

    /// Messages sent and delivered so far.
    pub fn progress(&self) -> (u64, u64) {
        let state = self.lock();
        (state.ledger.sent(), state.tally.delivered)
    }
}

/// Runs the plan on a fleet whose processes all run. Never ends if messages get lost: the caller
/// sets a time limit. `lanes` from [`lanes`] can be watched meanwhile.
///
/// # Errors
/// A process can't be started again, or a node refuses a message for good.
pub async fn play(fleet: &mut Fleet, plan: &Plan, lanes: &[Arc<LaneRun>]) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let parts = u64::try_from(plan.kills.len()).expect("a length fits 64 bits") + 1;
    let gate = |part: u64| if part == parts { plan.messages } else { plan.messages / parts * part };
    let (open, opened) = watch::channel(gate(1));
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn(send(fleet.home(lane.from), lane.clone(), plan.clone(), opened.clone()));
        tasks.spawn(count(fleet.home(lane.to), lane.clone(), plan.messages));
    }
    for (part, victims) in (1..).zip(&plan.kills) {
        wait_for(&mut tasks, || lanes.iter().all(|lane| lane.progress().0 >= gate(part))).await?;
        for victim in victims {
            fleet.kill(victim).await?;
        }
        open.send_replace(gate(part + 1));
        for victim in victims {
            let started =
                if *victim == NEAR { fleet.start_near().await.map(drop) } else { fleet.start_node(victim).await };
            started.with_context(|| format!("starting {victim} again after it was killed"))?;
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(outcome(lanes, started))
}

/// The lanes of a run, both ways.
pub fn lanes(plan: &Plan) -> Vec<Arc<LaneRun>> {
    let [a, b] = SHARDS;
    let lane = |from: &'static str, to: &'static str| {
        let ledger = Ledger::new(from, to, plan.size);
        let state = LaneState { ledger, tally: Tally::default(), latencies_ns: Vec::new(), last_arrival: None };
        Arc::new(LaneRun { from, to, state: Mutex::new(state) })
    };
    vec![lane(a, b), lane(b, a)]
}

/// Waits for a condition while nothing of the run fails.
async fn wait_for(tasks: &mut JoinSet<anyhow::Result<()>>, condition: impl Fn() -> bool) -> anyhow::Result<()> {
    while !condition() {
        tokio::time::sleep(RETRY_PAUSE).await;
        if let Some(ended) = tasks.try_join_next() {
            ended??;
        }
    }
    Ok(())
}

/// Sends a lane's messages, as far as the gate is open. Sends again what a killed node may not
/// have accepted: the lane's size tells.
async fn send(home: PathBuf, lane: Arc<LaneRun>, plan: Plan, mut opened: watch::Receiver<u64>) -> anyhow::Result<()> {
    let client = Client::of_home(&Home::at(home))?;
    let size = u64::try_from(plan.size.max(1))?;
    let batch = BATCH_MESSAGES.min(BATCH_BYTES / size).max(1);
    loop {
        let sent = lane.progress().0;
        if sent == plan.messages {
            return Ok(());
        }
        let open = *opened.wait_for(|open| *open > sent).await?;
        let end = open.min(sent + batch);
        let payloads: Vec<Vec<u8>> = {
            let state = lane.lock();
            (sent..end).map(|number| state.ledger.payload(number)).collect()
        };
        if !send_batch(&client, &lane, payloads).await? {
            tokio::time::sleep(RETRY_PAUSE).await;
            settle(&client, &lane).await?;
        }
    }
}

/// Sends one batch, again where the lane is full or the node is starting; false if the node went
/// away and what it accepted is unknown.
async fn send_batch(client: &Client, lane: &LaneRun, payloads: Vec<Vec<u8>>) -> anyhow::Result<bool> {
    let to: AccountId = format!("inbox.{}", lane.to).parse()?;
    let from: AccountId = format!("demo.{}", lane.from).parse()?;
    let message = |payload| NewMessage { from: Some(from.clone()), ..NewMessage::new(to.clone(), payload) };
    let mut messages: Vec<NewMessage> = payloads.into_iter().map(message).collect();
    while !messages.is_empty() {
        let results = match client.send_many(messages.clone()).await {
            Ok(response) => response.results,
            Err(ClientError::Refused(error)) => bail!("{} refused a batch: {}", lane.from, error.message),
            Err(_) => return Ok(false),
        };
        let mut accepted = 0;
        let mut retry_ms = None;
        for result in results {
            match result {
                SendResult::Sent(sent) if retry_ms.is_none() => {
                    lane.lock().ledger.accept(Some(sent.accepted_at_ns));
                    accepted += 1;
                }
                SendResult::Sent(sent) => bail!("message {} was taken after one that was refused", sent.nonce),
                SendResult::Refused { error } => match error.code.as_str() {
                    BUSY | STARTING => retry_ms = error.retry_ms.or(Some(STARTING_PAUSE_MS)),
                    _ => bail!("{} refused a message: {}", lane.from, error.message),
                },
            }
        }
        messages.drain(..accepted);
        if let Some(retry_ms) = retry_ms {
            tokio::time::sleep(Duration::from_millis(retry_ms)).await;
        }
    }
    Ok(true)
}

/// Finds out what a node had accepted that was killed before it could say so: nobody else sends on
/// this lane, so its size tells.
async fn settle(client: &Client, lane: &LaneRun) -> anyhow::Result<()> {
    loop {
        let status = client.status().await.ok().filter(|status| status.engine.resumed);
        let size = status.and_then(|status| {
            let outbound = status.engine.outbound.into_iter().find(|outbound| outbound.peer.as_str() == lane.to);
            outbound.map(|outbound| outbound.accepted)
        });
        let Some(size) = size else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        let mut state = lane.lock();
        ensure!(state.ledger.sent() <= size, "{} lost messages that it had accepted", lane.from);
        while state.ledger.sent() < size {
            state.ledger.accept(None);
        }
        return Ok(());
    }
}

/// Counts the inbox of a lane's destination until all has arrived and nothing more comes.
async fn count(home: PathBuf, lane: Arc<LaneRun>, expected: u64) -> anyhow::Result<()> {
    let client = Client::of_home(&Home::at(home))?;
    let mut query = InboxQuery { from: 0, limit: None, wait_ms: INBOX_WAIT_MS };
    loop {
        let response = match client.inbox(&query).await {
            Ok(response) => response,
            Err(ClientError::Refused(error)) if error.first.is_some() => bail!("uncounted messages: {}", error.message),
            Err(_) => {
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        query.from = response.next;
        let nothing_came = response.entries.is_empty();
        let mut state = lane.lock();
        let LaneState { ledger, tally, latencies_ns, last_arrival } = &mut *state;
        if !nothing_came {
            *last_arrival = Some(Instant::now());
        }
        for entry in response.entries.into_iter().filter(|entry| entry.peer.as_str() == lane.from) {
            let payload = entry.message.map(|message| message.payload).unwrap_or_default();
            latencies_ns.extend(ledger.count(tally, &payload, entry.durable_at_ns));
        }
        if nothing_came && tally.delivered >= expected {
            return Ok(());
        }
    }
}

fn outcome(lanes: &[Arc<LaneRun>], started: Instant) -> Outcome {
    let mut outcome = Outcome { sent: 0, tallies: Vec::new(), latencies_ns: Vec::new(), elapsed: Duration::ZERO };
    for lane in lanes {
        let state = lane.lock();
        outcome.sent += state.ledger.sent();
        outcome.tallies.push(state.tally.clone());
        outcome.latencies_ns.extend_from_slice(&state.latencies_ns);
        let elapsed = state.last_arrival.map(|last| last.duration_since(started));
        outcome.elapsed = outcome.elapsed.max(elapsed.unwrap_or_default());
    }
    outcome.latencies_ns.sort_unstable();
    outcome
}
