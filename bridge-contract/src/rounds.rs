//! Rounds: the checkpoints of many shards under one signature. Each curve has one sequence of
//! rounds, numbered from 0: one round is open and takes checkpoints, at most the one before it is
//! closed and waits for its signature, all earlier ones are signed.
//!
//! A round is an RFC 6962 tree over checkpoints. The newest rounds' nodes stand in a ring of slots,
//! one for each number modulo [`ROUNDS_KEPT`]: what is kept never outgrows the ring.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::attestation::ChainSignature;
use queue::digest::{Crypto, Hash};
use queue::limits::{CLOSE_INTERVAL_NS, ROUND_ANSWER_NS_MAX, ROUNDS_KEPT};
use queue::log::{CompactRange, NodeId};
use queue::trust::PublicKey;

/// One curve's sequence of rounds.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Rounds {
    /// The key that signs rounds; `None` until the signer has given it. Never replaced.
    ///
    /// Invariant: known before the first checkpoint is submitted.
    pub key: Option<PublicKey>,
    /// Number of the open round.
    pub open: u64,
    /// The right edge of the open round's tree.
    pub range: CompactRange,
    /// The round before the open one, while it has no signature.
    pub closing: Option<Closing>,
    /// When the signer was last asked, in nanoseconds since the Unix epoch; 0 before the first time.
    pub asked_ns: u64,
    /// What submissions have paid and no request to the signer has taken, in yoctoNEAR.
    pub pot_yocto: u128,
}

/// A closed round without signature: what is to be signed is fixed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Closing {
    /// Number of checkpoints in it.
    pub size: u64,
    /// Root of its tree.
    pub root: Hash,
    /// How often the signer was asked.
    pub attempts: u32,
    /// Whether an answer to the newest request can still come.
    pub in_flight: bool,
}

/// A signed round, in its slot until a later one takes it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedRound {
    /// The round's number.
    pub number: u64,
    /// Number of checkpoints in it.
    pub size: u64,
    /// Root of its tree.
    pub root: Hash,
    /// Over the digest of its root, verified by this contract.
    pub signature: ChainSignature,
}

impl Rounds {
    /// The first round that has no signature: all before it have theirs.
    pub fn first_unsigned(&self) -> u64 {
        self.open - u64::from(self.closing.is_some())
    }

    /// Whether the nodes of round `number` are all there: no round that takes or took checkpoints
    /// since shares its slot.
    pub fn keeps(&self, number: u64) -> bool {
        number <= self.open && self.open - number < ROUNDS_KEPT
    }

    /// From when on the signer may be asked, in nanoseconds since the Unix epoch.
    pub fn closable_at_ns(&self) -> u64 {
        let waits = self.closing.as_ref().is_some_and(|closing| closing.in_flight);
        self.asked_ns.saturating_add(if waits { ROUND_ANSWER_NS_MAX } else { CLOSE_INTERVAL_NS })
    }

    /// Appends a checkpoint's hash to the open round and tells its index. `completed` is told each
    /// node of the tree that becomes complete.
    pub fn append<C: Crypto>(&mut self, checkpoint_hash: Hash, completed: impl FnMut(NodeId, Hash)) -> u64 {
        let index = self.range.size();
        self.range.append_leaf::<C>(checkpoint_hash, completed);
        index
    }
}

/// Where a round's records stand in the ring.
pub fn slot(number: u64) -> u8 {
    u8::try_from(number % ROUNDS_KEPT).expect("the ring has fewer than 256 slots")
}

const _: () = assert!(ROUNDS_KEPT >= 3 && ROUNDS_KEPT <= 256, "an open, a closing and a signed round; slots are bytes");
