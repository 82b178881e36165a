//! What froze a lane is kept, and an operator takes the freeze back.

use super::Engine;
use super::io::Direction;
use super::open::scan_all;
use super::records::{EVIDENCE, decode_record, evidence_key};
use super::tree::LaneTree;
use crate::digest::Native;
use crate::evidence::{ConsistencyStep, Contradiction, EVIDENCE_FORMAT, Evidence, RootProof, contradiction_of};
use crate::ids::ShardId;
use crate::proof::HeadProof;
use crate::store::{Store, StoreError, TurnId};

/// Why a lane can't be resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// There is no lane with this shard.
    #[error("there is no lane with {0}: check the name, `shard-node status` lists the lanes")]
    NoLane(ShardId),
    /// The lane isn't frozen.
    #[error("the lane is not frozen: there is nothing to resume")]
    NotFrozen,
}

impl<S: Store> Engine<S> {
    /// What froze lanes since the node began, oldest first for each lane.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        scan_all(&self.store, EVIDENCE)?.iter().map(|bytes| decode_record("evidence", bytes)).collect()
    }

    /// Takes back the freeze of a lane, after an operator has looked at the evidence, which is kept.
    /// The connection to the peer has to be dropped: its stream begins anew. Gives the turn that has
    /// to become durable.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn handle_resume(&mut self, direction: Direction, peer: &ShardId) -> Result<TurnId, ResumeError> {
        let no_lane = || ResumeError::NoLane(peer.clone());
        let (frozen, dirty) = match direction {
            Direction::Outbound => {
                let lane = self.outbound.get_mut(peer).ok_or_else(no_lane)?;
                (&mut lane.record.frozen, &mut lane.dirty)
            }
            Direction::Inbound => {
                let lane = self.inbound.get_mut(peer).ok_or_else(no_lane)?;
                (&mut lane.record.frozen, &mut lane.dirty)
            }
        };
        frozen.take().ok_or(ResumeError::NotFrozen)?;
        *dirty = true;
        Ok(self.journal.open_turn())
    }

    /// Freezes a lane, and keeps what was signed. `root` is what a file proved of the lane beyond
    /// the head itself.
    pub(super) fn freeze(
        &mut self,
        peer: &ShardId,
        direction: Direction,
        reason: String,
        head: &HeadProof,
        root: Option<RootProof>,
    ) {
        let contradiction = match self.contradiction(peer, direction, head, root) {
            Ok(contradiction) => contradiction,
            Err(error) => {
                self.failure = Some(error);
                return;
            }
        };
        let (Some(outbound), Some(inbound)) = (self.outbound.get_mut(peer), self.inbound.get_mut(peer)) else {
            return;
        };
        let (frozen, dirty, lane) = match direction {
            Direction::Outbound => (&mut outbound.record.frozen, &mut outbound.dirty, &outbound.record.lane),
            Direction::Inbound => (&mut inbound.record.frozen, &mut inbound.dirty, &inbound.record.lane),
        };
        (*frozen, *dirty) = (Some(reason.clone()), true);
        let (format, trust, lane) = (EVIDENCE_FORMAT.to_owned(), self.config.trust.clone(), lane.clone());
        let key = evidence_key(&lane, self.journal.open_turn());
        self.journal.put(key, &Evidence { format, trust, lane, reason, contradiction });
    }

    /// The statements that can't all be true, as far as this node can prove them.
    fn contradiction(
        &self,
        peer: &ShardId,
        direction: Direction,
        head: &HeadProof,
        root: Option<RootProof>,
    ) -> Result<Contradiction, StoreError> {
        let known = self.inbound.get(peer).and_then(|inbound| inbound.record.head.as_ref());
        let parts = |proof: &HeadProof| (proof.attestation.checkpoint.clone(), proof.head.clone());
        if let Some(known) = known {
            let ((old, old_head), (new, new_head)) = (parts(known), parts(head));
            if contradiction_of((&old, &old_head), (&new, &new_head)).is_some() {
                return Ok(Contradiction::Heads { earlier: Box::new(known.clone()), later: Box::new(head.clone()) });
            }
        }
        match direction {
            Direction::Inbound => {
                let one = root.unwrap_or_else(|| RootProof::of_head(head.clone()));
                let other = self.verified_root(peer, one.size)?;
                Ok(Contradiction::Roots { one: Box::new(one), other: Box::new(other) })
            }
            Direction::Outbound => {
                let log = self.attested_root(peer, head.head.received_size)?;
                Ok(Contradiction::Received { head: Box::new(head.clone()), log: Box::new(log) })
            }
        }
    }

    /// What this node has verified of a peer's lane at a size, proved if the newest head is of all
    /// that is here.
    fn verified_root(&self, peer: &ShardId, size: u64) -> Result<RootProof, StoreError> {
        let inbound = &self.inbound[peer];
        let (record, kept_from) = (&inbound.record, inbound.kept_from());
        let here = record.log.size();
        if size < kept_from {
            // The root at that size can't be made any more.
            return Ok(RootProof::claimed(here, record.log.root::<Native>()));
        }
        let tree = LaneTree { store: &self.store, lane: &record.lane };
        let (root, steps) = if size < here {
            let proof = tree.consistency(size, here)?;
            (tree.root_at(size)?, vec![ConsistencyStep { size: here, proof }])
        } else {
            (record.log.root::<Native>(), Vec::new())
        };
        match record.head.clone().filter(|head| head.head.sent_size == here && size > 0) {
            Some(head) => Ok(RootProof { size, root, steps, head: Some(head) }),
            None => Ok(RootProof::claimed(size.min(here), root)),
        }
    }

    /// What this shard had attested of its lane to a peer: at a size, or all if that is less.
    fn attested_root(&self, peer: &ShardId, size: u64) -> Result<RootProof, StoreError> {
        let record = &self.outbound[peer].record;
        let tree = LaneTree { store: &self.store, lane: &record.lane };
        let Some(head) = record.head.clone() else {
            return Ok(RootProof::claimed(0, tree.root_at(0)?));
        };
        let attested = head.head.sent_size;
        let pruned = self.outbound[peer].settlement.record.pruned;
        if size >= attested || size < pruned.max(1) {
            // Below what is kept, the root can't be made any more.
            return Ok(RootProof::of_head(head));
        }
        let root = if size == record.acknowledged { record.acknowledged_root } else { tree.root_at(size)? };
        let proof = tree.consistency(size, attested)?;
        Ok(RootProof { size, root, steps: vec![ConsistencyStep { size: attested, proof }], head: Some(head) })
    }
}
