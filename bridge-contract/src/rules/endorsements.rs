//! Whether enough members agree.

use crate::errors::EndorsementRefusal;
use crate::registry::ShardRecord;
use queue::contract::Endorsements;
use queue::digest::Crypto;
use queue::ids::{BridgeDomain, ShardId};
use queue::statement::{Statement, StatementScope};

/// Judges the members' endorsements of one statement: at least the threshold, every one genuine.
///
/// # Errors
/// The first thing that speaks against them.
pub fn judge_endorsements<C: Crypto>(
    domain: &BridgeDomain,
    shard: &ShardId,
    record: &ShardRecord,
    statement: &Statement,
    endorsements: &Endorsements,
) -> Result<(), EndorsementRefusal> {
    let (members, found) = (endorsements.members.count_ones(), endorsements.signatures.len());
    let signed = endorsements.iter().ok_or(EndorsementRefusal::Count { members, signatures: found })?;
    if found < usize::from(record.threshold) {
        return Err(EndorsementRefusal::BelowThreshold { shard: shard.clone(), found, threshold: record.threshold });
    }
    let scope =
        StatementScope { domain: domain.clone(), shard: shard.clone(), members_version: record.members_version };
    let bytes = statement.signed_bytes(&scope);
    for (member, signature) in signed {
        let key = record
            .members
            .get(usize::from(member))
            .ok_or_else(|| EndorsementRefusal::NoSuchMember { shard: shard.clone(), member })?;
        if !C::ed25519_verify(key, &bytes, signature) {
            return Err(EndorsementRefusal::Signature { shard: shard.clone(), member });
        }
    }
    Ok(())
}
