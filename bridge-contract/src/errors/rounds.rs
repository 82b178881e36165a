//! Why a round doesn't do what it is asked for.

use queue::contract::RoundPosition;
use queue::ids::ShardId;
use queue::limits::ROUNDS_KEPT;
use queue::trust::Curve;

/// A refused request about a round.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoundRefusal {
    /// The key that signs the rounds isn't known yet.
    #[error("the key that signs {0} rounds is not known yet: call sync_signer")]
    NoKey(Curve),
    /// The open round has an earlier checkpoint of the shard.
    #[error(
        "{curve} round {round} already has a checkpoint of shard {shard}: attest this one, or submit it once the round is closed"
    )]
    Twice {
        /// The shard.
        shard: ShardId,
        /// The curve of the round.
        curve: Curve,
        /// The round.
        round: u64,
    },
    /// Nothing is there to be signed.
    #[error("{curve} round {round} has no checkpoint yet: submit one")]
    Empty {
        /// The curve of the round.
        curve: Curve,
        /// The round.
        round: u64,
    },
    /// The signer was asked a moment ago, or has not answered yet.
    #[error(
        "the signer can be asked for {curve} round {round} from {closable_at_ns} on, the block's time is {block_ns} (nanoseconds since 1970)"
    )]
    TooSoon {
        /// The curve of the round.
        curve: Curve,
        /// The round.
        round: u64,
        /// From when on.
        closable_at_ns: u64,
        /// NEAR's block time.
        block_ns: u64,
    },
    /// The signer's deposit can't be paid.
    #[error(
        "the pot of {curve} rounds has nothing left for the signer's deposit: submit a checkpoint, or again one that waits in round {round}"
    )]
    PotEmpty {
        /// The curve of the round.
        curve: Curve,
        /// The round.
        round: u64,
    },
    /// Later rounds took the place of the tip's.
    #[error(
        "{curve} round {round} is not kept any more, only the newest {ROUNDS_KEPT} are: attest the same checkpoint again",
        curve = .0.curve, round = .0.round
    )]
    NotKept(RoundPosition),
}
