//! Which checkpoint is recorded, and which signature is believed.

use super::endorsements::judge_endorsements;
use crate::errors::{CheckpointRefusal, Refusal, ShardRefusal};
use crate::pending::Tip;
use crate::registry::ShardRecord;
use crate::signer::Answer;
use queue::attestation::{AttestationKind, ChainSignature, attestation_digest};
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestationFailure, Endorsements, ShardStatus};
use queue::digest::{Crypto, Hash};
use queue::ids::{BridgeDomain, ShardId};
use queue::limits::CHECKPOINT_AHEAD_NS_MAX;
use queue::statement::Statement;
use queue::trust::{Curve, PublicKey};

/// What to do about a checkpoint that is to be attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Record it as the tip, then ask the signer.
    Record(Tip),
    /// It is the pending tip: ask the signer again.
    AskAgain(Tip),
    /// It is the signed tip: here is its signature.
    Signed(ChainSignature),
}

/// Everything that decides about a checkpoint.
pub struct AttestRequest<'a> {
    /// This bridge.
    pub domain: &'a BridgeDomain,
    /// The checkpoint's shard.
    pub record: &'a ShardRecord,
    /// The shard's tip.
    pub tip: Option<Tip>,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The members' endorsements.
    pub endorsements: &'a Endorsements,
    /// Time of NEAR's block, in nanoseconds since the Unix epoch.
    pub block_ns: u64,
}

/// Judges a checkpoint: it continues the tip of an active shard and enough members endorse it, or
/// it is the tip. Whoever asks again for the tip need not show the endorsements again.
///
/// # Errors
/// The first thing that speaks against it.
pub fn judge_checkpoint<C: Crypto>(request: AttestRequest<'_>) -> Result<Verdict, Refusal> {
    let AttestRequest { domain, record, tip, checkpoint, endorsements, block_ns } = request;
    judge_domain(domain, &checkpoint)?;
    let hash = checkpoint.hash::<C>();
    let rounds_from = tip.as_ref().map_or([0; 2], |tip| tip.rounds_from);
    match tip {
        Some(Tip { hash: recorded, signature: Some(signature), .. }) if recorded == hash => {
            return Ok(Verdict::Signed(signature));
        }
        Some(tip) if tip.hash == hash => {
            judge_balance(record, &checkpoint.shard)?;
            return Ok(Verdict::AskAgain(tip));
        }
        Some(tip) => judge_successor(&tip, &checkpoint, hash)?,
        None => judge_first(&checkpoint)?,
    }
    judge_status(record, &checkpoint.shard)?;
    judge_epoch(record, &checkpoint)?;
    if checkpoint.time_ns > block_ns.saturating_add(CHECKPOINT_AHEAD_NS_MAX) {
        return Err(CheckpointRefusal::TimeAhead { found_ns: checkpoint.time_ns, block_ns }.into());
    }
    let statement = Statement::Endorse { checkpoint: hash };
    judge_endorsements::<C>(domain, &checkpoint.shard, record, &statement, endorsements)?;
    judge_balance(record, &checkpoint.shard)?;
    Ok(Verdict::Record(Tip { rounds_from, ..Tip::new(checkpoint, hash) }))
}

fn judge_domain(domain: &BridgeDomain, checkpoint: &Checkpoint) -> Result<(), CheckpointRefusal> {
    checkpoint.check()?;
    if checkpoint.domain != *domain {
        return Err(CheckpointRefusal::OtherBridge {
            found: Box::new(checkpoint.domain.clone()),
            expected: Box::new(domain.clone()),
        });
    }
    Ok(())
}

/// Only an active shard gets a new checkpoint recorded; a pending one may always be asked again.
fn judge_status(record: &ShardRecord, shard: &ShardId) -> Result<(), Refusal> {
    match record.status() {
        ShardStatus::Active => Ok(()),
        ShardStatus::Reserved => Err(ShardRefusal::NotActive(shard.clone()).into()),
        status => Err(CheckpointRefusal::Stopped { shard: shard.clone(), status }.into()),
    }
}

fn judge_epoch(record: &ShardRecord, checkpoint: &Checkpoint) -> Result<(), CheckpointRefusal> {
    let expected_first_height = record.epoch.first_height;
    if (checkpoint.key_epoch, checkpoint.epoch_first_height) == (record.key_epoch, expected_first_height) {
        return Ok(());
    }
    Err(CheckpointRefusal::OtherEpoch {
        shard: checkpoint.shard.clone(),
        found: checkpoint.key_epoch,
        found_first_height: checkpoint.epoch_first_height,
        expected: record.key_epoch,
        expected_first_height,
    })
}

/// The first checkpoint of a shard: [`Checkpoint::check`] has seen that it continues nothing.
fn judge_first(checkpoint: &Checkpoint) -> Result<(), CheckpointRefusal> {
    if checkpoint.height != 0 {
        return Err(CheckpointRefusal::Height {
            shard: checkpoint.shard.clone(),
            found: checkpoint.height,
            expected: 0,
        });
    }
    Ok(())
}

fn judge_successor(tip: &Tip, checkpoint: &Checkpoint, hash: Hash) -> Result<(), CheckpointRefusal> {
    let shard = || checkpoint.shard.clone();
    let (height, tip_height) = (checkpoint.height, tip.checkpoint.height);
    if height == tip_height {
        return Err(CheckpointRefusal::HeightTaken { shard: shard(), height, recorded: tip.hash, found: hash });
    }
    // Of the last height there is no successor: 2^64 checkpoints don't come to pass.
    let expected = tip_height.saturating_add(1);
    if height != expected {
        return Err(CheckpointRefusal::Height { shard: shard(), found: height, expected });
    }
    if checkpoint.previous != tip.hash {
        return Err(CheckpointRefusal::Previous { shard: shard(), found: checkpoint.previous, expected: tip.hash });
    }
    if tip.attested().is_none() && tip.checkpoint.key_epoch == checkpoint.key_epoch {
        return Err(CheckpointRefusal::PreviousPending { shard: shard(), height: tip_height });
    }
    if checkpoint.time_ns < tip.checkpoint.time_ns {
        return Err(CheckpointRefusal::TimeFalls { found_ns: checkpoint.time_ns, tip_ns: tip.checkpoint.time_ns });
    }
    Ok(())
}

fn judge_balance(record: &ShardRecord, shard: &ShardId) -> Result<(), CheckpointRefusal> {
    if record.balance_yocto == 0 {
        return Err(CheckpointRefusal::BalanceEmpty(shard.clone()));
    }
    Ok(())
}

/// The 32 bytes that the signer is asked to sign for a checkpoint of this hash.
pub fn shard_digest<C: Crypto>(domain: &BridgeDomain, checkpoint_hash: &Hash, curve: Curve) -> Hash {
    attestation_digest::<C>(AttestationKind::Shard, domain, checkpoint_hash, curve)
}

/// The signature in the signer's answer, once it verifies under the shard's derived key.
///
/// # Errors
/// Why there is none, as far as a callback can see.
pub fn judge_answer<C: Crypto>(
    answer: Answer<ChainSignature>,
    digest: &Hash,
    key: &PublicKey,
) -> Result<ChainSignature, AttestationFailure> {
    match answer {
        Answer::None => Err(AttestationFailure::SignerFailed),
        Answer::Unreadable => Err(AttestationFailure::UnknownAnswer),
        Answer::Given(signature) if signature.verifies::<C>(digest, key) => Ok(signature),
        Answer::Given(_) => Err(AttestationFailure::WrongSignature),
    }
}
