//! `run`: starts everything that a node consists of, and stops it in order.

mod peers;

use crate::api::{Api, ApiError, NodeFacts};
use crate::config::{Config, lane_bytes_max_default};
use crate::driver::{AttestOutcome, Channels, Driver, DriverHandle, NodeStop, Request};
use crate::home::{Home, HomeError};
use crate::keys::Keys;
use crate::near::{Actor, Attestor, NearClient, NearError, Watcher, watch};
use crate::store::{DiskStore, OpenError};
use crate::transport::{Transport, TransportError};
use peers::Peers;
use queue::checkpoint::Checkpoint;
use queue::digest::Native;
use queue::engine::Stop;
use queue::ids::ShardId;
use queue::trust::{TrustRoot, TrustRootError};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot, watch as watch_channel};

/// Frames that may wait for the driver, over all peers: 16 MiB at most.
const PEER_EVENTS_MAX: usize = 64;

/// News of NEAR that may wait for the driver.
const NEAR_EVENTS_MAX: usize = 16;

/// How long requests to the local API under way may take to end.
const API_CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long peers may take to hear that this node goes.
const TRANSPORT_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a node doesn't run (any longer).
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The home can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The pinned trust root contradicts itself.
    #[error("the home's configuration: {0}")]
    Trust(#[from] TrustRootError),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The engine can't be opened.
    #[error(transparent)]
    Engine(#[from] Stop),
    /// NEAR's address is none.
    #[error(transparent)]
    Near(#[from] NearError),
    /// Peers can't be served.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The local API can't be served.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The system refuses a thread or a socket's address.
    #[error("the operating system refuses: {0}")]
    System(#[from] std::io::Error),
    /// The node stopped by itself.
    #[error("the node has stopped: {0}")]
    Stopped(#[from] NodeStop),
    /// A bug.
    #[error("the driver ended unexpectedly: this is a bug, please report it with the log")]
    Panicked,
}

/// Where a running node can be reached.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ready {
    /// Its shard.
    pub shard: ShardId,
    /// Where peers' connections arrive (UDP).
    pub p2p: SocketAddr,
    /// Where the local API listens (TCP).
    pub api: SocketAddr,
}

/// Runs the node of `home` until `shutdown`. `ready` is called once it can be used; it doesn't
/// wait for NEAR. With each message of `reload` the home's configuration is read again: what is
/// known of peers, and which lanes are open, then is as it says.
///
/// # Errors
/// [`DaemonError`] says why the node can't run, or stopped by itself.
pub async fn run(
    home: &Home,
    ready: impl FnOnce(&Ready),
    reload: mpsc::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    run_beside(home, |facts, _| ready(facts), reload, shutdown).await
}

/// As [`run`], for a process that also uses the node from within: `ready` gets the driver's handle.
///
/// # Errors
/// As [`run`].
pub async fn run_beside(
    home: &Home,
    ready: impl FnOnce(&Ready, DriverHandle),
    reload: mpsc::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let _lock = home.lock()?;
    let node = Node::start(home, reload).await?;
    ready(&node.ready, node.driver.clone());
    node.run(shutdown).await
}

/// What the engine is told of a home.
///
/// # Errors
/// The system doesn't tell how much space there is.
pub fn engine_config(
    home: &Home,
    config: &Config,
    keys: &Keys,
    trust: &TrustRoot,
) -> std::io::Result<queue::engine::Config> {
    let lane_bytes_max = lane_bytes_max_default(&home.store_path())?;
    Ok(queue::engine::Config {
        shard: config.shard.clone(),
        trust: trust.clone(),
        salt_secret: keys.salt_secret(),
        backlog_bytes_max: config.backlog_bytes_max.unwrap_or(lane_bytes_max),
        staged_bytes_max: config.staged_bytes_max.unwrap_or(lane_bytes_max),
        closed_lanes: config.lanes.closed.clone(),
        settling: config.settling(),
        budget: config.budget.map(Into::into),
    })
}

/// The running parts, in the order in which they stop.
struct Node {
    ready: Ready,
    closing: watch_channel::Sender<bool>,
    api: tokio::task::JoinHandle<std::io::Result<()>>,
    transport: Arc<Transport>,
    driver: DriverHandle,
    driver_ended: oneshot::Receiver<Result<(), NodeStop>>,
}

impl Node {
    async fn start(home: &Home, reload: mpsc::Receiver<()>) -> Result<Self, DaemonError> {
        let (config, keys) = (home.read_config()?, home.read_keys()?);
        let trust = config.trust.clone().checked()?;
        let near = NearClient::new(&config.near_rpc, &trust.domain.bridge)?;
        let api = Api::bind(config.api_addr, home.read_token()?).await?;
        let (peer_events, peers) = mpsc::channel(PEER_EVENTS_MAX);
        let transport = Transport::bind(config.p2p_addr, config.shard.clone(), keys.transport.as_bytes(), peer_events)?;
        let transport = Arc::new(transport);

        let durable = Arc::new(Notify::new());
        let notify = durable.clone();
        let store = DiskStore::open(&home.store_path(), Box::new(move || notify.notify_one()))?;
        let (near_events, near_inbox) = mpsc::channel(NEAR_EVENTS_MAX);
        let (attest_outcomes, attested) = mpsc::channel(1);
        let (requests, request_inbox) = mpsc::unbounded_channel();
        let channels = Channels { peers, near: near_inbox, attested, durable, requests };
        let (driver, handle) = Driver::open(engine_config(home, &config, &keys, &trust)?, store, channels)?;
        let driver_ended = spawn_driver(driver)?;

        let poll = Duration::from_millis(config.near_poll_ms);
        let watcher = watch(near.clone(), trust.clone(), config.shard.clone(), poll, near_events);
        let actor = Actor::new(near, &config.owner, keys.near.clone());
        let attestor = Attestor::new(actor, keys.member.clone(), config.shard.clone(), config.attest_mode());
        let attestations = spawn_attestor(attestor, attest_outcomes);
        let ready = Ready { shard: config.shard.clone(), p2p: transport.local_addr()?, api: api.local_addr()? };
        let facts = NodeFacts {
            shard: config.shard.clone(),
            near_rpc: config.near_rpc.clone(),
            bridge: trust.domain.bridge.to_string(),
        };
        let peers = Peers::new(home.clone(), config, transport.clone(), handle.clone());
        tokio::spawn(serve_requests(request_inbox, reload, peers, watcher, attestations));
        let (closing, closed) = watch_channel::channel(false);
        let api = tokio::spawn(api.serve(handle.clone(), facts, closed));
        Ok(Node { ready, closing, api, transport, driver: handle, driver_ended })
    }

    async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
        tokio::select! {
            ended = &mut self.driver_ended => {
                let stopped = ended.map_err(|_| DaemonError::Panicked)?;
                self.close().await;
                return Ok(stopped?);
            }
            () = shutdown => tracing::info!("shutting down"),
        }
        self.close().await;
        self.driver.shut_down().await;
        Ok(self.driver_ended.await.map_err(|_| DaemonError::Panicked)??)
    }

    /// Ends what comes from outside, callers first, so that the driver's last commit covers it.
    async fn close(&mut self) {
        self.closing.send_replace(true);
        if tokio::time::timeout(API_CLOSE_TIMEOUT, &mut self.api).await.is_err() {
            self.api.abort();
        }
        if tokio::time::timeout(TRANSPORT_CLOSE_TIMEOUT, self.transport.close()).await.is_err() {
            tracing::debug!("not all peers confirmed that the connection is closed");
        }
    }
}

/// Runs the driver on a thread of its own. The answer comes once its store is closed.
fn spawn_driver(driver: Driver<DiskStore>) -> Result<oneshot::Receiver<Result<(), NodeStop>>, DaemonError> {
    let runtime = tokio::runtime::Handle::current();
    let (ended, result) = oneshot::channel();
    let run = move || {
        let stopped = driver.run(&runtime);
        // Without a listener the process is ending already.
        let _ = ended.send(stopped);
    };
    std::thread::Builder::new().name("driver".to_owned()).spawn(run)?;
    Ok(result)
}

/// Attests one checkpoint after the other.
fn spawn_attestor(attestor: Attestor, outcomes: mpsc::Sender<AttestOutcome>) -> mpsc::UnboundedSender<Checkpoint> {
    let (sender, mut checkpoints) = mpsc::unbounded_channel::<Checkpoint>();
    tokio::spawn(async move {
        while let Some(checkpoint) = checkpoints.recv().await {
            let hash = checkpoint.hash::<Native>();
            let height = checkpoint.height;
            let asked = Instant::now();
            let attempt = attestor.attest(checkpoint).await;
            let took = asked.elapsed();
            tracing::debug!(height, attested = attempt.result.is_ok(), "asked for a signature");
            if outcomes.send(AttestOutcome { checkpoint: hash, attempt, took }).await.is_err() {
                return;
            }
        }
    });
    sender
}

/// Does what the driver asks for, and has the configuration read again when told to, until the
/// driver ends.
async fn serve_requests(
    mut requests: mpsc::UnboundedReceiver<Request>,
    mut reload: mpsc::Receiver<()>,
    mut peers: Peers,
    watcher: Watcher,
    attestations: mpsc::UnboundedSender<Checkpoint>,
) {
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            Some(()) = reload.recv() => {
                peers.reload().await;
                continue;
            }
        };
        match request {
            None => return,
            Some(Request::FetchTip) => watcher.fetch_tip(),
            Some(Request::RefreshRegistry) => watcher.refresh_registry(),
            // The attestor ends only when the driver has.
            Some(Request::Attest(checkpoint)) => drop(attestations.send(checkpoint)),
            Some(Request::SetPeers(shards)) => peers.set(&shards),
        }
    }
}
