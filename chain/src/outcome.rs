//! What has become of transactions and receipts, for whoever asks, until it is forgotten.

use borsh::{BorshDeserialize, BorshSerialize};
use near_primitives::hash::CryptoHash;
use near_primitives::receipt::Receipt;
use near_primitives::transaction::{
    ExecutionOutcome, ExecutionOutcomeWithId, ExecutionOutcomeWithIdAndProof, ExecutionStatus, SignedTransaction,
};
use near_primitives::types::BlockHeight;
use near_primitives::views::{
    ExecutionOutcomeWithIdView, FinalExecutionOutcomeView, FinalExecutionStatus, ReceiptView, TxExecutionStatus,
};

use crate::block::BlockRecord;
use crate::keys::{self, Column};
use crate::state::{Entries, State, read};

/// An outcome and the block that it belongs to.
#[derive(BorshSerialize, BorshDeserialize, Clone)]
pub(crate) struct OutcomeRecord {
    pub(crate) block_hash: CryptoHash,
    pub(crate) outcome: ExecutionOutcome,
}

pub(crate) fn record(state: &mut State, id: CryptoHash, block: &BlockRecord, outcome: ExecutionOutcome) {
    let record = OutcomeRecord { block_hash: block.hash, outcome };
    state.write(&keys::by_hash(Column::Outcome, &id), &record);
}

pub(crate) fn remember_transaction(state: &mut State, transaction: &SignedTransaction) {
    state.write(&keys::by_hash(Column::Transaction, &transaction.get_hash()), transaction);
}

pub(crate) fn remember_receipt(state: &mut State, receipt: &Receipt) {
    state.write(&keys::by_hash(Column::Receipt, receipt.receipt_id()), receipt);
}

/// Lists what this block left behind, so that it can be forgotten later.
pub(crate) fn remember_block(state: &mut State, height: BlockHeight, ids: &[CryptoHash]) {
    if !ids.is_empty() {
        state.write(&keys::by_number(Column::History, height), &ids);
    }
}

/// Removes what the block at `height` left behind.
pub(crate) fn forget_block(state: &mut State, height: BlockHeight) {
    let ids: Vec<CryptoHash> = state.take(&keys::by_number(Column::History, height)).unwrap_or_default();
    for id in ids {
        state.delete(&keys::by_hash(Column::Outcome, &id));
        state.delete(&keys::by_hash(Column::Transaction, &id));
        state.delete(&keys::by_hash(Column::Receipt, &id));
    }
}

pub(crate) fn receipt(entries: &Entries, id: &CryptoHash) -> Option<Receipt> {
    read(entries, &keys::by_hash(Column::Receipt, id))
}

pub(crate) fn is_executed(entries: &Entries, transaction: &CryptoHash) -> bool {
    entries.contains_key(&*keys::by_hash(Column::Outcome, transaction))
}

/// How far a transaction has come.
#[derive(Clone, Debug)]
pub struct TransactionStatus {
    /// The furthest state that it has reached: `Included`-`Final`.
    pub level: TxExecutionStatus,
    /// The outcomes so far.
    pub outcome: FinalExecutionOutcomeView,
    /// The receipts that it has led to so far, in the order of `outcome.receipts_outcome` and then the rest.
    pub receipts: Vec<ReceiptView>,
}

/// Follows a transaction through all of its receipts. `None` if it is unknown or forgotten.
pub(crate) fn follow(entries: &Entries, hash: &CryptoHash) -> Option<TransactionStatus> {
    let transaction: SignedTransaction = read(entries, &keys::by_hash(Column::Transaction, hash))?;
    let first = outcome_of(entries, hash)?;
    let mut receipts_outcome = Vec::new();
    let mut receipts = Vec::new();
    let mut is_executed = true;
    let mut is_final = true;
    // Depth first, in the order in which the receipts were made.
    let mut open: Vec<CryptoHash> = first.outcome.receipt_ids.iter().rev().copied().collect();
    while let Some(id) = open.pop() {
        let receipt = receipt(entries, &id);
        let is_refund = receipt.as_ref().is_some_and(|receipt| receipt.predecessor_id().is_system());
        receipts.extend(receipt.map(ReceiptView::from));
        match outcome_of(entries, &id) {
            Some(record) => {
                open.extend(record.outcome.receipt_ids.iter().rev());
                receipts_outcome.push(to_view(id, record));
            }
            None => {
                is_final = false;
                is_executed &= is_refund;
            }
        }
    }
    let level = match (is_final, is_executed) {
        (true, _) => TxExecutionStatus::Final,
        (false, true) => TxExecutionStatus::Executed,
        (false, false) => TxExecutionStatus::IncludedFinal,
    };
    let outcome = FinalExecutionOutcomeView {
        status: final_status(entries, &first.outcome.status),
        transaction: transaction.into(),
        transaction_outcome: to_view(*hash, first),
        receipts_outcome,
    };
    Some(TransactionStatus { level, outcome, receipts })
}

/// The result of the receipt that stands for the transaction's, through all promises that were returned.
fn final_status(entries: &Entries, status: &ExecutionStatus) -> FinalExecutionStatus {
    let mut status = status.clone();
    loop {
        match status {
            ExecutionStatus::SuccessReceiptId(id) => match outcome_of(entries, &id) {
                Some(record) => status = record.outcome.status,
                None => return FinalExecutionStatus::Started,
            },
            ExecutionStatus::SuccessValue(value) => return FinalExecutionStatus::SuccessValue(value),
            ExecutionStatus::Failure(error) => return FinalExecutionStatus::Failure(error),
            ExecutionStatus::Unknown => return FinalExecutionStatus::NotStarted,
        }
    }
}

fn outcome_of(entries: &Entries, id: &CryptoHash) -> Option<OutcomeRecord> {
    read(entries, &keys::by_hash(Column::Outcome, id))
}

/// Without a proof: blocks of this chain carry no outcome root.
fn to_view(id: CryptoHash, record: OutcomeRecord) -> ExecutionOutcomeWithIdView {
    ExecutionOutcomeWithIdAndProof {
        proof: Vec::new(),
        block_hash: record.block_hash,
        outcome_with_id: ExecutionOutcomeWithId { id, outcome: record.outcome },
    }
    .into()
}
