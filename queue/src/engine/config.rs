//! What an engine is told once, and the limits that it keeps.

use super::io::EnqueueError;
use crate::ids::ShardId;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::salt::SaltSecret;
use crate::stream::LENGTH_BYTES;
use crate::trust::TrustRoot;
use std::collections::BTreeSet;

/// A node's configuration, as far as the engine is concerned.
#[derive(Debug, Clone)]
pub struct Config {
    /// This shard.
    pub shard: ShardId,
    /// The pinned trust root.
    pub trust: TrustRoot,
    /// The secret that salts are derived from. Must stay the same for the life of the home.
    pub salt_secret: SaltSecret,
    /// Backlog limit: bytes of one lane not yet acknowledged above which enqueue answers `Busy`.
    pub backlog_bytes_max: u64,
    /// Staging limit: bytes of one lane that may wait on disk for their release.
    pub staged_bytes_max: u64,
    /// Shards to and from which no lane is open.
    pub closed_lanes: BTreeSet<ShardId>,
    /// What concerns the settling of messages.
    pub settling: Settling,
    /// What attesting may cost; without one there is no bound.
    pub budget: Option<Budget>,
}

/// A lane's rules for deadlines, calls and proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// Deadline of messages that name none, in milliseconds from their enqueueing, where the lane's terms
    /// have none.
    pub deadline_default_ms: Option<u64>,
    /// Bytes of acknowledged messages of one lane that are kept, to prove their delivery or expiry.
    pub retention_bytes_max: u64,
    /// Bytes of delivered messages of one lane that are kept, to be read, proved and exported.
    pub inbound_retention_bytes_max: u64,
    /// Call window: calls of one lane without a result above which enqueue takes no further ones. A
    /// smaller one in the lane's terms counts instead; without either, [`CALL_WINDOW_DEFAULT`].
    pub call_window: Option<usize>,
}

/// Acknowledged messages that are kept unless configured otherwise, in bytes: a quarter of a million
/// messages of 256 bytes.
pub const RETENTION_BYTES_MAX_DEFAULT: u64 = 64 * 1024 * 1024;

/// Delivered messages that are kept of one lane unless configured otherwise, in bytes: room for
/// millions of small messages, so that a reader may be away for long, and no more than a disk bears
/// from dozens of peers.
pub const INBOUND_RETENTION_BYTES_MAX_DEFAULT: u64 = 1024 * 1024 * 1024;

/// The call window unless configured or agreed otherwise: as many calls as a second brings at one for each
/// millisecond, which is longer than most signatures take.
pub const CALL_WINDOW_DEFAULT: usize = 1_024;

impl Default for Settling {
    fn default() -> Self {
        Settling {
            deadline_default_ms: None,
            retention_bytes_max: RETENTION_BYTES_MAX_DEFAULT,
            inbound_retention_bytes_max: INBOUND_RETENTION_BYTES_MAX_DEFAULT,
            call_window: None,
        }
    }
}

/// The deadline of a message that names `deadline_ns` or none, enqueued at `time_ns` of the node's clock,
/// where `default_ms` after that is the default.
pub(super) fn deadline_of(
    deadline_ns: Option<u64>,
    default_ms: Option<u64>,
    time_ns: Option<u64>,
) -> Result<Option<u64>, EnqueueError> {
    let deadline_ns = match (deadline_ns, default_ms) {
        (Some(deadline_ns), _) => deadline_ns,
        (None, None) => return Ok(None),
        (None, Some(ms)) => {
            let time_ns = time_ns.ok_or(EnqueueError::NoTime)?;
            time_ns.saturating_add(ms.saturating_mul(1_000_000))
        }
    };
    match time_ns {
        Some(time_ns) if deadline_ns <= time_ns => Err(EnqueueError::DeadlinePassed { deadline_ns, time_ns }),
        _ => Ok(Some(deadline_ns)),
    }
}

/// What attesting may cost in one day of the node's block time. What is under way when it runs out is
/// seen through; only acknowledging stops at nine tenths of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Burnt gas, in gas units (10^12 = 1 Tgas).
    pub gas_per_day: u64,
    /// Deposits, in yoctoNEAR.
    pub deposit_yocto_per_day: u128,
}

/// The store's layout of keys and records; see `specs/store.md`.
pub const STORE_FORMAT: u32 = 3;

/// A batch holds as many messages as fit this many bytes, and at least one: large enough that its one
/// signature check is lost among its hashes, small enough that a turn stays short.
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

/// Flight limit: bytes of one lane sent and not yet known to be durable at the destination. Some
/// batches, so that sending, checking and syncing overlap.
const FLIGHT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The flight limits of all lanes together, unless that leaves less than a batch for each.
const FLIGHTS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The flight limit of each lane while so many peers are connected.
pub(super) fn flight_bytes_max(peers: usize) -> usize {
    (FLIGHTS_BYTES_MAX / peers.max(1)).clamp(BATCH_BYTES, FLIGHT_BYTES_MAX)
}

/// Bytes that all lanes together keep in memory to send them: what a node takes in at full speed in some
/// 0.4 s, and a fifth of the 300 MiB that it may use.
const UNSENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that each lane may keep in memory to send them, while so many peers are connected.
pub(super) fn unsent_bytes_max(peers: usize) -> usize {
    UNSENT_BYTES_MAX / peers.max(1)
}

/// Bytes that are read back in one turn to be sent, over all lanes: about what a turn takes in, so that
/// clearing a backlog leaves new messages half of the node.
pub(super) const READ_BACK_BYTES: usize = 512 * 1024;

/// Staged messages of one lane that will be settled without a delivery, above which the source has
/// to wait. They are kept in memory, unlike messages, and no honest source sends any.
pub(super) const STAGED_TOMBSTONES_MAX: usize = 1 << 20;

/// What a source may send beyond that before it hears of it: a flight of messages of a dozen bytes. Who
/// sends shorter ones means harm.
pub(super) const STAGED_TOMBSTONES_SLACK: usize = FLIGHT_BYTES_MAX / (LENGTH_BYTES + 12);

/// What an honest source may have under way when the staging limit is reached: a flight, its last
/// batch, and a message begun.
pub(super) const STAGED_SLACK_BYTES: usize = 48 * 1024 * 1024;

const _: () = assert!(FLIGHT_BYTES_MAX + BATCH_BYTES + MESSAGE_BYTES_MAX <= STAGED_SLACK_BYTES);

/// A checkpoint that only acknowledges comes this long after the last such one at the soonest.
pub(super) const ACKNOWLEDGE_INTERVAL_NS: u64 = 30_000_000_000;

/// A checkpoint that covers so many bytes more than the one before, over all lanes, was sealed under load.
pub(super) const BUSY_BYTES: usize = BATCH_BYTES;

/// The next checkpoint after one that was sealed under load comes this long after it at the soonest. Where
/// a signature takes longer, as on NEAR, nothing waits for this.
pub(super) const BUSY_SEAL_INTERVAL_NS: u64 = 100_000_000;

/// Why a full lane's sender should wait this long: acknowledgements come with the peer's next
/// checkpoint, which takes a signature of seconds.
pub(super) const BUSY_RETRY_MS: u64 = 1_000;

/// How long after a failed attestation the next attempt comes; doubles with each failure.
pub(super) const ATTEST_RETRY_NS_MIN: u64 = 500_000_000;

/// The longest wait between attempts to attest.
pub(super) const ATTEST_RETRY_NS_MAX: u64 = 30_000_000_000;

/// How often the contract's tip is asked for until it is found in the node's own records.
pub(super) const TIP_RETRY_NS: u64 = 1_000_000_000;
