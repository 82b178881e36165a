//! What a node is and does: `config.json` in its home.

use crate::near::{AttestMode, RoundPatience};
use queue::attestation::AttestationKind;
use queue::engine::{Budget, INBOUND_RETENTION_BYTES_MAX_DEFAULT, RETENTION_BYTES_MAX_DEFAULT, Settling};
use queue::ids::{AccountId, ShardId};
use queue::trust::{PublicKey, TrustRoot};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Most bytes that a lane may have on disk, unless configured otherwise: what a lane of 200 MB/s
/// gathers in 40 s, since acknowledgements come every 30 s. On a small disk, its tenth part.
pub const LANE_BYTES_MAX_DEFAULT: u64 = 8 * 1024 * 1024 * 1024;

/// That part of what is free on the disk is the default on a small one.
const DISK_PART: u64 = 10;

/// How often NEAR is asked for its newest final block, unless configured otherwise: about as often
/// as it makes one.
pub const NEAR_POLL_MS_DEFAULT: u64 = 1_000;

/// How long a checkpoint waits for its round, in milliseconds, unless configured otherwise: some
/// five rounds, so that a failed request or two cost no signature of its own.
pub const ROUND_WAIT_MS_DEFAULT: u64 = 60_000;

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
    /// What is known of peers beside what the bridge contract lists. Read again on SIGHUP.
    #[serde(default)]
    pub peers: BTreeMap<ShardId, PeerConfig>,
    /// Which lanes are open. Read again on SIGHUP.
    #[serde(default)]
    pub lanes: LanesConfig,
    /// Backlog limit: most bytes accepted for one peer and not yet acknowledged. If left out, 8 GiB
    /// or a tenth of what is free on the disk when the node starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_bytes_max: Option<u64>,
    /// Staging limit: most bytes of one peer that wait for their attestation. The same default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_bytes_max: Option<u64>,
    /// Deadline of messages that name none, in milliseconds from their enqueueing, on lanes whose terms
    /// have none; no deadline if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_default_ms: Option<u64>,
    /// Bytes of acknowledged messages of one lane that are kept, to prove their delivery or expiry.
    /// 64 MiB if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_bytes_max: Option<u64>,
    /// Bytes of delivered messages of one lane that are kept, to be read, proved and exported. 1 GiB
    /// if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound_retention_bytes_max: Option<u64>,
    /// Whether each checkpoint gets a signature of its own (`shard`), or one that it shares with
    /// other shards (`round`).
    #[serde(default = "attestation_default")]
    pub attestation: AttestationKind,
    /// How long a checkpoint waits for its round, in milliseconds, before it gets a signature of its
    /// own. 60 s if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_wait_ms: Option<u64>,
    /// What attesting may cost; no bound if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetConfig>,
}

/// What attesting may cost in one day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    /// Burnt gas, in gas units (10^12 = 1 Tgas).
    pub gas_per_day: u64,
    /// Deposits, in yoctoNEAR, as a decimal string.
    #[serde(with = "queue::codec::u128_string")]
    pub deposit_yocto_per_day: u128,
}

impl From<BudgetConfig> for Budget {
    fn from(config: BudgetConfig) -> Self {
        Budget { gas_per_day: config.gas_per_day, deposit_yocto_per_day: config.deposit_yocto_per_day }
    }
}

impl Config {
    /// How checkpoints are attested.
    pub fn attest_mode(&self) -> AttestMode {
        match self.attestation {
            AttestationKind::Shard => AttestMode::Shard,
            AttestationKind::Round => AttestMode::Round(RoundPatience {
                poll: Duration::from_millis(self.near_poll_ms),
                wait: Duration::from_millis(self.round_wait_ms.unwrap_or(ROUND_WAIT_MS_DEFAULT)),
            }),
        }
    }

    /// What the engine is told about the settling of messages.
    pub fn settling(&self) -> Settling {
        Settling {
            deadline_default_ms: self.deadline_default_ms,
            retention_bytes_max: self.retention_bytes_max.unwrap_or(RETENTION_BYTES_MAX_DEFAULT),
            inbound_retention_bytes_max: self
                .inbound_retention_bytes_max
                .unwrap_or(INBOUND_RETENTION_BYTES_MAX_DEFAULT),
            ..Settling::default()
        }
    }
}

/// The default of limits on what one lane may have on the disk of `path`, in bytes.
///
/// # Errors
/// Those of asking the file system.
pub fn lane_bytes_max_default(path: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(LANE_BYTES_MAX_DEFAULT.min(disk.f_bavail.saturating_mul(disk.f_frsize) / DISK_PART))
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

fn attestation_default() -> AttestationKind {
    AttestationKind::Shard
}

fn near_poll_ms_default() -> u64 {
    NEAR_POLL_MS_DEFAULT
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
        assert_eq!((config.backlog_bytes_max, config.staged_bytes_max), (None, None));
        assert!(config.lanes.closed.is_empty());
        assert_eq!((config.settling(), config.budget), (Settling::default(), None));
        let again: Config = serde_json::from_str(&serde_json::to_string(&config).expect("JSON")).expect("parses");
        assert_eq!(again, config);
    }

    #[test]
    fn a_budget_names_gas_and_deposit_for_a_day() {
        let budget = r#""budget": {"gas_per_day": 5000000000000, "deposit_yocto_per_day": "100"}, "format""#;
        let config: Config = serde_json::from_str(&SMALLEST.replace("\"format\"", budget)).expect("complete");
        let expected = Budget { gas_per_day: 5_000_000_000_000, deposit_yocto_per_day: 100 };
        assert_eq!(config.budget.map(Budget::from), Some(expected));
        let again: Config = serde_json::from_str(&serde_json::to_string(&config).expect("JSON")).expect("parses");
        assert_eq!(again, config);
    }

    #[test]
    fn checkpoints_share_a_signature_with_other_shards_where_the_configuration_says_so() {
        let config: Config = serde_json::from_str(SMALLEST).expect("complete");
        assert_eq!(config.attest_mode(), AttestMode::Shard);
        let rounds = r#""attestation": "round", "round_wait_ms": 5000, "near_poll_ms": 200, "format""#;
        let config: Config = serde_json::from_str(&SMALLEST.replace("\"format\"", rounds)).expect("complete");
        let patience = RoundPatience { poll: Duration::from_millis(200), wait: Duration::from_secs(5) };
        assert_eq!(config.attest_mode(), AttestMode::Round(patience));
    }

    #[test]
    fn a_misspelt_field_is_refused_by_name() {
        let misspelt = SMALLEST.replace("\"format\"", "\"backlog\": 5, \"format\"");
        let refused = serde_json::from_str::<Config>(&misspelt).expect_err("unknown field").to_string();
        assert!(refused.contains("backlog"), "{refused}");
    }
}
