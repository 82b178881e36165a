//! Member statements: what a shard's members sign. Specified in `specs/contract.md`.
//!
//! A statement is signed as its tag followed by its borsh encoding, which begins with bridge
//! domain, shard and members' version: it means nothing to another bridge, shard or set of members.

use crate::codec;
use crate::digest::{Crypto, Hash, Tag};
use crate::ids::{BridgeDomain, ShardId};
use crate::trust::Curve;
use borsh::{BorshDeserialize, BorshSerialize};

/// What all statements begin with.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StatementScope {
    /// The bridge that it is made to.
    pub domain: BridgeDomain,
    /// The shard whose member speaks.
    pub shard: ShardId,
    /// Counts the shard's sets of members from 0: a statement of an earlier set is void.
    pub members_version: u32,
}

/// What is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// I hold all that this checkpoint covers, durably.
    Endorse {
        /// The checkpoint's hash.
        checkpoint: Hash,
    },
    /// These shall be the members from now on.
    Rotate {
        /// Ed25519 keys of the new members, distinct.
        members: Vec<[u8; 32]>,
        /// How many of them must agree.
        threshold: u16,
    },
    /// A new key epoch shall begin after the tip.
    Rekey {
        /// The new epoch.
        key_epoch: u32,
        /// The curve of its key.
        curve: Curve,
    },
    /// We know of the evidence: the freeze shall end.
    Lift {
        /// The other shard of the frozen lane; `None` if the shard itself is frozen.
        peer: Option<ShardId>,
        /// Evidence about our heights below this one is settled.
        evidence_floor: u64,
    },
}

impl Statement {
    /// The bytes that a member signs (RFC 8032 over the raw bytes).
    pub fn signed_bytes(&self, scope: &StatementScope) -> Vec<u8> {
        let (tag, content) = match self {
            Statement::Endorse { checkpoint } => (Tag::Endorse, codec::encode(checkpoint)),
            Statement::Rotate { members, threshold } => (Tag::Rotate, codec::encode(&(members, threshold))),
            Statement::Rekey { key_epoch, curve } => (Tag::Rekey, codec::encode(&(key_epoch, curve))),
            Statement::Lift { peer, evidence_floor } => (Tag::Lift, codec::encode(&(peer, evidence_floor))),
        };
        [tag.as_bytes(), &codec::encode(scope), &content].concat()
    }

    /// Whether `signature` is the statement of the member with this key.
    pub fn is_signed_by<C: Crypto>(&self, scope: &StatementScope, member: &[u8; 32], signature: &[u8; 64]) -> bool {
        C::ed25519_verify(member, &self.signed_bytes(scope), signature)
    }
}
