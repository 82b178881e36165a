//! Every number that bounds something on the wire, on disk or on chain, with the reason for it.

/// Largest encoded message, in bytes: NEAR's largest receipt, so that whatever a contract could
/// send on its own chain fits a lane.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest body of one peer frame, in bytes. Longer messages travel in several frames, so that a
/// receiver's buffer per connection stays this small. What is in a frame is hashed side by side and handed
/// over at once: shorter frames cost more for each message.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Most marked sizes that wait for their release. An honest source has one checkpoint under way, and
/// marks it again after each reconnection at most.
pub const MARKS_MAX: usize = 16;

/// Deepest path in the trie of heads: one level for each bit of SHA-256.
pub const HEAD_PATH_LEN_MAX: usize = 256;

/// Longest RFC 6962 path in a log of fewer than 2^63 leaves.
pub const LOG_PATH_LEN_MAX: usize = 63;

/// Shortest and longest label of a shard, in bytes: a NEAR account-id label that leaves room for
/// sub-accounts within NEAR's 64 bytes.
pub const SHARD_ID_BYTES_MIN: usize = 2;
/// See [`SHARD_ID_BYTES_MIN`].
pub const SHARD_ID_BYTES_MAX: usize = 32;

/// Longest network name (`mainnet`, `testnet`, `localnet`, …), in bytes.
pub const NETWORK_BYTES_MAX: usize = 32;

/// Most actions in one call message, as in NEAR's own receipts.
pub const CALL_ACTIONS_MAX: usize = 100;

/// Most promise results that a call message carries, as many as NEAR joins in one receipt.
pub const PROMISE_RESULTS_MAX: usize = 128;

/// Most members of a shard. 64 endorsements stay within the gas of one call.
pub const MEMBERS_MAX: usize = 64;

/// Most transport keys that a shard lists: a few nodes, each with an old and a new key.
pub const TRANSPORT_KEYS_MAX: usize = 16;

/// Most public addresses that a shard lists.
pub const ADDRESSES_MAX: usize = 8;

/// Longest listed address (`host:port`), in bytes: a DNS name and a port.
pub const ADDRESS_BYTES_MAX: usize = 260;

/// Most lanes of a shard. A node that walks its list asks a handful of times.
pub const LANES_PER_SHARD_MAX: u32 = 1_024;

/// Longest list of permissions of a lane in plain text, in bytes; a longer one is kept as its hash.
pub const LANE_PERMISSIONS_BYTES_MAX: usize = 1_024;

/// Least limit on messages and on results that a lane's terms may set, in bytes: a failure with the
/// longest reason, or a tombstone, between accounts with the longest names, and room to grow.
pub const LANE_BYTES_MIN: usize = 2 * 1024;

/// Largest call window that a lane's terms may set: as many results of the least limit are 128 MiB, which
/// a node has room for.
pub const CALL_WINDOW_MAX: u32 = 64 * 1024;

/// Rounds of a curve that can be proved, the open one included. A node that is late by a few
/// signatures still finds its proof; whoever is later has the checkpoint attested by itself.
pub const ROUNDS_KEPT: u64 = 8;

/// Least time between two requests to the signer for rounds of one curve, in nanoseconds: a
/// signature takes about as long, and more would cost the signer without being faster for anybody.
pub const CLOSE_INTERVAL_NS: u64 = 5_000_000_000;

/// How long the contract waits for the answer to a request for a round before it takes it for lost,
/// in nanoseconds. The signer gives up after 200 blocks, some two minutes.
pub const ROUND_ANSWER_NS_MAX: u64 = 600_000_000_000;

/// How far a checkpoint's time may lie ahead of NEAR's block time, in nanoseconds.
pub const CHECKPOINT_AHEAD_NS_MAX: u64 = 60_000_000_000;

/// How far a block's time may lie ahead of the newest final NEAR block, in nanoseconds. Half of
/// [`CHECKPOINT_AHEAD_NS_MAX`]: the rest is for the way to the contract.
pub const CLOCK_AHEAD_NS_MAX: u64 = 30_000_000_000;

/// Largest encoded checkpoint, attestation or proof file part, in bytes.
pub const ATTESTATION_BYTES_MAX: usize = 8 * 1024;

/// How long staged code of the bridge contract waits before it can be deployed, in nanoseconds, on
/// every network but `localnet`: seven days, in which everybody can read the code and shards can
/// stop trusting the bridge.
pub const UPGRADE_DELAY_NS: u64 = 7 * 24 * 60 * 60 * 1_000_000_000;

const _: () = assert!(UPGRADE_DELAY_NS > 0);
const _: () = assert!(CLOCK_AHEAD_NS_MAX < CHECKPOINT_AHEAD_NS_MAX);
const _: () = assert!(CLOSE_INTERVAL_NS < ROUND_ANSWER_NS_MAX);
const _: () = assert!(FRAME_BYTES_MAX > HEAD_PATH_LEN_MAX * 32 + ATTESTATION_BYTES_MAX + LOG_PATH_LEN_MAX * 32);
const _: () = assert!(ATTESTATION_BYTES_MAX > LOG_PATH_LEN_MAX * 32 + 1024);
