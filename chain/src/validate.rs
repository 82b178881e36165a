//! What a list of actions, or a receipt that a contract made, must look like before anything is charged.

use near_primitives::account::AccessKeyPermission;
use near_primitives::errors::{ActionsValidationError, ReceiptValidationError};
use near_primitives::receipt::{Receipt, VersionedReceiptEnum};
use near_primitives::transaction::{Action, AddKeyAction, FunctionCallAction};
use near_primitives::types::AccountId;

use crate::config::ChainConfig;
use crate::fees::prepaid_gas;
use crate::state::encode;

/// Checks the actions of a transaction or a receipt against the protocol's limits.
///
/// Actions that this chain doesn't have (staking, meta transactions, global contracts, gas keys) are refused
/// by name, as a network refuses those of a later protocol version.
pub(crate) fn actions(config: &ChainConfig, actions: &[Action]) -> Result<(), ActionsValidationError> {
    let limits = &config.runtime.wasm_config.limit_config;
    let count = length(actions.len());
    if count > limits.max_actions_per_receipt {
        return Err(ActionsValidationError::TotalNumberOfActionsExceeded {
            total_number_of_actions: count,
            limit: limits.max_actions_per_receipt,
        });
    }
    for (index, action) in actions.iter().enumerate() {
        if matches!(action, Action::DeleteAccount(_)) && index + 1 != actions.len() {
            return Err(ActionsValidationError::DeleteActionMustBeFinal);
        }
        one_action(config, action)?;
    }
    let total_prepaid_gas = prepaid_gas(actions).map_err(|_| ActionsValidationError::IntegerOverflow)?;
    if total_prepaid_gas > limits.max_total_prepaid_gas {
        return Err(ActionsValidationError::TotalPrepaidGasExceeded {
            total_prepaid_gas,
            limit: limits.max_total_prepaid_gas,
        });
    }
    Ok(())
}

/// Checks a receipt that a call has made.
pub(crate) fn new_receipt(config: &ChainConfig, receipt: &Receipt) -> Result<(), ReceiptValidationError> {
    let limits = &config.runtime.wasm_config.limit_config;
    let size = length(encode(receipt).len());
    if size > limits.max_receipt_size {
        return Err(ReceiptValidationError::ReceiptSizeExceeded { size, limit: limits.max_receipt_size });
    }
    match receipt.versioned_receipt() {
        VersionedReceiptEnum::Action(action) | VersionedReceiptEnum::PromiseYield(action) => {
            let inputs = length(action.input_data_ids().len());
            if inputs > limits.max_number_input_data_dependencies {
                return Err(ReceiptValidationError::NumberInputDataDependenciesExceeded {
                    number_of_input_data_dependencies: inputs,
                    limit: limits.max_number_input_data_dependencies,
                });
            }
            actions(config, action.actions()).map_err(ReceiptValidationError::ActionsValidation)
        }
        VersionedReceiptEnum::Data(data) | VersionedReceiptEnum::PromiseResume(data) => {
            let returned = length(data.data.as_ref().map_or(0, Vec::len));
            if returned > limits.max_length_returned_data {
                return Err(ReceiptValidationError::ReturnedValueLengthExceeded {
                    length: returned,
                    limit: limits.max_length_returned_data,
                });
            }
            Ok(())
        }
        VersionedReceiptEnum::GlobalContractDistribution(_) => Ok(()),
    }
}

fn one_action(config: &ChainConfig, action: &Action) -> Result<(), ActionsValidationError> {
    match action {
        Action::DeployContract(deploy) => {
            let limit = config.runtime.wasm_config.limit_config.max_contract_size;
            let size = length(deploy.code.len());
            if size > limit {
                return Err(ActionsValidationError::ContractSizeExceeded { size, limit });
            }
            Ok(())
        }
        Action::FunctionCall(call) => function_call(config, call),
        Action::AddKey(add) => add_key(config, add),
        Action::CreateAccount(_) | Action::Transfer(_) | Action::DeleteKey(_) | Action::DeleteAccount(_) => Ok(()),
        Action::Stake(_) => Err(unsupported(config, "Stake")),
        Action::Delegate(_) | Action::DelegateV2(_) => Err(unsupported(config, "Delegate")),
        Action::DeployGlobalContract(_) | Action::UseGlobalContract(_) => Err(unsupported(config, "GlobalContracts")),
        Action::DeterministicStateInit(_) => Err(unsupported(config, "DeterministicAccountIds")),
        Action::UniversalStateInit(_) => Err(unsupported(config, "UniversalAccounts")),
        Action::TransferToGasKey(_) | Action::WithdrawFromGasKey(_) => Err(unsupported(config, "GasKeys")),
    }
}

fn function_call(config: &ChainConfig, call: &FunctionCallAction) -> Result<(), ActionsValidationError> {
    let limits = &config.runtime.wasm_config.limit_config;
    if call.gas.as_gas() == 0 {
        return Err(ActionsValidationError::FunctionCallZeroAttachedGas);
    }
    let name = length(call.method_name.len());
    if name > limits.max_length_method_name {
        return Err(ActionsValidationError::FunctionCallMethodNameLengthExceeded {
            length: name,
            limit: limits.max_length_method_name,
        });
    }
    let arguments = length(call.args.len());
    if arguments > limits.max_arguments_length {
        return Err(ActionsValidationError::FunctionCallArgumentsLengthExceeded {
            length: arguments,
            limit: limits.max_arguments_length,
        });
    }
    Ok(())
}

fn add_key(config: &ChainConfig, add: &AddKeyAction) -> Result<(), ActionsValidationError> {
    let limits = &config.runtime.wasm_config.limit_config;
    let permission = match &add.access_key.permission {
        AccessKeyPermission::FullAccess => return Ok(()),
        AccessKeyPermission::FunctionCall(permission) => permission,
        AccessKeyPermission::GasKeyFunctionCall(..) | AccessKeyPermission::GasKeyFullAccess(_) => {
            return Err(unsupported(config, "GasKeys"));
        }
    };
    if permission.receiver_id.parse::<AccountId>().is_err() {
        return Err(ActionsValidationError::InvalidAccountId { account_id: permission.receiver_id.clone() });
    }
    let mut total_number_of_bytes = 0u64;
    for name in &permission.method_names {
        let name = length(name.len());
        if name > limits.max_length_method_name {
            return Err(ActionsValidationError::AddKeyMethodNameLengthExceeded {
                length: name,
                limit: limits.max_length_method_name,
            });
        }
        total_number_of_bytes = total_number_of_bytes.saturating_add(name).saturating_add(1);
    }
    if total_number_of_bytes > limits.max_number_bytes_method_names {
        return Err(ActionsValidationError::AddKeyMethodNamesNumberOfBytesExceeded {
            total_number_of_bytes,
            limit: limits.max_number_bytes_method_names,
        });
    }
    Ok(())
}

fn unsupported(config: &ChainConfig, feature: &str) -> ActionsValidationError {
    ActionsValidationError::UnsupportedProtocolFeature {
        protocol_feature: feature.to_owned(),
        version: config.protocol_version,
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
