//! Who may do what to the contract itself.

use crate::bridge::{Bridge, Role};
use crate::errors::AdminRefusal;
use near_plugins::{AccessControllable, Pausable};
use near_sdk::{AccountId, env};

impl Bridge {
    /// Whether `caller` may reserve a name.
    pub(crate) fn may_register(&self, caller: &AccountId) -> bool {
        self.open_registration || self.acl_has_role(Role::Registrar.into(), caller.clone())
    }

    /// Refuses whoever is no super admin.
    pub(crate) fn only_super_admin(&self) -> Result<(), AdminRefusal> {
        let caller = env::predecessor_account_id();
        if self.acl_is_super_admin(caller.clone()) { Ok(()) } else { Err(AdminRefusal::NotSuperAdmin(caller)) }
    }

    /// Refuses what is paused, where only a part of a method is: otherwise the method has the
    /// attribute `pause`.
    pub(crate) fn not_paused(&self, feature: &'static str) -> Result<(), AdminRefusal> {
        if self.pa_is_paused(feature.to_owned()) { Err(AdminRefusal::Paused(feature)) } else { Ok(()) }
    }
}
