//! When a transaction is valid, what it takes from its signer, and the receipt that it becomes.

use near_primitives::account::{AccessKey, AccessKeyPermission, Account, FunctionCallPermission};
use near_primitives::errors::{InvalidAccessKeyError, InvalidTxError};
use near_primitives::hash::CryptoHash;
use near_primitives::receipt::Receipt;
use near_primitives::transaction::{
    Action, ExecutionMetadata, ExecutionOutcome, ExecutionStatus, SignedTransaction, Transaction, ValidatedTransaction,
};
use near_primitives::types::BlockHeight;
use near_primitives::utils::create_receipt_id_from_transaction;

use crate::account::{access_key, account, set_access_key, set_account, storage_shortfall};
use crate::block::height_of;
use crate::config::{ChainConfig, GAS_PRICE, TRANSACTION_VALIDITY_BLOCKS, gas_cost};
use crate::fees::{TransactionCost, transaction_cost};
use crate::outcome;
use crate::runtime::Execution;
use crate::state::Entries;
use crate::validate;

/// A transaction that was valid when it was submitted and no longer is.
pub(crate) struct Rejected {
    pub(crate) hash: CryptoHash,
    pub(crate) error: InvalidTxError,
}

/// A valid transaction, and the signer's account and key once it is paid.
pub(crate) struct Accepted {
    cost: TransactionCost,
    account: Account,
    key: AccessKey,
}

/// Checks a transaction as the block at `height` would.
pub(crate) fn check(
    config: &ChainConfig,
    entries: &Entries,
    height: BlockHeight,
    signed: &SignedTransaction,
) -> Result<Accepted, InvalidTxError> {
    ValidatedTransaction::check_valid_for_config(&config.runtime, signed, config.protocol_version)?;
    let transaction = &signed.transaction;
    if transaction.nonce().nonce_index().is_some() {
        return Err(InvalidTxError::InvalidTransactionVersion);
    }
    validate::actions(config, transaction.actions()).map_err(InvalidTxError::ActionsValidation)?;
    if !signed.signature.verify(signed.get_hash().as_ref(), transaction.public_key()) {
        return Err(InvalidTxError::InvalidSignature);
    }
    let named = height_of(entries, transaction.block_hash()).ok_or(InvalidTxError::Expired)?;
    if height.saturating_sub(named) > TRANSACTION_VALIDITY_BLOCKS {
        return Err(InvalidTxError::Expired);
    }
    let cost = transaction_cost(config, transaction.signer_id(), transaction.receiver_id(), transaction.actions())
        .map_err(|_| InvalidTxError::CostOverflow)?;
    charge(config, entries, height, transaction, cost)
}

fn charge(
    config: &ChainConfig,
    entries: &Entries,
    height: BlockHeight,
    transaction: &Transaction,
    cost: TransactionCost,
) -> Result<Accepted, InvalidTxError> {
    let signer_id = transaction.signer_id();
    let public_key = transaction.public_key();
    let mut account = account(entries, signer_id)
        .ok_or_else(|| InvalidTxError::SignerDoesNotExist { signer_id: signer_id.clone() })?;
    let mut key =
        access_key(entries, signer_id, public_key).ok_or_else(|| InvalidAccessKeyError::AccessKeyNotFound {
            account_id: signer_id.clone(),
            public_key: Box::new(public_key.clone()),
        })?;
    check_nonce(height, transaction.nonce().nonce(), key.nonce)?;
    let balance = account.amount();
    let Some(rest) = balance.checked_sub(cost.total) else {
        return Err(InvalidTxError::NotEnoughBalance { signer_id: signer_id.clone(), balance, cost: cost.total });
    };
    account.set_amount(rest);
    key.nonce = transaction.nonce().nonce();
    spend_allowance(transaction, &mut key, &cost)?;
    if let Some(amount) = storage_shortfall(config, &account) {
        return Err(InvalidTxError::LackBalanceForState { signer_id: signer_id.clone(), amount });
    }
    if let AccessKeyPermission::FunctionCall(permission) = &key.permission {
        check_permission(transaction, permission)?;
    }
    Ok(Accepted { cost, account, key })
}

fn check_nonce(height: BlockHeight, tx_nonce: u64, ak_nonce: u64) -> Result<(), InvalidTxError> {
    if tx_nonce <= ak_nonce {
        return Err(InvalidTxError::InvalidNonce { tx_nonce, ak_nonce });
    }
    let upper_bound = height.saturating_mul(AccessKey::ACCESS_KEY_NONCE_RANGE_MULTIPLIER);
    if tx_nonce >= upper_bound {
        return Err(InvalidTxError::NonceTooLarge { tx_nonce, upper_bound });
    }
    Ok(())
}

/// A restricted key pays for gas from its allowance; it can't attach deposits at all.
fn spend_allowance(
    transaction: &Transaction,
    key: &mut AccessKey,
    cost: &TransactionCost,
) -> Result<(), InvalidAccessKeyError> {
    let allowance = key.permission.function_call_permission_mut().and_then(|permission| permission.allowance.as_mut());
    let Some(allowance) = allowance else { return Ok(()) };
    *allowance = allowance.checked_sub(cost.total).ok_or_else(|| InvalidAccessKeyError::NotEnoughAllowance {
        account_id: transaction.signer_id().clone(),
        public_key: Box::new(transaction.public_key().clone()),
        allowance: *allowance,
        cost: cost.total,
    })?;
    Ok(())
}

fn check_permission(
    transaction: &Transaction,
    permission: &FunctionCallPermission,
) -> Result<(), InvalidAccessKeyError> {
    let [Action::FunctionCall(call)] = transaction.actions() else {
        return Err(InvalidAccessKeyError::RequiresFullAccess);
    };
    if !call.deposit.is_zero() {
        return Err(InvalidAccessKeyError::DepositWithFunctionCall);
    }
    if transaction.receiver_id().as_str() != permission.receiver_id {
        return Err(InvalidAccessKeyError::ReceiverMismatch {
            tx_receiver: transaction.receiver_id().clone(),
            ak_receiver: permission.receiver_id.clone(),
        });
    }
    if !permission.method_names.is_empty() && !permission.method_names.contains(&call.method_name) {
        return Err(InvalidAccessKeyError::MethodNameMismatch { method_name: call.method_name.clone() });
    }
    Ok(())
}

/// Takes a transaction into the block: charges it, records it and sends its receipt.
///
/// Returns the receipt when it is for the signer's own account, since such a one runs in the same block.
pub(crate) fn include(
    execution: &mut Execution<'_>,
    signed: &SignedTransaction,
) -> Result<Option<Receipt>, InvalidTxError> {
    let hash = signed.get_hash();
    if outcome::is_executed(execution.state.entries(), &hash) {
        return Ok(None);
    }
    let height = execution.block.height;
    let accepted = check(execution.config, execution.state.entries(), height, signed)?;
    let transaction = &signed.transaction;
    set_account(execution.state, transaction.signer_id(), &accepted.account);
    set_access_key(execution.state, transaction.signer_id(), transaction.public_key(), &accepted.key);
    outcome::remember_transaction(execution.state, signed);

    let receipt_id = create_receipt_id_from_transaction(&hash, height);
    let gas_burnt = accepted.cost.gas_burnt;
    execution.gas_used = execution.gas_used.saturating_add(gas_burnt);
    execution.record(
        hash,
        ExecutionOutcome {
            logs: Vec::new(),
            receipt_ids: vec![receipt_id],
            gas_burnt,
            compute_usage: None,
            tokens_burnt: gas_cost(gas_burnt, GAS_PRICE),
            executor_id: transaction.signer_id().clone(),
            status: ExecutionStatus::SuccessReceiptId(receipt_id),
            metadata: ExecutionMetadata::V1,
        },
    );
    let receipt = Receipt::from_tx(
        receipt_id,
        transaction.signer_id().clone(),
        transaction.receiver_id().clone(),
        transaction.public_key().clone(),
        GAS_PRICE,
        transaction.actions().to_vec(),
    );
    if transaction.signer_id() == transaction.receiver_id() {
        outcome::remember_receipt(execution.state, &receipt);
        execution.history.push(receipt_id);
        return Ok(Some(receipt));
    }
    execution.send(&receipt);
    Ok(None)
}
