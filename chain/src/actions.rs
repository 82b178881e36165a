//! What each action other than a call does to the receiver's account.

use near_crypto::{ED25519PublicKey, PublicKey};
use near_primitives::account::id::AccountType;
use near_primitives::account::{AccessKey, AccessKeyPermission, Account, AccountContract};
use near_primitives::errors::ActionErrorKind;
use near_primitives::hash::CryptoHash;
use near_primitives::receipt::Receipt;
use near_primitives::transaction::{Action, AddKeyAction, DeleteAccountAction, TransferAction};
use near_primitives::types::{AccountId, Balance, BlockHeight};

use crate::account::{access_key, access_key_storage, initial_nonce, set_access_key};
use crate::config::ChainConfig;
use crate::keys::{self, Column};
use crate::state::State;

/// The receiver while the actions of one receipt are applied to it.
pub(crate) struct Subject<'a> {
    pub(crate) config: &'a ChainConfig,
    pub(crate) height: BlockHeight,
    pub(crate) account_id: &'a AccountId,
    pub(crate) account: &'a mut Option<Account>,
    /// Who acts: the predecessor, until the account is created by this very receipt.
    pub(crate) actor: &'a mut AccountId,
    pub(crate) is_refund: bool,
    pub(crate) is_only_action: bool,
    /// Whose allowance a refund of gas goes back to.
    pub(crate) signer: (&'a AccountId, &'a PublicKey),
}

/// Applies one action; returns a receipt to send, if it makes one.
pub(crate) fn apply(
    state: &mut State,
    subject: &mut Subject<'_>,
    action: &Action,
) -> Result<Option<Receipt>, ActionErrorKind> {
    check_existence(subject, action)?;
    check_permission(subject, action)?;
    match action {
        Action::CreateAccount(_) => create_account(subject)?,
        Action::DeployContract(deploy) => deploy_contract(state, subject, &deploy.code),
        Action::Transfer(transfer) => apply_transfer(state, subject, transfer)?,
        Action::AddKey(add) => add_key(state, subject, add)?,
        Action::DeleteKey(delete) => delete_key(state, subject, &delete.public_key)?,
        Action::DeleteAccount(delete) => return delete_account(state, subject, delete),
        // Calls are run by the runtime; everything else is refused by validation.
        _ => {}
    }
    Ok(None)
}

/// Whether the receiver must exist, or must not, for this action.
pub(crate) fn check_existence(subject: &Subject<'_>, action: &Action) -> Result<(), ActionErrorKind> {
    let account_id = subject.account_id.clone();
    let exists = subject.account.is_some();
    match action {
        Action::CreateAccount(_) if exists => Err(ActionErrorKind::AccountAlreadyExists { account_id }),
        Action::CreateAccount(_) if account_id.get_account_type().is_implicit() => {
            Err(ActionErrorKind::OnlyImplicitAccountCreationAllowed { account_id })
        }
        Action::CreateAccount(_) => Ok(()),
        Action::Transfer(_) if !exists && creates_implicit_account(subject) => Ok(()),
        _ if exists => Ok(()),
        _ => Err(ActionErrorKind::AccountDoesNotExist { account_id }),
    }
}

/// A transfer creates an account named by its own ed25519 key. The other implicit kinds need global contracts,
/// which this chain doesn't have.
fn creates_implicit_account(subject: &Subject<'_>) -> bool {
    subject.account_id.get_account_type() == AccountType::NearImplicitAccount
        && subject.is_only_action
        && !subject.is_refund
}

fn check_permission(subject: &Subject<'_>, action: &Action) -> Result<(), ActionErrorKind> {
    let is_restricted = matches!(
        action,
        Action::DeployContract(_) | Action::AddKey(_) | Action::DeleteKey(_) | Action::DeleteAccount(_)
    );
    if is_restricted && subject.actor != subject.account_id {
        return Err(ActionErrorKind::ActorNoPermission {
            account_id: subject.account_id.clone(),
            actor_id: subject.actor.clone(),
        });
    }
    Ok(())
}

fn create_account(subject: &mut Subject<'_>) -> Result<(), ActionErrorKind> {
    let account_id = subject.account_id.clone();
    let rules = &subject.config.runtime.account_creation_config;
    if account_id.is_top_level() {
        let is_long_enough = account_id.len() >= usize::from(rules.min_allowed_top_level_account_length);
        if !is_long_enough && *subject.actor != rules.registrar_account_id {
            return Err(ActionErrorKind::CreateAccountOnlyByRegistrar {
                account_id,
                registrar_account_id: rules.registrar_account_id.clone(),
                predecessor_id: subject.actor.clone(),
            });
        }
    } else if !account_id.is_sub_account_of(&*subject.actor) {
        return Err(ActionErrorKind::CreateAccountNotAllowed { account_id, predecessor_id: subject.actor.clone() });
    }
    let storage = subject.config.runtime.fees.storage_usage_config.num_bytes_account;
    *subject.account = Some(Account::new(Balance::ZERO, Balance::ZERO, AccountContract::None, storage));
    *subject.actor = account_id;
    Ok(())
}

fn deploy_contract(state: &mut State, subject: &mut Subject<'_>, code: &[u8]) {
    let account_id = subject.account_id;
    let Some(account) = subject.account else { return };
    let key = keys::code(account_id);
    let old_bytes = byte_count(state.get(&key).map_or(0, <[u8]>::len));
    let storage = account.storage_usage().saturating_sub(old_bytes).saturating_add(byte_count(code.len()));
    account.set_storage_usage(storage);
    account
        .set_contract(AccountContract::Local(CryptoHash::hash_bytes(code)))
        .expect("this chain has no uninitialized accounts");
    state.put(&key, code);
}

fn apply_transfer(
    state: &mut State,
    subject: &mut Subject<'_>,
    transfer: &TransferAction,
) -> Result<(), ActionErrorKind> {
    match subject.account {
        Some(account) => account.set_amount(account.amount().saturating_add(transfer.deposit)),
        None => create_implicit_account(state, subject, transfer.deposit)?,
    }
    let (signer_id, public_key) = subject.signer;
    if subject.is_refund && signer_id == subject.account_id {
        refund_allowance(state, signer_id, public_key, transfer.deposit);
    }
    Ok(())
}

fn create_implicit_account(
    state: &mut State,
    subject: &mut Subject<'_>,
    deposit: Balance,
) -> Result<(), ActionErrorKind> {
    let account_id = subject.account_id;
    let bytes = hex::decode(account_id.as_str()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let Some(bytes) = bytes else {
        return Err(ActionErrorKind::AccountDoesNotExist { account_id: account_id.clone() });
    };
    let public_key = PublicKey::ED25519(ED25519PublicKey(bytes));
    let key = AccessKey { nonce: initial_nonce(subject.height), permission: AccessKeyPermission::FullAccess };
    let storage =
        subject.config.runtime.fees.storage_usage_config.num_bytes_account.saturating_add(access_key_storage(
            subject.config,
            &public_key,
            &key,
        ));
    set_access_key(state, account_id, &public_key, &key);
    *subject.account = Some(Account::new(deposit, Balance::ZERO, AccountContract::None, storage));
    Ok(())
}

fn refund_allowance(state: &mut State, account_id: &AccountId, public_key: &PublicKey, refund: Balance) {
    let Some(mut key) = access_key(state.entries(), account_id, public_key) else { return };
    let allowance = key.permission.function_call_permission_mut().and_then(|permission| permission.allowance.as_mut());
    if let Some(allowance) = allowance {
        *allowance = allowance.saturating_add(refund);
        set_access_key(state, account_id, public_key, &key);
    }
}

fn add_key(state: &mut State, subject: &mut Subject<'_>, add: &AddKeyAction) -> Result<(), ActionErrorKind> {
    let account_id = subject.account_id;
    if access_key(state.entries(), account_id, &add.public_key).is_some() {
        return Err(ActionErrorKind::AddKeyAlreadyExists {
            account_id: account_id.clone(),
            public_key: Box::new(add.public_key.clone()),
        });
    }
    let mut key = add.access_key.clone();
    key.nonce = initial_nonce(subject.height);
    set_access_key(state, account_id, &add.public_key, &key);
    if let Some(account) = subject.account {
        let bytes = access_key_storage(subject.config, &add.public_key, &key);
        account.set_storage_usage(account.storage_usage().saturating_add(bytes));
    }
    Ok(())
}

fn delete_key(state: &mut State, subject: &mut Subject<'_>, public_key: &PublicKey) -> Result<(), ActionErrorKind> {
    let account_id = subject.account_id;
    let Some(key) = access_key(state.entries(), account_id, public_key) else {
        return Err(ActionErrorKind::DeleteKeyDoesNotExist {
            account_id: account_id.clone(),
            public_key: Box::new(public_key.clone()),
        });
    };
    state.delete(&keys::access_key(account_id, public_key));
    if let Some(account) = subject.account {
        let bytes = access_key_storage(subject.config, public_key, &key);
        account.set_storage_usage(account.storage_usage().saturating_sub(bytes));
    }
    Ok(())
}

fn delete_account(
    state: &mut State,
    subject: &mut Subject<'_>,
    delete: &DeleteAccountAction,
) -> Result<Option<Receipt>, ActionErrorKind> {
    let account_id = subject.account_id;
    let Some(account) = subject.account.take() else { return Ok(None) };
    let code_bytes = byte_count(state.get(&keys::code(account_id)).map_or(0, <[u8]>::len));
    let other_bytes = account.storage_usage().saturating_sub(code_bytes);
    if other_bytes > Account::MAX_ACCOUNT_DELETION_STORAGE_USAGE {
        *subject.account = Some(account);
        return Err(ActionErrorKind::DeleteAccountWithLargeState { account_id: account_id.clone() });
    }
    state.delete(&keys::account(account_id));
    state.delete(&keys::code(account_id));
    state.delete_prefix(&keys::owned(Column::AccessKey, account_id));
    state.delete_prefix(&keys::owned(Column::Data, account_id));
    let balance = account.amount();
    Ok((!balance.is_zero()).then(|| Receipt::new_balance_refund(&delete.beneficiary_id, balance)))
}

fn byte_count(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("contracts are limited to 4 MiB")
}
