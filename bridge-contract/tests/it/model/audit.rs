//! What anybody can read afterwards, without the model's word for it: which checkpoints the contract
//! ever told of, and which signatures became public, of one checkpoint or of a round.

use super::bridge::Model;
use super::call::{Asked, Call};
use super::checkpoints::derived;
use crate::world::{BRIDGE, CURVES, SIGNER, World};
use chain::TransactionStatus;
use chain::near_primitives::views::{ActionView, ReceiptEnumView, ReceiptView};
use queue::attestation::{AttestationKind, ChainSignature, attestation_digest, shard_path};
use queue::checkpoint::Checkpoint;
use queue::contract::Event;
use queue::digest::{Hash, Native};
use queue::trust::PublicKey;
use std::collections::{BTreeMap, BTreeSet};

/// A shard's name and a height.
type Place = (String, u64);

#[derive(Default)]
pub struct Audit {
    /// Every checkpoint that somebody ever wanted attested.
    pub drawn: Vec<Checkpoint>,
    /// Checkpoints that were signed for the bridge account's own key, past the contract.
    pub doubles: Vec<Checkpoint>,
    /// How many of the signer's answers were scripted to be wrong.
    pub wrong_answers: usize,
    /// Every checkpoint that was ever a tip, or named in an event.
    seen: BTreeMap<Place, BTreeSet<Hash>>,
    /// Whom the contract called, and with which method.
    pub promises: BTreeSet<(String, String)>,
    /// How often it asked the signer for a signature.
    requests: usize,
    /// What it sent to whom, in yoctoNEAR.
    sent_yocto: BTreeMap<String, u128>,
}

impl Audit {
    pub fn draw(&mut self, asked: &Asked) {
        if let Call::Attest { checkpoint, .. } | Call::Submit { checkpoint, .. } = &asked.call
            && !self.drawn.contains(checkpoint)
        {
            self.drawn.push(checkpoint.clone());
        }
    }

    pub fn see_tips(&mut self, world: &World) {
        for tip in super::NAMES.iter().filter_map(|name| world.tip(name)) {
            self.see(tip.checkpoint.shard.as_str(), tip.checkpoint.height, tip.hash);
        }
    }

    pub fn see_events(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Attested([told]) => self.see(told.shard.as_str(), told.height, told.hash),
                Event::AttestationFailed([told]) => self.see(told.shard.as_str(), told.height, told.hash),
                _ => {}
            }
        }
    }

    fn see(&mut self, shard: &str, height: u64, hash: Hash) {
        self.seen.entry((shard.to_owned(), height)).or_default().insert(hash);
    }

    /// Counts what the contract had others do in a transaction.
    pub fn count(&mut self, status: TransactionStatus) {
        for ReceiptView { predecessor_id, receiver_id, receipt, .. } in status.receipts {
            let ReceiptEnumView::Action { actions, .. } = receipt else { continue };
            for action in actions.into_iter().filter(|_| predecessor_id == BRIDGE) {
                let to = receiver_id.to_string();
                match action {
                    ActionView::Transfer { deposit } => {
                        *self.sent_yocto.entry(to).or_default() += deposit.as_yoctonear();
                    }
                    ActionView::FunctionCall { method_name, deposit, .. } => {
                        let is_request = to == SIGNER && method_name == "sign";
                        assert_eq!(deposit.as_yoctonear(), u128::from(is_request), "{method_name} of {to}");
                        self.requests += usize::from(is_request);
                        self.promises.insert((to, method_name));
                    }
                    other => panic!("the contract wants {other:?}"),
                }
            }
        }
    }

    /// Checks that no height has two checkpoints, in events, tips or signatures, its own or its
    /// round's. Says how many checkpoints have a public signature, and how many have both.
    pub fn check(&self, world: &World, model: &Model) -> (usize, usize) {
        assert_eq!((self.requests, &self.sent_yocto), (model.requests, &model.sent_yocto));
        for ((shard, height), hashes) in &self.seen {
            assert_eq!(hashes.len(), 1, "checkpoints of {shard} at height {height}: {hashes:?}");
        }
        let (signables, signatures) = (self.signables(model), world.published_signatures());
        assert!(signatures.len() <= self.requests + self.doubles.len(), "more signatures than were asked for");
        let mut signed: BTreeMap<Place, (Hash, BTreeSet<bool>)> = BTreeMap::new();
        let mut unexplained = 0;
        for signature in signatures {
            let of: Vec<_> = signables.iter().filter(|signable| signable.is_signed_by(&signature)).collect();
            assert!(of.len() <= 1, "one signature for {} roots", of.len());
            unexplained += usize::from(of.is_empty());
            for of in of.into_iter().filter(|of| !of.is_double) {
                for checkpoint in &of.checkpoints {
                    let hash = checkpoint.hash::<Native>();
                    let place = (checkpoint.shard.to_string(), checkpoint.height);
                    let (known, kinds) = signed.entry(place).or_insert((hash, BTreeSet::new()));
                    assert_eq!(*known, hash, "two signed checkpoints at {checkpoint:?}");
                    kinds.insert(of.kind == AttestationKind::Round);
                }
            }
        }
        assert!(unexplained <= self.wrong_answers, "{unexplained} signatures of nobody knows what");
        for (place, (hash, _)) in &signed {
            assert!(self.seen[place].contains(hash), "{place:?}: {hash} was signed and never recorded");
        }
        (signed.len(), signed.values().filter(|(_, kinds)| kinds.len() == 2).count())
    }

    /// All for which a signature may be public: each checkpoint by itself, whether or not it was
    /// recorded, and each round that was closed.
    fn signables<'a>(&'a self, model: &'a Model) -> Vec<Signable<'a>> {
        let domain = &model.trust.domain;
        let mut signables = Vec::new();
        let (drawn, doubles) =
            (self.drawn.iter().map(|drawn| (drawn, false)), self.doubles.iter().map(|of| (of, true)));
        for ((checkpoint, is_double), curve) in drawn.chain(doubles).flat_map(|of| CURVES.map(|curve| (of, curve))) {
            let path = shard_path(&checkpoint.domain, &checkpoint.shard, checkpoint.key_epoch);
            let hash = checkpoint.hash::<Native>();
            let digest = attestation_digest::<Native>(AttestationKind::Shard, &checkpoint.domain, &hash, curve);
            let (key, checkpoints) = (derived(&model.trust, curve, &path), vec![checkpoint]);
            signables.push(Signable { kind: AttestationKind::Shard, digest, key, checkpoints, is_double });
        }
        for rounds in &model.rounds {
            for (round, checkpoints) in rounds.checkpoints[..rounds.open()].iter().enumerate() {
                let (kind, root, key) = (AttestationKind::Round, rounds.root(round), rounds.key);
                let digest = attestation_digest::<Native>(kind, domain, &root, rounds.curve);
                let checkpoints = checkpoints.iter().collect();
                signables.push(Signable { kind, digest, key, checkpoints, is_double: false });
            }
        }
        signables
    }
}

/// What a signature may be of.
struct Signable<'a> {
    kind: AttestationKind,
    digest: Hash,
    key: PublicKey,
    checkpoints: Vec<&'a Checkpoint>,
    /// Whether it was signed past the contract.
    is_double: bool,
}

impl Signable<'_> {
    fn is_signed_by(&self, signature: &ChainSignature) -> bool {
        self.key.curve() == signature.curve() && signature.verifies::<Native>(&self.digest, &self.key)
    }
}
