//! The contract's events, by NEP-297.

use super::admin::{PauseChanged, RegistrationSet, RoleChanged};
use super::evidence::{Frozen, ShardFrozen};
use super::lanes::{LaneArgs, LaneStopsChanged};
use super::rounds::{RoundFailed, RoundSigned};
use super::shards::ShardArgs;
use crate::attestation::ChainSignature;
use crate::codec;
use crate::digest::Hash;
use crate::ids::{AccountId, ShardId};
use crate::trust::PublicKey;
use serde::{Deserialize, Serialize};

/// NEP-297 standard of the contract's events.
pub const EVENT_STANDARD: &str = "private-shard-bridge";

/// NEP-297 version of the contract's events.
pub const EVENT_VERSION: &str = "1.0.0";

/// The contract's events; `data` is a list of one, as NEP-297 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// A shard's name was taken.
    ShardReserved([ShardReserved; 1]),
    /// A shard's derived key is known: it can attest.
    ShardActivated([ShardActivated; 1]),
    /// The signer gave no key; `activate` may be called again.
    ShardActivationFailed([ShardArgs; 1]),
    /// A reserved name was given up: it can be taken again.
    ShardLapsed([ShardArgs; 1]),
    /// A shard has other members.
    MembersRotated([MembersRotated; 1]),
    /// The owner announced other members.
    RotationProposed([RotationProposed; 1]),
    /// The owner took the announcement back.
    RotationCancelled([ShardArgs; 1]),
    /// A shard has a new key epoch; `activate` fetches its key.
    EpochOpened([EpochOpened; 1]),
    /// A shard attests no more until resumed.
    ShardPaused([ShardArgs; 1]),
    /// A paused shard goes on.
    ShardResumed([ShardArgs; 1]),
    /// A shard will never attest again.
    ShardRetired([ShardArgs; 1]),
    /// A shard offers terms to another.
    LaneProposed([LaneArgs; 1]),
    /// A shard has agreed to what its peer offered: the lane is open, by these terms.
    LaneAgreed([LaneArgs; 1]),
    /// A shard has taken its offer back.
    LaneProposalWithdrawn([LaneArgs; 1]),
    /// A shard attested two checkpoints at one height: it attests no more until the freeze is lifted.
    ShardFrozen([ShardFrozen; 1]),
    /// A shard's heads for a peer contradict: nodes stop the lane's requests.
    LaneFrozen([Frozen; 1]),
    /// Owner and members have ended a freeze.
    FreezeLifted([Frozen; 1]),
    /// A shard has stopped requests, or lets them flow again.
    LaneStopsChanged([LaneStopsChanged; 1]),
    /// A checkpoint has its signature.
    Attested([Attested; 1]),
    /// A recorded checkpoint has no signature yet; `attest` may be called again.
    AttestationFailed([AttestationFailed; 1]),
    /// Registration was opened or closed.
    RegistrationSet([RegistrationSet; 1]),
    /// A round has its signature, and with it every checkpoint in it.
    RoundSigned([RoundSigned; 1]),
    /// A closed round has no signature yet; `close` may be called again.
    RoundFailed([RoundFailed; 1]),
    /// An account got a role.
    RoleGranted([RoleChanged; 1]),
    /// An account lost a role.
    RoleRevoked([RoleChanged; 1]),
    /// A method was paused.
    Paused([PauseChanged; 1]),
    /// A pause was lifted.
    Unpaused([PauseChanged; 1]),
}

/// Data of [`Event::ShardReserved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReserved {
    /// The shard.
    pub shard: ShardId,
    /// Its owner.
    pub owner: AccountId,
}

/// Data of [`Event::ShardActivated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardActivated {
    /// The shard.
    pub shard: ShardId,
    /// Its key epoch.
    pub key_epoch: u32,
    /// The derived key of that epoch.
    pub public_key: PublicKey,
}

/// Data of [`Event::MembersRotated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersRotated {
    /// The shard.
    pub shard: ShardId,
    /// Counts its sets of members, from 0.
    pub members_version: u32,
}

/// Data of [`Event::RotationProposed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationProposed {
    /// The shard.
    pub shard: ShardId,
    /// From when on they can be installed; nanoseconds since the Unix epoch.
    #[serde(with = "codec::u64_string")]
    pub ready_at_ns: u64,
}

/// Data of [`Event::EpochOpened`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochOpened {
    /// The shard.
    pub shard: ShardId,
    /// The new key epoch.
    pub key_epoch: u32,
    /// Its first height.
    pub first_height: u64,
    /// The shard's incarnation from there on.
    pub incarnation: u32,
}

/// Data of [`Event::Attested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The shard.
    pub shard: ShardId,
    /// The checkpoint's height.
    pub height: u64,
    /// The checkpoint's hash.
    pub hash: Hash,
    /// The signature.
    pub signature: ChainSignature,
}

/// Data of [`Event::AttestationFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationFailed {
    /// The shard.
    pub shard: ShardId,
    /// The checkpoint's height.
    pub height: u64,
    /// The checkpoint's hash.
    pub hash: Hash,
    /// What the callback saw.
    pub reason: AttestationFailure,
}

/// Why a signature did not come, as far as a callback can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttestationFailure {
    /// The signer's promise failed: a timeout, or it is unavailable. The receipt tells which.
    SignerFailed,
    /// The signer's answer is no signature in a form that the contract knows, or too long.
    UnknownAnswer,
    /// The signer's answer doesn't verify under the shard's derived key.
    WrongSignature,
}
