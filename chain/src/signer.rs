//! NEAR's chain-signature signer as native code at an account of the chain.
//!
//! It speaks the JSON of the real contract, derives keys as it does, yields and times out as it does, and its
//! nodes answer with real transactions. It stands in for a network of machines with one process and one key.
//! Every native call burns [`NATIVE_CALL_GAS`], whatever it does.

use std::collections::VecDeque;

use ed25519_dalek::SigningKey;
use near_crypto::{ED25519SecretKey, SecretKey};
use near_primitives::account::Account;
use near_primitives::profile_data_v3::ProfileDataV3;
use near_primitives::transaction::{Action, FunctionCallAction, TransferAction};
use near_primitives::types::{AccountId, Balance, Gas};
use near_vm_runner::logic::errors::FunctionCallError;
use near_vm_runner::logic::{HostError, ReturnData};
use queue::derivation::tweak;
use sha2::{Digest, Sha256};

use crate::ChainError;
use crate::block::BlockRecord;
use crate::config::ChainConfig;
use crate::execute::{Call, CallResult, CallSuccess};
use crate::fees;
use crate::promises::{DataIds, Promises};
use crate::state::State;
use crate::yields;

pub(crate) use faults::{SignerCondition, SignerFault};
pub(crate) use jobs::{SignJob, WaitingRequest, due_answers, waiting};

use json::{EDDSA_PAYLOAD_BYTES, Payload, RespondArgs, SignArgs, SignatureRequest, to_json};
use keys::RootKeys;

pub(crate) mod faults;
mod jobs;
mod json;
mod keys;
mod views;

pub(crate) use views::view;

/// Gas that each call of the native signer burns. The real contract's calls burn between 2 and 7 Tgas.
pub const NATIVE_CALL_GAS: Gas = Gas::from_teragas(2);

/// Gas that a call of `sign` must carry, in Tgas, unless [`SignerCondition`] says otherwise.
pub const SIGN_GAS_TGAS: u64 = 15;

/// Blanks behind an answer that is too long: twice what careful callers read.
const PADDING_BYTES: usize = 2048;

/// Callers that may wait for the same signature.
pub const FAN_OUT_LIMIT: usize = 128;

/// Bytes of a derivation path. The real contract has no limit of its own; nobody needs more.
const PATH_BYTES_MAX: usize = 2048;

/// Gas for handing the signature to the caller.
const CALLBACK_GAS: Gas = Gas::from_teragas(7);

/// Gas for the call that does nothing but fail, so that the clean-up before it is kept.
const FAIL_GAS: Gas = Gas::from_teragas(2);

/// What the contract says when nobody has answered in time.
pub const TIMEOUT_MESSAGE: &str = "Request has timed out.";

mod method {
    pub(super) const SIGN: &str = "sign";
    pub(super) const RESPOND: &str = "respond";
    pub(super) const RETURN_SIGNATURE: &str = "return_signature_and_clean_state_on_success";
    pub(super) const FAIL_ON_TIMEOUT: &str = "fail_on_timeout";
}

/// The signer's account, its nodes' account, and their keys.
#[derive(Clone)]
pub(crate) struct SignerAccount {
    pub(crate) account_id: AccountId,
    /// The account that calls `respond` for the nodes.
    pub(crate) node_id: AccountId,
    pub(crate) node_key: SecretKey,
    pub(crate) keys: RootKeys,
    /// Nanoseconds between a request and its answer.
    pub(crate) delay_ns: u64,
    pub(crate) condition: SignerCondition,
}

impl SignerAccount {
    pub(crate) fn new(account_id: AccountId, delay_ns: u64, seed: &[u8; 32]) -> Result<Self, ChainError> {
        let node_id = format!("node.{account_id}")
            .parse()
            .map_err(|_| ChainError::SignerName { account_id: account_id.clone() })?;
        let secret: [u8; 32] =
            Sha256::new().chain_update(b"signer node access key:").chain_update(seed).finalize().into();
        let node_key = SecretKey::ED25519(ED25519SecretKey(SigningKey::from_bytes(&secret).to_keypair_bytes()));
        Ok(Self {
            account_id,
            node_id,
            node_key,
            keys: RootKeys::from_seed(seed),
            delay_ns,
            condition: SignerCondition::default(),
        })
    }

    /// What every call fails with that needs the keys, while there are none.
    pub(crate) fn check_running(&self) -> Result<(), String> {
        if self.condition.is_initializing {
            return Err("ProtocolStateNotRunning: the network makes its keys".to_owned());
        }
        Ok(())
    }
}

/// What a method returns: the value or the receipt that stands for it.
type MethodResult = Result<ReturnData, String>;

/// A native call while it runs.
struct NativeCall<'a, 'c> {
    block: &'a BlockRecord,
    state: &'a mut State,
    signer: &'a SignerAccount,
    faults: &'a mut VecDeque<SignerFault>,
    call: &'a Call<'c>,
    ids: DataIds,
    promises: Promises,
    sent: Balance,
}

/// Runs a method of the signer.
pub(crate) fn call(
    config: &ChainConfig,
    block: &BlockRecord,
    state: &mut State,
    signer: &SignerAccount,
    faults: &mut VecDeque<SignerFault>,
    account: &Account,
    call: &Call<'_>,
) -> CallResult {
    if call.gas < NATIVE_CALL_GAS {
        return CallResult::failed(call.gas, FunctionCallError::HostError(HostError::GasExceeded));
    }
    let mut native = NativeCall {
        block,
        state,
        signer,
        faults,
        call,
        ids: DataIds::new(call.action_hash, block.height),
        promises: Promises::default(),
        sent: Balance::ZERO,
    };
    let returned = match native.dispatch() {
        Ok(returned) => returned,
        Err(message) => return CallResult::failed(NATIVE_CALL_GAS, panicked(message)),
    };
    let (promises, sent) = (native.promises, native.sent);
    let Some((gas_burnt, gas_used)) = total_gas(config, call, &promises) else {
        return CallResult::failed(call.gas, FunctionCallError::HostError(HostError::GasExceeded));
    };
    let balance = account.amount().saturating_add(call.deposit).saturating_sub(sent);
    let storage_usage = account.storage_usage();
    CallResult {
        gas_burnt,
        gas_used,
        logs: Vec::new(),
        profile: ProfileDataV3::default(),
        end: Ok(CallSuccess { returned, balance, storage_usage, promises }),
    }
}

/// Gas burnt and gas used, with what the new receipts cost; `None` if more than what is attached.
fn total_gas(config: &ChainConfig, call: &Call<'_>, promises: &Promises) -> Option<(Gas, Gas)> {
    let mut burnt = NATIVE_CALL_GAS;
    let mut bought = Gas::ZERO;
    for draft in promises.drafts() {
        let cost = fees::draft_cost(config, call.account_id, draft).ok()?;
        burnt = burnt.checked_add(cost.burnt)?;
        bought = bought.checked_add(cost.bought)?;
    }
    let used = burnt.checked_add(bought)?;
    (used <= call.gas).then_some((burnt, used))
}

impl NativeCall<'_, '_> {
    fn dispatch(&mut self) -> MethodResult {
        match self.call.method {
            method::SIGN => self.sign(),
            method::RESPOND => self.respond(),
            method::RETURN_SIGNATURE => self.return_signature(),
            method::FAIL_ON_TIMEOUT => {
                self.only_self()?;
                Err(TIMEOUT_MESSAGE.to_owned())
            }
            other => {
                let value = view(self.state.entries(), self.signer, other, self.call.args, self.call.predecessor_id)?;
                Ok(ReturnData::Value(value))
            }
        }
    }

    fn sign(&mut self) -> MethodResult {
        let args: SignArgs = parse(self.call.args)?;
        let (path, payload, domain_id) = args.request.payload_and_domain()?;
        self.signer.check_running()?;
        self.check_preconditions(&path, &payload, domain_id)?;
        let fault = self.faults.pop_front().unwrap_or(SignerFault::None);
        if fault == SignerFault::Halted {
            return Err("TeeValidationFailed: the network accepts no requests at present".to_owned());
        }
        let tweak = tweak(self.call.predecessor_id.as_str(), &path);
        let request = SignatureRequest { tweak, payload, domain_id };
        let receipt = self.enqueue(&request, fault)?;
        self.start_job(request, fault);
        self.give_change();
        Ok(ReturnData::ReceiptIndex(receipt))
    }

    fn check_preconditions(&self, path: &str, payload: &Payload, domain_id: u64) -> Result<(), String> {
        if self.signer.keys.public_key(domain_id).is_none() {
            return Err(format!("DomainNotFound: there is no domain {domain_id}"));
        }
        let required = Gas::from_teragas(self.signer.condition.sign_gas_tgas);
        if self.call.gas < required {
            let (provided, required) = (self.call.gas.as_gas(), required.as_gas());
            return Err(format!("InsufficientGas: {provided} attached, {required} required"));
        }
        if self.call.deposit.is_zero() {
            return Err("InsufficientDeposit: 0 yoctoNEAR attached, 1 required".to_owned());
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(format!("path has {} bytes, at most {PATH_BYTES_MAX} are allowed", path.len()));
        }
        match (domain_id, payload) {
            (0, Payload::Ecdsa(digest)) if keys::is_secp256k1_scalar(*digest) => Ok(()),
            (0, Payload::Ecdsa(_)) => {
                Err("MalformedPayload: the digest is not below the order of secp256k1".to_owned())
            }
            (0, Payload::Eddsa(_)) => Err("MalformedPayload: domain 0 signs Ecdsa payloads".to_owned()),
            (_, Payload::Ecdsa(_)) => Err("MalformedPayload: domain 1 signs Eddsa payloads".to_owned()),
            (_, Payload::Eddsa(message)) if EDDSA_PAYLOAD_BYTES.contains(&message.len()) => Ok(()),
            (_, Payload::Eddsa(message)) => {
                Err(format!("MalformedPayload: {} bytes, expected 32 to 1232", message.len()))
            }
        }
    }

    /// Makes this caller wait for the signature, behind those who asked for the same one.
    fn enqueue(&mut self, request: &SignatureRequest, fault: SignerFault) -> Result<u64, String> {
        let key = jobs::request_key(request);
        let mut waiting: WaitingRequest = self.state.read(&key).unwrap_or_default();
        if waiting.yields.len() >= FAN_OUT_LIMIT {
            return Err(format!("PendingRequestQueueFull: {FAN_OUT_LIMIT} callers wait for this signature"));
        }
        let account_id = self.call.account_id.clone();
        let (index, data_id) = self.promises.create_yield(account_id, &mut self.ids);
        self.append_call(index, method::RETURN_SIGNATURE, to_json(&(request,)), CALLBACK_GAS);
        waiting.yields.push(data_id);
        waiting.accepts_any_signature |= fault.is_wrong_signature();
        waiting.pads_answer |= fault == SignerFault::TooLong;
        self.state.write(&key, &waiting);
        u64::try_from(index).map_err(|_| "too many promises".to_owned())
    }

    fn start_job(&mut self, request: SignatureRequest, fault: SignerFault) {
        let mut job = SignJob {
            request,
            ready_ns: self.block.time_ns.saturating_add(self.signer.delay_ns),
            ready_height: self.block.height.saturating_add(1),
            fault,
        };
        match fault {
            SignerFault::NoAnswer => return,
            SignerFault::AnswerAfterBlocks(blocks) => {
                job.ready_ns = self.block.time_ns;
                job.ready_height = self.block.height.saturating_add(blocks.max(1));
            }
            _ => {}
        }
        jobs::start(self.state, job);
    }

    /// One yoctoNEAR is the price; what was attached above it goes back.
    fn give_change(&mut self) {
        let change = self.call.deposit.saturating_sub(Balance::from_yoctonear(1));
        if change.is_zero() {
            return;
        }
        let to = self.call.predecessor_id.clone();
        if let Some(index) = self.promises.create(&[], to, &mut self.ids) {
            self.promises.append(index, Action::Transfer(TransferAction { deposit: change }), 0);
            self.sent = self.sent.saturating_add(change);
        }
    }

    fn respond(&mut self) -> MethodResult {
        if *self.call.predecessor_id != self.signer.node_id {
            return Err(format!("NotParticipant: {} is no node of the signer", self.call.predecessor_id));
        }
        let RespondArgs { request, response } = parse(self.call.args)?;
        let key = jobs::request_key(&request);
        let Some(waiting) = self.state.read::<WaitingRequest>(&key) else {
            return Err("RequestNotFound: the request was answered, has timed out, or never was".to_owned());
        };
        if !waiting.accepts_any_signature && !self.signer.keys.verifies(&request, &response) {
            return Err("InvalidSignature: the response doesn't sign the request".to_owned());
        }
        self.state.delete(&key);
        let mut answer = to_json(&response);
        if waiting.pads_answer {
            answer.resize(answer.len() + PADDING_BYTES, b' ');
        }
        for data_id in waiting.yields {
            if yields::is_waiting(self.state, self.call.account_id, &data_id) {
                self.promises.resume(data_id, answer.clone());
            }
        }
        Ok(ReturnData::None)
    }

    /// Runs when a yield ends: returns the signature, or forgets the oldest waiting caller and then fails.
    fn return_signature(&mut self) -> MethodResult {
        self.only_self()?;
        if let Some(Some(signature)) = self.call.promise_results.first() {
            return Ok(ReturnData::Value(signature.clone()));
        }
        let (request,): (SignatureRequest,) = parse(self.call.args)?;
        let key = jobs::request_key(&request);
        if let Some(mut waiting) = self.state.read::<WaitingRequest>(&key) {
            waiting.yields.remove(0);
            if waiting.yields.is_empty() {
                self.state.delete(&key);
            } else {
                self.state.write(&key, &waiting);
            }
        }
        let account_id = self.call.account_id.clone();
        let index = self
            .promises
            .create(&[], account_id, &mut self.ids)
            .ok_or_else(|| "a promise without dependencies was refused".to_owned())?;
        self.append_call(index, method::FAIL_ON_TIMEOUT, Vec::new(), FAIL_GAS);
        u64::try_from(index).map(ReturnData::ReceiptIndex).map_err(|_| "too many promises".to_owned())
    }

    fn only_self(&self) -> Result<(), String> {
        if self.call.predecessor_id == self.call.account_id {
            return Ok(());
        }
        Err(format!("Method {} is private", self.call.method))
    }

    fn append_call(&mut self, index: usize, method: &str, args: Vec<u8>, gas: Gas) {
        let action = FunctionCallAction { method_name: method.to_owned(), args, gas, deposit: Balance::ZERO };
        self.promises.append(index, Action::FunctionCall(Box::new(action)), 0);
    }
}

fn parse<T: serde::de::DeserializeOwned>(args: &[u8]) -> Result<T, String> {
    serde_json::from_slice(args).map_err(|error| format!("Failed to deserialize input from JSON.: {error}"))
}

pub(crate) fn panicked(panic_msg: String) -> FunctionCallError {
    FunctionCallError::HostError(HostError::GuestPanic { panic_msg })
}
