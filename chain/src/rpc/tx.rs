//! Sending transactions, and asking what has become of them.

use near_jsonrpc_primitives::errors::RpcError;
use near_jsonrpc_primitives::types::receipts::{RpcReceiptError, RpcReceiptRequest, RpcReceiptResponse};
use near_jsonrpc_primitives::types::transactions::{
    RpcSendTransactionRequest, RpcTransactionError, RpcTransactionResponse, RpcTransactionStatusRequest,
    TransactionInfo,
};
use near_primitives::errors::InvalidTxError;
use near_primitives::hash::CryptoHash;
use near_primitives::transaction::SignedTransaction;
use near_primitives::types::AccountId;
use near_primitives::views::{
    FinalExecutionOutcomeViewEnum, FinalExecutionOutcomeWithReceiptView, ReceiptView, TxExecutionStatus,
};
use serde_json::{Value, json};

use super::errors::{http_status, parse, refused};
use super::{Handled, Reply, answer, envelope, to_value};
use crate::outcome::{self, TransactionStatus};
use crate::view::View;

/// Waits until a transaction has come as far as was asked for.
#[derive(Clone, Debug)]
pub struct Wait {
    id: Value,
    hash: CryptoHash,
    until: TxExecutionStatus,
    answer: Answer,
}

/// What the answer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The hash, as soon as the transaction is submitted.
    Hash,
    /// The state, and from `EXECUTED_OPTIMISTIC` on the outcome.
    Sent,
    /// The outcome, with the receipts or without.
    Asked { with_receipts: bool },
}

impl Wait {
    /// The transaction that is waited for.
    pub fn transaction(&self) -> &CryptoHash {
        &self.hash
    }

    /// The answer, if it can be given: HTTP status and body. To be asked after submitting and after each block.
    pub fn check(&self, view: &View) -> Option<(u16, Value)> {
        if self.answer == Answer::Hash {
            return Some((200, envelope(&self.id, Ok(json!(self.hash)))));
        }
        if let Some(error) = view.rejection(&self.hash) {
            return Some(self.refused(error.clone()));
        }
        let reached = view.transaction_status(&self.hash);
        let level = reached.as_ref().map_or(TxExecutionStatus::None, |status| status.level.clone());
        if rank(&level) < rank(&self.until) {
            return None;
        }
        let handled = match (self.answer, reached) {
            (Answer::Asked { .. }, None) => {
                let requested_transaction_hash = self.hash;
                Err(RpcTransactionError::UnknownTransaction { requested_transaction_hash }.into())
            }
            (Answer::Sent, _) if rank(&self.until) < rank(&TxExecutionStatus::ExecutedOptimistic) => {
                to_value(&json!({"final_execution_status": self.until}))
            }
            (_, None) => to_value(&json!({"final_execution_status": TxExecutionStatus::None})),
            (answer, Some(status)) => outcome_body(status, answer == Answer::Asked { with_receipts: true }),
        };
        Some((http_status(&handled), envelope(&self.id, handled)))
    }

    /// The answer when the transaction was refused.
    pub fn refused(&self, error: InvalidTxError) -> (u16, Value) {
        self.fail(RpcTransactionError::InvalidTransaction { context: error })
    }

    /// The answer when nothing has come after [`super::WAIT_SECONDS`].
    pub fn timed_out(&self) -> (u16, Value) {
        self.fail(RpcTransactionError::TimeoutError(None))
    }

    fn fail(&self, error: RpcTransactionError) -> (u16, Value) {
        let handled = Err(flattened(error));
        (http_status(&handled), envelope(&self.id, handled))
    }
}

pub(super) fn send(id: Value, params: Value) -> Reply {
    let request = match params {
        Value::Array(positional) => positional_transaction(positional).map(|signed_transaction| {
            RpcSendTransactionRequest { signed_transaction, wait_until: TxExecutionStatus::default() }
        }),
        params => parse(params),
    };
    match request {
        Ok(request) => submit(id, request.signed_transaction, request.wait_until, Answer::Sent),
        Err(error) => answer(id, Err(error)),
    }
}

pub(super) fn broadcast_commit(id: Value, params: Value) -> Reply {
    broadcast(id, params, TxExecutionStatus::ExecutedOptimistic, Answer::Sent)
}

pub(super) fn broadcast_async(id: Value, params: Value) -> Reply {
    broadcast(id, params, TxExecutionStatus::None, Answer::Hash)
}

fn broadcast(id: Value, params: Value, until: TxExecutionStatus, kind: Answer) -> Reply {
    let transaction = match params {
        Value::Array(positional) => positional_transaction(positional),
        params => parse::<RpcSendTransactionRequest>(params).map(|request| request.signed_transaction),
    };
    match transaction {
        Ok(transaction) => submit(id, transaction, until, kind),
        Err(error) => answer(id, Err(error)),
    }
}

fn positional_transaction(mut positional: Vec<Value>) -> Result<SignedTransaction, RpcError> {
    if positional.len() != 1 {
        return Err(refused(&format!("expected one transaction, found {}", positional.len())));
    }
    parse(positional.remove(0))
}

fn submit(id: Value, transaction: SignedTransaction, until: TxExecutionStatus, kind: Answer) -> Reply {
    let wait = Wait { id, hash: transaction.get_hash(), until, answer: kind };
    Reply::Submit { transaction: Box::new(transaction), wait }
}

pub(super) fn status(id: Value, params: Value, with_receipts: bool, view: &View) -> Reply {
    let request = match params {
        Value::Array(positional) => {
            parse::<(CryptoHash, AccountId)>(Value::Array(positional)).map(|(tx_hash, sender_account_id)| {
                RpcTransactionStatusRequest {
                    transaction_info: TransactionInfo::TransactionId { tx_hash, sender_account_id },
                    wait_until: TxExecutionStatus::default(),
                }
            })
        }
        params => parse(params),
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => return answer(id, Err(error)),
    };
    let (hash, _) = request.transaction_info.to_tx_hash_and_account();
    let wait = Wait { id, hash, until: request.wait_until, answer: Answer::Asked { with_receipts } };
    match wait.check(view) {
        Some((http_status, body)) => Reply::Answer { http_status, body },
        None => Reply::Wait(wait),
    }
}

pub(super) fn receipt(params: Value, view: &View) -> Handled {
    let receipt_id = match params {
        Value::Array(mut positional) if positional.len() == 1 => parse(positional.remove(0))?,
        params => parse::<RpcReceiptRequest>(params)?.receipt_reference.receipt_id,
    };
    match outcome::receipt(&view.entries, &receipt_id) {
        Some(receipt) => to_value(&RpcReceiptResponse { receipt_view: ReceiptView::from(receipt) }),
        None => Err(RpcReceiptError::UnknownReceipt { receipt_id }.into()),
    }
}

fn outcome_body(status: TransactionStatus, with_receipts: bool) -> Handled {
    let final_outcome = status.outcome;
    let outcome = if with_receipts {
        let receipts = status.receipts;
        FinalExecutionOutcomeViewEnum::FinalExecutionOutcomeWithReceipt(FinalExecutionOutcomeWithReceiptView {
            final_outcome,
            receipts,
        })
    } else {
        FinalExecutionOutcomeViewEnum::FinalExecutionOutcome(final_outcome)
    };
    to_value(&RpcTransactionResponse { final_execution_outcome: Some(outcome), final_execution_status: status.level })
}

/// Leaves out the `info: null` of a timeout: nodes of this protocol version send the bare name.
fn flattened(error: RpcTransactionError) -> RpcError {
    let mut error: RpcError = error.into();
    if let Some(near_jsonrpc_primitives::errors::RpcErrorKind::HandlerError(cause)) = &mut error.error_struct
        && let Some(cause) = cause.as_object_mut()
        && cause.get("info").is_some_and(Value::is_null)
    {
        cause.remove("info");
    }
    error
}

/// How far a state is; the names of the protocol don't say it.
fn rank(status: &TxExecutionStatus) -> u8 {
    match status {
        TxExecutionStatus::None => 0,
        TxExecutionStatus::Included => 1,
        TxExecutionStatus::IncludedFinal => 2,
        TxExecutionStatus::ExecutedOptimistic => 3,
        TxExecutionStatus::Executed => 4,
        TxExecutionStatus::Final => 5,
    }
}
