//! What the bridge contract and its callers share: methods, arguments, views and events.
//! Specified in `specs/contract.md`.
//!
//! Arguments and results are JSON, as NEAR's tools expect, but for `attest` and `submit`, whose
//! arguments are borsh: a checkpoint has one encoding, the one that is hashed.

mod admin;
mod attest;
mod endorsements;
mod events;
mod evidence;
mod lanes;
mod rounds;
mod shards;
mod verify;

pub use admin::{
    DelayArgs, DelayStatus, DeployCall, DeployCodeArgs, Grantees, GranteesByRole, PauseArgs, PauseChanged,
    PermissionedAccounts, RegistrationSet, Role, RoleArgs, RoleChanged,
};
pub use attest::{AttestArgs, AttestResult, TipView};
pub use endorsements::{Endorsement, EndorsementOrder, Endorsements};
pub use events::{
    AttestationFailed, AttestationFailure, Attested, EVENT_STANDARD, EVENT_VERSION, EpochOpened, Event, MembersRotated,
    RotationProposed, ShardActivated, ShardReserved,
};
pub use evidence::{Frozen, LiftArgs, ReportLaneArgs, ReportShardArgs, ShardFrozen};
pub use lanes::{
    LANES_PER_PAGE_MAX, LaneArgs, LaneDirection, LaneProposal, LaneStatus, LaneStopArgs, LaneStops, LaneStopsChanged,
    LaneTerms, LaneView, LanesArgs, Permissions,
};
pub use rounds::{RoundArgs, RoundFailed, RoundPosition, RoundSigned, RoundsView, SubmitResult};
pub use shards::{
    AmountYocto, EpochArgs, EpochView, InitArgs, ProposeRotationArgs, RekeyArgs, ReserveArgs, RotateArgs, RotationView,
    SHARDS_PER_PAGE_MAX, SetTransportArgs, ShardArgs, ShardStatus, ShardView, ShardsArgs, WithdrawArgs,
};
pub use verify::{AttestedHead, NotProven, Proven, Shows, Verification, VerifyArgs};

/// Names of the contract's methods.
pub mod method {
    /// Initialises the contract, once: [`super::InitArgs`].
    pub const INIT: &str = "init";
    /// Fetches the signer's root keys and the gas that it asks for; anyone, repeatable.
    pub const SYNC_SIGNER: &str = "sync_signer";
    /// Takes a shard's name: [`super::ReserveArgs`], with a deposit.
    pub const RESERVE: &str = "reserve";
    /// Fetches the derived key of a shard's newest key epoch; anyone, repeatable: [`super::ShardArgs`].
    pub const ACTIVATE: &str = "activate";
    /// Gives up a name that never became active, with a refund; its owner: [`super::ShardArgs`].
    pub const LAPSE: &str = "lapse";
    /// Replaces a shard's transport keys and addresses; its owner: [`super::SetTransportArgs`].
    pub const SET_TRANSPORT: &str = "set_transport";
    /// Adds the attached deposit to a shard's balance; anyone: [`super::ShardArgs`].
    pub const TOP_UP: &str = "top_up";
    /// Takes from a shard's balance; its owner: [`super::WithdrawArgs`].
    pub const WITHDRAW: &str = "withdraw";
    /// Replaces a shard's members at once; whoever shows their agreement: [`super::RotateArgs`].
    pub const ROTATE: &str = "rotate";
    /// Announces new members that the owner may install later; the owner:
    /// [`super::ProposeRotationArgs`].
    pub const PROPOSE_ROTATION: &str = "propose_rotation";
    /// Installs the announced members once their time has come; anyone: [`super::ShardArgs`].
    pub const APPLY_ROTATION: &str = "apply_rotation";
    /// Takes the announcement back; the owner: [`super::ShardArgs`].
    pub const CANCEL_ROTATION: &str = "cancel_rotation";
    /// Opens a key epoch; whoever shows the members' agreement, with a deposit:
    /// [`super::RekeyArgs`].
    pub const REKEY: &str = "rekey";
    /// Opens an incarnation, and with it a key epoch; the owner, with a deposit:
    /// [`super::ShardArgs`].
    pub const OPEN_INCARNATION: &str = "open_incarnation";
    /// Stops attesting until resumed; the owner: [`super::ShardArgs`].
    pub const PAUSE: &str = "pause";
    /// Ends a pause; the owner: [`super::ShardArgs`].
    pub const RESUME: &str = "resume";
    /// Stops attesting for ever; the owner: [`super::ShardArgs`].
    pub const RETIRE: &str = "retire";
    /// Has a checkpoint signed; anyone, repeatable: borsh [`super::AttestArgs`], result
    /// [`super::AttestResult`].
    pub const ATTEST: &str = "attest";
    /// Puts a checkpoint into the open round; anyone, repeatable: borsh [`super::AttestArgs`],
    /// result [`super::SubmitResult`].
    pub const SUBMIT: &str = "submit";
    /// Has the oldest round without a signature signed; anyone, repeatable: [`super::RoundArgs`],
    /// result [`super::AttestResult`].
    pub const CLOSE: &str = "close";
    /// Offers a lane, or other terms for an open one; a shard's owner: [`super::LaneProposal`].
    pub const PROPOSE_LANE: &str = "propose_lane";
    /// Agrees to what the peer offers; a shard's owner: [`super::LaneProposal`].
    pub const ACCEPT_LANE: &str = "accept_lane";
    /// Takes an offer back; the owner who made it: [`super::LaneArgs`].
    pub const WITHDRAW_PROPOSAL: &str = "withdraw_proposal";
    /// Stops requests on a lane; a shard's owner: [`super::LaneStopArgs`].
    pub const STOP_LANE: &str = "stop_lane";
    /// Lets requests flow again; a shard's owner: as [`STOP_LANE`].
    pub const RESUME_LANE: &str = "resume_lane";
    /// Gives a role; a super admin: [`super::RoleArgs`].
    pub const ACL_GRANT_ROLE: &str = "acl_grant_role";
    /// Takes a role; a super admin: [`super::RoleArgs`].
    pub const ACL_REVOKE_ROLE: &str = "acl_revoke_role";
    /// View: [`super::PermissionedAccounts`].
    pub const ACL_GET_PERMISSIONED_ACCOUNTS: &str = "acl_get_permissioned_accounts";
    /// Pauses a method; the role PauseManager: [`super::PauseArgs`].
    pub const PA_PAUSE_FEATURE: &str = "pa_pause_feature";
    /// Lifts a pause; the role UnpauseManager: [`super::PauseArgs`].
    pub const PA_UNPAUSE_FEATURE: &str = "pa_unpause_feature";
    /// View: list of the names of what is paused.
    pub const PA_ALL_PAUSED: &str = "pa_all_paused";
    /// Opens or closes registration; a super admin: [`super::RegistrationSet`].
    pub const SET_OPEN_REGISTRATION: &str = "set_open_registration";
    /// View: whether everybody may reserve a name.
    pub const OPEN_REGISTRATION: &str = "open_registration";
    /// Brings the state of an earlier release to this one's form; the contract itself.
    pub const MIGRATE: &str = "migrate";
    /// Stages the code that is the raw input; the role CodeStager.
    pub const UP_STAGE_CODE: &str = "up_stage_code";
    /// Deploys the staged code after its delay; the role CodeDeployer: [`super::DeployCodeArgs`].
    pub const UP_DEPLOY_CODE: &str = "up_deploy_code";
    /// View: SHA-256 of the staged code in base58, or `null`.
    pub const UP_STAGED_CODE_HASH: &str = "up_staged_code_hash";
    /// View: [`super::DelayStatus`].
    pub const UP_GET_DELAY_STATUS: &str = "up_get_delay_status";
    /// Freezes a shard; anyone: [`super::ReportShardArgs`].
    pub const REPORT_SHARD: &str = "report_shard";
    /// Freezes a lane; anyone: [`super::ReportLaneArgs`].
    pub const REPORT_LANE: &str = "report_lane";
    /// Ends a freeze; the owner, with the members' agreement: [`super::LiftArgs`].
    pub const LIFT_FREEZE: &str = "lift_freeze";
    /// View: [`super::VerifyArgs`] of a [`crate::proof::MessageProof`] → [`super::Verification`].
    pub const VERIFY_MESSAGE: &str = "verify_message";
    /// View: [`super::VerifyArgs`] of a [`crate::proof::DeliveryProof`] → [`super::Verification`].
    pub const VERIFY_DELIVERY: &str = "verify_delivery";
    /// View: [`super::VerifyArgs`] of a [`crate::proof::ExpiryProof`] → [`super::Verification`].
    pub const VERIFY_EXPIRY: &str = "verify_expiry";
    /// View: the trust root, [`crate::trust::TrustRoot`].
    pub const TRUST: &str = "trust";
    /// View: [`super::ShardArgs`] → `null` or [`super::ShardView`].
    pub const SHARD: &str = "shard";
    /// View: [`super::ShardsArgs`] → list of [`super::ShardView`], without gaps.
    pub const SHARDS: &str = "shards";
    /// View: [`super::EpochArgs`] → `null` or [`super::EpochView`].
    pub const EPOCH: &str = "epoch";
    /// View: [`super::ShardArgs`] → `null` or [`super::TipView`].
    pub const TIP: &str = "tip";
    /// View: [`super::ShardArgs`] → the [`crate::attestation::Attestation`] of the tip by its
    /// round, or `null` while that has no signature.
    pub const ROUND_PROOF: &str = "round_proof";
    /// View: [`super::RoundArgs`] → [`super::RoundsView`].
    pub const ROUNDS: &str = "rounds";
    /// View: [`super::LaneArgs`] → `null` or [`super::LaneView`].
    pub const LANE: &str = "lane";
    /// View: [`super::LanesArgs`] → list of [`super::LaneView`].
    pub const LANES: &str = "lanes";
}
