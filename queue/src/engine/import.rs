//! Batch files from elsewhere come in by the same checks as frames.

use super::inbound::Inbound;
use super::io::Direction;
use super::refusal::Refusal;
use super::tree::LaneTree;
use super::{Engine, Now};
use crate::batch::{BatchError, BatchHeader, BatchVerifier, VerifiedPart};
use crate::derivation::derive_public_key;
use crate::digest::{Hash, Native};
use crate::evidence::{ConsistencyStep, RootProof};
use crate::frame::Release;
use crate::ids::{Lane, ShardId};
use crate::log::{CompactRange, NodeId, perfect_subtrees, prove_consistency};
use crate::store::{Store, StoreError, TurnId};
use std::collections::BTreeMap;

/// Why a batch file, or the rest of it, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It proves nothing.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It isn't for this shard.
    #[error("the file is of lane {found}, this is shard {own}: it belongs to a node of shard {}", found.destination)]
    NotMine {
        /// The file's lane.
        found: Lane,
        /// This shard.
        own: ShardId,
    },
    /// There is no lane from this shard, or not in this life of it.
    #[error("the file is of lane {0}, which is not open here in these incarnations")]
    NoLane(Lane),
    /// The node isn't ready to decide messages.
    #[error("this node is starting: it has not yet seen NEAR's time and the bridge contract's tip; try again")]
    Starting,
    /// Messages before the file's are missing.
    #[error(
        "the file begins at message {begin} of lane {lane}, here are {size}: import what is between first (`export --range {size}..{begin}`)"
    )]
    Gap {
        /// The lane.
        lane: Lane,
        /// First message of the file.
        begin: u64,
        /// Messages here.
        size: u64,
    },
    /// The file's messages are refused, as they would be from a peer.
    #[error("the file is refused: {0}")]
    Refused(String),
    /// The lane is frozen after a signed contradiction, perhaps by this file.
    #[error("lane {lane} is frozen: {reason}; `shard-node evidence` has the proof")]
    Frozen {
        /// The lane.
        lane: Lane,
        /// The contradiction.
        reason: String,
    },
    /// The lane waits for an upgrade of this software.
    #[error("the lane stops: {0}")]
    Stopped(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a part of a batch file. It is taken once its turn is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The source.
    pub peer: ShardId,
    /// Messages that the part brought.
    pub taken: u64,
    /// Messages of the lane that are here with them.
    pub size: u64,
    /// The turn that has to become durable; 0 if the part brought nothing.
    pub turn: TurnId,
}

impl<S: Store> Engine<S> {
    /// Checks the header of a batch file that is to be imported.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn check_batch(&self, header: BatchHeader) -> Result<BatchVerifier, ImportError> {
        if header.lane.destination != self.config.shard {
            return Err(ImportError::NotMine { found: header.lane, own: self.config.shard.clone() });
        }
        let verifier = header.verify::<Native>(&self.config.trust, derive_public_key)?;
        let size = self.importing(verifier.lane())?.record.log.size();
        if verifier.begin() > size {
            let (lane, begin) = (verifier.lane().clone(), verifier.begin());
            return Err(ImportError::Gap { lane, begin, size });
        }
        Ok(verifier)
    }

    /// Takes a part of a batch file: what is here already is compared, and the rest goes the way of
    /// frames. Messages that a connection has staged on the lane are forgotten with what is taken.
    ///
    /// What was delivered in an open turn can't be compared yet: commit first.
    ///
    /// # Errors
    /// [`ImportError`]; no messages were taken.
    pub fn handle_batch_part(&mut self, part: &VerifiedPart, now: Now) -> Result<Imported, ImportError> {
        if *part.trust() != self.config.trust {
            return Err(ImportError::Refused("it was verified under another trust root".to_owned()));
        }
        let record = &self.importing(part.lane())?.record;
        let (peer, lane, size) = (record.lane.source.clone(), record.lane.clone(), record.log.size());
        if !self.is_live() {
            return Err(ImportError::Starting);
        }
        if part.begin().size() > size {
            return Err(ImportError::Gap { lane, begin: part.begin().size(), size });
        }
        let compared = self.compare(part);
        let brings = compared == Ok(true);
        match compared.and_then(|brings| if brings { self.take(&peer, part, now) } else { Ok(()) }) {
            Ok(()) => {}
            Err(Refusal::Peer(reason) | Refusal::Staged(reason)) => return Err(ImportError::Refused(reason)),
            Err(Refusal::Store(error)) => {
                self.failure = Some(error.clone());
                return Err(error.into());
            }
            Err(Refusal::Contradiction(direction, reason)) => {
                let root = (direction == Direction::Inbound).then(|| root_in(part, size.min(part.end())));
                self.freeze(&peer, direction, reason, part.proof(), root);
            }
        }
        let inbound = self.importing(&lane)?;
        if let Some(reason) = inbound.record.frozen.clone() {
            return Err(ImportError::Frozen { lane, reason });
        }
        if let Some(reason) = inbound.stopped.clone() {
            return Err(ImportError::Stopped(reason));
        }
        let new_size = inbound.record.log.size();
        let turn = if brings { self.journal.open_turn() } else { 0 };
        Ok(Imported { peer, taken: new_size - size, size: new_size, turn })
    }

    fn importing(&self, lane: &Lane) -> Result<&Inbound, ImportError> {
        let inbound = self.inbound.get(&lane.source).filter(|inbound| inbound.record.lane == *lane);
        inbound.ok_or_else(|| ImportError::NoLane(lane.clone()))
    }

    /// Compares a part with what is here, and says whether it brings anything: messages, or a head
    /// that covers all that is here.
    fn compare(&self, part: &VerifiedPart) -> Result<bool, Refusal> {
        let inbound = self.inbound.get(&part.lane().source).ok_or_else(no_lane)?;
        if inbound.record.frozen.is_some() || inbound.stopped.is_some() {
            // What its head acknowledges is all that counts.
            return Ok(true);
        }
        let (log, end) = (&inbound.record.log, part.end());
        let at = log.size().min(end);
        if at < inbound.kept_from() {
            // Nothing is left to compare it with, and nothing of it is missing.
            return Ok(false);
        }
        let tree = LaneTree { store: &self.store, lane: part.lane() };
        let here = if at == log.size() { log.clone() } else { tree.range_at(at)? };
        if log_in(part, at) != here {
            let reason = format!("attested another history of the first {at} messages than is verified here");
            return Err(Refusal::Contradiction(Direction::Inbound, reason));
        }
        match inbound.check_head(part.head()) {
            Ok(()) => Ok(end >= log.size()),
            // An old file brings nothing, and harms nothing: what it covers is here by a newer head.
            Err(Refusal::Peer(_)) if end <= log.size() => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// Stages what is new of a part, and releases it with the part's head.
    fn take(&mut self, peer: &ShardId, part: &VerifiedPart, now: Now) -> Result<(), Refusal> {
        let inbound = self.inbound.get_mut(peer).ok_or_else(no_lane)?;
        let head = part.proof().clone();
        if inbound.record.frozen.is_some() || inbound.stopped.is_some() {
            return self.acknowledge(peer, head);
        }
        let from = inbound.record.log.size();
        let brings_messages = from < part.end();
        if brings_messages {
            // The file's messages stand in the place of what a connection has staged.
            inbound.drop_staged(&self.store, &mut self.journal)?;
        }
        let aside = inbound.begin_file();
        let stream = if brings_messages { part.stream_from(from) } else { &[] };
        let staged = inbound.handle_data(stream, u64::MAX, &mut self.journal);
        let release = Release { end: part.end(), head, consistency: part.consistency().to_vec() };
        let result = staged.and_then(|()| self.release(peer, release, now));
        if let Some(inbound) = self.inbound.get_mut(peer) {
            inbound.end_file(aside);
            if brings_messages && inbound.record.log.size() == from {
                inbound.drop_staged(&self.store, &mut self.journal)?;
            }
        }
        result
    }
}

fn no_lane() -> Refusal {
    Refusal::Peer("there is no lane with this shard".to_owned())
}

/// The log at size `at` as a part has it, which is not below its begin.
fn log_in(part: &VerifiedPart, at: u64) -> CompactRange {
    let mut log = part.begin().clone();
    for message in part.messages() {
        if log.size() == at {
            break;
        }
        log.append::<Native>(message, |_, _| {});
    }
    log
}

/// What proves the root at size `at` of a part's lane under the part's head.
fn root_in(part: &VerifiedPart, at: u64) -> RootProof {
    let mut log = part.begin().clone();
    let mut nodes: BTreeMap<NodeId, Hash> = perfect_subtrees(0, log.size()).zip(log.peaks().iter().copied()).collect();
    for message in part.messages() {
        log.append::<Native>(message, |id, hash| {
            nodes.insert(id, hash);
        });
    }
    let node = |id: NodeId| nodes.get(&id).copied().ok_or(id);
    let proof = prove_consistency::<Native, _>(at, part.end(), node);
    let proof = proof.expect("the part's begin and its leaves hold every subtree that a proof from within it needs");
    let (end, attested) = (part.end(), part.head().head().sent_size);
    let steps = [(at, end, proof), (end, attested, part.consistency().to_vec())];
    let steps = steps.into_iter().filter(|(from, to, _)| from != to);
    RootProof {
        size: at,
        root: log_in(part, at).root::<Native>(),
        steps: steps.map(|(_, size, proof)| ConsistencyStep { size, proof }).collect(),
        head: Some(part.proof().clone()),
    }
}
