//! Sending transactions: one at a time per access key, each until its outcome is final.
//!
//! A signed transaction is sent again, byte for byte, until its outcome is known: it can only be
//! executed once. A new one is signed only when the old one can never be.

use super::{NearClient, NearError, is_timeout, near_account, root_cause};
use near_crypto::SecretKey;
use near_jsonrpc_client::errors::JsonRpcError;
use near_jsonrpc_client::methods;
use near_jsonrpc_client::methods::tx::{RpcTransactionError, TransactionInfo};
use near_primitives::action::{Action, FunctionCallAction};
use near_primitives::errors::{ActionErrorKind, FunctionCallError, InvalidTxError, TxExecutionError};
use near_primitives::hash::CryptoHash;
use near_primitives::transaction::{SignedTransaction, Transaction, TransactionV0};
use near_primitives::types::{AccountId as NearAccountId, Balance, Gas};
use near_primitives::views::{ExecutionStatusView, FinalExecutionOutcomeView, FinalExecutionStatus, TxExecutionStatus};
use queue::ids::AccountId;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How long the outcome of a transaction is waited for. The signer gives up after 200 blocks, some
/// 5 minutes when blocks are slow.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(6 * 60);

/// How long a server may be out of reach before a transaction is reported as unsent.
const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two attempts to reach a server.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// How often a transaction is signed anew because its nonce was used or its block is too old.
const SIGNINGS_MAX: u32 = 5;

/// Why a transaction has no final outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// NEAR can't be asked.
    #[error(transparent)]
    Near(#[from] NearError),
    /// The signing account lacks the key.
    #[error("account {account} has no access key {public_key}: add it, or use the credentials of the account")]
    NoKey {
        /// The account.
        account: String,
        /// The key.
        public_key: String,
    },
    /// The network refuses the transaction as it stands.
    #[error("the transaction of {account} is refused: {reason}")]
    Refused {
        /// The account that signed it.
        account: String,
        /// The network's reason.
        reason: String,
    },
    /// No outcome in time: it may still come.
    #[error("transaction {hash} of {account} has no outcome after {seconds} s: {reason}")]
    NoOutcome {
        /// The account that signed it.
        account: String,
        /// The transaction.
        hash: String,
        /// How long it was waited for.
        seconds: u64,
        /// What the server said last.
        reason: String,
    },
}

/// What became of an executed transaction.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The transaction's hash.
    pub transaction: CryptoHash,
    /// The returned bytes, or why the execution failed.
    pub result: Result<Vec<u8>, String>,
    /// Failures of receipts other than the one that gave the result, as `account: reason`.
    pub failures: Vec<String>,
    /// Gas burnt by the receipts, by the account on which they ran.
    pub gas_burnt: BTreeMap<NearAccountId, u64>,
}

/// An account with one of its keys.
#[derive(Debug)]
pub struct Actor {
    client: NearClient,
    account: NearAccountId,
    key: SecretKey,
    /// The last nonce that was used, if any; held while a transaction is under way, so that its
    /// nonce can't be overtaken.
    nonce: Mutex<Option<u64>>,
}

enum Sent {
    Done(Box<FinalExecutionOutcomeView>),
    /// The transaction can never be executed; another may.
    SignAnew(String),
}

impl Actor {
    /// `account` acting with `key`.
    pub fn new(client: NearClient, account: &AccountId, key: SecretKey) -> Self {
        Actor { client, account: near_account(account), key, nonce: Mutex::new(None) }
    }

    /// The account.
    pub fn account(&self) -> &NearAccountId {
        &self.account
    }

    /// The client that it acts through.
    pub fn client(&self) -> &NearClient {
        &self.client
    }

    /// Calls a method of the bridge contract.
    ///
    /// # Errors
    /// [`TransactError`]. A call that was executed and failed is an [`Outcome`].
    pub async fn call_bridge(
        &self,
        method: &'static str,
        args: Vec<u8>,
        tgas: u64,
        deposit: Balance,
    ) -> Result<Outcome, TransactError> {
        let call = FunctionCallAction { method_name: method.to_owned(), args, gas: Gas::from_teragas(tgas), deposit };
        let bridge = self.client.bridge().clone();
        self.transact(bridge, vec![Action::FunctionCall(Box::new(call))]).await
    }

    /// Executes `actions` on `receiver`, and waits until the outcome is final.
    ///
    /// # Errors
    /// [`TransactError`]. A transaction that was executed and failed is an [`Outcome`].
    pub async fn transact(&self, receiver: NearAccountId, actions: Vec<Action>) -> Result<Outcome, TransactError> {
        let mut nonce = self.nonce.lock().await;
        let mut reason = String::new();
        for _ in 0..SIGNINGS_MAX {
            let signed = self.sign(&mut nonce, receiver.clone(), actions.clone()).await?;
            match self.send(signed).await? {
                Sent::Done(outcome) => return Ok(summary(&outcome)),
                Sent::SignAnew(why) => {
                    *nonce = None;
                    reason = why;
                }
            }
        }
        Err(self.refused(reason))
    }

    async fn sign(
        &self,
        last_nonce: &mut Option<u64>,
        receiver_id: NearAccountId,
        actions: Vec<Action>,
    ) -> Result<SignedTransaction, TransactError> {
        let public_key = self.key.public_key();
        let last = match *last_nonce {
            Some(nonce) => nonce,
            None => self.client.nonce(&self.account, &public_key).await?.ok_or_else(|| TransactError::NoKey {
                account: self.account.to_string(),
                public_key: public_key.to_string(),
            })?,
        };
        let nonce = last.saturating_add(1);
        *last_nonce = Some(nonce);
        let block_hash = self.client.final_block().await?.hash;
        Ok(sign_transaction(&self.account, &self.key, nonce, receiver_id, block_hash, actions))
    }

    async fn send(&self, signed_transaction: SignedTransaction) -> Result<Sent, TransactError> {
        let hash = signed_transaction.get_hash();
        let started = Instant::now();
        let mut reached = started;
        let mut reason = String::new();
        while started.elapsed() < OUTCOME_TIMEOUT {
            let request = methods::send_tx::RpcSendTransactionRequest {
                signed_transaction: signed_transaction.clone(),
                wait_until: TxExecutionStatus::Final,
            };
            let error = match self.client.rpc.call(request).await {
                Ok(answer) => match answer.final_execution_outcome {
                    Some(outcome) => return Ok(Sent::Done(Box::new(outcome.into_outcome()))),
                    None => {
                        reached = Instant::now();
                        sleep(RETRY_PAUSE).await;
                        continue;
                    }
                },
                Err(error) => error,
            };
            reason = root_cause(&error);
            match classify(&error) {
                Failure::Invalid(invalid) => return self.after_refusal(&hash, invalid).await,
                Failure::Waiting => reached = Instant::now(),
                Failure::Unreachable if reached.elapsed() > UNREACHABLE_TIMEOUT => {
                    return Err(self.client.unreachable(&error).into());
                }
                Failure::Unreachable => {}
            }
            sleep(RETRY_PAUSE).await;
        }
        Err(TransactError::NoOutcome {
            account: self.account.to_string(),
            hash: hash.to_string(),
            seconds: OUTCOME_TIMEOUT.as_secs(),
            reason,
        })
    }

    /// A transaction that was executed is refused when it is sent again after the server has
    /// forgotten it in its pool: its own nonce is used then.
    async fn after_refusal(&self, hash: &CryptoHash, invalid: InvalidTxError) -> Result<Sent, TransactError> {
        let renewable = matches!(invalid, InvalidTxError::InvalidNonce { .. } | InvalidTxError::Expired);
        if !renewable {
            return Err(self.refused(invalid.to_string()));
        }
        let request = methods::tx::RpcTransactionStatusRequest {
            transaction_info: TransactionInfo::TransactionId {
                tx_hash: *hash,
                sender_account_id: self.account.clone(),
            },
            wait_until: TxExecutionStatus::None,
        };
        let known = self.client.rpc.call(request).await.ok().and_then(|answer| answer.final_execution_outcome);
        match known.map(near_primitives::views::FinalExecutionOutcomeViewEnum::into_outcome) {
            Some(outcome) if is_finished(&outcome) => Ok(Sent::Done(Box::new(outcome))),
            _ => Ok(Sent::SignAnew(invalid.to_string())),
        }
    }

    fn refused(&self, reason: String) -> TransactError {
        TransactError::Refused { account: self.account.to_string(), reason }
    }
}

/// Signs a transaction of `account` with one of its keys.
pub fn sign_transaction(
    account: &NearAccountId,
    key: &SecretKey,
    nonce: u64,
    receiver_id: NearAccountId,
    block_hash: CryptoHash,
    actions: Vec<Action>,
) -> SignedTransaction {
    let signer_id = account.clone();
    let public_key = key.public_key();
    let transaction = Transaction::V0(TransactionV0 { signer_id, public_key, nonce, receiver_id, block_hash, actions });
    let signature = key.sign(transaction.get_hash_and_size().0.as_ref());
    SignedTransaction::new(signature, transaction)
}

enum Failure {
    Invalid(InvalidTxError),
    /// The server has the transaction, or may have it.
    Waiting,
    Unreachable,
}

fn classify(error: &JsonRpcError<RpcTransactionError>) -> Failure {
    match error.handler_error() {
        Some(RpcTransactionError::InvalidTransaction { context }) => match context {
            InvalidTxError::ShardCongested { .. } | InvalidTxError::ShardStuck { .. } => Failure::Waiting,
            invalid => Failure::Invalid(invalid.clone()),
        },
        Some(_) => Failure::Waiting,
        None if is_timeout(error) => Failure::Waiting,
        None => Failure::Unreachable,
    }
}

fn is_finished(outcome: &FinalExecutionOutcomeView) -> bool {
    matches!(outcome.status, FinalExecutionStatus::SuccessValue(_) | FinalExecutionStatus::Failure(_))
}

fn summary(outcome: &FinalExecutionOutcomeView) -> Outcome {
    let result = match &outcome.status {
        FinalExecutionStatus::SuccessValue(bytes) => Ok(bytes.clone()),
        FinalExecutionStatus::Failure(error) => Err(failure_text(error)),
        FinalExecutionStatus::NotStarted | FinalExecutionStatus::Started => {
            Err("the server calls the outcome final before it is there".to_owned())
        }
    };
    let executed = || outcome.receipts_outcome.iter().map(|receipt| &receipt.outcome);
    let failures = executed().filter_map(|receipt| match &receipt.status {
        ExecutionStatusView::Failure(error) => Some(format!("{}: {}", receipt.executor_id, failure_text(error))),
        _ => None,
    });
    let mut gas_burnt = BTreeMap::<NearAccountId, u64>::new();
    for receipt in executed() {
        let burnt = gas_burnt.entry(receipt.executor_id.clone()).or_default();
        *burnt = burnt.saturating_add(receipt.gas_burnt.as_gas());
    }
    let transaction = outcome.transaction.hash;
    Outcome { transaction, result, failures: failures.collect(), gas_burnt }
}

/// What a contract panicked with, or what else went wrong.
fn failure_text(error: &TxExecutionError) -> String {
    let TxExecutionError::ActionError(action) = error else { return error.to_string() };
    match &action.kind {
        ActionErrorKind::FunctionCallError(FunctionCallError::ExecutionError(text)) => {
            text.strip_prefix("Smart contract panicked: ").unwrap_or(text).to_owned()
        }
        kind => kind.to_string(),
    }
}
