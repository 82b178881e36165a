//! What anybody can read afterwards, without the model: which checkpoints the contract ever told
//! of, and which signatures became public.

use crate::world::{BRIDGE, World, verify};
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::views::{ActionView, ReceiptEnumView};
use queue::checkpoint::Checkpoint;
use queue::contract::Event;
use queue::digest::{Hash, Native};
use queue::trust::TrustRoot;
use std::collections::{BTreeMap, BTreeSet};

/// A shard's name and a height.
type Place = (String, u64);

#[derive(Default)]
pub struct Audit {
    /// The transactions.
    pub asked: Vec<CryptoHash>,
    /// Every checkpoint that somebody ever wanted attested, by its shard.
    drawn: BTreeMap<String, Vec<Checkpoint>>,
    /// Every checkpoint that was ever a tip or named in an event.
    seen: BTreeMap<Place, BTreeSet<Hash>>,
}

impl Audit {
    pub fn drawn(&self, shard: &str) -> &[Checkpoint] {
        self.drawn.get(shard).map_or(&[], Vec::as_slice)
    }

    pub fn draw(&mut self, checkpoint: &Checkpoint) {
        let drawn = self.drawn.entry(checkpoint.shard.to_string()).or_default();
        if !drawn.contains(checkpoint) {
            drawn.push(checkpoint.clone());
        }
    }

    pub fn see(&mut self, shard: &str, height: u64, hash: Hash) {
        self.seen.entry((shard.to_owned(), height)).or_default().insert(hash);
    }

    /// Checks that no height has two checkpoints, in events, tips or signatures; says how many
    /// checkpoints have a public signature.
    pub fn check(&mut self, world: &World, trust: &TrustRoot) -> usize {
        for event in self.asked.iter().flat_map(|hash| world.outcome(hash).events()).collect::<Vec<_>>() {
            match event {
                Event::Attested([attested]) => {
                    let checkpoint = self.candidate(attested.hash);
                    verify(trust, checkpoint, &attested.signature).unwrap();
                    self.see(attested.shard.as_str(), attested.height, attested.hash);
                }
                Event::AttestationFailed([failed]) => self.see(failed.shard.as_str(), failed.height, failed.hash),
                _ => {}
            }
        }
        for ((shard, height), hashes) in &self.seen {
            assert_eq!(hashes.len(), 1, "checkpoints of {shard} at height {height}: {hashes:?}");
        }
        let signed = self.publicly_signed(world, trust);
        for (place, hash) in &signed {
            assert!(self.seen[place].contains(hash), "{place:?}: {hash} was signed and never recorded");
        }
        signed.len()
    }

    /// Whom the contract called, and with which method; without one it sent a refund.
    pub fn promises(&self, world: &World) -> BTreeSet<(String, String)> {
        let view = world.chain.view();
        let receipts = self.asked.iter().flat_map(|hash| view.transaction_status(hash).unwrap().receipts);
        let own = receipts.filter(|receipt| receipt.predecessor_id == BRIDGE);
        own.flat_map(|receipt| match receipt.receipt {
            ReceiptEnumView::Action { actions, .. } => {
                let to = receipt.receiver_id.to_string();
                actions.iter().map(|action| (to.clone(), called(action))).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        })
        .collect()
    }

    fn candidate(&self, hash: Hash) -> &Checkpoint {
        self.drawn.values().flatten().find(|drawn| drawn.hash::<Native>() == hash).unwrap()
    }

    /// For each height the checkpoint for which a signature is public, late and refused ones
    /// included.
    fn publicly_signed(&self, world: &World, trust: &TrustRoot) -> BTreeMap<Place, Hash> {
        let mut signed = BTreeMap::new();
        for signature in world.published_signatures() {
            let holds = |drawn: &&Checkpoint| verify(trust, drawn, &signature).is_ok();
            let of: Vec<_> = self.drawn.values().flatten().filter(holds).collect();
            assert!(of.len() <= 1, "one signature for {of:?}");
            for checkpoint in of {
                let hash = checkpoint.hash::<Native>();
                let other = signed.insert((checkpoint.shard.to_string(), checkpoint.height), hash);
                assert!(other.is_none_or(|other| other == hash), "two signed checkpoints at {checkpoint:?}");
            }
        }
        signed
    }
}

fn called(action: &ActionView) -> String {
    match action {
        ActionView::FunctionCall { method_name, .. } => method_name.clone(),
        ActionView::Transfer { .. } => String::new(),
        other => panic!("the contract wants {other:?}"),
    }
}
