//! Promises that wait until somebody resumes them, or until their height has come.

use near_primitives::hash::CryptoHash;
use near_primitives::receipt::{DataReceipt, PromiseYieldTimeout, Receipt, ReceiptEnum, VersionedReceiptEnum};
use near_primitives::types::{AccountId, BlockHeight};

use crate::keys::{self, Column};
use crate::promises;
use crate::receipts;
use crate::state::{Entries, State, decode, scan};

/// Stores a receipt that yields; it fails at `expires_at` unless it is resumed before.
pub(crate) fn store(state: &mut State, receipt: &Receipt, expires_at: BlockHeight) {
    let VersionedReceiptEnum::PromiseYield(action) = receipt.versioned_receipt() else { return };
    let Some(data_id) = action.input_data_ids().first().copied() else { return };
    let account_id = receipt.receiver_id().clone();
    state.write(&keys::owned_hash(Column::Yielded, &account_id, &data_id), receipt);

    let mut counters = receipts::counters(state.entries());
    let timeout = PromiseYieldTimeout { account_id, data_id, expires_at };
    state.write(&keys::by_two_numbers(Column::YieldTimeout, expires_at, counters.yields), &timeout);
    counters.yields += 1;
    receipts::set_counters(state, counters);
}

pub(crate) fn is_waiting(state: &State, account_id: &AccountId, data_id: &CryptoHash) -> bool {
    state.contains(&keys::owned_hash(Column::Yielded, account_id, data_id))
}

/// Takes a receipt that has waited, because its data is there.
pub(crate) fn take(state: &mut State, account_id: &AccountId, data_id: &CryptoHash) -> Option<Receipt> {
    state.take(&keys::owned_hash(Column::Yielded, account_id, data_id))
}

/// Whether anything waits to be resumed.
pub(crate) fn any_waiting(entries: &Entries) -> bool {
    scan(entries, &keys::single(Column::Yielded)).next().is_some()
}

/// Resumes with a failure everything whose height has come; it runs in the next block.
pub(crate) fn expire(state: &mut State, height: BlockHeight) {
    let due: Vec<_> = scan(state.entries(), &keys::single(Column::YieldTimeout))
        .map(|(key, value)| (key.clone(), decode::<PromiseYieldTimeout>(value)))
        .take_while(|(_, timeout)| timeout.expires_at <= height)
        .collect();
    for (key, timeout) in due {
        state.delete(&key);
        if !is_waiting(state, &timeout.account_id, &timeout.data_id) {
            continue;
        }
        let mut resume = promises::receipt(
            timeout.account_id.clone(),
            timeout.account_id,
            ReceiptEnum::PromiseResume(DataReceipt { data_id: timeout.data_id, data: None }),
        );
        resume.set_receipt_id(CryptoHash::hash_borsh((timeout.data_id, height)));
        receipts::enqueue(state, &resume);
    }
}
