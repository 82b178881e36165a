//! What a node is and does: `config.json` in its home.

use queue::ids::{AccountId, ShardId};
use queue::trust::{PublicKey, TrustRoot};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Bytes accepted for one peer and not yet acknowledged, unless configured otherwise. Lanes in one
/// direction are acknowledged every 30 s: this lets 8 MiB/s through.
pub const BACKLOG_BYTES_MAX_DEFAULT: u64 = 256 * 1024 * 1024;

/// How often NEAR is asked for its newest final block, unless configured otherwise: about as often
/// as it makes one.
pub const NEAR_POLL_MS_DEFAULT: u64 = 1_000;

/// A node's configuration. Unknown fields are refused: a misspelt one must not be ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// [`crate::home::HOME_FORMAT`].
    pub format: u32,
    /// The shard that the node serves.
    pub shard: ShardId,
    /// The NEAR account that owns the shard's registration; the node's NEAR access key is one of
    /// its keys.
    pub owner: AccountId,
    /// Address of a NEAR JSON-RPC server, `http://…` or `https://…`.
    pub near_rpc: String,
    /// How often NEAR is asked for its newest final block, in milliseconds.
    #[serde(default = "near_poll_ms_default")]
    pub near_poll_ms: u64,
    /// The bridge and the signer's keys that count. Never taken from the RPC server.
    pub trust: TrustRoot,
    /// Where peers' QUIC connections arrive (UDP).
    pub p2p_addr: SocketAddr,
    /// Where the local API listens (TCP); a loopback address.
    pub api_addr: SocketAddr,
    /// Addresses (`host:port`) that the bridge contract lists for this node.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What is known of peers beside what the bridge contract lists.
    #[serde(default)]
    pub peers: BTreeMap<ShardId, PeerConfig>,
    /// Which lanes are open.
    #[serde(default)]
    pub lanes: LanesConfig,
    /// Most bytes accepted for one peer and not yet acknowledged.
    #[serde(default = "backlog_bytes_max_default")]
    pub backlog_bytes_max: u64,
}

/// What is known of a peer beside what the bridge contract lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Addresses (`host:port`), tried before the listed ones.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Ed25519 TLS keys, accepted beside the listed ones.
    #[serde(default)]
    pub transport_keys: Vec<PublicKey>,
}

/// Which lanes are open: all, but for these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanesConfig {
    /// Shards with which no messages are exchanged.
    #[serde(default)]
    pub closed: BTreeSet<ShardId>,
}

fn near_poll_ms_default() -> u64 {
    NEAR_POLL_MS_DEFAULT
}

fn backlog_bytes_max_default() -> u64 {
    BACKLOG_BYTES_MAX_DEFAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"{
        "format": 1,
        "shard": "alpha",
        "owner": "alpha.test.near",
        "near_rpc": "http://127.0.0.1:3030",
        "trust": {
            "network": "localnet",
            "bridge": "bridge.test.near",
            "instance": "00000000000000000000000000000000000000000000000000000000000000ff",
            "secp256k1": null,
            "ed25519": "ed25519:3vgnMSUvmMxDS19H4LThKyprk6hbGrvpgFtVMxmTFzYx"
        },
        "p2p_addr": "127.0.0.1:7001",
        "api_addr": "127.0.0.1:7002"
    }"#;

    #[test]
    fn what_is_left_out_has_a_default() {
        let config: Config = serde_json::from_str(SMALLEST).expect("complete");
        assert_eq!(config.backlog_bytes_max, BACKLOG_BYTES_MAX_DEFAULT);
        assert!(config.lanes.closed.is_empty());
        let again: Config = serde_json::from_str(&serde_json::to_string(&config).expect("JSON")).expect("parses");
        assert_eq!(again, config);
    }

    #[test]
    fn a_misspelt_field_is_refused_by_name() {
        let misspelt = SMALLEST.replace("\"format\"", "\"backlog\": 5, \"format\"");
        let refused = serde_json::from_str::<Config>(&misspelt).expect_err("unknown field").to_string();
        assert!(refused.contains("backlog"), "{refused}");
    }
}
