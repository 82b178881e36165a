//! What ran on the bridge account in a block, in the order in which it did.

use crate::world::{BRIDGE, World};
use chain::Diff;
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::views::{
    ActionView, ExecutionOutcomeView, ExecutionOutcomeWithIdView, ExecutionStatusView, ReceiptEnumView, ReceiptView,
};
use queue::contract::Event;
use std::collections::BTreeMap;

/// A function call that ran on the bridge account.
pub struct Ran {
    /// The transaction's place among those that were asked for.
    pub of: usize,
    /// Whether it is what the transaction itself called; the contract's own callback otherwise.
    pub is_asked: bool,
    pub method: String,
    pub args: Vec<u8>,
    pub outcome: ExecutionOutcomeView,
}

/// The function calls that ran on the bridge account in the newest block because of some transactions.
pub fn ran(world: &World, transactions: &[CryptoHash]) -> Vec<Ran> {
    let order = world.diffs.last().map(order).unwrap_or_default();
    if order.is_empty() {
        return Vec::new();
    }
    let view = world.chain.view();
    let mut by_place = BTreeMap::new();
    for (of, transaction) in transactions.iter().enumerate() {
        let Some(status) = view.transaction_status(transaction) else { continue };
        let first = status.outcome.transaction_outcome.outcome.receipt_ids[0];
        let receipts: BTreeMap<_, _> =
            status.receipts.into_iter().map(|receipt| (receipt.receipt_id, receipt)).collect();
        for ExecutionOutcomeWithIdView { id, block_hash, outcome, .. } in status.outcome.receipts_outcome {
            if block_hash == view.block_hash() && outcome.executor_id == BRIDGE {
                let (method, args) = called(&receipts[&id]).unwrap_or_default();
                by_place.insert(order[&id], Ran { of, is_asked: id == first, method, args, outcome });
            }
        }
    }
    by_place.into_values().filter(|ran| !ran.method.is_empty()).collect()
}

/// Where each receipt stands in what a block left behind: the chain lists the receipts that it sent
/// and ran there in their order, a receipt that ran after those that it sent.
fn order(block: &Diff) -> BTreeMap<CryptoHash, usize> {
    let lists = block.puts.iter().filter_map(|(_, value)| borsh::from_slice::<Vec<CryptoHash>>(value).ok());
    lists.flatten().enumerate().map(|(place, id)| (id, place)).collect()
}

/// Method and arguments; refunds have none.
fn called(receipt: &ReceiptView) -> Option<(String, Vec<u8>)> {
    let ReceiptEnumView::Action { actions, .. } = &receipt.receipt else { return None };
    match &actions[..] {
        [ActionView::FunctionCall { method_name, args, .. }] => Some((method_name.clone(), args.to_vec())),
        _ => None,
    }
}

impl Ran {
    pub fn events(&self) -> Vec<Event> {
        let events = self.outcome.logs.iter().filter_map(|log| log.strip_prefix("EVENT_JSON:"));
        events.map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    /// The arguments of a callback.
    pub fn arguments<T: borsh::BorshDeserialize>(&self) -> T {
        borsh::from_slice(&self.args).unwrap()
    }

    /// What it returned, unless it asked somebody.
    pub fn value<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        match &self.outcome.status {
            ExecutionStatusView::SuccessValue(bytes) => serde_json::from_slice(bytes).ok(),
            _ => None,
        }
    }
}
