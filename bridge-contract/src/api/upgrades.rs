//! Upgrades: code is staged in public, waits for the delay, and is deployed by its hash. Methods, JSON,
//! records and words are those of near-plugins' `Upgradable`, which would take 60 kB of Wasm, most of it
//! to read three methods' arguments.

use super::args;
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{AdminRefusal, Refusal};
use crate::storage::{self, UpgradeKey};
use near_sdk::{Gas, NearToken, Promise, bs58, env, near};
use queue::contract::{DelayArgs, DelayStatus, DeployCall, DeployCodeArgs, Role};

/// Gas for `up_verify_state`, which reads the root state.
const VERIFY_STATE_GAS: Gas = Gas::from_tgas(2);

#[near]
impl Bridge {
    /// Stages the code that is the raw input, in the place of any other; it waits anew. No input takes
    /// the staged code away. The role CodeStager.
    #[handle_result]
    pub fn up_stage_code(&mut self) -> Result<(), Refusal> {
        self.only(Role::CodeStager)?;
        let code = env::input().unwrap_or_default();
        if code.is_empty() {
            storage::remove_upgrade(UpgradeKey::Code);
            storage::remove_upgrade(UpgradeKey::StagingTimestamp);
        } else {
            storage::write_upgrade(UpgradeKey::Code, &code);
            storage::write_upgrade_ns(UpgradeKey::StagingTimestamp, after_delay());
        }
        Ok(())
    }

    /// Deploys the staged code once its delay has passed, by its hash, and has it make a call at once.
    /// If that fails, or the code can't read the state, nothing was deployed. The role CodeDeployer.
    #[handle_result]
    pub fn up_deploy_code(&mut self) -> Result<Promise, Refusal> {
        let DeployCodeArgs { hash, function_call_args } = args();
        self.only(Role::CodeDeployer)?;
        let ready_at_ns = storage::read_upgrade_ns(UpgradeKey::StagingTimestamp).ok_or(AdminRefusal::NothingStaged)?;
        if env::block_timestamp() < ready_at_ns {
            return Err(AdminRefusal::DeployTooEarly(ready_at_ns).into());
        }
        let code = storage::read_upgrade(UpgradeKey::Code).ok_or(AdminRefusal::NothingStaged)?;
        let expected = hash_of(&code);
        if hash != expected {
            return Err(AdminRefusal::OtherCode { expected }.into());
        }
        // One batch: a call that fails takes the deployment back.
        let mut promise = Promise::new(env::current_account_id()).deploy_contract(code);
        if let Some(DeployCall { function_name, arguments, amount, gas }) = function_call_args {
            let yocto = amount.parse().map_err(|_| AdminRefusal::NoAmount(amount))?;
            let (deposit, gas) = (NearToken::from_yoctonear(yocto), Gas::from_gas(gas));
            promise = promise.function_call(function_name, arguments, deposit, gas);
        }
        let nothing = NearToken::from_yoctonear(0);
        Ok(promise.function_call("up_verify_state", Vec::new(), nothing, VERIFY_STATE_GAS))
    }

    /// Fails unless the code reads the root state, which near-sdk does before any method that has one.
    pub fn up_verify_state(&self) {}

    /// The staged code.
    #[result_serializer(borsh)]
    pub fn up_staged_code(&self) -> Option<Vec<u8>> {
        storage::read_upgrade(UpgradeKey::Code)
    }

    /// SHA-256 of the staged code in base58.
    pub fn up_staged_code_hash(&self) -> Option<String> {
        storage::read_upgrade(UpgradeKey::Code).map(|code| hash_of(&code))
    }

    /// How long staged code waits, and what is under way.
    pub fn up_get_delay_status(&self) -> DelayStatus {
        DelayStatus {
            staging_duration: storage::read_upgrade_ns(UpgradeKey::StagingDuration),
            staging_timestamp: storage::read_upgrade_ns(UpgradeKey::StagingTimestamp),
            new_staging_duration: storage::read_upgrade_ns(UpgradeKey::NewStagingDuration),
            new_staging_duration_timestamp: storage::read_upgrade_ns(UpgradeKey::NewStagingDurationTimestamp),
        }
    }

    /// Sets the delay where there is none, which is nowhere: it is set before anybody has a role. The
    /// role DurationManager.
    #[handle_result]
    pub fn up_init_staging_duration(&mut self) -> Result<(), Refusal> {
        let DelayArgs { staging_duration } = args();
        self.only(Role::DurationManager)?;
        if storage::read_upgrade_ns(UpgradeKey::StagingDuration).is_some() {
            return Err(AdminRefusal::DelayIsSet.into());
        }
        storage::write_upgrade_ns(UpgradeKey::StagingDuration, staging_duration);
        Ok(())
    }

    /// Announces another delay, in the place of any other announcement. The role DurationManager.
    #[handle_result]
    pub fn up_stage_update_staging_duration(&mut self) -> Result<(), Refusal> {
        let DelayArgs { staging_duration } = args();
        self.only(Role::DurationManager)?;
        storage::write_upgrade_ns(UpgradeKey::NewStagingDuration, staging_duration);
        storage::write_upgrade_ns(UpgradeKey::NewStagingDurationTimestamp, after_delay());
        Ok(())
    }

    /// Sets the announced delay once the present one has passed. The role DurationManager.
    #[handle_result]
    pub fn up_apply_update_staging_duration(&mut self) -> Result<(), Refusal> {
        self.only(Role::DurationManager)?;
        let announced = storage::read_upgrade_ns(UpgradeKey::NewStagingDurationTimestamp)
            .zip(storage::read_upgrade_ns(UpgradeKey::NewStagingDuration));
        let (ready_at_ns, delay_ns) = announced.ok_or(AdminRefusal::NoDelayAnnounced)?;
        if env::block_timestamp() < ready_at_ns {
            return Err(AdminRefusal::DelayTooEarly(ready_at_ns).into());
        }
        storage::write_upgrade_ns(UpgradeKey::StagingDuration, delay_ns);
        Ok(())
    }

    /// With what the keys of these records begin.
    pub fn up_storage_prefix(&self) -> &'static [u8] {
        UpgradeKey::PREFIX
    }
}

/// When the present delay will have passed; nanoseconds since 1970.
fn after_delay() -> u64 {
    let delay_ns = storage::read_upgrade_ns(UpgradeKey::StagingDuration).expect("set by init and migrate");
    env::block_timestamp().saturating_add(delay_ns)
}

fn hash_of(code: &[u8]) -> String {
    bs58::encode(env::sha256_array(code)).into_string()
}
