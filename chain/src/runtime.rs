//! Runs one receipt: its actions in order, all or nothing; then refunds, rewards, data for whoever waits, and
//! the outcome.

use std::collections::VecDeque;

use near_primitives::account::Account;
use near_primitives::errors::{ActionError, ActionErrorKind, TxExecutionError};
use near_primitives::hash::CryptoHash;
use near_primitives::profile_data_v3::ProfileDataV3;
use near_primitives::receipt::{
    DataReceipt, DataReceiver, Receipt, ReceiptEnum, VersionedActionReceipt, VersionedReceiptEnum,
};
use near_primitives::transaction::{Action, ExecutionMetadata, ExecutionOutcome, ExecutionStatus, FunctionCallAction};
use near_primitives::types::{AccountId, Balance, Gas};
use near_primitives::utils::{
    create_action_hash_from_receipt_id, create_random_seed, create_receipt_id_from_receipt_id,
};
use near_vm_runner::ContractRuntimeCache;
use near_vm_runner::logic::ReturnData;

use crate::account::{account, set_account, storage_shortfall};
use crate::actions::{self, Subject};
use crate::block::BlockRecord;
use crate::config::{ChainConfig, GAS_PRICE, gas_cost};
use crate::execute::{Call, CallResult, call_contract};
use crate::fees;
use crate::outcome;
use crate::promises::{self, Origin};
use crate::receipts;
use crate::signer::{self, SignerAccount, SignerFault};
use crate::state::State;
use crate::validate;
use crate::yields;

/// Everything that a block needs while it is being made.
pub(crate) struct Execution<'a> {
    pub(crate) config: &'a ChainConfig,
    pub(crate) cache: &'a dyn ContractRuntimeCache,
    pub(crate) block: &'a BlockRecord,
    pub(crate) state: &'a mut State,
    pub(crate) signer: Option<&'a SignerAccount>,
    pub(crate) faults: &'a mut VecDeque<SignerFault>,
    /// Ids of what this block leaves in the history.
    pub(crate) history: Vec<CryptoHash>,
    pub(crate) gas_used: Gas,
}

/// The running total of a receipt's actions.
struct Run {
    gas_burnt: Gas,
    gas_used: Gas,
    /// The part that earns the contract its reward.
    gas_burnt_by_calls: Gas,
    logs: Vec<String>,
    profile: ProfileDataV3,
    new_receipts: Vec<Receipt>,
    end: Result<ReturnData, ActionError>,
}

impl Run {
    fn burn(&mut self, gas: Gas) {
        self.gas_burnt = self.gas_burnt.saturating_add(gas);
        self.gas_used = self.gas_used.saturating_add(gas);
    }

    fn fail(&mut self, index: Option<usize>, kind: ActionErrorKind) {
        self.new_receipts.clear();
        let index = index.map(|index| u64::try_from(index).expect("a receipt has at most 100 actions"));
        self.end = Err(ActionError { index, kind });
    }
}

impl Execution<'_> {
    /// Takes in a receipt and runs whatever may run because of it.
    pub(crate) fn process(&mut self, receipt: Receipt) {
        if let Some(ready) = receipts::arrive(self.state, receipt) {
            self.run(&ready);
        }
    }

    fn run(&mut self, receipt: &Receipt) {
        let (VersionedReceiptEnum::Action(action) | VersionedReceiptEnum::PromiseYield(action)) =
            receipt.versioned_receipt()
        else {
            return;
        };
        let inputs = receipts::take_inputs(self.state, receipt.receiver_id(), action.input_data_ids());
        let before = self.state.snapshot();
        let mut run = self.run_actions(receipt, &action, &inputs);
        if run.end.is_err() {
            self.state.restore(before);
        }
        if !receipt.predecessor_id().is_system() {
            self.refund(receipt, &action, &mut run);
        }
        self.reward(receipt.receiver_id(), run.gas_burnt_by_calls);
        answer_waiting(receipt.receiver_id(), action.output_data_receivers(), &mut run);
        self.finish(receipt, run);
    }

    fn run_actions(
        &mut self,
        receipt: &Receipt,
        action_receipt: &VersionedActionReceipt<'_>,
        inputs: &[Option<Vec<u8>>],
    ) -> Run {
        let account_id = receipt.receiver_id();
        let mut account = account(self.state.entries(), account_id);
        let mut actor = receipt.predecessor_id().clone();
        let mut run = Run {
            gas_burnt: Gas::ZERO,
            gas_used: Gas::ZERO,
            gas_burnt_by_calls: Gas::ZERO,
            logs: Vec::new(),
            profile: ProfileDataV3::default(),
            new_receipts: Vec::new(),
            end: Ok(ReturnData::None),
        };
        run.burn(fees::receipt_execution(self.config));
        let actions = action_receipt.actions();
        for (index, action) in actions.iter().enumerate() {
            let fee = fees::action_execution(self.config, account_id, action);
            run.burn(fee.expect("the same fee was charged when the receipt was made"));
            let mut subject = Subject {
                config: self.config,
                height: self.block.height,
                account_id,
                account: &mut account,
                actor: &mut actor,
                is_refund: receipt.predecessor_id().is_system(),
                is_only_action: actions.len() == 1,
                signer: (action_receipt.signer_id(), action_receipt.signer_public_key()),
            };
            let applied = actions::apply(self.state, &mut subject, action);
            match applied {
                Ok(sent) => run.new_receipts.extend(sent),
                Err(kind) => run.fail(Some(index), kind),
            }
            if let (Ok(_), Action::FunctionCall(call)) = (&run.end, action) {
                self.run_call(receipt, action_receipt, inputs, index, call, &mut account, &mut run);
            }
            if run.end.is_err() {
                return run;
            }
        }
        self.settle_account(account_id, account.as_ref(), &mut run);
        run
    }

    /// The account is stored only when its balance covers its storage.
    fn settle_account(&mut self, account_id: &AccountId, account: Option<&Account>, run: &mut Run) {
        let Some(account) = account else { return };
        if let Some(amount) = storage_shortfall(self.config, account) {
            run.fail(None, ActionErrorKind::LackBalanceForState { account_id: account_id.clone(), amount });
            return;
        }
        set_account(self.state, account_id, account);
    }

    #[allow(clippy::too_many_arguments, reason = "a call sees all of its receipt, and a struct would be used once")]
    fn run_call(
        &mut self,
        receipt: &Receipt,
        action_receipt: &VersionedActionReceipt<'_>,
        inputs: &[Option<Vec<u8>>],
        index: usize,
        call: &FunctionCallAction,
        account: &mut Option<Account>,
        run: &mut Run,
    ) {
        let Some(account) = account else { return };
        let is_last = index + 1 == action_receipt.actions().len();
        let receivers = if is_last { action_receipt.output_data_receivers() } else { &[] };
        let action_hash = create_action_hash_from_receipt_id(receipt.receipt_id(), self.block.height, index);
        let result = self.dispatch(
            account,
            Call {
                account_id: receipt.receiver_id(),
                signer_id: action_receipt.signer_id(),
                signer_public_key: action_receipt.signer_public_key(),
                predecessor_id: receipt.predecessor_id(),
                refund_to: receipt.balance_refund_receiver(),
                method: &call.method_name,
                args: &call.args,
                deposit: call.deposit,
                gas: call.gas,
                promise_results: inputs,
                output_data_receivers: receivers.iter().map(|to| to.receiver_id.clone()).collect(),
                action_hash,
                random_seed: create_random_seed(action_hash, self.block.random_value),
                is_view: false,
            },
        );
        run.gas_burnt = run.gas_burnt.saturating_add(result.gas_burnt);
        run.gas_burnt_by_calls = run.gas_burnt_by_calls.saturating_add(result.gas_burnt);
        run.gas_used = run.gas_used.saturating_add(result.gas_used);
        run.logs.extend(result.logs);
        run.profile.merge(&result.profile);
        let success = match result.end {
            Ok(success) => success,
            Err(failure) => {
                return run.fail(Some(index), ActionErrorKind::FunctionCallError(failure.error));
            }
        };
        account.set_amount(success.balance);
        account.set_storage_usage(success.storage_usage);
        let made = success.promises.into_receipts(&Origin {
            account_id: receipt.receiver_id(),
            signer_id: action_receipt.signer_id(),
            signer_public_key: action_receipt.signer_public_key(),
            gas_price: action_receipt.gas_price(),
        });
        for receipt in &made {
            if let Err(error) = validate::new_receipt(self.config, receipt) {
                return run.fail(Some(index), ActionErrorKind::NewReceiptValidationError(error));
            }
        }
        run.end = Ok(match success.returned {
            ReturnData::ReceiptIndex(of_call) => {
                let earlier = u64::try_from(run.new_receipts.len()).expect("receipts are limited");
                ReturnData::ReceiptIndex(of_call + earlier)
            }
            other => other,
        });
        run.new_receipts.extend(made);
    }

    fn dispatch(&mut self, account: &Account, call: Call<'_>) -> CallResult {
        match self.signer {
            Some(signer) if signer.account_id == *call.account_id => {
                signer::call(self.config, self.block, self.state, signer, self.faults, account, &call)
            }
            _ => call_contract(self.config, self.cache, self.block, self.state, account, call),
        }
    }

    /// Gives back what was paid and not used: the deposits of a receipt that failed, and gas.
    fn refund(&self, receipt: &Receipt, action: &VersionedActionReceipt<'_>, run: &mut Run) {
        let actions = action.actions();
        let bought = fees::prepaid_gas(actions)
            .and_then(|attached| {
                let execution = fees::prepaid_execution(self.config, receipt.receiver_id(), actions)?;
                attached.checked_add_result(execution)
            })
            .expect("the same sum was charged when the receipt was made");
        let spent = if run.end.is_err() { run.gas_burnt } else { run.gas_used };
        let unused = bought.checked_sub(spent).unwrap_or(Gas::ZERO);
        if run.end.is_err() {
            let deposits = fees::total_deposit(actions).expect("the same sum was charged when the receipt was made");
            if !deposits.is_zero() {
                run.new_receipts.push(Receipt::new_balance_refund(receipt.balance_refund_receiver(), deposits));
            }
        }
        let value = gas_cost(unused, action.gas_price());
        if !value.is_zero() {
            let to_key = action.signer_public_key().clone();
            run.new_receipts.push(Receipt::new_gas_refund(action.signer_id(), value, to_key));
        }
    }

    /// A part of the gas that its calls burn belongs to the contract.
    fn reward(&mut self, account_id: &AccountId, gas_burnt: Gas) {
        let ratio = self.config.runtime.fees.burnt_gas_reward;
        let (Ok(numerator), Ok(denominator)) = (u128::try_from(*ratio.numer()), u128::try_from(*ratio.denom())) else {
            return;
        };
        let reward_gas = u128::from(gas_burnt.as_gas()) * numerator / denominator;
        let reward = GAS_PRICE.saturating_mul(reward_gas);
        if reward.is_zero() {
            return;
        }
        if let Some(mut account) = account(self.state.entries(), account_id) {
            account.set_amount(account.amount().saturating_add(reward));
            set_account(self.state, account_id, &account);
        }
    }

    /// Numbers the new receipts, sends them on their way and records the outcome.
    fn finish(&mut self, receipt: &Receipt, mut run: Run) {
        let mut ids = Vec::with_capacity(run.new_receipts.len());
        let mut listed = Vec::new();
        for (index, new) in run.new_receipts.iter_mut().enumerate() {
            let id = create_receipt_id_from_receipt_id(receipt.receipt_id(), self.block.height, index);
            new.set_receipt_id(id);
            ids.push(id);
            if !matches!(new.receipt(), ReceiptEnum::Data(_) | ReceiptEnum::PromiseResume(_)) {
                listed.push(id);
            }
            self.send(new);
        }
        let status = match run.end {
            Ok(ReturnData::None) => ExecutionStatus::SuccessValue(Vec::new()),
            Ok(ReturnData::Value(value)) => ExecutionStatus::SuccessValue(value),
            Ok(ReturnData::ReceiptIndex(index)) => {
                let id = usize::try_from(index).ok().and_then(|index| ids.get(index).copied());
                ExecutionStatus::SuccessReceiptId(id.expect("the VM only returns receipts that it made"))
            }
            Err(error) => ExecutionStatus::Failure(TxExecutionError::ActionError(error)),
        };
        let price = if receipt.predecessor_id().is_system() { Balance::ZERO } else { GAS_PRICE };
        self.gas_used = self.gas_used.saturating_add(run.gas_burnt);
        let outcome = ExecutionOutcome {
            logs: run.logs,
            receipt_ids: listed,
            gas_burnt: run.gas_burnt,
            compute_usage: None,
            tokens_burnt: gas_cost(run.gas_burnt, price),
            executor_id: receipt.receiver_id().clone(),
            status,
            metadata: ExecutionMetadata::V3(Box::new(run.profile)),
        };
        self.record(*receipt.receipt_id(), outcome);
    }

    /// A yield waits at once; everything else runs in the next block.
    pub(crate) fn send(&mut self, receipt: &Receipt) {
        outcome::remember_receipt(self.state, receipt);
        self.history.push(*receipt.receipt_id());
        match receipt.versioned_receipt() {
            VersionedReceiptEnum::PromiseYield(_) => {
                let expires_at = self.block.height.saturating_add(self.config.yield_timeout_blocks());
                yields::store(self.state, receipt, expires_at);
            }
            _ => receipts::enqueue(self.state, receipt),
        }
    }

    pub(crate) fn record(&mut self, id: CryptoHash, outcome: ExecutionOutcome) {
        outcome::record(self.state, id, self.block, outcome);
        self.history.push(id);
    }
}

/// Sends the result to whoever waits for it, or hands the waiting over to the promise that was returned.
fn answer_waiting(account_id: &AccountId, waiting: &[DataReceiver], run: &mut Run) {
    if waiting.is_empty() {
        return;
    }
    let data = match &run.end {
        Ok(ReturnData::ReceiptIndex(index)) => {
            let promise = usize::try_from(*index).ok().and_then(|index| run.new_receipts.get_mut(index));
            let outputs = match promise.map(Receipt::receipt_mut) {
                Some(ReceiptEnum::Action(action) | ReceiptEnum::PromiseYield(action)) => {
                    &mut action.output_data_receivers
                }
                Some(ReceiptEnum::ActionV2(action) | ReceiptEnum::PromiseYieldV2(action)) => {
                    &mut action.output_data_receivers
                }
                _ => return,
            };
            outputs.extend_from_slice(waiting);
            return;
        }
        Ok(ReturnData::Value(value)) => Some(value.clone()),
        Ok(ReturnData::None) => Some(Vec::new()),
        Err(_) => None,
    };
    for to in waiting {
        run.new_receipts.push(promises::receipt(
            account_id.clone(),
            to.receiver_id.clone(),
            ReceiptEnum::Data(DataReceipt { data_id: to.data_id, data: data.clone() }),
        ));
    }
}
