//! Refusals of what administers the contract itself.

use queue::ids::AccountId;

/// Why the contract's administration refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// Names are given to registrars only.
    #[error("registration is closed: {0} has no role Registrar, ask a super admin of this bridge for it")]
    RegistrationClosed(AccountId),
    /// Only a super admin may do this.
    #[error("{0} is no super admin of this bridge: acl_get_super_admins lists them")]
    NotSuperAdmin(AccountId),
    /// An administrator has stopped this.
    #[error("{0} is paused: wait until an UnpauseManager of this bridge lifts it")]
    Paused(&'static str),
    /// There is nothing to migrate.
    #[error("the contract has no state to migrate: call init")]
    NotInitialised,
    /// The root state is of a release that this code doesn't know.
    #[error(
        "the root state of {bytes} bytes is neither of version 1 nor of version {expected}: deploy a release that knows it"
    )]
    UnknownState {
        /// Its length.
        bytes: usize,
        /// The version that this code writes.
        expected: u8,
    },
}
