//! Evidence: why a node froze a lane, in a form that a stranger can judge. Specified in
//! `specs/files.md`.

use crate::checkpoint::Checkpoint;
use crate::digest::{Crypto, Hash, empty_root};
use crate::heads::Head;
use crate::ids::Lane;
use crate::limits::LOG_PATH_LEN_MAX;
use crate::log::root_from_consistency;
use crate::proof::{HeadProof, ProofError, VerifiedHead};
use crate::trust::{PublicKey, TrustRoot};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// First field of an evidence file: names format and version.
pub const EVIDENCE_FORMAT: &str = "private-shard-bridge evidence v1";

/// Most steps of a root's proof: to the end of a batch, and from there to the head.
const STEPS_MAX: usize = 2;

/// A file that says why a lane was frozen.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Evidence {
    /// [`EVIDENCE_FORMAT`].
    pub format: String,
    /// The trust root under which it was made. Proves nothing: whoever verifies pins their own.
    pub trust: TrustRoot,
    /// The lane that was frozen.
    pub lane: Lane,
    /// What the node found, in its own words. Proves nothing.
    pub reason: String,
    /// What was signed.
    pub contradiction: Contradiction,
}

/// Signed statements that can't all be true.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Contradiction {
    /// Two heads of one of the lane's shards for the other.
    Heads {
        /// The one of the smaller height, if they differ.
        earlier: Box<HeadProof>,
        /// The other one.
        later: Box<HeadProof>,
    } = 0,
    /// Two roots of the lane's log at one size.
    Roots {
        /// One.
        one: Box<RootProof>,
        /// The other.
        other: Box<RootProof>,
    } = 1,
    /// A head of the lane's destination that says to have received what the lane's log doesn't hold.
    Received {
        /// The destination's head for the source.
        head: Box<HeadProof>,
        /// The lane's log.
        log: Box<RootProof>,
    } = 2,
}

/// The root of the lane's log at a size, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RootProof {
    /// Number of messages.
    pub size: u64,
    /// The log's root at this size.
    pub root: Hash,
    /// Consistency proofs that lead from there to the head's sent size and root.
    pub steps: Vec<ConsistencyStep>,
    /// The source's head for the destination; without one the root is only claimed.
    pub head: Option<HeadProof>,
}

/// A step of a [`RootProof`].
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ConsistencyStep {
    /// The size that it leads to.
    pub size: u64,
    /// The consistency proof from the size before.
    pub proof: Vec<Hash>,
}

/// Why a file is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not an evidence file of this version.
    #[error("file format is {0:?}, this software reads {EVIDENCE_FORMAT:?}")]
    Format(String),
    /// A head in it proves nothing.
    #[error(transparent)]
    Head(#[from] ProofError),
    /// A head in it isn't of the file's lane.
    #[error("a head by {by} for {peer} is not of lane {lane}")]
    OtherLane {
        /// Who attested the head.
        by: String,
        /// The head's peer.
        peer: String,
        /// The file's lane.
        lane: Lane,
    },
    /// A root's proof doesn't lead to its head.
    #[error("the root at size {0} does not lead to the head that should prove it")]
    Root(u64),
}

/// What evidence proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEvidence {
    /// The lane.
    pub lane: Lane,
    /// The contradiction, in words, if it follows from the signatures alone.
    pub proven: Option<String>,
    /// What the file's maker claims.
    pub claimed: String,
}

/// What two heads of one shard for the same peer say that can't both be true, in words.
///
/// `earlier` has the smaller height, if they differ.
pub fn contradiction_of(earlier: (&Checkpoint, &Head), later: (&Checkpoint, &Head)) -> Option<String> {
    let ((old, old_head), (new, new_head)) = (earlier, later);
    let (shard, from, to) = (&new.shard, old.height, new.height);
    if from == to {
        return (old != new).then(|| format!("{shard} attested two checkpoints at height {to}"));
    }
    if from > to {
        return None;
    }
    if new.key_epoch < old.key_epoch || new.time_ns < old.time_ns {
        return Some(format!("{shard} attested a key epoch or a time that falls between heights {from} and {to}"));
    }
    let incarnations = |head: &Head| (head.own_incarnation, head.peer_incarnation);
    if incarnations(old_head) != incarnations(new_head) {
        return None;
    }
    let peer = &new_head.peer;
    let sent = ("sent to", old_head.sent_size, new_head.sent_size, old_head.sent_root, new_head.sent_root);
    let received = (
        "received from",
        old_head.received_size,
        new_head.received_size,
        old_head.received_root,
        new_head.received_root,
    );
    [sent, received].into_iter().find_map(|(what, old_size, new_size, old_root, new_root)| {
        let told = format!("{shard} attested to have {what} {peer}");
        match new_size.cmp(&old_size) {
            std::cmp::Ordering::Less => {
                Some(format!("{told} {old_size} messages at height {from}, and only {new_size} at height {to}"))
            }
            std::cmp::Ordering::Equal if old_root != new_root => {
                Some(format!("{told} two different sequences of {new_size} messages, at heights {from} and {to}"))
            }
            _ => None,
        }
    })
}

impl Evidence {
    /// Checks every signature in the file against `trust`: the pinned trust root, or the file's own
    /// if the caller has none and says so. `derive` as in [`crate::attestation::Attestation::verify`].
    ///
    /// # Errors
    /// [`EvidenceError`]. Evidence that holds need not prove a contradiction to a stranger: see
    /// [`VerifiedEvidence::proven`].
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl Fn(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<VerifiedEvidence, EvidenceError> {
        let Evidence { format, trust: named, lane, reason, contradiction } = self;
        if format != EVIDENCE_FORMAT {
            return Err(EvidenceError::Format(format));
        }
        named.expect_pinned(trust).map_err(ProofError::OtherTrustRoot)?;
        let reverse = Lane {
            source: lane.destination.clone(),
            destination: lane.source.clone(),
            source_incarnation: lane.destination_incarnation,
            destination_incarnation: lane.source_incarnation,
        };
        let verify = |proof: HeadProof, lanes: &[&Lane]| -> Result<VerifiedHead, EvidenceError> {
            let head = proof.verify::<C>(trust, &derive)?;
            if lanes.iter().any(|lane| head.is_of(lane)) {
                return Ok(head);
            }
            let (by, peer) = (head.checkpoint().checkpoint().shard.to_string(), head.head().peer.to_string());
            Err(EvidenceError::OtherLane { by, peer, lane: lane.clone() })
        };
        let proven = match contradiction {
            Contradiction::Heads { earlier, later } => {
                let earlier = verify(*earlier, &[&lane, &reverse])?;
                let later = verify(*later, &[&lane, &reverse])?;
                let same_side = earlier.head().peer == later.head().peer;
                contradiction_of(parts(&earlier), parts(&later)).filter(|_| same_side)
            }
            Contradiction::Roots { one, other } => {
                let (size, roots) = ((one.size, other.size), (one.root, other.root));
                let proven = [one, other].map(|root| root.verify::<C>(|head| verify(head, &[&lane])));
                let [one, other] = proven;
                let both = one?.is_proven && other?.is_proven;
                (both && size.0 == size.1 && roots.0 != roots.1).then(|| {
                    format!("{} attested two different sequences of {} messages of lane {lane}", lane.source, size.0)
                })
            }
            Contradiction::Received { head, log } => {
                let head = verify(*head, &[&reverse])?;
                let (size, root) = (log.size, log.root);
                let log = log.verify::<C>(|head| verify(head, &[&lane]))?;
                received_contradiction(&lane, &head, (size, root), &log)
            }
        };
        Ok(VerifiedEvidence { lane, proven, claimed: reason })
    }
}

fn parts(head: &VerifiedHead) -> (&Checkpoint, &Head) {
    (head.checkpoint().checkpoint(), head.head())
}

/// What is known of a [`RootProof`].
struct ProvenRoot {
    is_proven: bool,
    head: Option<VerifiedHead>,
}

impl Contradiction {
    /// The heads that it consists of.
    pub fn heads(&self) -> Vec<&HeadProof> {
        match self {
            Contradiction::Heads { earlier, later } => vec![&**earlier, &**later],
            Contradiction::Roots { one, other } => one.head.iter().chain(&other.head).collect(),
            Contradiction::Received { head, log } => std::iter::once(&**head).chain(&log.head).collect(),
        }
    }
}

impl RootProof {
    /// A root that nothing proves but the word of whoever says so.
    pub fn claimed(size: u64, root: Hash) -> Self {
        RootProof { size, root, steps: Vec::new(), head: None }
    }

    /// The root that a head gives for its own sent size.
    pub fn of_head(head: HeadProof) -> Self {
        RootProof { size: head.head.sent_size, root: head.head.sent_root, steps: Vec::new(), head: Some(head) }
    }

    fn verify<C: Crypto>(
        self,
        verify: impl FnOnce(HeadProof) -> Result<VerifiedHead, EvidenceError>,
    ) -> Result<ProvenRoot, EvidenceError> {
        let refused = EvidenceError::Root(self.size);
        let is_empty_log = self.size == 0 && self.root == empty_root::<C>();
        let Some(head) = self.head else {
            return Ok(ProvenRoot { is_proven: is_empty_log, head: None });
        };
        let head = verify(head)?;
        if self.steps.len() > STEPS_MAX || self.steps.iter().any(|step| step.proof.len() > LOG_PATH_LEN_MAX + 1) {
            return Err(refused);
        }
        let mut at = (self.size, self.root);
        for step in &self.steps {
            let root = root_from_consistency::<C>(at.0, at.1, step.size, &step.proof).ok_or(refused.clone())?;
            at = (step.size, root);
        }
        if at != (head.head().sent_size, head.head().sent_root) {
            return Err(refused);
        }
        Ok(ProvenRoot { is_proven: true, head: Some(head) })
    }
}

/// What is wrong with a head of the lane's destination beside the lane's log, if it follows from
/// the signatures alone.
fn received_contradiction(
    lane: &Lane,
    destination: &VerifiedHead,
    (size, root): (u64, Hash),
    log: &ProvenRoot,
) -> Option<String> {
    let Lane { source, destination: receiver, .. } = lane;
    let (checkpoint, head) = parts(destination);
    let received = head.received_size;
    if received == size && head.received_root != root && log.is_proven {
        return Some(format!(
            "{receiver} attested to have received {size} messages that {source} attested never to have sent"
        ));
    }
    // A log only grows: one that was attested later and is shorter has never been as long.
    let attested = log.head.as_ref().map(parts).filter(|(later, _)| later.time_ns >= checkpoint.time_ns)?;
    let sent = attested.1.sent_size;
    (received > sent)
        .then(|| format!("{receiver} attested to have received {received} messages when {source} had sent {sent}"))
}
