//! Which checkpoints are recorded, and what the signer's answers make of them, from
//! `specs/contract.md#attest` and `specs/contract-rounds.md` alone.

use super::bridge::Model;
use super::call::{Done, Shown, Verdict};
use super::shard::{Shard, Tip};
use crate::world::{BRIDGE, verify};
use queue::attestation::{AttestationKind, attestation_digest, round_path, shard_path};
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestationFailed, Attested, Event, RoundFailed, RoundSigned, ShardActivated, ShardStatus};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::statement::Statement;
use queue::trust::{Curve, PublicKey, TrustRoot};

impl Model {
    /// The checks of `attest` in the order of the specification.
    pub fn judge_attest(&self, block_ns: u64, checkpoint: &Checkpoint, shown: &Shown) -> Verdict {
        if checkpoint.domain != self.trust.domain {
            return Err("the checkpoint is for bridge");
        }
        let shard = self.shard(checkpoint.shard.as_str());
        let pays = |_| if shard.balance_yocto == 0 { Err("call top_up") } else { Ok(Done::Asked) };
        match &shard.tip {
            Some(Tip { checkpoint: recorded, signature, .. }) if recorded == checkpoint => {
                return signature.clone().map_or_else(|| pays(Done::Asked), |signature| Ok(Done::Signed(signature)));
            }
            _ => self.judge_successor(shard, checkpoint)?,
        };
        match shard.status() {
            ShardStatus::Active => {}
            ShardStatus::Reserved => return Err("call activate"),
            ShardStatus::Paused => return Err("is Paused"),
            ShardStatus::Frozen => return Err("is Frozen"),
            ShardStatus::Retired => return Err("is Retired"),
        }
        if (checkpoint.key_epoch, checkpoint.epoch_first_height) != (shard.epoch_number(), shard.epoch().first_height) {
            return Err("the checkpoint is of key epoch");
        }
        if checkpoint.time_ns > block_ns + 60_000_000_000 {
            return Err("ahead of the block's");
        }
        let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
        shard.judge_shown(shown, &statement).and_then(pays)
    }

    fn judge_successor(&self, shard: &Shard, checkpoint: &Checkpoint) -> Verdict {
        let (height, previous) = shard.next();
        match &shard.tip {
            Some(tip) if tip.checkpoint.height == checkpoint.height => Err("is taken by checkpoint"),
            _ if checkpoint.height != height => Err("the next of shard"),
            _ if checkpoint.previous != previous => Err("the checkpoint continues"),
            Some(tip) if self.is_pending(shard) && tip.checkpoint.key_epoch == checkpoint.key_epoch => {
                Err("has no signature yet")
            }
            Some(tip) if checkpoint.time_ns < tip.checkpoint.time_ns => Err("lies before the tip's"),
            _ => Ok(Done::Answered),
        }
    }

    /// As [`Model::judge_attest`], and then what rounds ask for.
    pub fn judge_submit(&self, block_ns: u64, checkpoint: &Checkpoint, shown: &Shown) -> Verdict {
        if let signed @ Done::Signed(_) = self.judge_attest(block_ns, checkpoint, shown)? {
            return Ok(signed);
        }
        let shard = self.shard(checkpoint.shard.as_str());
        let stands = shard.tip.as_ref().filter(|tip| tip.checkpoint == *checkpoint).and_then(|tip| tip.place);
        if let Some(place) = stands {
            return Ok(Done::Stands(place));
        }
        let rounds = self.rounds(curve_of(shard, checkpoint));
        if rounds.in_open().iter().any(|other| other.shard == checkpoint.shard) {
            return Err("already has a checkpoint of shard");
        }
        Ok(Done::Stands(rounds.next_place()))
    }

    /// The signer is asked for a checkpoint, which is recorded if it wasn't.
    pub fn ask(&mut self, checkpoint: &Checkpoint) {
        self.requests += 1;
        let shard = self.shard_mut(checkpoint.shard.as_str());
        shard.balance_yocto -= 1;
        let is_tip = shard.tip.as_ref().is_some_and(|tip| tip.checkpoint == *checkpoint);
        if !is_tip {
            shard.record(checkpoint.clone());
        }
        shard.tip.as_mut().unwrap().attempts += 1;
    }

    /// A checkpoint that was submitted stands at a place, which it had before or gets.
    pub fn submit(&mut self, checkpoint: &Checkpoint, done: &Done) {
        let Done::Stands(place) = *done else { return };
        let shard = self.shard(checkpoint.shard.as_str());
        let tip = shard.tip.as_ref().filter(|tip| tip.checkpoint == *checkpoint);
        let (is_tip, stood) = (tip.is_some(), tip.is_some_and(|tip| tip.place == Some(place)));
        let rounds = self.rounds(place.curve);
        if stood && (rounds.is_signed(place) || rounds.pot_yocto > 0) {
            return;
        }
        let shard = self.shard_mut(checkpoint.shard.as_str());
        shard.balance_yocto -= 1;
        if !is_tip {
            shard.record(checkpoint.clone());
        }
        shard.tip.as_mut().unwrap().place = Some(place);
        let rounds = self.rounds_mut(place.curve);
        rounds.pot_yocto += 1;
        if !stood {
            rounds.append(checkpoint.clone());
        }
    }

    /// The callback of `attest`: what it tells is what the model takes from it, once that is right.
    pub fn on_signature(&mut self, name: &str, hash: Hash, height: u64, events: &[Event]) {
        let trust = self.trust.clone();
        let shard = self.shard_mut(name);
        let id = shard.id();
        let tip = shard.tip.as_mut().filter(|tip| tip.hash() == hash && tip.signature.is_none());
        match (tip, events) {
            (None, []) => {}
            (Some(tip), [Event::Attested([told])]) => {
                let signature = told.signature.clone();
                verify(&trust, &tip.checkpoint, &signature).unwrap();
                tip.signature = Some(signature.clone());
                assert_eq!(*told, Attested { shard: id, height: tip.checkpoint.height, hash, signature });
            }
            (Some(tip), [Event::AttestationFailed([told])]) => {
                tip.last_failure_block = Some(height);
                let expected = AttestationFailed { shard: id, height: tip.checkpoint.height, hash, ..told.clone() };
                assert_eq!(*told, expected);
            }
            (_, events) => panic!("an answer for checkpoint {hash} of {name} led to {events:?}"),
        }
    }

    /// The callback of `close`.
    pub fn on_round_signature(&mut self, curve: Curve, round: u64, events: &[Event]) {
        let domain = self.trust.domain.clone();
        let rounds = self.rounds_mut(curve);
        let closing = rounds.closing().filter(|closing| u64::try_from(*closing).unwrap() == round);
        match (closing, events) {
            (None, []) => {}
            (Some(closing), [Event::RoundSigned([told])]) => {
                let (root, signature) = (rounds.root(closing), told.signature.clone());
                let digest = attestation_digest::<Native>(AttestationKind::Round, &domain, &root, curve);
                assert!(signature.verifies::<Native>(&digest, &rounds.key), "{curve} round {round}");
                let size = u64::try_from(rounds.checkpoints[closing].len()).unwrap();
                assert_eq!(*told, RoundSigned { curve, round, size, root, signature: signature.clone() });
                rounds.signatures.push(signature);
            }
            (Some(_), [Event::RoundFailed([told])]) => {
                rounds.is_asked = false;
                assert_eq!(*told, RoundFailed { curve, round, ..told.clone() });
            }
            (_, events) => panic!("an answer for {curve} round {round} led to {events:?}"),
        }
    }

    /// The callback of `activate`.
    pub fn on_derived_key(&mut self, name: &str, key_epoch: u32, events: &[Event]) {
        let trust = self.trust.clone();
        let shard = self.shard_mut(name);
        let (id, is_newest) = (shard.id(), shard.epoch_number() == key_epoch);
        let epoch = shard.epochs.last_mut().filter(|epoch| is_newest && epoch.key.is_none());
        match (epoch, events) {
            (None, []) => {}
            (Some(epoch), [Event::ShardActivated([told])]) => {
                let public_key = derived(&trust, epoch.curve, &shard_path(&trust.domain, &id, key_epoch));
                assert_eq!(*told, ShardActivated { shard: id, key_epoch, public_key });
                epoch.key = Some(public_key);
            }
            (_, events) => panic!("a key for epoch {key_epoch} of {name} led to {events:?}"),
        }
    }
}

/// The curve of the rounds that take a checkpoint: its key epoch's.
fn curve_of(shard: &Shard, checkpoint: &Checkpoint) -> Curve {
    shard.epochs[usize::try_from(checkpoint.key_epoch).unwrap()].curve
}

/// The key that signs the rounds of a curve.
pub fn round_key(trust: &TrustRoot, curve: Curve) -> PublicKey {
    derived(trust, curve, &round_path(&trust.domain, curve))
}

/// The key of a path, as anybody can derive it.
pub fn derived(trust: &TrustRoot, curve: Curve, path: &str) -> PublicKey {
    derive_public_key(trust.root_key(curve).unwrap(), BRIDGE, path).unwrap()
}
