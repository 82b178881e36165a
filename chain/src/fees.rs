//! What actions and receipts cost to send and to execute, by the protocol's fee table.

use near_parameters::{ActionCosts, transfer_exec_fee, transfer_send_fee};
use near_primitives::account::AccessKeyPermission;
use near_primitives::errors::IntegerOverflowError;
use near_primitives::transaction::{Action, AddKeyAction};
use near_primitives::types::{AccountId, Balance, Gas};

use crate::config::{ChainConfig, GAS_PRICE};
use crate::promises::Draft;

/// Which half of a fee is asked for.
#[derive(Clone, Copy)]
enum Half {
    /// Burnt where the receipt is made; cheaper when the sender is the receiver.
    Send { to_self: bool },
    /// Burnt where the receipt runs.
    Execute,
}

/// What a transaction takes from its signer.
pub(crate) struct TransactionCost {
    /// Burnt when the transaction becomes a receipt.
    pub(crate) gas_burnt: Gas,
    /// Everything: gas burnt now, gas bought for later, deposits.
    pub(crate) total: Balance,
}

/// What a native call pays for a receipt that it makes.
pub(crate) struct DraftCost {
    /// Burnt where the receipt is made.
    pub(crate) burnt: Gas,
    /// Bought for the receipt's own execution.
    pub(crate) bought: Gas,
}

/// The cost of sending `draft` from `sender`, as the VM charges a contract for it.
pub(crate) fn draft_cost(
    config: &ChainConfig,
    sender: &AccountId,
    draft: &Draft,
) -> Result<DraftCost, IntegerOverflowError> {
    let to_self = *sender == draft.receiver_id;
    let inputs = u64::try_from(draft.input_data_ids.len()).map_err(|_| IntegerOverflowError)?;
    let data =
        |half| fee(config, half, ActionCosts::new_data_receipt_base).checked_mul(inputs).ok_or(IntegerOverflowError);
    Ok(DraftCost {
        burnt: sum([
            receipt_send(config, to_self),
            data(Half::Send { to_self })?,
            actions_send(config, to_self, &draft.receiver_id, &draft.actions)?,
        ])?,
        bought: sum([
            data(Half::Execute)?,
            prepaid_execution(config, &draft.receiver_id, &draft.actions)?,
            prepaid_gas(&draft.actions)?,
        ])?,
    })
}

/// The cost of a transaction with these actions.
pub(crate) fn transaction_cost(
    config: &ChainConfig,
    signer: &AccountId,
    receiver: &AccountId,
    actions: &[Action],
) -> Result<TransactionCost, IntegerOverflowError> {
    let gas_burnt =
        sum([receipt_send(config, signer == receiver), actions_send(config, signer == receiver, receiver, actions)?])?;
    let gas_bought = sum([prepaid_gas(actions)?, prepaid_execution(config, receiver, actions)?])?;
    let gas = price(sum([gas_burnt, gas_bought])?)?;
    let total = gas.checked_add(total_deposit(actions)?).ok_or(IntegerOverflowError)?;
    Ok(TransactionCost { gas_burnt, total })
}

/// Gas that the sender has paid for executing the receipt itself, besides what is attached to its calls.
pub(crate) fn prepaid_execution(
    config: &ChainConfig,
    receiver: &AccountId,
    actions: &[Action],
) -> Result<Gas, IntegerOverflowError> {
    let mut total = receipt_execution(config);
    for action in actions {
        total = sum([total, action_execution(config, receiver, action)?])?;
    }
    Ok(total)
}

/// Gas attached to the calls.
pub(crate) fn prepaid_gas(actions: &[Action]) -> Result<Gas, IntegerOverflowError> {
    sum(actions.iter().map(Action::get_prepaid_gas))
}

/// Tokens attached to the actions.
pub(crate) fn total_deposit(actions: &[Action]) -> Result<Balance, IntegerOverflowError> {
    actions
        .iter()
        .try_fold(Balance::ZERO, |total, action| total.checked_add(action.get_deposit_balance()))
        .ok_or(IntegerOverflowError)
}

pub(crate) fn receipt_send(config: &ChainConfig, to_self: bool) -> Gas {
    config.runtime.fees.fee(ActionCosts::new_action_receipt).send_fee(to_self).gas
}

pub(crate) fn receipt_execution(config: &ChainConfig) -> Gas {
    config.runtime.fees.fee(ActionCosts::new_action_receipt).exec_fee().gas
}

pub(crate) fn actions_send(
    config: &ChainConfig,
    to_self: bool,
    receiver: &AccountId,
    actions: &[Action],
) -> Result<Gas, IntegerOverflowError> {
    actions.iter().try_fold(Gas::ZERO, |total, action| {
        sum([total, action_fee(config, Half::Send { to_self }, receiver, action)?])
    })
}

pub(crate) fn action_execution(
    config: &ChainConfig,
    receiver: &AccountId,
    action: &Action,
) -> Result<Gas, IntegerOverflowError> {
    action_fee(config, Half::Execute, receiver, action)
}

fn action_fee(
    config: &ChainConfig,
    half: Half,
    receiver: &AccountId,
    action: &Action,
) -> Result<Gas, IntegerOverflowError> {
    let base = |cost| fee(config, half, cost);
    match action {
        Action::CreateAccount(_) => Ok(base(ActionCosts::create_account)),
        Action::DeployContract(deploy) => with_bytes(
            base(ActionCosts::deploy_contract_base),
            base(ActionCosts::deploy_contract_byte),
            deploy.code.len(),
        ),
        Action::FunctionCall(call) => with_bytes(
            base(ActionCosts::function_call_base),
            base(ActionCosts::function_call_byte),
            call.method_name.len().saturating_add(call.args.len()),
        ),
        Action::Transfer(_) => Ok(transfer_fee(config, half, receiver)),
        Action::AddKey(add) => add_key_fee(config, half, add),
        Action::DeleteKey(_) => Ok(base(ActionCosts::delete_key)),
        Action::DeleteAccount(_) => Ok(base(ActionCosts::delete_account)),
        // Refused by validation before anything is charged.
        Action::Stake(_)
        | Action::Delegate(_)
        | Action::DelegateV2(_)
        | Action::DeployGlobalContract(_)
        | Action::UseGlobalContract(_)
        | Action::DeterministicStateInit(_)
        | Action::UniversalStateInit(_)
        | Action::TransferToGasKey(_)
        | Action::WithdrawFromGasKey(_) => Ok(Gas::ZERO),
    }
}

fn add_key_fee(config: &ChainConfig, half: Half, add: &AddKeyAction) -> Result<Gas, IntegerOverflowError> {
    match &add.access_key.permission {
        AccessKeyPermission::FunctionCall(permission) => {
            // Each name is stored with a byte that ends it.
            let name_bytes =
                permission.method_names.iter().fold(0usize, |total, name| total.saturating_add(name.len() + 1));
            with_bytes(
                fee(config, half, ActionCosts::add_function_call_key_base),
                fee(config, half, ActionCosts::add_function_call_key_byte),
                name_bytes,
            )
        }
        _ => Ok(fee(config, half, ActionCosts::add_full_access_key)),
    }
}

fn transfer_fee(config: &ChainConfig, half: Half, receiver: &AccountId) -> Gas {
    let fees = &config.runtime.fees;
    let wasm = &config.runtime.wasm_config;
    let kind = receiver.get_account_type();
    match half {
        Half::Send { to_self } => {
            transfer_send_fee(fees, to_self, wasm.eth_implicit_accounts, wasm.universal_accounts, kind).gas
        }
        Half::Execute => transfer_exec_fee(fees, wasm.eth_implicit_accounts, wasm.universal_accounts, kind).gas,
    }
}

fn fee(config: &ChainConfig, half: Half, cost: ActionCosts) -> Gas {
    let fee = config.runtime.fees.fee(cost);
    match half {
        Half::Send { to_self } => fee.send_fee(to_self).gas,
        Half::Execute => fee.exec_fee().gas,
    }
}

fn with_bytes(base: Gas, per_byte: Gas, bytes: usize) -> Result<Gas, IntegerOverflowError> {
    let bytes = u64::try_from(bytes).map_err(|_| IntegerOverflowError)?;
    sum([base, per_byte.checked_mul(bytes).ok_or(IntegerOverflowError)?])
}

fn sum(parts: impl IntoIterator<Item = Gas>) -> Result<Gas, IntegerOverflowError> {
    parts.into_iter().try_fold(Gas::ZERO, |total, part| total.checked_add(part)).ok_or(IntegerOverflowError)
}

fn price(gas: Gas) -> Result<Balance, IntegerOverflowError> {
    GAS_PRICE.checked_mul(u128::from(gas.as_gas())).ok_or(IntegerOverflowError)
}
