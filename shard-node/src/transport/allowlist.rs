//! Whom a node talks to: the transport keys of each peer, and where it listens.

use queue::ids::ShardId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// An ed25519 public key of TLS.
pub type TransportKey = [u8; 32];

/// A peer that a node accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEntry {
    /// Its shard.
    pub shard: ShardId,
    /// The keys under which its nodes are accepted.
    pub keys: Vec<TransportKey>,
    /// Where to dial it (`host:port`), tried in turn; may be empty.
    pub addresses: Vec<String>,
}

/// The accepted peers, shared by handshakes and dialers, and replaced while they run.
#[derive(Debug, Clone, Default)]
pub struct Allowlist(Arc<RwLock<Listed>>);

/// Invariant: `shards` says for each key of `peers` who lists it.
#[derive(Debug, Default)]
struct Listed {
    peers: BTreeMap<ShardId, PeerEntry>,
    shards: BTreeMap<TransportKey, BTreeSet<ShardId>>,
}

impl Allowlist {
    /// Replaces the list.
    pub fn replace(&self, entries: Vec<PeerEntry>) {
        let mut shards: BTreeMap<TransportKey, BTreeSet<ShardId>> = BTreeMap::new();
        for entry in &entries {
            for key in &entry.keys {
                shards.entry(*key).or_default().insert(entry.shard.clone());
            }
        }
        let peers = entries.into_iter().map(|entry| (entry.shard.clone(), entry)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Listed { peers, shards };
    }

    /// The shards that list a key. More than one if somebody lists a key of another shard: whoever
    /// holds the key then has to say for whom it speaks.
    pub fn shards_of(&self, key: &TransportKey) -> BTreeSet<ShardId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).shards.get(key).cloned().unwrap_or_default()
    }

    /// The names of all listed shards.
    pub fn shards(&self) -> Vec<ShardId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).peers.keys().cloned().collect()
    }

    /// Where to dial a shard; `None` if it isn't listed.
    pub fn addresses_of(&self, shard: &ShardId) -> Option<Vec<String>> {
        let listed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        listed.peers.get(shard).map(|entry| entry.addresses.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(shard: &str, keys: &[u8]) -> PeerEntry {
        let keys = keys.iter().map(|key| [*key; 32]).collect();
        PeerEntry { shard: shard.parse().expect("a valid shard"), keys, addresses: vec![] }
    }

    #[test]
    fn mallory_cannot_shut_a_peer_out_by_listing_its_key() {
        let list = Allowlist::default();
        list.replace(vec![entry("alpha", &[1, 2]), entry("mallory", &[2, 3])]);
        let named = |key: u8| list.shards_of(&[key; 32]).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named(1), ["alpha"]);
        assert_eq!(named(2), ["alpha", "mallory"]);
        assert_eq!(named(4), [""; 0]);
    }

    #[test]
    fn a_replaced_list_forgets_the_old_keys() {
        let list = Allowlist::default();
        list.replace(vec![entry("alpha", &[1, 1])]);
        list.replace(vec![entry("alpha", &[2])]);
        assert!(list.shards_of(&[1; 32]).is_empty());
        assert_eq!(list.shards_of(&[2; 32]).len(), 1);
    }
}
