//! QUIC between nodes: one connection per pair of shards, both sides authenticated by transport
//! keys. Specified in `specs/peer.md`.
//!
//! The shard with the smaller name dials, the other one accepts, so that two nodes never hold two
//! connections to each other. A newer connection of a peer replaces its older one.

mod accept;
mod admission;
mod allowlist;
mod dial;
mod peer;
mod reset;
mod tls;
mod tuning;

pub use allowlist::{Allowlist, PeerEntry, TransportKey};
pub use peer::{Link, PeerEvent};

use peer::{CloseCode, Stream};
use queue::ids::ShardId;
use quinn::{Connection, Endpoint, TokioRuntime, TransportConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tls::Tls;
use tokio::sync::mpsc;

/// What a peer hears whose key was taken off the list.
const UNLISTED: &str = "transport key is no longer listed";

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
    /// Peers that have a dialer.
    dialed: BTreeSet<ShardId>,
    /// Whether the node shuts down: dialers end.
    closing: bool,
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
        let config = Arc::new(tuning::transport_config());
        let server = tuning::server_config(&tls, config.clone())?;
        let socket = UdpSocket::bind(address).map_err(refused)?;
        tuning::enlarge_buffers(&socket);
        let endpoint = Endpoint::new(tuning::endpoint_config(seed), Some(server), socket, Arc::new(TokioRuntime))
            .map_err(refused)?;
        let shared = Shared { own, endpoint, tls, allowlist, config, events, state: Mutex::default() };
        let shared = Arc::new(shared);
        Ok(Transport { accepting: tokio::spawn(accept::accept_all(shared.clone())), shared })
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
                CloseCode::Unlisted.close(&session.connection, UNLISTED);
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
        self.shared.state().closing = true;
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

    /// Where to dial `peer`; `None` ends its dialer, because it isn't listed any more or the node
    /// shuts down.
    fn addresses_to_dial(&self, peer: &ShardId) -> Option<Vec<String>> {
        let mut state = self.state();
        let addresses = self.allowlist.addresses_of(peer).filter(|_| !state.closing);
        if addresses.is_none() {
            state.dialed.remove(peer);
        }
        addresses
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
            // The list may have changed since the handshake; from here on, `set_peers` looks.
            if !self.allowlist.shards_of(&key).contains(&peer) {
                CloseCode::Unlisted.close(&connection, UNLISTED);
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

#[cfg(test)]
mod tests;
