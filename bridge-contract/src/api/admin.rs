//! What super admins decide beside roles.

use super::emit;
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use near_sdk::near;
use queue::contract::{Event, RegistrationSet};

#[near]
impl Bridge {
    /// Lets everybody reserve names, or registrars only. Super admins only.
    #[handle_result]
    pub fn set_open_registration(&mut self, open: bool) -> Result<(), Refusal> {
        self.only_super_admin()?;
        self.open_registration = open;
        emit(&Event::RegistrationSet([RegistrationSet { open }]));
        Ok(())
    }

    /// Whether everybody may reserve a name.
    pub fn open_registration(&self) -> bool {
        self.open_registration
    }
}
