//! What checkpoints and attested heads claim, checked by their signatures, and handed on to be
//! compared with the lanes' own messages.

use super::lane::Expected;
use super::{Audit, Inbounds, Outbounds};
use crate::checkpoint::Checkpoint;
use crate::derivation::derive_public_key;
use crate::digest::{Hash, Native};
use crate::engine::records::{AttestorRecord, InboundRecord, OutboundRecord, Sealed};
use crate::heads::{Head, HeadTrie};
use crate::ids::Lane;
use crate::proof::HeadProof;
use crate::store::Store;
use std::collections::BTreeMap;

pub(super) type AllExpected = BTreeMap<Lane, Vec<Expected>>;

impl<S: Store> Audit<'_, S> {
    /// Checks the attestor and all heads, and gives what they claim of each lane.
    pub(super) fn expected(
        &mut self,
        attestor: &AttestorRecord,
        outbound: &Outbounds,
        inbound: &Inbounds,
    ) -> AllExpected {
        let mut expected = AllExpected::new();
        for peer in outbound.keys().filter(|peer| !inbound.contains_key(peer)) {
            self.find(format!("lane to {peer}"), "there is no lane back");
        }
        for (peer, back) in inbound {
            match outbound.get(peer) {
                Some(out) => self.pair(attestor.attested.as_ref(), out, back, &mut expected),
                None => self.find(format!("lane from {peer}"), "there is no lane back"),
            }
        }
        if let Some(attested) = &attestor.attested {
            self.own_checkpoint("the attested checkpoint", attested);
        }
        if let Some(sealed) = &attestor.pending {
            self.sealed(attestor.attested.as_ref(), sealed, outbound, inbound, &mut expected);
        }
        expected
    }

    /// The two lanes shared with one peer.
    pub(super) fn pair(
        &mut self,
        attested: Option<&Checkpoint>,
        out: &OutboundRecord,
        back: &InboundRecord,
        expected: &mut AllExpected,
    ) {
        let place = format!("lane {}", out.lane);
        let acknowledged = Expected {
            size: out.acknowledged,
            root: Some(out.acknowledged_root),
            bytes: Some(out.acknowledged_bytes),
            by: "the acknowledgement",
        };
        claim(expected, &out.lane, acknowledged);
        match &out.head {
            Some(proof) => {
                self.head(&place, proof, &out.lane);
                let (own, newest) = (&proof.attestation.checkpoint, attested);
                let is_known = newest.is_some_and(|newest| own.height < newest.height || own == newest);
                if !is_known {
                    self.find(&place, "its attested head is none of the attested checkpoints of this store");
                }
                if proof.head.sent_size != out.attested {
                    let (found, claimed) = (proof.head.sent_size, out.attested);
                    self.find(&place, format!("its attested head covers {found} messages, its record says {claimed}"));
                }
                let by = "this shard's attested head";
                claim_root(expected, &out.lane, proof.head.sent_size, proof.head.sent_root, by);
                self.claim_received(&proof.head, back, by, expected);
            }
            None if out.attested > 0 => self.find(&place, "messages are attested, but the attested head is missing"),
            None => {}
        }
        self.inbound_head(out, back, expected);
    }

    /// The peer's newest attested head: what it sent, and what it received.
    fn inbound_head(&mut self, out: &OutboundRecord, back: &InboundRecord, expected: &mut AllExpected) {
        let place = format!("lane {}", back.lane);
        let size = back.log.size();
        let Some(proof) = &back.head else {
            if size > 0 {
                self.find(&place, "messages were delivered, but the attested head that released them is missing");
            }
            return;
        };
        self.head(&place, proof, &back.lane);
        let head = &proof.head;
        if head.sent_size < size {
            self.find(&place, format!("{size} messages were delivered, but only {} are attested", head.sent_size));
        } else if head.sent_size == size {
            // Of a larger one the rest is missing here: it was compared when it was released.
            claim_root(expected, &back.lane, size, head.sent_root, "the source's attested head");
        }
        if out.frozen.is_some() {
            // It may be frozen for what this head says of it.
            return;
        }
        if head.received_size > out.acknowledged {
            let (found, known) = (head.received_size, out.acknowledged);
            self.find(&place, format!("the source's head acknowledges {found} messages, the record of them {known}"));
        } else if head.received_size == out.acknowledged && head.received_root != out.acknowledged_root {
            self.find(&place, "the source's head acknowledges another root than the record of it");
        }
    }

    fn claim_received(&mut self, head: &Head, back: &InboundRecord, by: &'static str, expected: &mut AllExpected) {
        if head.received_size > back.log.size() {
            let (found, size) = (head.received_size, back.log.size());
            self.find(format!("lane {}", back.lane), format!("{by} says to have received {found} messages, of {size}"));
            return;
        }
        claim_root(expected, &back.lane, head.received_size, head.received_root, by);
    }

    /// The signature over a head, and that it is about the lane.
    pub(super) fn head(&mut self, place: &str, proof: &HeadProof, lane: &Lane) {
        let verified = match proof.clone().verify::<Native>(self.expectation.trust, derive_public_key) {
            Ok(verified) => verified,
            Err(error) => return self.find(place, format!("its attested head proves nothing: {error}")),
        };
        let (head, shard) = (verified.head(), &verified.checkpoint().checkpoint().shard);
        let found = (shard, &head.peer, head.own_incarnation, head.peer_incarnation);
        if found != (&lane.source, &lane.destination, lane.source_incarnation, lane.destination_incarnation) {
            self.find(place, format!("its attested head is from {shard} for {}, not of this lane", head.peer));
        }
    }

    fn own_checkpoint(&mut self, place: &str, checkpoint: &Checkpoint) {
        if let Err(error) = checkpoint.check() {
            self.find(place, error);
        }
        if checkpoint.shard != *self.expectation.shard || checkpoint.domain != self.expectation.trust.domain {
            self.find(place, "it is of another shard or bridge");
        }
    }

    /// A checkpoint that waits for its signature covers exactly what the lanes say is sealed.
    fn sealed(
        &mut self,
        attested: Option<&Checkpoint>,
        sealed: &Sealed,
        outbound: &Outbounds,
        inbound: &Inbounds,
        expected: &mut AllExpected,
    ) {
        let place = "the sealed checkpoint";
        let Sealed { checkpoint, heads } = sealed;
        self.own_checkpoint(place, checkpoint);
        let follows = (
            attested.map_or(0, |attested| attested.height + 1),
            attested.map_or(Hash::ZERO, Checkpoint::hash::<Native>),
        );
        if (checkpoint.height, checkpoint.previous) != follows {
            self.find(place, format!("at height {}, it doesn't follow the attested one", checkpoint.height));
        }
        if attested.is_some_and(|attested| !may_follow(attested, checkpoint)) {
            self.find(place, "its key epoch or time doesn't follow the attested one's");
        }
        for head in heads {
            let (Some(out), Some(back)) = (outbound.get(&head.peer), inbound.get(&head.peer)) else {
                self.find(place, format!("it has a head for {}, with which there is no lane", head.peer));
                continue;
            };
            // The lanes that it was sealed for may be over.
            if head.peer_incarnation < out.lane.destination_incarnation {
                continue;
            }
            if (head.sent_size, head.received_size) != (out.sealed, back.sealed) {
                self.find(place, format!("its head for {} has other sizes than the lanes' records", head.peer));
                continue;
            }
            claim_root(expected, &out.lane, head.sent_size, head.sent_root, place);
            self.claim_received(head, back, place, expected);
        }
        self.sealed_root(place, sealed);
    }

    fn sealed_root(&mut self, place: &str, Sealed { checkpoint, heads }: &Sealed) {
        let Some(salts) = self.expectation.salts else { return };
        let (shard, height) = (&checkpoint.shard, checkpoint.height);
        match HeadTrie::new::<Native>(heads) {
            Err(error) => self.find(place, error),
            Ok(trie) => {
                let root = trie.root::<Native>(&|side| salts.empty_side(shard, height, side));
                if root != checkpoint.heads_root {
                    self.find(place, format!("its heads have root {root}, it says {}", checkpoint.heads_root));
                }
            }
        }
    }
}

/// Whether key epoch and time are those of a later checkpoint: a key epoch keeps its first height, and
/// a later one begins behind all that was attested.
fn may_follow(attested: &Checkpoint, next: &Checkpoint) -> bool {
    let is_epoch_sound = if next.key_epoch == attested.key_epoch {
        next.epoch_first_height == attested.epoch_first_height
    } else {
        next.key_epoch > attested.key_epoch && next.epoch_first_height > attested.height
    };
    is_epoch_sound && next.time_ns >= attested.time_ns
}

fn claim(expected: &mut AllExpected, lane: &Lane, claimed: Expected) {
    expected.entry(lane.clone()).or_default().push(claimed);
}

fn claim_root(expected: &mut AllExpected, lane: &Lane, size: u64, root: Hash, by: &'static str) {
    claim(expected, lane, Expected { size, root: Some(root), bytes: None, by });
}
