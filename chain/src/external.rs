//! What a running contract sees of the chain: its storage, the receipts that it makes, yields.
//!
//! There is no trie, so nothing is charged for trie nodes beyond what the VM itself charges for an access.

use std::collections::BTreeMap;

use near_crypto::PublicKey;
use near_primitives::account::{AccessKey, AccessKeyPermission, FunctionCallPermission};
use near_primitives::action as actions;
use near_primitives::deterministic_account_id::{DeterministicAccountStateInit, DeterministicAccountStateInitV1};
use near_primitives::hash::{CryptoHash, YieldId};
use near_primitives::transaction::Action;
use near_primitives::types::{AccountId, Balance, Gas, GasWeight, Nonce, NonceIndex};
use near_primitives::universal_state_init::{
    DecodeMode, RawStateInit, StateInitError, UniversalStateInit, UniversalStateInitCounts, state_init_send_counts,
};
use near_vm_runner::logic::types::{ActionIndex, GlobalContractDeployMode, GlobalContractIdentifier, ReceiptIndex};
use near_vm_runner::logic::{External, HostError, StorageAccessTracker, VMLogicError, ValuePtr};

use crate::keys::{self, Column};
use crate::promises::{DataIds, Draft, Promises};
use crate::state::State;
use crate::yields;

type Result<T> = std::result::Result<T, VMLogicError>;

/// The chain as one contract call sees it.
pub(crate) struct ContractExternal<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) account_id: &'a AccountId,
    pub(crate) chain_id: &'a str,
    pub(crate) ids: DataIds,
    pub(crate) promises: Promises,
}

impl ContractExternal<'_> {
    fn storage_key(&self, key: &[u8]) -> Vec<u8> {
        keys::owned_part(Column::Data, self.account_id, key)
    }

    fn append(&mut self, receipt: ReceiptIndex, action: Action, weight: u64) {
        let appended = self.promises.append(draft_index(receipt), action, weight);
        debug_assert!(appended, "the VM only names receipts that it got from us");
    }

    fn add_key(&mut self, receipt: ReceiptIndex, public_key: PublicKey, access_key: AccessKey) {
        let action = actions::AddKeyAction { public_key, access_key };
        self.append(receipt, Action::AddKey(Box::new(action)), 0);
    }
}

struct Value<'a>(&'a [u8]);

impl ValuePtr for Value<'_> {
    fn len(&self) -> u32 {
        u32::try_from(self.0.len()).expect("storage values are limited to 4 MiB")
    }

    fn deref(&self, _tracker: &mut dyn StorageAccessTracker) -> Result<Vec<u8>> {
        Ok(self.0.to_vec())
    }
}

impl External for ContractExternal<'_> {
    fn storage_set(
        &mut self,
        tracker: &mut dyn StorageAccessTracker,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let key = self.storage_key(key);
        let evicted = self.state.get(&key).map(<[u8]>::to_vec);
        if let Some(evicted) = &evicted {
            tracker.deref_write_evicted_value_bytes(byte_count(evicted))?;
        }
        self.state.put(&key, value);
        Ok(evicted)
    }

    fn storage_get<'a>(
        &'a self,
        _tracker: &mut dyn StorageAccessTracker,
        key: &[u8],
    ) -> Result<Option<Box<dyn ValuePtr + 'a>>> {
        let value = self.state.get(&self.storage_key(key));
        Ok(value.map(|bytes| Box::new(Value(bytes)) as Box<dyn ValuePtr + 'a>))
    }

    fn storage_remove(&mut self, tracker: &mut dyn StorageAccessTracker, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = self.storage_key(key);
        let Some(removed) = self.state.get(&key).map(<[u8]>::to_vec) else { return Ok(None) };
        tracker.deref_removed_value_bytes(byte_count(&removed))?;
        self.state.delete(&key);
        Ok(Some(removed))
    }

    fn storage_has_key(&mut self, _tracker: &mut dyn StorageAccessTracker, key: &[u8]) -> Result<bool> {
        Ok(self.state.contains(&self.storage_key(key)))
    }

    fn generate_data_id(&mut self) -> CryptoHash {
        self.ids.next()
    }

    fn get_recorded_storage_size(&self) -> usize {
        0
    }

    fn storage_proof_size_before_receipt(&self) -> usize {
        0
    }

    fn validator_stake(&self, _account_id: &AccountId) -> Result<Option<Balance>> {
        Ok(None)
    }

    fn validator_total_stake(&self) -> Result<Balance> {
        Ok(Balance::ZERO)
    }

    fn chain_id(&self) -> String {
        self.chain_id.to_owned()
    }

    fn create_action_receipt(
        &mut self,
        receipt_indices: Vec<ReceiptIndex>,
        receiver_id: AccountId,
    ) -> Result<ReceiptIndex> {
        let dependencies: Vec<usize> = receipt_indices.into_iter().map(draft_index).collect();
        self.promises
            .create(&dependencies, receiver_id, &mut self.ids)
            .map(receipt_index)
            .ok_or_else(|| HostError::InvalidReceiptIndex { receipt_index: u64::MAX }.into())
    }

    fn create_promise_yield_receipt(&mut self, receiver_id: AccountId) -> Result<(ReceiptIndex, CryptoHash)> {
        let (index, data_id) = self.promises.create_yield(receiver_id, &mut self.ids);
        Ok((receipt_index(index), data_id))
    }

    /// Not linked before protocol version 85.
    fn create_promise_yield_receipt_with_id(
        &mut self,
        _receiver_id: AccountId,
        _user_yield_id: YieldId,
    ) -> Result<Option<(ReceiptIndex, CryptoHash)>> {
        Err(HostError::YieldIdMalformed.into())
    }

    fn submit_promise_resume_data(&mut self, data_id: CryptoHash, data: Vec<u8>) -> Result<bool> {
        let is_waiting = yields::is_waiting(self.state, self.account_id, &data_id);
        if !is_waiting && !self.promises.has_yield(&data_id) {
            return Ok(false);
        }
        self.promises.resume(data_id, data);
        Ok(true)
    }

    /// Not linked before protocol version 85.
    fn submit_promise_resume_data_with_yield_id(&mut self, _user_yield_id: YieldId, _data: Vec<u8>) -> Result<bool> {
        Ok(false)
    }

    fn append_action_create_account(&mut self, receipt: ReceiptIndex) {
        self.append(receipt, Action::CreateAccount(actions::CreateAccountAction {}), 0);
    }

    fn append_action_deploy_contract(&mut self, receipt: ReceiptIndex, code: Vec<u8>) {
        self.append(receipt, Action::DeployContract(actions::DeployContractAction { code }), 0);
    }

    fn append_action_deploy_global_contract(
        &mut self,
        receipt: ReceiptIndex,
        code: Vec<u8>,
        mode: GlobalContractDeployMode,
    ) {
        let deploy_mode = match mode {
            GlobalContractDeployMode::CodeHash => actions::GlobalContractDeployMode::CodeHash,
            GlobalContractDeployMode::AccountId => actions::GlobalContractDeployMode::AccountId,
        };
        let action = actions::DeployGlobalContractAction { code: code.into(), deploy_mode };
        self.append(receipt, Action::DeployGlobalContract(action), 0);
    }

    fn append_action_use_global_contract(&mut self, receipt: ReceiptIndex, contract_id: GlobalContractIdentifier) {
        let action = actions::UseGlobalContractAction { contract_identifier: contract_id.into() };
        self.append(receipt, Action::UseGlobalContract(Box::new(action)), 0);
    }

    fn append_action_deterministic_state_init(
        &mut self,
        receipt: ReceiptIndex,
        contract_id: GlobalContractIdentifier,
        amount: Balance,
    ) -> ActionIndex {
        let state_init = DeterministicAccountStateInit::V1(DeterministicAccountStateInitV1 {
            code: contract_id.into(),
            data: BTreeMap::new(),
        });
        let position = self.promises.draft(draft_index(receipt)).map_or(0, |draft| draft.actions.len());
        let action = actions::DeterministicStateInitAction { state_init, deposit: amount };
        self.append(receipt, Action::DeterministicStateInit(Box::new(action)), 0);
        receipt_index(position)
    }

    fn set_deterministic_state_init_data_entry(
        &mut self,
        receipt: ReceiptIndex,
        action_index: ActionIndex,
        key: Vec<u8>,
        value: Vec<u8>,
    ) -> Result<()> {
        let draft = self.promises.draft_mut(draft_index(receipt));
        let action = draft.and_then(|draft| draft.actions.get_mut(draft_index(action_index)));
        if let Some(Action::DeterministicStateInit(init)) = action {
            init.state_init.data_mut().insert(key, value);
        }
        Ok(())
    }

    fn check_state_init(&self, state_init: &RawStateInit) -> std::result::Result<(), StateInitError> {
        UniversalStateInit::from_raw_strict(state_init).map(|_| ())
    }

    fn state_init_send_counts(&self, state_init: &RawStateInit, mode: DecodeMode) -> UniversalStateInitCounts {
        state_init_send_counts(state_init, mode)
    }

    fn append_action_universal_state_init(&mut self, receipt: ReceiptIndex, state_init: RawStateInit, amount: Balance) {
        let action = actions::UniversalStateInitAction { state_init, deposit: amount };
        self.append(receipt, Action::UniversalStateInit(Box::new(action)), 0);
    }

    fn append_action_function_call_weight(
        &mut self,
        receipt: ReceiptIndex,
        method_name: Vec<u8>,
        args: Vec<u8>,
        attached_deposit: Balance,
        prepaid_gas: Gas,
        gas_weight: GasWeight,
    ) -> Result<()> {
        let method_name = String::from_utf8(method_name).map_err(|_| HostError::InvalidMethodName)?;
        let action = actions::FunctionCallAction { method_name, args, gas: prepaid_gas, deposit: attached_deposit };
        self.append(receipt, Action::FunctionCall(Box::new(action)), gas_weight.0);
        Ok(())
    }

    fn append_action_transfer(&mut self, receipt: ReceiptIndex, deposit: Balance) {
        self.append(receipt, Action::Transfer(actions::TransferAction { deposit }), 0);
    }

    fn append_action_transfer_to_gas_key(&mut self, receipt: ReceiptIndex, public_key: PublicKey, deposit: Balance) {
        let action = actions::TransferToGasKeyAction { public_key, deposit };
        self.append(receipt, Action::TransferToGasKey(Box::new(action)), 0);
    }

    fn append_action_add_gas_key_with_full_access(
        &mut self,
        receipt: ReceiptIndex,
        public_key: PublicKey,
        num_nonces: NonceIndex,
    ) {
        self.add_key(receipt, public_key, AccessKey::gas_key_full_access(num_nonces));
    }

    fn append_action_add_gas_key_with_function_call(
        &mut self,
        receipt: ReceiptIndex,
        public_key: PublicKey,
        num_nonces: NonceIndex,
        allowance: Option<Balance>,
        receiver_id: AccountId,
        method_names: Vec<Vec<u8>>,
    ) -> Result<()> {
        let permission = function_call_permission(allowance, &receiver_id, method_names)?;
        self.add_key(receipt, public_key, AccessKey::gas_key_function_call(num_nonces, permission));
        Ok(())
    }

    fn append_action_stake(&mut self, receipt: ReceiptIndex, stake: Balance, public_key: PublicKey) {
        let action = actions::StakeAction { stake, public_key };
        self.append(receipt, Action::Stake(Box::new(action)), 0);
    }

    fn append_action_add_key_with_full_access(&mut self, receipt: ReceiptIndex, public_key: PublicKey, nonce: Nonce) {
        self.add_key(receipt, public_key, AccessKey { nonce, permission: AccessKeyPermission::FullAccess });
    }

    fn append_action_add_key_with_function_call(
        &mut self,
        receipt: ReceiptIndex,
        public_key: PublicKey,
        nonce: Nonce,
        allowance: Option<Balance>,
        receiver_id: AccountId,
        method_names: Vec<Vec<u8>>,
    ) -> Result<()> {
        let permission = function_call_permission(allowance, &receiver_id, method_names)?;
        let permission = AccessKeyPermission::FunctionCall(permission);
        self.add_key(receipt, public_key, AccessKey { nonce, permission });
        Ok(())
    }

    fn append_action_delete_key(&mut self, receipt: ReceiptIndex, public_key: PublicKey) {
        let action = actions::DeleteKeyAction { public_key };
        self.append(receipt, Action::DeleteKey(Box::new(action)), 0);
    }

    fn append_action_delete_account(&mut self, receipt: ReceiptIndex, beneficiary_id: AccountId) {
        self.append(receipt, Action::DeleteAccount(actions::DeleteAccountAction { beneficiary_id }), 0);
    }

    fn get_receipt_receiver(&self, receipt: ReceiptIndex) -> &AccountId {
        let draft: Option<&Draft> = self.promises.draft(draft_index(receipt));
        &draft.expect("the VM only names receipts that it got from us").receiver_id
    }

    fn set_refund_to(&mut self, receipt: ReceiptIndex, refund_to: AccountId) {
        if let Some(draft) = self.promises.draft_mut(draft_index(receipt)) {
            draft.refund_to = Some(refund_to);
        }
    }

    fn post_quantum_keys_enabled(&self) -> bool {
        false
    }
}

fn function_call_permission(
    allowance: Option<Balance>,
    receiver_id: &AccountId,
    method_names: Vec<Vec<u8>>,
) -> Result<FunctionCallPermission> {
    let method_names: std::result::Result<Vec<String>, _> = method_names.into_iter().map(String::from_utf8).collect();
    Ok(FunctionCallPermission {
        allowance,
        receiver_id: receiver_id.to_string(),
        method_names: method_names.map_err(|_| HostError::InvalidMethodName)?,
    })
}

/// An index that no draft has when it doesn't fit.
fn draft_index(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn receipt_index(index: usize) -> u64 {
    u64::try_from(index).expect("a call makes at most 1,024 promises")
}

fn byte_count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("storage values are limited to 4 MiB")
}
