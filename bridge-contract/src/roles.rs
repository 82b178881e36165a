//! Who may do what to the contract itself, and what is paused.
//!
//! Methods have the names and JSON of near-plugins' access control and pauses, whose collections
//! would be a fifth of the Wasm and grow without bound.

use crate::errors::AdminRefusal;
use borsh::{BorshDeserialize, BorshSerialize};
use queue::contract::{Grantees, GranteesByRole, PermissionedAccounts, Role, method};
use queue::ids::AccountId;

/// Most accounts that have a role: a few people for each of them. What they take is paid by the
/// bridge account, and read with one record.
pub const HOLDERS_MAX: usize = 64;

/// The accounts that have roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Roles {
    /// Bit n stands for the n-th of [`Role::ALL`]. Invariants: nobody is listed twice, or with no
    /// role; at most [`HOLDERS_MAX`] accounts; one at least is super admin.
    holders: Vec<(AccountId, u16)>,
}

fn bit(role: Role) -> u16 {
    1 << role as u16
}

impl Roles {
    /// The first super admin.
    pub fn of(admin: AccountId) -> Self {
        Roles { holders: vec![(admin, bit(Role::SuperAdmin))] }
    }

    /// Whether an account has a role.
    pub fn has(&self, account: &AccountId, role: Role) -> bool {
        self.holders.iter().any(|(holder, bits)| holder == account && bits & bit(role) != 0)
    }

    /// Gives a role; answers whether it is new.
    ///
    /// # Errors
    /// Too many accounts have one.
    pub fn grant(&mut self, account: AccountId, role: Role) -> Result<bool, AdminRefusal> {
        if let Some((_, bits)) = self.holders.iter_mut().find(|(holder, _)| *holder == account) {
            let before = std::mem::replace(bits, *bits | bit(role));
            return Ok(before != *bits);
        }
        if self.holders.len() >= HOLDERS_MAX {
            return Err(AdminRefusal::TooManyHolders);
        }
        self.holders.push((account, bit(role)));
        Ok(true)
    }

    /// Takes a role; answers whether the account had it.
    ///
    /// # Errors
    /// Nobody would be left who can give roles.
    pub fn revoke(&mut self, account: &AccountId, role: Role) -> Result<bool, AdminRefusal> {
        if !self.has(account, role) {
            return Ok(false);
        }
        if role == Role::SuperAdmin && self.with(role).len() == 1 {
            return Err(AdminRefusal::LastSuperAdmin(account.clone()));
        }
        for (_, bits) in self.holders.iter_mut().filter(|(holder, _)| holder == account) {
            *bits &= !bit(role);
        }
        self.holders.retain(|(_, bits)| *bits != 0);
        Ok(true)
    }

    fn with(&self, role: Role) -> Vec<AccountId> {
        let with = self.holders.iter().filter(|(_, bits)| bits & bit(role) != 0);
        with.map(|(account, _)| account.clone()).collect()
    }

    /// The accounts by role.
    pub fn view(&self) -> PermissionedAccounts {
        let of = |role| Grantees { admins: Vec::new(), grantees: self.with(role) };
        PermissionedAccounts {
            super_admins: self.with(Role::SuperAdmin),
            roles: GranteesByRole {
                registrar: of(Role::Registrar),
                pause_manager: of(Role::PauseManager),
                unpause_manager: of(Role::UnpauseManager),
                code_stager: of(Role::CodeStager),
                code_deployer: of(Role::CodeDeployer),
                duration_manager: of(Role::DurationManager),
            },
        }
    }
}

/// What can be paused, by the method's name. Append only: what is stored is the position.
///
/// Never paused are views, callbacks and asking again for what is recorded, and what only makes
/// things safer: a shard's own `pause`, `retire`, `cancel_rotation` and `stop_lane`.
pub const PAUSABLE: [&str; 21] = [
    "ALL",
    method::RESERVE,
    method::ACTIVATE,
    method::LAPSE,
    method::SET_TRANSPORT,
    method::TOP_UP,
    method::WITHDRAW,
    method::ROTATE,
    method::PROPOSE_ROTATION,
    method::APPLY_ROTATION,
    method::REKEY,
    method::OPEN_INCARNATION,
    method::RESUME,
    method::ATTEST,
    method::SYNC_SIGNER,
    method::PROPOSE_LANE,
    method::ACCEPT_LANE,
    method::WITHDRAW_PROPOSAL,
    method::RESUME_LANE,
    method::SUBMIT,
    method::CLOSE,
];

const _: () = assert!(PAUSABLE.len() <= 64);

/// What is paused: bit n stands for the n-th of [`PAUSABLE`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Paused(u64);

impl Paused {
    /// Whether a method is paused, by its own name or with all others.
    pub fn covers(self, method: &str) -> bool {
        let all = 1;
        self.0 & (all | feature(method).unwrap_or_default()) != 0
    }

    /// Pauses a method, or lifts its pause; answers whether that changed anything.
    ///
    /// # Errors
    /// No such method can be paused.
    pub fn set(&mut self, method: &str, paused: bool) -> Result<bool, AdminRefusal> {
        let bit = feature(method).ok_or_else(|| AdminRefusal::NotPausable(method.chars().take(64).collect()))?;
        let after = if paused { self.0 | bit } else { self.0 & !bit };
        let before = std::mem::replace(&mut self.0, after);
        Ok(before != after)
    }

    /// The names of what is paused.
    pub fn names(self) -> Vec<&'static str> {
        PAUSABLE.into_iter().enumerate().filter(|(n, _)| self.0 >> n & 1 == 1).map(|(_, name)| name).collect()
    }
}

fn feature(method: &str) -> Option<u64> {
    PAUSABLE.iter().position(|name| *name == method).map(|n| 1 << n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> AccountId {
        name.parse().expect("a valid account id")
    }

    #[test]
    fn roles_are_given_and_taken_one_by_one() {
        let (admin, eve) = (account("admin"), account("eve"));
        let mut roles = Roles::of(admin.clone());
        for role in Role::ALL.into_iter().skip(1) {
            assert!(!roles.has(&admin, role) && !roles.has(&eve, role));
            assert_eq!(roles.grant(eve.clone(), role), Ok(true));
            assert_eq!(roles.grant(eve.clone(), role), Ok(false));
            let held: Vec<_> = Role::ALL.into_iter().filter(|role| roles.has(&eve, *role)).collect();
            assert_eq!(held, [role]);
            assert_eq!(roles.revoke(&eve, role), Ok(true));
            assert_eq!(roles.revoke(&eve, role), Ok(false));
        }
        assert_eq!(roles, Roles::of(admin));
    }

    #[test]
    fn the_last_super_admin_stays() {
        let (admin, other) = (account("admin"), account("other"));
        let mut roles = Roles::of(admin.clone());
        assert_eq!(roles.revoke(&admin, Role::SuperAdmin), Err(AdminRefusal::LastSuperAdmin(admin.clone())));
        assert_eq!(roles.grant(other.clone(), Role::SuperAdmin), Ok(true));
        assert_eq!(roles.revoke(&admin, Role::SuperAdmin), Ok(true));
        assert_eq!(roles.revoke(&other, Role::SuperAdmin), Err(AdminRefusal::LastSuperAdmin(other)));
    }

    #[test]
    fn the_list_of_accounts_with_roles_has_an_end() {
        let mut roles = Roles::of(account("admin"));
        for n in 1..HOLDERS_MAX {
            assert_eq!(roles.grant(account(&format!("holder{n}")), Role::Registrar), Ok(true));
        }
        assert_eq!(roles.grant(account("eve"), Role::Registrar), Err(AdminRefusal::TooManyHolders));
        assert_eq!(roles.grant(account("holder1"), Role::CodeStager), Ok(true));
        assert_eq!(roles.revoke(&account("holder2"), Role::Registrar), Ok(true));
        assert_eq!(roles.grant(account("eve"), Role::Registrar), Ok(true));
    }

    #[test]
    fn each_method_is_paused_alone_or_with_all() {
        let mut paused = Paused::default();
        for name in &PAUSABLE[1..] {
            assert_eq!(paused.set(name, true), Ok(true));
            assert_eq!(paused.set(name, true), Ok(false));
            let covered: Vec<_> = PAUSABLE[1..].iter().filter(|name| paused.covers(name)).collect();
            assert_eq!(covered, [name]);
            assert_eq!(paused.names(), [*name]);
            assert_eq!(paused.set(name, false), Ok(true));
        }
        assert_eq!(paused.set("ALL", true), Ok(true));
        assert!(PAUSABLE.iter().all(|name| paused.covers(name)));
        assert_eq!(paused.set("atest", true), Err(AdminRefusal::NotPausable("atest".to_owned())));
    }
}
