//! Administration: registration, roles, pauses, upgrades.

use crate::ids::AccountId;
use serde::{Deserialize, Serialize};

/// What an account may do to the contract itself, each with one power.
///
/// Pausing and lifting a pause are two roles, so that whoever watches at night can stop the contract
/// and nobody who stole that key can start it. Staging code, deploying it and changing the delay
/// between them are three, so that no single key replaces the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Gives and takes roles, opens and closes registration.
    SuperAdmin = 0,
    /// Reserves names while registration is closed.
    Registrar = 1,
    /// Pauses methods by name.
    PauseManager = 2,
    /// Lifts pauses.
    UnpauseManager = 3,
    /// Stages code, in public, for the delay.
    CodeStager = 4,
    /// Deploys staged code after the delay.
    CodeDeployer = 5,
    /// Changes the delay, itself after the delay.
    DurationManager = 6,
}

impl Role {
    /// All roles, in the order in which the contract stores them: append only.
    pub const ALL: [Role; 7] = [
        Role::SuperAdmin,
        Role::Registrar,
        Role::PauseManager,
        Role::UnpauseManager,
        Role::CodeStager,
        Role::CodeDeployer,
        Role::DurationManager,
    ];
}

impl From<Role> for &'static str {
    fn from(role: Role) -> &'static str {
        match role {
            Role::SuperAdmin => "SuperAdmin",
            Role::Registrar => "Registrar",
            Role::PauseManager => "PauseManager",
            Role::UnpauseManager => "UnpauseManager",
            Role::CodeStager => "CodeStager",
            Role::CodeDeployer => "CodeDeployer",
            Role::DurationManager => "DurationManager",
        }
    }
}

/// Arguments of `acl_grant_role` and `acl_revoke_role`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleArgs {
    /// The role.
    pub role: Role,
    /// Who gets or loses it.
    pub account_id: AccountId,
}

/// Result of `acl_get_permissioned_accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionedAccounts {
    /// Who gives and takes roles.
    pub super_admins: Vec<AccountId>,
    /// Who has which of the other roles.
    pub roles: GranteesByRole,
}

/// Who has which role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GranteesByRole {
    /// [`Role::Registrar`].
    pub registrar: Grantees,
    /// [`Role::PauseManager`].
    pub pause_manager: Grantees,
    /// [`Role::UnpauseManager`].
    pub unpause_manager: Grantees,
    /// [`Role::CodeStager`].
    pub code_stager: Grantees,
    /// [`Role::CodeDeployer`].
    pub code_deployer: Grantees,
    /// [`Role::DurationManager`].
    pub duration_manager: Grantees,
}

/// Who has a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grantees {
    /// Always empty: super admins alone give roles.
    pub admins: Vec<AccountId>,
    /// The accounts.
    pub grantees: Vec<AccountId>,
}

/// Data of [`super::Event::RoleGranted`] and [`super::Event::RoleRevoked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChanged {
    /// The role.
    pub role: Role,
    /// Who got or lost it.
    pub account_id: AccountId,
    /// The super admin who said so.
    pub by: AccountId,
}

/// Arguments of `pa_pause_feature` and `pa_unpause_feature`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseArgs {
    /// A method's name, or `ALL`.
    pub key: String,
}

/// Data of [`super::Event::Paused`] and [`super::Event::Unpaused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseChanged {
    /// The method's name, or `ALL`.
    pub key: String,
    /// Who said so.
    pub by: AccountId,
}

/// Arguments of `set_open_registration`, and data of [`super::Event::RegistrationSet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationSet {
    /// Whether everybody may reserve a name, or the role Registrar only.
    pub open: bool,
}

/// Arguments of `up_deploy_code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployCodeArgs {
    /// SHA-256 of the staged code, in base58.
    pub hash: String,
    /// What the deployed code does at once; if that fails, nothing was deployed.
    pub function_call_args: Option<DeployCall>,
}

/// A call of deployed code by the contract itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployCall {
    /// The method: [`super::method::MIGRATE`].
    pub function_name: String,
    /// Its arguments.
    pub arguments: Vec<u8>,
    /// Its deposit in yoctoNEAR, in decimal.
    pub amount: String,
    /// Its gas, in gas units.
    pub gas: u64,
}

/// Arguments of `up_init_staging_duration` and `up_stage_update_staging_duration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayArgs {
    /// How long staged code shall wait, in nanoseconds.
    pub staging_duration: u64,
}

/// Result of `up_get_delay_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayStatus {
    /// How long staged code waits, in nanoseconds.
    pub staging_duration: Option<u64>,
    /// When the staged code may be deployed, in nanoseconds since 1970; `null` if none is staged.
    pub staging_timestamp: Option<u64>,
    /// The delay that shall replace it, in nanoseconds.
    pub new_staging_duration: Option<u64>,
    /// When that may be done, in nanoseconds since 1970.
    pub new_staging_duration_timestamp: Option<u64>,
}
