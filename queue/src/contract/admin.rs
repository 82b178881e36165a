//! Administration: registration, roles, pauses, upgrades.

use serde::{Deserialize, Serialize};

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
