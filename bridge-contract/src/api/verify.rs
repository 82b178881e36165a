//! Vouching for proofs: the checks that a stranger makes offline, under keys that this contract
//! fetched itself, for whoever asks, other contracts among them.

use super::{argument, input};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::ProofRefusal;
use crate::from_json::FromJson;
use crate::host::Host;
use crate::rules::verify as rules;
use crate::storage;
use near_sdk::near;
use queue::attestation::{Attestation, AttestationKind};
use queue::contract::{NotProven, Proven, ShardStatus, Verification};
use queue::proof::{DeliveryProof, ExpiryGround, ExpiryProof, MessageProof, VerifiedHead};
use queue::trust::PublicKey;

#[near]
impl Bridge {
    /// Says whether a message-proof file holds: that its source shard sent the message.
    pub fn verify_message(&self) -> Verification {
        answer(self.message_proven())
    }

    /// Says whether a delivery-proof file holds: that its destination has decided the message.
    pub fn verify_delivery(&self) -> Verification {
        answer(self.delivery_proven())
    }

    /// Says whether an expiry-proof file holds: that the message never ran and never will.
    pub fn verify_expiry(&self) -> Verification {
        answer(self.expiry_proven())
    }
}

impl Bridge {
    fn message_proven(&self) -> Result<Proven, ProofRefusal> {
        let proof: MessageProof = proof()?;
        rules::judge_length(&proof.message)?;
        let keys = self.held_keys(&[&proof.head.attestation])?;
        let message = proof.verify::<Host>(&self.trust(), |_, _, path| keys.find(path))?;
        Ok(rules::message_shown(&message, status))
    }

    fn delivery_proven(&self) -> Result<Proven, ProofRefusal> {
        let proof: DeliveryProof = proof()?;
        rules::judge_length(&proof.message)?;
        let keys = self.held_keys(&[&proof.head.attestation])?;
        let delivery = proof.verify::<Host>(&self.trust(), |_, _, path| keys.find(path))?;
        Ok(rules::delivery_shown(delivery, status))
    }

    fn expiry_proven(&self) -> Result<Proven, ProofRefusal> {
        let proof: ExpiryProof = proof()?;
        rules::judge_length(&proof.message)?;
        let received = match &proof.ground {
            ExpiryGround::Checkpoint(head) => head,
            ExpiryGround::Result(result) => {
                rules::judge_length(&result.message)?;
                &result.head
            }
        };
        let keys = self.held_keys(&[&proof.sent.attestation, &received.attestation])?;
        let expiry = proof.verify::<Host>(&self.trust(), |_, _, path| keys.find(path))?;
        Ok(rules::expiry_shown(&expiry, status))
    }

    /// The keys that must have signed these attestations, if their checkpoints lie in their key epochs.
    pub(super) fn held_keys(&self, attestations: &[&Attestation]) -> Result<HeldKeys, ProofRefusal> {
        let held = attestations.iter().map(|attestation| Ok((attestation.derivation_path(), held_key(attestation)?)));
        held.collect::<Result<_, ProofRefusal>>().map(HeldKeys)
    }
}

/// Keys by their derivation path, in the place of deriving them.
pub(super) struct HeldKeys(Vec<(String, PublicKey)>);

impl HeldKeys {
    /// The key of a path.
    pub(super) fn find(&self, path: &str) -> Option<PublicKey> {
        self.0.iter().find(|(held, _)| held == path).map(|(_, key)| *key)
    }
}

fn held_key(attestation: &Attestation) -> Result<PublicKey, ProofRefusal> {
    let checkpoint = &attestation.checkpoint;
    let shard = &checkpoint.shard;
    let record = storage::read_shard(shard).ok_or_else(|| ProofRefusal::UnknownShard(shard.clone()))?;
    let epoch = storage::read_epoch(shard, &record, checkpoint.key_epoch);
    let key = rules::judge_epoch_of(checkpoint, epoch)?;
    let curve = attestation.signature.curve();
    match attestation.kind {
        AttestationKind::Shard => Ok(key),
        AttestationKind::Round => storage::read_rounds(curve).key.ok_or(ProofRefusal::NoRoundKey(curve)),
    }
}

fn proof<P: FromJson>() -> Result<P, ProofRefusal> {
    Ok(P::from_json(argument(&input(), "proof"))?)
}

/// Where the shard of a verified head stands.
fn status(head: &VerifiedHead) -> ShardStatus {
    let shard = &head.checkpoint().checkpoint().shard;
    storage::read_shard(shard).expect("its key was found in its record").status()
}

fn answer(proven: Result<Proven, ProofRefusal>) -> Verification {
    match proven {
        Ok(proven) => Verification::Proven(proven),
        Err(refusal) => Verification::Refused(NotProven { verified: false, reason: refusal.to_string() }),
    }
}
