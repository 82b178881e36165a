//! The loop around the engine, on a thread of its own: any number of inputs, one commit, then what
//! is durable goes out.
//!
//! The engine never waits for the network, and the network never sees what isn't durable.

mod bulk;
mod clock;
mod command;
mod durability;
mod files;
mod incarnations;
mod inputs;
mod lanes;
mod outcomes;
mod proofs;
mod waiters;

pub use bulk::{Batch, BatchError, Run, TakenBatch};
pub use command::{
    Accepted, AttestTotals, Delivered, DriverHandle, Ended, InboxError, InboxRange, Milestone, NearState, NodeState,
    Outgoing, SentMessage, WaitError,
};
pub use files::PeerLane;
pub use incarnations::PastLane;

use crate::near::{Attempt, NearEvent};
use crate::transport::{Link, PeerEvent};
use clock::Clock;
use command::Command;
use durability::{PendingReplies, SyncTimes};
use files::FileReplies;
use incarnations::IncarnationReplies;
use lanes::HiddenPermissions;
use outcomes::{OutcomeReplies, is_settled};
use proofs::ProofReplies;
use queue::checkpoint::Checkpoint;
use queue::contract::ShardView;
use queue::digest::Hash;
use queue::engine::{Config, Direction, Engine, Output, Stop};
use queue::frame::EncodedFrame;
use queue::ids::ShardId;
use queue::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use waiters::Waiters;

/// Commands that may wait for the driver; further callers wait to hand theirs in.
const COMMANDS_MAX: usize = 256;

/// Inputs that are handled before a commit, if so many are there with few messages.
const INPUTS_PER_TURN: usize = 256;

/// Bytes of messages with which a turn is closed, whatever else is there: what was hashed a moment ago
/// is still in the processor's cache when it is stored.
const TURN_BYTES: usize = 512 * 1024;

/// What an input weighs beside its messages when callers and peers take turns by bytes: a caller's batch
/// is as heavy as many acknowledgements, and a flood of these still leaves callers their share.
const INPUT_BYTES: usize = 4 * 1024;

/// Most bytes of messages in one answer from the inbox (one message may be as long by itself).
const INBOX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the driver needs from the world outside.
#[derive(Debug)]
pub enum Request {
    /// Ask NEAR for the shard's tip; the answer is [`NearEvent::Tip`].
    FetchTip,
    /// Ask NEAR for the registered shards; the answer is [`NearEvent::Registry`].
    RefreshRegistry,
    /// Endorse and attest; the answer is an [`AttestOutcome`]. One at a time.
    Attest(Checkpoint),
    /// Accept and dial these shards: their lanes exist.
    SetPeers(Vec<ShardView>),
}

/// What became of a [`Request::Attest`].
#[derive(Debug)]
pub struct AttestOutcome {
    /// The checkpoint's hash.
    pub checkpoint: Hash,
    /// The attempt to have it signed.
    pub attempt: Attempt,
    /// From asking until the attempt had ended.
    pub took: Duration,
}

/// Where the driver's inputs come from, and where its requests go.
#[derive(Debug)]
pub struct Channels {
    /// From the transport.
    pub peers: mpsc::Receiver<PeerEvent>,
    /// From the watcher of NEAR.
    pub near: mpsc::Receiver<NearEvent>,
    /// Answers to [`Request::Attest`].
    pub attested: mpsc::Receiver<AttestOutcome>,
    /// Told by the store whenever more is durable.
    pub durable: Arc<Notify>,
    /// What the driver needs. Unbounded, because the engine bounds it: one attestation at a time.
    pub requests: mpsc::UnboundedSender<Request>,
}

/// Why a node stops by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeStop {
    /// The engine can't go on.
    #[error(transparent)]
    Engine(#[from] Stop),
    /// The RPC server shows another bridge than the pinned one.
    #[error("{0}: nothing of that server is believed; check near_rpc and trust in the home's configuration")]
    WrongTrust(String),
}

/// The engine and all that it is connected to.
#[derive(Debug)]
pub struct Driver<S> {
    own: ShardId,
    engine: Engine<S>,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    channels: Channels,
    sessions: BTreeMap<ShardId, (u64, Link)>,
    near: NearState,
    /// The registered and active shards, as NEAR listed them last.
    registered: Option<Vec<ShardView>>,
    hidden_permissions: HiddenPermissions,
    replies: PendingReplies,
    waiters: Waiters,
    file_replies: FileReplies,
    incarnation_replies: IncarnationReplies,
    outcome_replies: OutcomeReplies,
    proof_replies: ProofReplies,
    refreshes: Vec<oneshot::Sender<()>>,
    times: SyncTimes,
}

/// One input.
enum Input {
    Command(Command),
    Peer(PeerEvent),
    Near(NearEvent),
    Attested(AttestOutcome),
    /// More is durable, or a timer is due.
    Wake,
}

impl<S: Store> Driver<S> {
    /// A driver of the engine that `store` holds.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open(config: Config, store: S, channels: Channels) -> Result<(Self, DriverHandle), Stop> {
        let clock = Clock::new();
        let own = config.shard.clone();
        let engine = Engine::open(config, store, clock.now())?;
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let times = SyncTimes::new(engine.durable());
        let driver = Driver {
            own,
            engine,
            clock,
            commands,
            channels,
            sessions: BTreeMap::new(),
            near: NearState::default(),
            registered: None,
            hidden_permissions: HiddenPermissions::default(),
            replies: PendingReplies::default(),
            waiters: Waiters::default(),
            file_replies: FileReplies::default(),
            incarnation_replies: IncarnationReplies::default(),
            outcome_replies: OutcomeReplies::default(),
            proof_replies: ProofReplies::default(),
            refreshes: Vec::new(),
            times,
        };
        Ok((driver, DriverHandle { commands: sender }))
    }

    /// Runs until [`DriverHandle::shut_down`]. To be called on a thread of its own: commits wait
    /// for the disk. What was committed last is durable when the store has been dropped.
    ///
    /// # Errors
    /// [`NodeStop`] says why the node can't go on.
    pub fn run(mut self, runtime: &Handle) -> Result<(), NodeStop> {
        self.settle()?;
        loop {
            let mut next = Some(runtime.block_on(self.next_input()));
            let (mut callers_bytes, mut peers_bytes) = (0, 0);
            for left in (0..INPUTS_PER_TURN).rev() {
                let Some(input) = next.take() else { break };
                if matches!(input, Input::Command(Command::Shutdown)) {
                    return self.settle();
                }
                let bytes = if matches!(input, Input::Command(_)) { &mut callers_bytes } else { &mut peers_bytes };
                let before = self.engine.open_bytes();
                self.handle(input)?;
                *bytes += INPUT_BYTES + self.engine.open_bytes().saturating_sub(before);
                if left > 0 && self.engine.open_bytes() < TURN_BYTES {
                    next = self.ready_input(peers_bytes <= callers_bytes);
                }
            }
            self.settle()?;
        }
    }

    /// Waits for an input or a timer.
    async fn next_input(&mut self) -> Input {
        let due = self.engine.poll_timeout().map(|(mono_ns, _)| self.clock.instant(mono_ns));
        let timer = async move {
            match due {
                Some(instant) => tokio::time::sleep_until(instant.into()).await,
                None => std::future::pending().await,
            }
        };
        let channels = &mut self.channels;
        // A sender that is gone has nothing more to say; only the loss of all handles ends the node.
        tokio::select! {
            command = self.commands.recv() => Input::Command(command.unwrap_or(Command::Shutdown)),
            Some(event) = channels.peers.recv() => Input::Peer(event),
            Some(event) = channels.near.recv() => Input::Near(event),
            Some(outcome) = channels.attested.recv() => Input::Attested(outcome),
            () = channels.durable.notified() => Input::Wake,
            () = timer => Input::Wake,
        }
    }

    /// An input that is there already: the few from NEAR first, then those of peers or of callers.
    fn ready_input(&mut self, peers_first: bool) -> Option<Input> {
        let (commands, channels) = (&mut self.commands, &mut self.channels);
        if let Ok(event) = channels.near.try_recv() {
            return Some(Input::Near(event));
        }
        if let Ok(outcome) = channels.attested.try_recv() {
            return Some(Input::Attested(outcome));
        }
        let mut command = || commands.try_recv().ok().map(Input::Command);
        let mut event = || channels.peers.try_recv().ok().map(Input::Peer);
        if peers_first { event().or_else(command) } else { command().or_else(event) }
    }

    /// Closes the turn, and lets out what is durable.
    fn settle(&mut self) -> Result<(), NodeStop> {
        let now = self.clock.now();
        self.engine.handle_timeout(now);
        self.engine.commit(now)?;
        let durable = self.engine.poll_durable()?;
        let now = self.clock.now();
        if self.times.note(durable, now.unix_ns) {
            let (engine, times) = (&self.engine, &self.times);
            self.waiters.look_at_inbox(|range| read_inbox(engine, times, range));
        }
        // Every time: an answer to messages of which none was taken waits for no turn.
        self.replies.answer(durable, now.unix_ns, &self.times);
        self.file_replies.answer(durable);
        self.incarnation_replies.answer(durable);
        self.proof_replies.answer(durable);
        self.pour();
        if self.waiters.wants_status() {
            let engine = &self.engine;
            for reply in self.waiters.look_at_lanes(&engine.status(), |message| is_settled(engine, message)) {
                self.outcome_replies.push_settled(engine.committed(), reply);
            }
        }
        self.outcome_replies.answer(durable);
        Ok(())
    }

    fn pour(&mut self) {
        let mut frames = BTreeMap::<(ShardId, Direction), Vec<EncodedFrame>>::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Frame { peer, lane, frame } => frames.entry((peer, lane)).or_default().push(frame),
                Output::Attest(checkpoint) => self.request(Request::Attest(checkpoint)),
                Output::FetchTip => self.request(Request::FetchTip),
            }
        }
        for ((peer, lane), frames) in frames {
            if let Some((_, link)) = self.sessions.get(&peer) {
                link.send(lane, frames);
            }
        }
    }

    fn request(&self, request: Request) {
        // Nobody serves requests any more only when the node is shutting down.
        drop(self.channels.requests.send(request));
    }
}

/// Reads a part of the inbox, as far as one answer holds.
fn read_inbox<S: Store>(
    engine: &Engine<S>,
    times: &SyncTimes,
    range: InboxRange,
) -> Result<Vec<Delivered>, InboxError> {
    let mut messages: Vec<Delivered> = Vec::new();
    let mut room = INBOX_BYTES_MAX;
    let mut from = range.from;
    while messages.len() < range.limit && room > 0 {
        let entries = match engine.inbox(from, room) {
            // Who reads on from here is told.
            Err(queue::engine::InboxError::Pruned { .. }) if !messages.is_empty() => break,
            entries => entries?,
        };
        let Some(last) = entries.last() else { break };
        from = last.position.saturating_add(1);
        let bytes: usize = entries.iter().map(|entry| entry.content.as_ref().map_or(0, Vec::len)).sum();
        room = room.saturating_sub(bytes);
        let delivered = |entry: queue::engine::InboxEntry| {
            let durable_at_ns = times.of(entry.turn);
            Delivered { entry, durable_at_ns }
        };
        messages.extend(entries.into_iter().map(delivered));
    }
    messages.truncate(range.limit);
    Ok(messages)
}
