//! Whom the node talks to: what the bridge contract lists, and what the configuration says, which
//! may change while the node runs.

use crate::config::Config;
use crate::driver::DriverHandle;
use crate::home::Home;
use crate::transport::{PeerEntry, Transport};
use queue::contract::ShardView;
use queue::trust::PublicKey;
use std::sync::Arc;

/// The peers of a running node.
pub(super) struct Peers {
    home: Home,
    config: Config,
    transport: Arc<Transport>,
    driver: DriverHandle,
}

impl Peers {
    /// Peers by `config`, as it was read from `home`.
    pub(super) fn new(home: Home, config: Config, transport: Arc<Transport>, driver: DriverHandle) -> Self {
        Peers { home, config, transport, driver }
    }

    /// Accepts and dials these registered shards, and nobody else.
    pub(super) fn set(&self, shards: &[ShardView]) {
        self.transport.set_peers(peer_entries(&self.config, shards));
    }

    /// Reads the configuration again, and applies what may change while the node runs. A file that
    /// can't be used changes nothing.
    pub(super) async fn reload(&mut self) {
        let read = match self.home.read_config() {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the configuration was not read again, and stays as it was");
                return;
            }
        };
        let needs_restart = other_differences(&self.config, &read);
        self.config.peers = read.peers;
        self.config.lanes = read.lanes;
        // The driver answers with the shards to talk to, and ends only when the node does.
        let Ok(()) = self.driver.close_lanes(self.config.lanes.closed.clone()).await else { return };
        let (peers, closed) = (self.config.peers.len(), self.config.lanes.closed.len());
        tracing::info!(peers, closed, "the configuration was read again: peers and lanes are as it says");
        if !needs_restart.is_empty() {
            let fields = needs_restart.join(", ");
            tracing::warn!(fields, "these fields of the configuration have changed, which takes a restart");
        }
    }
}

/// Fields that differ, beside those that may change while the node runs.
fn other_differences(running: &Config, read: &Config) -> Vec<String> {
    let fields = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let (running, read) = (fields(running), fields(read));
    let names = read.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    names.filter(|name| !["peers", "lanes"].contains(&name.as_str()) && running[name] != read[name]).collect()
}

/// Whom a node accepts and dials: the registered shards, but for those with which no lane is open.
fn peer_entries(config: &Config, shards: &[ShardView]) -> Vec<PeerEntry> {
    let open = shards.iter().filter(|peer| peer.shard != config.shard && !config.lanes.closed.contains(&peer.shard));
    open.map(|peer| {
        let known = config.peers.get(&peer.shard).cloned().unwrap_or_default();
        let keys = known.transport_keys.iter().chain(&peer.transport_keys).filter_map(ed25519_bytes).collect();
        let mut addresses = known.addresses;
        addresses.extend(peer.addresses.iter().cloned());
        PeerEntry { shard: peer.shard.clone(), keys, addresses }
    })
    .collect()
}

/// The bridge contract lists no other keys for transport.
fn ed25519_bytes(key: &PublicKey) -> Option<[u8; 32]> {
    match key {
        PublicKey::Ed25519(bytes) => Some(*bytes),
        PublicKey::Secp256k1(_) => None,
    }
}
