//! Where receipts wait: the queue of those that may run, and those that still lack data.

use borsh::{BorshDeserialize, BorshSerialize};
use near_primitives::hash::CryptoHash;
use near_primitives::receipt::{DataReceipt, Receipt, ReceivedData, VersionedReceiptEnum};
use near_primitives::types::AccountId;

use crate::keys::{self, Column};
use crate::state::{Entries, State, decode, read, scan};

/// Running numbers that order the queues.
#[derive(BorshSerialize, BorshDeserialize, Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Number of the next runnable receipt.
    pub(crate) runnable: u64,
    /// Number of the next yield.
    pub(crate) yields: u64,
    /// Number of the next job of the signer.
    pub(crate) sign_jobs: u64,
}

pub(crate) fn counters(entries: &Entries) -> Counters {
    read(entries, &keys::single(Column::Counters)).unwrap_or_default()
}

pub(crate) fn set_counters(state: &mut State, counters: Counters) {
    state.write(&keys::single(Column::Counters), &counters);
}

/// Puts a receipt at the end of the queue.
pub(crate) fn enqueue(state: &mut State, receipt: &Receipt) {
    let mut counters = counters(state.entries());
    state.write(&keys::by_number(Column::Runnable, counters.runnable), receipt);
    counters.runnable += 1;
    set_counters(state, counters);
}

/// Takes the first receipt of the queue whose number is below `end`.
pub(crate) fn dequeue(state: &mut State, end: u64) -> Option<Receipt> {
    let prefix = keys::single(Column::Runnable);
    let (key, receipt) = scan(state.entries(), &prefix).next().map(|(key, value)| (key.clone(), value.clone()))?;
    if *key >= *keys::by_number(Column::Runnable, end) {
        return None;
    }
    state.delete(&key);
    Some(decode(&receipt))
}

pub(crate) fn has_runnable(entries: &Entries) -> bool {
    scan(entries, &keys::single(Column::Runnable)).next().is_some()
}

/// Takes in a receipt that has arrived; returns the one that may run because of it, if any.
pub(crate) fn arrive(state: &mut State, receipt: Receipt) -> Option<Receipt> {
    let receiver = receipt.receiver_id().clone();
    match receipt.versioned_receipt() {
        VersionedReceiptEnum::Data(data) => accept_data(state, &receiver, &data),
        VersionedReceiptEnum::PromiseResume(data) => {
            let waiting = crate::yields::take(state, &receiver, &data.data_id)?;
            let received = ReceivedData { data: data.data.clone() };
            state.write(&keys::owned_hash(Column::Received, &receiver, &data.data_id), &received);
            Some(waiting)
        }
        VersionedReceiptEnum::Action(action) => {
            let missing: Vec<CryptoHash> = action
                .input_data_ids()
                .iter()
                .filter(|id| !state.contains(&keys::owned_hash(Column::Received, &receiver, id)))
                .copied()
                .collect();
            if missing.is_empty() {
                return Some(receipt);
            }
            postpone(state, &receipt, &missing);
            None
        }
        // Yields are stored where they are made, and global contracts are refused.
        VersionedReceiptEnum::PromiseYield(_) | VersionedReceiptEnum::GlobalContractDistribution(_) => None,
    }
}

/// Takes the data that a receipt has waited for, in the order in which it asked.
pub(crate) fn take_inputs(state: &mut State, receiver: &AccountId, ids: &[CryptoHash]) -> Vec<Option<Vec<u8>>> {
    ids.iter()
        .map(|id| {
            state
                .take::<ReceivedData>(&keys::owned_hash(Column::Received, receiver, id))
                .and_then(|received| received.data)
        })
        .collect()
}

fn postpone(state: &mut State, receipt: &Receipt, missing: &[CryptoHash]) {
    let receiver = receipt.receiver_id();
    let id = receipt.receipt_id();
    for data_id in missing {
        state.write(&keys::owned_hash(Column::AwaitedBy, receiver, data_id), id);
    }
    let count = u32::try_from(missing.len()).expect("a receipt has at most 128 inputs");
    state.write(&keys::owned_hash(Column::Missing, receiver, id), &count);
    state.write(&keys::owned_hash(Column::Postponed, receiver, id), receipt);
}

fn accept_data(state: &mut State, receiver: &AccountId, data: &DataReceipt) -> Option<Receipt> {
    let received = ReceivedData { data: data.data.clone() };
    state.write(&keys::owned_hash(Column::Received, receiver, &data.data_id), &received);
    let waiting: CryptoHash = state.take(&keys::owned_hash(Column::AwaitedBy, receiver, &data.data_id))?;
    let missing_key = keys::owned_hash(Column::Missing, receiver, &waiting);
    let missing: u32 = state.read(&missing_key).unwrap_or(1);
    if missing > 1 {
        state.write(&missing_key, &(missing - 1));
        return None;
    }
    state.delete(&missing_key);
    state.take(&keys::owned_hash(Column::Postponed, receiver, &waiting))
}
