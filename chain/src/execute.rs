//! One function call in NEAR's VM, and the compiled code that is kept between calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use near_primitives::account::Account;
use near_primitives::config::ViewConfig;
use near_primitives::errors::{CompilationError, FunctionCallError, MethodResolveError, PrepareError};
use near_primitives::hash::CryptoHash;
use near_primitives::profile_data_v3::ProfileDataV3;
use near_primitives::types::{AccountId, Balance, Gas, StorageUsage};
use near_vm_runner::logic::types::PromiseResult;
use near_vm_runner::logic::{GasCounter, ReturnData, VMContext, VMOutcome, errors as vm};
use near_vm_runner::{CompiledContractInfo, Contract, ContractCode, ContractRuntimeCache};

use crate::block::BlockRecord;
use crate::config::{ChainConfig, VIEW_GAS_LIMIT};
use crate::external::ContractExternal;
use crate::keys;
use crate::promises::{DataIds, Promises};
use crate::state::State;

/// Contracts whose compiled code is kept; the least recently compiled goes first.
const COMPILED_CONTRACTS: usize = 64;

/// Where compiled contracts are kept, shared by the chain and its views.
pub type ContractCache = Arc<dyn ContractRuntimeCache>;

/// Compiled contracts in memory. The VM loads them anew for each call: a [`ContractCache`] of NEAR's
/// own, with a folder, spares that, and the memory of code that was loaded and is not yet given back.
#[derive(Clone, Default)]
pub(crate) struct CompiledInMemory(Arc<Mutex<CompiledContracts>>);

#[derive(Default)]
struct CompiledContracts {
    by_key: BTreeMap<CryptoHash, CompiledContractInfo>,
    /// Keys in the order in which they were compiled. Invariant: the same keys as in `by_key`.
    order: std::collections::VecDeque<CryptoHash>,
}

impl ContractRuntimeCache for CompiledInMemory {
    fn handle(&self) -> Box<dyn ContractRuntimeCache> {
        Box::new(self.clone())
    }

    fn put(&self, key: &CryptoHash, value: CompiledContractInfo) -> std::io::Result<()> {
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.by_key.insert(*key, value).is_none() {
            compiled.order.push_back(*key);
        }
        while compiled.order.len() > COMPILED_CONTRACTS {
            let Some(oldest) = compiled.order.pop_front() else { break };
            compiled.by_key.remove(&oldest);
        }
        Ok(())
    }

    fn get(&self, key: &CryptoHash) -> std::io::Result<Option<CompiledContractInfo>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).by_key.get(key).cloned())
    }
}

/// One call of one method.
pub(crate) struct Call<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) signer_id: &'a AccountId,
    pub(crate) signer_public_key: &'a near_crypto::PublicKey,
    pub(crate) predecessor_id: &'a AccountId,
    pub(crate) refund_to: &'a AccountId,
    pub(crate) method: &'a str,
    pub(crate) args: &'a [u8],
    pub(crate) deposit: Balance,
    pub(crate) gas: Gas,
    pub(crate) promise_results: &'a [Option<Vec<u8>>],
    pub(crate) output_data_receivers: Vec<AccountId>,
    /// Names this action of this receipt in this block.
    pub(crate) action_hash: CryptoHash,
    pub(crate) random_seed: Vec<u8>,
    pub(crate) is_view: bool,
}

/// What a call has done. Gas counts even when it has failed.
pub(crate) struct CallResult {
    pub(crate) gas_burnt: Gas,
    /// Burnt, plus what is attached to promises.
    pub(crate) gas_used: Gas,
    pub(crate) logs: Vec<String>,
    pub(crate) profile: ProfileDataV3,
    pub(crate) end: Result<CallSuccess, CallFailure>,
}

/// Why a call has failed.
pub(crate) struct CallFailure {
    /// As outcomes say it.
    pub(crate) error: FunctionCallError,
    /// As answers to view calls say it: the VM's own words.
    pub(crate) text: String,
}

/// What a call that succeeded leaves behind.
pub(crate) struct CallSuccess {
    pub(crate) returned: ReturnData,
    pub(crate) balance: Balance,
    pub(crate) storage_usage: StorageUsage,
    pub(crate) promises: Promises,
}

impl CallResult {
    /// A call that failed outside of the VM, after burning `gas`.
    pub(crate) fn failed(gas: Gas, error: vm::FunctionCallError) -> Self {
        let end = Err(CallFailure::from(error));
        Self { gas_burnt: gas, gas_used: gas, logs: Vec::new(), profile: ProfileDataV3::default(), end }
    }
}

impl From<vm::FunctionCallError> for CallFailure {
    fn from(error: vm::FunctionCallError) -> Self {
        let text = format!("{error:?}");
        Self { error: convert_error(error), text }
    }
}

struct Code<'a> {
    state: &'a State,
    account_id: &'a AccountId,
    hash: CryptoHash,
}

impl Contract for Code<'_> {
    fn hash(&self) -> CryptoHash {
        self.hash
    }

    fn get_code(&self) -> Option<Arc<ContractCode>> {
        let code = self.state.get(&keys::code(self.account_id))?;
        Some(Arc::new(ContractCode::new(code.to_vec(), Some(self.hash))))
    }
}

/// Runs a contract's method. The state keeps what the contract wrote even when it fails: the caller undoes it.
pub(crate) fn call_contract(
    config: &ChainConfig,
    cache: &dyn ContractRuntimeCache,
    block: &BlockRecord,
    state: &mut State,
    account: &Account,
    call: Call<'_>,
) -> CallResult {
    let Some(hash) = account.local_contract_hash() else {
        return CallResult::failed(Gas::ZERO, no_code(call.account_id));
    };
    let wasm_config = config.runtime.wasm_config.clone();
    let context = vm_context(block, account, &call);
    let max_burnt = if call.is_view { VIEW_GAS_LIMIT } else { wasm_config.limit_config.max_gas_burnt };
    let gas_counter =
        GasCounter::new(wasm_config.ext_costs.clone(), max_burnt, wasm_config.regular_op_cost, call.gas, call.is_view);
    let prepared = {
        let code = Code { state, account_id: call.account_id, hash };
        near_vm_runner::prepare(&code, wasm_config, Some(cache), gas_counter, call.method)
    };
    let mut external = ContractExternal {
        state,
        account_id: call.account_id,
        chain_id: &config.chain_id,
        ids: DataIds::new(call.action_hash, block.height),
        promises: Promises::default(),
    };
    let outcome = near_vm_runner::run(prepared, &mut external, &context, config.runtime.fees.clone());
    match outcome {
        Ok(outcome) => finish(outcome, external.promises, call.gas),
        Err(error) => {
            tracing::error!(%error, account = %call.account_id, method = call.method, "the VM could not run a call");
            CallResult::failed(call.gas, vm::FunctionCallError::WasmTrap(vm::WasmTrap::GenericTrap))
        }
    }
}

fn no_code(account_id: &AccountId) -> vm::FunctionCallError {
    let account_id = account_id.as_str().into();
    vm::FunctionCallError::CompilationError(vm::CompilationError::CodeDoesNotExist { account_id })
}

fn finish(outcome: VMOutcome, mut promises: Promises, attached: Gas) -> CallResult {
    let profile = ProfileDataV3 {
        actions_profile: outcome.profile.actions_profile,
        wasm_ext_profile: outcome.profile.wasm_ext_profile,
        wasm_gas: outcome.profile.wasm_gas,
    };
    let mut gas_used = outcome.used_gas;
    let end = match outcome.aborted {
        Some(error) => Err(CallFailure::from(error)),
        None => {
            let unused = attached.checked_sub(gas_used).unwrap_or(Gas::ZERO);
            let shared = promises.distribute(unused);
            gas_used = gas_used.checked_add(shared).expect("used and unused gas add up to what was attached");
            Ok(CallSuccess {
                returned: outcome.return_data,
                balance: outcome.balance,
                storage_usage: outcome.storage_usage,
                promises,
            })
        }
    };
    CallResult { gas_burnt: outcome.burnt_gas, gas_used, logs: outcome.logs, profile, end }
}

fn vm_context(block: &BlockRecord, account: &Account, call: &Call<'_>) -> VMContext {
    let promise_results: Vec<PromiseResult> = call
        .promise_results
        .iter()
        .map(|result| match result {
            Some(data) => PromiseResult::Successful(data.as_slice().into()),
            None => PromiseResult::Failed,
        })
        .collect();
    VMContext {
        current_account_id: call.account_id.clone(),
        signer_account_id: call.signer_id.clone(),
        signer_account_pk: crate::state::encode(call.signer_public_key),
        predecessor_account_id: call.predecessor_id.clone(),
        refund_to_account_id: call.refund_to.clone(),
        input: call.args.into(),
        promise_results: promise_results.into(),
        block_height: block.height,
        block_timestamp: block.time_ns,
        epoch_height: 0,
        account_balance: account.amount(),
        account_locked_balance: account.locked(),
        storage_usage: account.storage_usage(),
        account_contract: account.contract().into_owned(),
        attached_deposit: call.deposit,
        prepaid_gas: call.gas,
        random_seed: call.random_seed.clone(),
        view_config: call.is_view.then_some(ViewConfig { max_gas_burnt: VIEW_GAS_LIMIT }),
        output_data_receivers: call.output_data_receivers.clone(),
    }
}

/// The VM's errors as the protocol writes them into outcomes.
fn convert_error(error: vm::FunctionCallError) -> FunctionCallError {
    match error {
        vm::FunctionCallError::CompilationError(error) => {
            FunctionCallError::CompilationError(convert_compilation_error(error))
        }
        vm::FunctionCallError::MethodResolveError(error) => FunctionCallError::MethodResolveError(match error {
            vm::MethodResolveError::MethodEmptyName => MethodResolveError::MethodEmptyName,
            vm::MethodResolveError::MethodNotFound => MethodResolveError::MethodNotFound,
            vm::MethodResolveError::MethodInvalidSignature => MethodResolveError::MethodInvalidSignature,
        }),
        // Everything else is an execution error whose text says what happened.
        other => FunctionCallError::ExecutionError(other.to_string()),
    }
}

fn convert_compilation_error(error: vm::CompilationError) -> CompilationError {
    match error {
        vm::CompilationError::CodeDoesNotExist { account_id } => match account_id.parse() {
            Ok(account_id) => CompilationError::CodeDoesNotExist { account_id },
            Err(_) => CompilationError::WasmerCompileError { msg: format!("no code at {account_id}") },
        },
        vm::CompilationError::PrepareError(error) => CompilationError::PrepareError(convert_prepare_error(&error)),
        vm::CompilationError::WasmerCompileError { msg } | vm::CompilationError::WasmtimeCompileError { msg } => {
            CompilationError::WasmerCompileError { msg }
        }
    }
}

fn convert_prepare_error(error: &vm::PrepareError) -> PrepareError {
    match error {
        vm::PrepareError::Serialization => PrepareError::Serialization,
        vm::PrepareError::InternalMemoryDeclared => PrepareError::InternalMemoryDeclared,
        vm::PrepareError::GasInstrumentation => PrepareError::GasInstrumentation,
        vm::PrepareError::StackHeightInstrumentation => PrepareError::StackHeightInstrumentation,
        vm::PrepareError::Instantiate => PrepareError::Instantiate,
        vm::PrepareError::Memory => PrepareError::Memory,
        vm::PrepareError::TooManyFunctions => PrepareError::TooManyFunctions,
        vm::PrepareError::TooManyLocals => PrepareError::TooManyLocals,
        vm::PrepareError::TooManyTables => PrepareError::TooManyTables,
        vm::PrepareError::TooManyTableElements => PrepareError::TooManyTableElements,
        // The limits that later versions add can't be reached at this one.
        _ => PrepareError::Deserialization,
    }
}
