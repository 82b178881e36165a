//! The contract's decisions, as pure functions: (state, request, time) → verdict. No host calls,
//! no storage; what to do about a verdict is `api`'s part.

use crate::errors::Refusal;
use crate::pending::Tip;
use crate::registry::{ShardRecord, Transport};
use crate::signer::Answer;
use queue::attestation::{AttestationKind, ChainSignature, attestation_digest};
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestationFailure, Endorsement, ReserveArgs};
use queue::digest::{Crypto, Hash};
use queue::ids::{AccountId, BridgeDomain, ShardId};
use queue::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CHECKPOINT_AHEAD_NS_MAX, MEMBERS_MAX, TRANSPORT_KEYS_MAX};
use queue::statement::{Statement, StatementScope};
use queue::trust::{Curve, PublicKey};

/// The records of a new shard, reserved by `owner`.
///
/// # Errors
/// Members, threshold, keys or addresses beyond what a shard may have.
pub fn judge_reservation(
    args: &ReserveArgs,
    owner: AccountId,
    balance_yocto: u128,
) -> Result<(ShardRecord, Transport), Refusal> {
    let members = judge_members(&args.members, args.threshold)?;
    let transport = judge_transport(&members, &args.transport_keys, &args.addresses)?;
    let record = ShardRecord {
        owner,
        members,
        threshold: args.threshold,
        members_version: 0,
        curve: args.curve,
        key_epoch: 0,
        epoch_first_height: 0,
        incarnation: 0,
        key: None,
        balance_yocto,
    };
    Ok((record, transport))
}

fn judge_members(members: &[PublicKey], threshold: u16) -> Result<Vec<[u8; 32]>, Refusal> {
    let count = members.len();
    if !(1..=MEMBERS_MAX).contains(&count) {
        return Err(Refusal::MemberCount(count));
    }
    let required = usize::from(threshold);
    if required * 2 <= count || required > count {
        return Err(Refusal::Threshold { threshold, members: count });
    }
    distinct_ed25519(members, &[])
}

/// How the nodes of a shard with these members may be reached.
///
/// # Errors
/// Too many keys or addresses, a key that is a member's or listed twice, an address that is none.
pub fn judge_transport(
    members: &[[u8; 32]],
    transport_keys: &[PublicKey],
    addresses: &[String],
) -> Result<Transport, Refusal> {
    if transport_keys.len() > TRANSPORT_KEYS_MAX {
        return Err(Refusal::TransportKeyCount(transport_keys.len()));
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(Refusal::AddressCount(addresses.len()));
    }
    if let Some(address) = addresses.iter().find(|address| !is_address(address)) {
        return Err(Refusal::Address(address.chars().take(ADDRESS_BYTES_MAX).collect()));
    }
    Ok(Transport { keys: distinct_ed25519(transport_keys, members)?, addresses: addresses.to_vec() })
}

/// The keys' bytes, if all are ed25519, distinct, and none is in `elsewhere`.
fn distinct_ed25519(keys: &[PublicKey], elsewhere: &[[u8; 32]]) -> Result<Vec<[u8; 32]>, Refusal> {
    let mut distinct = Vec::with_capacity(keys.len());
    for key in keys {
        let PublicKey::Ed25519(bytes) = key else { return Err(Refusal::KeyCurve(*key)) };
        if distinct.contains(bytes) || elsewhere.contains(bytes) {
            return Err(Refusal::KeyTwice(*key));
        }
        distinct.push(*bytes);
    }
    Ok(distinct)
}

fn is_address(text: &str) -> bool {
    let printable = text.len() <= ADDRESS_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    printable && matches!(port, Some(Ok(1..)))
}

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
    /// Endorsements, in the order of the members.
    pub endorsements: &'a [Endorsement],
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
    judge_scope(domain, record, &checkpoint)?;
    let hash = checkpoint.hash::<C>();
    if let Some(tip) = tip {
        if tip.hash == hash {
            return match tip.signature {
                Some(signature) => Ok(Verdict::Signed(signature)),
                None => paid(record, &checkpoint.shard).map(|()| Verdict::AskAgain(tip)),
            };
        }
        judge_successor(&tip, &checkpoint, hash)?;
    } else {
        judge_first(&checkpoint)?;
    }
    judge_epoch(record, &checkpoint)?;
    if checkpoint.time_ns > block_ns.saturating_add(CHECKPOINT_AHEAD_NS_MAX) {
        return Err(Refusal::TimeAhead { found_ns: checkpoint.time_ns, block_ns });
    }
    judge_endorsements::<C>(domain, record, &checkpoint.shard, hash, endorsements)?;
    paid(record, &checkpoint.shard)?;
    Ok(Verdict::Record(Tip::new(checkpoint, hash)))
}

fn judge_scope(domain: &BridgeDomain, record: &ShardRecord, checkpoint: &Checkpoint) -> Result<(), Refusal> {
    checkpoint.check()?;
    if checkpoint.domain != *domain {
        return Err(Refusal::OtherBridge {
            found: Box::new(checkpoint.domain.clone()),
            expected: Box::new(domain.clone()),
        });
    }
    if record.key.is_none() {
        return Err(Refusal::NotActive(checkpoint.shard.clone()));
    }
    Ok(())
}

fn judge_epoch(record: &ShardRecord, checkpoint: &Checkpoint) -> Result<(), Refusal> {
    if (checkpoint.key_epoch, checkpoint.epoch_first_height) == (record.key_epoch, record.epoch_first_height) {
        return Ok(());
    }
    Err(Refusal::OtherEpoch {
        shard: checkpoint.shard.clone(),
        found: checkpoint.key_epoch,
        found_first_height: checkpoint.epoch_first_height,
        expected: record.key_epoch,
        expected_first_height: record.epoch_first_height,
    })
}

/// The first checkpoint of a shard: [`Checkpoint::check`] has seen that it continues nothing.
fn judge_first(checkpoint: &Checkpoint) -> Result<(), Refusal> {
    if checkpoint.height != 0 {
        return Err(Refusal::Height { shard: checkpoint.shard.clone(), found: checkpoint.height, expected: 0 });
    }
    Ok(())
}

fn judge_successor(tip: &Tip, checkpoint: &Checkpoint, hash: Hash) -> Result<(), Refusal> {
    let shard = || checkpoint.shard.clone();
    let (height, tip_height) = (checkpoint.height, tip.checkpoint.height);
    if height == tip_height {
        return Err(Refusal::HeightTaken { shard: shard(), height, recorded: tip.hash, found: hash });
    }
    // Of the last height there is no successor: 2^64 checkpoints don't come to pass.
    let expected = tip_height.saturating_add(1);
    if height != expected {
        return Err(Refusal::Height { shard: shard(), found: height, expected });
    }
    if checkpoint.previous != tip.hash {
        return Err(Refusal::Previous { shard: shard(), found: checkpoint.previous, expected: tip.hash });
    }
    if tip.signature.is_none() && tip.checkpoint.key_epoch == checkpoint.key_epoch {
        return Err(Refusal::PreviousPending { shard: shard(), height: tip_height });
    }
    if checkpoint.time_ns < tip.checkpoint.time_ns {
        return Err(Refusal::TimeFalls { found_ns: checkpoint.time_ns, tip_ns: tip.checkpoint.time_ns });
    }
    Ok(())
}

fn judge_endorsements<C: Crypto>(
    domain: &BridgeDomain,
    record: &ShardRecord,
    shard: &ShardId,
    hash: Hash,
    endorsements: &[Endorsement],
) -> Result<(), Refusal> {
    let found = endorsements.len();
    if found > record.members.len() {
        return Err(Refusal::EndorsementCount { found, members: record.members.len() });
    }
    if found < usize::from(record.threshold) {
        return Err(Refusal::BelowThreshold { shard: shard.clone(), found, threshold: record.threshold });
    }
    if let Some(pair) = endorsements.windows(2).find(|pair| pair[0].member >= pair[1].member) {
        return Err(Refusal::MemberTwice(pair[1].member));
    }
    let scope =
        StatementScope { domain: domain.clone(), shard: shard.clone(), members_version: record.members_version };
    let statement = Statement::Endorse { checkpoint: hash };
    for Endorsement { member, signature } in endorsements {
        let key = record
            .members
            .get(usize::from(*member))
            .ok_or_else(|| Refusal::NoSuchMember { shard: shard.clone(), member: *member })?;
        if !statement.is_signed_by::<C>(&scope, key, signature) {
            return Err(Refusal::Endorsement { shard: shard.clone(), member: *member });
        }
    }
    Ok(())
}

fn paid(record: &ShardRecord, shard: &ShardId) -> Result<(), Refusal> {
    if record.balance_yocto == 0 {
        return Err(Refusal::BalanceEmpty(shard.clone()));
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

#[cfg(test)]
mod tests;
