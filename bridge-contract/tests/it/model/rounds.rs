//! What the rounds of a curve must do, from `specs/contract-rounds.md` alone: all checkpoints of all
//! rounds are kept, and a root is computed from all of them.

use super::call::{Done, Verdict};
use queue::attestation::ChainSignature;
use queue::checkpoint::Checkpoint;
use queue::contract::RoundPosition;
use queue::digest::{Hash, Native, node};
use queue::trust::{Curve, PublicKey};

const SECOND_NS: u64 = 1_000_000_000;

/// How many rounds can be proved, the open one included.
const KEPT: usize = 8;

/// The rounds of a curve as they must be.
pub struct Rounds {
    pub curve: Curve,
    pub key: PublicKey,
    /// The checkpoints of every round, from round 0 to the open one; never empty.
    pub checkpoints: Vec<Vec<Checkpoint>>,
    /// The signatures of the rounds that have one, from round 0 on.
    pub signatures: Vec<ChainSignature>,
    /// When the signer was asked last; 0 before.
    pub asked_ns: u64,
    /// Whether it was asked and has not answered since.
    pub is_asked: bool,
    pub pot_yocto: u128,
}

impl Rounds {
    pub fn new(curve: Curve, key: PublicKey) -> Self {
        let (checkpoints, signatures) = (vec![Vec::new()], Vec::new());
        Rounds { curve, key, checkpoints, signatures, asked_ns: 0, is_asked: false, pot_yocto: 0 }
    }

    pub fn open(&self) -> usize {
        self.checkpoints.len() - 1
    }

    pub fn in_open(&self) -> &[Checkpoint] {
        self.checkpoints.last().unwrap()
    }

    /// The round that is closed and has no signature.
    pub fn closing(&self) -> Option<usize> {
        (self.signatures.len() < self.open()).then_some(self.signatures.len())
    }

    pub fn closable_at_ns(&self) -> u64 {
        let waits = self.closing().is_some() && self.is_asked;
        self.asked_ns + if waits { 600 * SECOND_NS } else { 5 * SECOND_NS }
    }

    pub fn is_signed(&self, place: RoundPosition) -> bool {
        index(place.round) < self.signatures.len()
    }

    pub fn is_kept(&self, place: RoundPosition) -> bool {
        self.open() - index(place.round) < KEPT
    }

    pub fn size(&self, place: RoundPosition) -> u64 {
        count(self.checkpoints[index(place.round)].len())
    }

    pub fn signature(&self, place: RoundPosition) -> &ChainSignature {
        &self.signatures[index(place.round)]
    }

    pub fn judge_close(&self, block_ns: u64) -> Verdict {
        if self.closing().is_none() && self.in_open().is_empty() {
            return Err("has no checkpoint yet");
        }
        if block_ns < self.closable_at_ns() {
            return Err("the signer can be asked for");
        }
        if self.pot_yocto == 0 { Err("has nothing left") } else { Ok(Done::Asked) }
    }

    pub fn close(&mut self, block_ns: u64) {
        if self.closing().is_none() {
            self.checkpoints.push(Vec::new());
        }
        (self.asked_ns, self.is_asked) = (block_ns, true);
        self.pot_yocto -= 1;
    }

    /// Where the next checkpoint will stand.
    pub fn next_place(&self) -> RoundPosition {
        RoundPosition { curve: self.curve, round: count(self.open()), index: count(self.in_open().len()) }
    }

    pub fn append(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.last_mut().unwrap().push(checkpoint);
    }

    /// The root of RFC 6962 over a round's checkpoints.
    pub fn root(&self, round: usize) -> Hash {
        root(&self.checkpoints[round].iter().map(Checkpoint::hash::<Native>).collect::<Vec<_>>())
    }
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node::<Native>(&root(left), &root(right))
        }
    }
}

fn index(round: u64) -> usize {
    usize::try_from(round).unwrap()
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap()
}
