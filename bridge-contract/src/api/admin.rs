//! Administration: roles, pauses, and whether names are free to take.

use super::{args, emit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{AdminRefusal, Refusal};
use crate::storage;
use near_sdk::{AccountId, env, near};
use queue::contract::{
    Event, PauseArgs, PauseChanged, PermissionedAccounts, RegistrationSet, Role, RoleArgs, RoleChanged,
};

#[near]
impl Bridge {
    /// Gives a role; answers whether it is new. Super admins only.
    #[handle_result]
    pub fn acl_grant_role(&mut self) -> Result<bool, Refusal> {
        let RoleArgs { role, account_id } = args();
        let by = self.only(Role::SuperAdmin)?;
        let mut roles = storage::read_roles();
        let new = roles.grant(account_id.clone(), role)?;
        if new {
            storage::write_roles(&roles);
            emit(&Event::RoleGranted([RoleChanged { role, account_id, by }]));
        }
        Ok(new)
    }

    /// Takes a role; answers whether the account had it. Super admins only; one of them stays.
    #[handle_result]
    pub fn acl_revoke_role(&mut self) -> Result<bool, Refusal> {
        let RoleArgs { role, account_id } = args();
        let by = self.only(Role::SuperAdmin)?;
        let mut roles = storage::read_roles();
        let had = roles.revoke(&account_id, role)?;
        if had {
            storage::write_roles(&roles);
            emit(&Event::RoleRevoked([RoleChanged { role, account_id, by }]));
        }
        Ok(had)
    }

    /// Who has which role.
    pub fn acl_get_permissioned_accounts(&self) -> PermissionedAccounts {
        storage::read_roles().view()
    }

    /// Pauses a method, or `ALL`; answers whether it ran before. The role PauseManager.
    #[handle_result]
    pub fn pa_pause_feature(&mut self) -> Result<bool, Refusal> {
        let PauseArgs { key } = args();
        let by = self.only(Role::PauseManager)?;
        let changed = self.paused.set(&key, true)?;
        if changed {
            emit(&Event::Paused([PauseChanged { key, by }]));
        }
        Ok(changed)
    }

    /// Lifts a pause; answers whether there was one. The role UnpauseManager.
    #[handle_result]
    pub fn pa_unpause_feature(&mut self) -> Result<bool, Refusal> {
        let PauseArgs { key } = args();
        let by = self.only(Role::UnpauseManager)?;
        let changed = self.paused.set(&key, false)?;
        if changed {
            emit(&Event::Unpaused([PauseChanged { key, by }]));
        }
        Ok(changed)
    }

    /// What is paused.
    pub fn pa_all_paused(&self) -> Vec<&'static str> {
        self.paused.names()
    }

    /// Lets everybody reserve names, or registrars only. Super admins only.
    #[handle_result]
    pub fn set_open_registration(&mut self) -> Result<(), Refusal> {
        let RegistrationSet { open } = args();
        self.only(Role::SuperAdmin)?;
        self.open_registration = open;
        emit(&Event::RegistrationSet([RegistrationSet { open }]));
        Ok(())
    }

    /// Whether everybody may reserve a name.
    pub fn open_registration(&self) -> bool {
        self.open_registration
    }
}

impl Bridge {
    /// The caller, who must have this role.
    pub(super) fn only(&self, role: Role) -> Result<AccountId, AdminRefusal> {
        let caller = env::predecessor_account_id();
        if storage::read_roles().has(&caller, role) { Ok(caller) } else { Err(AdminRefusal::NoRole { caller, role }) }
    }

    /// Whether `caller` may reserve a name.
    pub(super) fn may_register(&self, caller: &AccountId) -> bool {
        self.open_registration || storage::read_roles().has(caller, Role::Registrar)
    }

    /// Refuses what is paused, where only a part of a method is: otherwise the method has the
    /// attribute `pause`.
    pub(super) fn not_paused(&self, method: &'static str) -> Result<(), AdminRefusal> {
        if self.paused.covers(method) { Err(AdminRefusal::Paused(method)) } else { Ok(()) }
    }

    /// What near-plugins' attribute `pause` asks.
    pub(super) fn pa_is_paused(&self, method: String) -> bool {
        self.paused.covers(&method)
    }
}
