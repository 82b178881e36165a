//! QUIC between nodes: one connection per pair of shards, both sides authenticated by transport
//! keys. Specified in `specs/peer.md`.
//!
//! The shard with the smaller name dials, the other one accepts, so that two nodes never hold two
//! connections to each other. A newer connection of a peer replaces its older one.

mod allowlist;
mod dial;
mod peer;
mod reset;
mod tls;

pub use allowlist::{Allowlist, PeerEntry, TransportKey};
pub use peer::{Link, PeerEvent};

use peer::{CloseCode, Stream};
use queue::ids::ShardId;
use quinn::udp::UdpSocketState;
use quinn::{Connection, Endpoint, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tls::Tls;
use tokio::sync::{Semaphore, mpsc};

/// A connection on which nothing arrives for this long is dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an idle connection proves that it lives: three times within [`IDLE_TIMEOUT`].
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// Most bytes in flight per stream and connection: what a flow of 1 GB/s needs at 16 ms.
const WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Size of the socket's buffers in the kernel, as far as it allows: its default of 208 KiB loses
/// packets of bulk flows.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Most strangers in the handshake at once. Each costs a few KiB and a signature check.
const HANDSHAKES_MAX: usize = 64;

/// How long a connection may take from its first packet until it is known whose it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a node can't talk to its peers.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is taken or not this machine's.
    #[error(
        "cannot listen for peers on {address}: {source}; free the port, or choose another one in the home's configuration"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The transport key can't be used for TLS.
    #[error("cannot use this home's transport key: {0}")]
    Key(#[from] rustls::Error),
}

/// The listening socket, the dialers, and all connections.
#[derive(Debug)]
pub struct Transport {
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    own: ShardId,
    endpoint: Endpoint,
    tls: Tls,
    allowlist: Allowlist,
    config: Arc<TransportConfig>,
    events: mpsc::Sender<PeerEvent>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_session: u64,
    sessions: BTreeMap<ShardId, Session>,
    dialed: BTreeSet<ShardId>,
}

#[derive(Debug)]
struct Session {
    id: u64,
    key: TransportKey,
    connection: Connection,
}

impl Transport {
    /// Listens on `address` under the key of `seed`, and reports to `events`. Nobody is accepted
    /// before [`Transport::set_peers`]. Runs on the current tokio runtime.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn bind(
        address: SocketAddr,
        own: ShardId,
        seed: &[u8; 32],
        events: mpsc::Sender<PeerEvent>,
    ) -> Result<Self, TransportError> {
        let refused = |source| TransportError::Bind { address, source };
        let allowlist = Allowlist::default();
        let tls = Tls::new(seed, allowlist.clone())?;
        let config = Arc::new(transport_config());
        let mut server = ServerConfig::with_crypto(Arc::new(tls.server()?));
        server.transport_config(config.clone()).max_incoming(HANDSHAKES_MAX);
        let socket = UdpSocket::bind(address).map_err(refused)?;
        enlarge_buffers(&socket);
        let endpoint = Endpoint::new(reset::endpoint_config(seed), Some(server), socket, Arc::new(TokioRuntime))
            .map_err(refused)?;
        let shared = Shared { own, endpoint, tls, allowlist, config, events, state: Mutex::default() };
        let shared = Arc::new(shared);
        Ok(Transport { accepting: tokio::spawn(accept_all(shared.clone())), shared })
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// Replaces the accepted peers: dials new ones, and closes the connections of keys that are no
    /// longer listed. The own shard among them is ignored.
    pub fn set_peers(&self, mut entries: Vec<PeerEntry>) {
        let shared = &self.shared;
        entries.retain(|entry| entry.shard != shared.own);
        shared.allowlist.replace(entries);
        let mut state = shared.state();
        for (peer, session) in &state.sessions {
            if !shared.allowlist.shards_of(&session.key).contains(peer) {
                CloseCode::Unlisted.close(&session.connection, "transport key is no longer listed");
            }
        }
        for peer in shared.allowlist.shards().into_iter().filter(|peer| shared.dials(peer)) {
            if state.dialed.insert(peer.clone()) {
                tokio::spawn(dial::keep_connected(shared.clone(), peer));
            }
        }
    }

    /// Stops accepting, closes every connection, and waits until the peers have been told.
    pub async fn close(&self) {
        self.accepting.abort();
        self.shared.endpoint.close(CloseCode::Shutdown.code(), b"the node shuts down");
        self.shared.endpoint.wait_idle().await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this node dials `peer`, rather than being dialed.
    fn dials(&self, peer: &ShardId) -> bool {
        self.own < *peer
    }

    /// Serves an authenticated connection until it ends. `first` is what was already read of the
    /// peer's stream. Returns whether the peer ever spoke.
    async fn serve(&self, peer: ShardId, key: TransportKey, connection: Connection, first: Option<Stream>) -> bool {
        let id = {
            let mut state = self.state();
            state.next_session += 1;
            let id = state.next_session;
            let session = Session { id, key, connection: connection.clone() };
            if let Some(older) = state.sessions.insert(peer.clone(), session) {
                CloseCode::Replaced.close(&older.connection, "replaced by a newer connection");
            }
            id
        };
        let spoke = peer::run(peer.clone(), id, connection, first, &self.events).await;
        let mut state = self.state();
        if state.sessions.get(&peer).is_some_and(|session| session.id == id) {
            state.sessions.remove(&peer);
        }
        spoke
    }
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().expect("10 s fit QUIC's milliseconds")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES));
    config
}

fn enlarge_buffers(socket: &UdpSocket) {
    let enlarged = UdpSocketState::new(socket.into()).and_then(|state| {
        state.set_recv_buffer_size(socket.into(), SOCKET_BUFFER_BYTES)?;
        state.set_send_buffer_size(socket.into(), SOCKET_BUFFER_BYTES)
    });
    if let Err(error) = enlarged {
        tracing::debug!(%error, "the kernel keeps its own UDP buffer sizes");
    }
}

async fn accept_all(shared: Arc<Shared>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = shared.endpoint.accept().await {
        let Ok(permit) = handshakes.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let from = incoming.remote_address();
            let identified = tokio::time::timeout(HANDSHAKE_TIMEOUT, identify(&shared, incoming)).await;
            drop(permit);
            match identified {
                Ok(Ok((peer, key, connection, first))) => {
                    shared.serve(peer, key, connection, first).await;
                }
                Ok(Err(reason)) => tracing::warn!(%from, reason, "refused a connection"),
                Err(_) => tracing::warn!(%from, "refused a connection: the handshake took too long"),
            }
        });
    }
}

/// Finishes the handshake of a connection and finds out whose it is.
async fn identify(
    shared: &Shared,
    incoming: Incoming,
) -> Result<(ShardId, TransportKey, Connection, Option<Stream>), String> {
    let connection = incoming.accept().map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())?;
    let key = tls::peer_key(&connection).ok_or("the peer showed no ed25519 key")?;
    let mut candidates = shared.allowlist.shards_of(&key);
    candidates.retain(|peer| !shared.dials(peer));
    if candidates.len() > 1 {
        let (claimed, stream) = peer::claimed_shard(&connection).await?;
        candidates.retain(|peer| *peer == claimed);
        if let Some(peer) = candidates.pop_first() {
            return Ok((peer, key, connection, Some(stream)));
        }
    } else if let Some(peer) = candidates.pop_first() {
        return Ok((peer, key, connection, None));
    }
    let reason = "this shard dials you: the shard with the smaller name dials";
    CloseCode::WrongDirection.close(&connection, reason);
    Err(format!("a peer that is not the smaller name dialed {}", shared.own))
}

#[cfg(test)]
mod tests;
