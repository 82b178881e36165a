//! What shards attest: heads under checkpoints, messages in their lanes, and files that prove them.

use crate::world::*;
use bridge_contract::signer::{parse_signature, sign_args};
use queue::attestation::{Attestation, AttestationKind, attestation_digest, shard_path};
use queue::checkpoint::Checkpoint;
use queue::digest::{Hash, Native, empty_root, leaf};
use queue::heads::{Head, HeadTrie};
use queue::log::{CompactRange, NodeId, prove_consistency, prove_inclusion, range_at, root_from_inclusion};
use queue::message::{Body, MESSAGE_VERSION, Message};
use queue::proof::{DELIVERY_PROOF_FORMAT, DeliveryProof, HeadProof, MESSAGE_PROOF_FORMAT, MessageProof};
use queue::trust::Curve;
use std::collections::BTreeMap;

pub fn data(content: &str) -> Message {
    Message {
        version: MESSAGE_VERSION,
        salt: Hash([7; 32]),
        sender: "ann.alpha".parse().unwrap(),
        receiver: "bob.beta".parse().unwrap(),
        deadline_ns: None,
        body: Body::Data(content.as_bytes().to_vec()),
    }
}

/// A lane's log with all of its nodes.
#[derive(Default)]
pub struct Log {
    range: CompactRange,
    nodes: BTreeMap<NodeId, Hash>,
    pub messages: Vec<Vec<u8>>,
}

impl Log {
    pub fn of(messages: impl IntoIterator<Item = Message>) -> Self {
        let mut log = Log::default();
        for message in messages {
            log.push(message.encode());
        }
        log
    }

    pub fn numbered(from: &str, count: usize) -> Self {
        Self::of((0..count).map(|number| data(&format!("{from} {number}"))))
    }

    fn push(&mut self, message: Vec<u8>) {
        let nodes = &mut self.nodes;
        self.range.append::<Native>(&message, |id, hash| {
            nodes.insert(id, hash);
        });
        self.messages.push(message);
    }

    fn read(&self, id: NodeId) -> Result<Hash, ()> {
        Ok(self.nodes[&id])
    }

    pub fn root_at(&self, size: u64) -> Hash {
        range_at(size, |id| self.read(id)).unwrap().root::<Native>()
    }

    pub fn inclusion(&self, nonce: u64, size: u64) -> Vec<Hash> {
        prove_inclusion::<Native, ()>(nonce, size, |id| self.read(id)).unwrap()
    }

    pub fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency::<Native, ()>(old, new, |id| self.read(id)).unwrap()
    }

    /// A head that says that so many of this log were sent to `peer`, and nothing received.
    pub fn sent(&self, peer: &str, size: u64) -> Head {
        Head { sent_size: size, sent_root: self.root_at(size), ..idle(peer) }
    }

    /// A head that says that so many of this log were received from `peer`, and nothing sent.
    pub fn received(&self, peer: &str, size: u64) -> Head {
        Head { received_size: size, received_root: self.root_at(size), ..idle(peer) }
    }
}

/// A head for a peer with whom nothing was exchanged.
pub fn idle(peer: &str) -> Head {
    Head {
        peer: shard(peer),
        own_incarnation: 0,
        peer_incarnation: 0,
        sent_size: 0,
        sent_root: empty_root::<Native>(),
        received_size: 0,
        received_root: empty_root::<Native>(),
        salt: Hash([9; 32]),
    }
}

/// A path as long as a log of `size` has for its first leaf, and the root that it leads to: as if all
/// of the log were there.
pub fn tall_log(message: &[u8], size: u64) -> (Vec<Hash>, Hash) {
    let levels = u8::try_from((size - 1).ilog2() + 1).unwrap();
    let path: Vec<Hash> = (0..levels).map(|level| Hash([level; 32])).collect();
    let root = root_from_inclusion::<Native>(leaf::<Native>(message), 0, size, &path).unwrap();
    (path, root)
}

impl World {
    /// The checkpoint after a shard's tip, in its newest key epoch, with this root over its heads.
    pub fn next_checkpoint(&self, name: &str, heads_root: Hash) -> Checkpoint {
        let view = self.shard(name).unwrap();
        let (height, previous) = self.tip(name).map_or((0, Hash::ZERO), |tip| (tip.checkpoint.height + 1, tip.hash));
        Checkpoint {
            key_epoch: view.key_epoch,
            epoch_first_height: view.epoch_first_height,
            height,
            previous,
            heads_root,
            ..self.first_checkpoint(name)
        }
    }

    /// Has the shard's next checkpoint attested, with this head among those for seven other peers.
    pub fn attest_head(&mut self, name: &str, head: Head) -> HeadProof {
        let (root, path) = trie(&head);
        let checkpoint = self.next_checkpoint(name, root);
        let signature = self.attest_endorsed(&checkpoint).signature();
        HeadProof { head, path, attestation: Attestation::of_shard(checkpoint, signature) }
    }

    /// What the signer says to the bridge account itself, past the contract: as if somebody held the
    /// account's key.
    pub fn attested_behind_the_contract(&mut self, checkpoint: Checkpoint, curve: Curve) -> Attestation {
        let digest = attestation_digest::<Native>(
            AttestationKind::Shard,
            &checkpoint.domain,
            &checkpoint.hash::<Native>(),
            curve,
        );
        let path = shard_path(&checkpoint.domain, &checkpoint.shard, checkpoint.key_epoch);
        let answer: serde_json::Value =
            self.call(BRIDGE, SIGNER, "sign", sign_args(&path, &digest, curve), 1, 100).value();
        let signature = parse_signature(answer.to_string().as_bytes()).unwrap();
        Attestation::of_shard(checkpoint, signature)
    }

    pub fn message_proof(&self, log: &Log, nonce: u64, head: HeadProof) -> MessageProof {
        MessageProof {
            format: MESSAGE_PROOF_FORMAT.to_owned(),
            trust: self.trust(BRIDGE),
            nonce,
            message: log.messages[usize::try_from(nonce).unwrap()].clone(),
            inclusion: log.inclusion(nonce, head.head.sent_size),
            head,
        }
    }

    pub fn delivery_proof(&self, log: &Log, nonce: u64, head: HeadProof) -> DeliveryProof {
        DeliveryProof {
            format: DELIVERY_PROOF_FORMAT.to_owned(),
            trust: self.trust(BRIDGE),
            nonce,
            message: log.messages[usize::try_from(nonce).unwrap()].clone(),
            inclusion: log.inclusion(nonce, head.head.received_size),
            head,
        }
    }
}

/// The trie of a head and seven others: its root, and the head's path.
pub fn trie(head: &Head) -> (Hash, Vec<Hash>) {
    let mut heads: Vec<Head> = (0..7).map(|number| idle(&format!("peer{number}"))).collect();
    heads.push(head.clone());
    let trie = HeadTrie::new::<Native>(&heads).unwrap();
    let empty_side = |_| Hash([3; 32]);
    (trie.root::<Native>(&empty_side), trie.path::<Native>(&head.peer, &empty_side).unwrap())
}
