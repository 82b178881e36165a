//! Follows NEAR: time, registered shards, and whether the RPC server still shows the pinned bridge.

use super::{NearClient, NearError, disagreement};
use queue::contract::{LaneView, ShardView, TipView};
use queue::ids::ShardId;
use queue::trust::TrustRoot;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// After how many polls of the newest block the registered shards are read again.
const REGISTRY_EVERY: u32 = 3;

/// After how many polls of the newest block the bridge's trust data are compared again.
const TRUST_EVERY: u32 = 30;

/// Longest pause while NEAR is out of reach.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// What the watcher saw.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a few events a second, each moved twice")]
pub enum NearEvent {
    /// The shard's lanes at `final`, when they changed; before the first registered shards.
    Lanes(Vec<LaneView>),
    /// The registered shards at `final`: when they changed, and when asked for.
    Registry(Vec<ShardView>),
    /// Time of the newest final block, in nanoseconds since the Unix epoch. NEAR is reachable.
    BlockTime(u64),
    /// The shard's tip at `final`, as asked for.
    Tip(Option<TipView>),
    /// NEAR doesn't answer; said once per failed attempt.
    Unreachable(String),
    /// The RPC server shows another bridge than the pinned one: the node must stop. The last event.
    WrongTrust(String),
}

/// Asks the watcher for more than it looks at by itself.
#[derive(Debug, Clone)]
pub struct Watcher {
    requests: mpsc::UnboundedSender<Request>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Tip,
    Registry,
}

impl Watcher {
    /// Asks for the shard's tip; the answer is a [`NearEvent::Tip`], as soon as NEAR gives it.
    pub fn fetch_tip(&self) {
        self.ask(Request::Tip);
    }

    /// Asks for the registered shards; the answer is a [`NearEvent::Registry`].
    pub fn refresh_registry(&self) {
        self.ask(Request::Registry);
    }

    fn ask(&self, request: Request) {
        // The task ends after a wrong trust root or when nobody listens: the node stops then.
        if self.requests.send(request).is_err() {
            tracing::debug!(?request, "the NEAR watcher has ended");
        }
    }
}

/// Starts watching for `shard`, once every `poll`. Ends when the receiver of `events` is dropped,
/// or after [`NearEvent::WrongTrust`]; never because NEAR is out of reach.
pub fn watch(
    client: NearClient,
    pinned: TrustRoot,
    shard: ShardId,
    poll: Duration,
    events: mpsc::Sender<NearEvent>,
) -> Watcher {
    let (requests, inbox) = mpsc::unbounded_channel();
    let task = Task {
        client,
        pinned,
        shard,
        poll,
        events,
        inbox,
        known: None,
        known_lanes: None,
        tip_wanted: false,
        registry_wanted: true,
    };
    tokio::spawn(task.run());
    Watcher { requests }
}

struct Task {
    client: NearClient,
    pinned: TrustRoot,
    shard: ShardId,
    poll: Duration,
    events: mpsc::Sender<NearEvent>,
    inbox: mpsc::UnboundedReceiver<Request>,
    /// The registered shards, as last reported.
    known: Option<Vec<ShardView>>,
    /// The shard's lanes, as last reported.
    known_lanes: Option<Vec<LaneView>>,
    tip_wanted: bool,
    registry_wanted: bool,
}

enum Ended {
    Unwatched,
    Near(NearError),
    WrongTrust(String),
}

impl From<NearError> for Ended {
    fn from(error: NearError) -> Self {
        Ended::Near(error)
    }
}

impl Task {
    async fn run(mut self) {
        let mut failures = 0;
        let mut round = 0;
        loop {
            let pause = match self.look(round).await {
                Ok(()) => {
                    failures = 0;
                    round = round.wrapping_add(1);
                    self.poll
                }
                Err(Ended::Near(error)) => {
                    // What was missed is read again, the trust root first.
                    round = 0;
                    failures += 1;
                    if self.events.send(NearEvent::Unreachable(error.to_string())).await.is_err() {
                        return;
                    }
                    backoff(self.poll, failures)
                }
                Err(Ended::WrongTrust(reason)) => {
                    // If nobody listens any more, the node is stopping anyway.
                    self.events.send(NearEvent::WrongTrust(reason)).await.ok();
                    return;
                }
                Err(Ended::Unwatched) => return,
            };
            if !self.wait(Instant::now() + pause).await {
                return;
            }
        }
    }

    /// Nothing is reported from a server before its trust root was seen to be the pinned one.
    async fn look(&mut self, round: u32) -> Result<(), Ended> {
        if round.is_multiple_of(TRUST_EVERY) {
            let found = self.client.trust().await?;
            if let Some(reason) = disagreement(&self.pinned, &found) {
                return Err(Ended::WrongTrust(format!("{reason} ({})", self.client.url())));
            }
        }
        let block = self.client.final_block().await?;
        self.report(NearEvent::BlockTime(block.time_ns)).await?;
        if self.registry_wanted || round.is_multiple_of(REGISTRY_EVERY) {
            let lanes = self.client.lanes(&self.shard).await?;
            if self.known_lanes.as_ref() != Some(&lanes) {
                self.report(NearEvent::Lanes(lanes.clone())).await?;
            }
            self.known_lanes = Some(lanes);
            let shards = self.client.shards().await?;
            if self.registry_wanted || self.known.as_ref() != Some(&shards) {
                self.report(NearEvent::Registry(shards.clone())).await?;
            }
            self.known = Some(shards);
            self.registry_wanted = false;
        }
        if self.tip_wanted {
            let tip = self.client.tip(&self.shard).await?;
            self.tip_wanted = false;
            self.report(NearEvent::Tip(tip)).await?;
        }
        Ok(())
    }

    async fn report(&self, event: NearEvent) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended::Unwatched)
    }

    /// Waits for a request, at most until `until`; false when nobody listens any more.
    async fn wait(&mut self, until: Instant) -> bool {
        tokio::select! {
            () = self.events.closed() => false,
            request = timeout_at(until, self.inbox.recv()) => {
                let mut next = match request {
                    Ok(Some(request)) => Some(request),
                    Ok(None) => return false,
                    Err(_) => None,
                };
                while let Some(request) = next {
                    match request {
                        Request::Tip => self.tip_wanted = true,
                        Request::Registry => self.registry_wanted = true,
                    }
                    next = self.inbox.try_recv().ok();
                }
                true
            }
        }
    }
}

/// Doubles with every failure, and is shortened by up to half at random: nodes that lost the same
/// server don't come back all at once.
fn backoff(poll: Duration, failures: u32) -> Duration {
    let full = poll.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
    let jitter = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    full.mul_f64(1.0 - jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_never_vanish() {
        let poll = Duration::from_millis(100);
        for failures in 1..100 {
            let pause = backoff(poll, failures);
            assert!(pause >= poll, "{pause:?} after {failures}");
            assert!(pause <= BACKOFF_MAX);
        }
        assert!(backoff(poll, 99) >= BACKOFF_MAX / 2);
    }
}
