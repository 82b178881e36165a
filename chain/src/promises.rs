//! The receipts that a call is making: promises, their callbacks, yields, and how unused gas is shared out.

use near_primitives::hash::CryptoHash;
use near_primitives::receipt::{
    ActionReceipt, ActionReceiptV2, DataReceipt, DataReceiver, Receipt, ReceiptEnum, ReceiptV0,
};
use near_primitives::transaction::Action;
use near_primitives::types::{AccountId, Balance, BlockHeight, Gas};
use near_primitives::utils::create_receipt_id_from_action_hash;

/// Where the ids of data receipts come from: each call counts its own.
pub(crate) struct DataIds {
    action_hash: CryptoHash,
    height: BlockHeight,
    next: u64,
}

impl DataIds {
    pub(crate) fn new(action_hash: CryptoHash, height: BlockHeight) -> Self {
        Self { action_hash, height, next: 0 }
    }

    pub(crate) fn next(&mut self) -> CryptoHash {
        let id = create_receipt_id_from_action_hash(&self.action_hash, self.height, self.next);
        self.next += 1;
        id
    }
}

/// A receipt that has no id and no sender yet.
pub(crate) struct Draft {
    pub(crate) receiver_id: AccountId,
    pub(crate) refund_to: Option<AccountId>,
    pub(crate) is_yield: bool,
    pub(crate) output_data_receivers: Vec<DataReceiver>,
    pub(crate) input_data_ids: Vec<CryptoHash>,
    pub(crate) actions: Vec<Action>,
}

/// A share of the gas that is left when the call has ended.
struct GasShare {
    draft: usize,
    action: usize,
    weight: u64,
}

/// Everything that a call has asked for so far.
#[derive(Default)]
pub(crate) struct Promises {
    drafts: Vec<Draft>,
    resumes: Vec<(CryptoHash, Vec<u8>)>,
    shares: Vec<GasShare>,
}

/// The parts of the running receipt that its children inherit.
pub(crate) struct Origin<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) signer_id: &'a AccountId,
    pub(crate) signer_public_key: &'a near_crypto::PublicKey,
    pub(crate) gas_price: Balance,
}

impl Promises {
    /// Adds a receipt that runs when all of `dependencies` have ended; returns its index.
    pub(crate) fn create(
        &mut self,
        dependencies: &[usize],
        receiver_id: AccountId,
        ids: &mut DataIds,
    ) -> Option<usize> {
        if dependencies.iter().any(|index| *index >= self.drafts.len()) {
            return None;
        }
        let mut input_data_ids = Vec::with_capacity(dependencies.len());
        for dependency in dependencies {
            let data_id = ids.next();
            self.drafts[*dependency]
                .output_data_receivers
                .push(DataReceiver { data_id, receiver_id: receiver_id.clone() });
            input_data_ids.push(data_id);
        }
        Some(self.push(receiver_id, input_data_ids, false))
    }

    /// Adds a receipt that runs when `resume` is called with the returned data id.
    pub(crate) fn create_yield(&mut self, receiver_id: AccountId, ids: &mut DataIds) -> (usize, CryptoHash) {
        let data_id = ids.next();
        (self.push(receiver_id, vec![data_id], true), data_id)
    }

    pub(crate) fn resume(&mut self, data_id: CryptoHash, data: Vec<u8>) {
        self.resumes.push((data_id, data));
    }

    /// Whether this very call has made a yield that waits for `data_id`.
    pub(crate) fn has_yield(&self, data_id: &CryptoHash) -> bool {
        self.drafts.iter().any(|draft| draft.is_yield && draft.input_data_ids.contains(data_id))
    }

    pub(crate) fn draft(&self, index: usize) -> Option<&Draft> {
        self.drafts.get(index)
    }

    pub(crate) fn draft_mut(&mut self, index: usize) -> Option<&mut Draft> {
        self.drafts.get_mut(index)
    }

    pub(crate) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// Appends an action, whose gas grows by a share of what is left when `weight` isn't zero.
    pub(crate) fn append(&mut self, index: usize, action: Action, weight: u64) -> bool {
        let Some(draft) = self.drafts.get_mut(index) else { return false };
        if weight > 0 {
            self.shares.push(GasShare { draft: index, action: draft.actions.len(), weight });
        }
        draft.actions.push(action);
        true
    }

    /// Shares `unused` out by weight; what doesn't divide goes to the last share. Returns what was given away.
    pub(crate) fn distribute(&mut self, unused: Gas) -> Gas {
        let total_weight: u128 = self.shares.iter().map(|share| u128::from(share.weight)).sum();
        if total_weight == 0 {
            return Gas::ZERO;
        }
        let mut left = unused.as_gas();
        let last = self.shares.len() - 1;
        for (index, share) in self.shares.iter().enumerate() {
            let part = if index == last {
                left
            } else {
                let exact = u128::from(unused.as_gas()) * u128::from(share.weight) / total_weight;
                u64::try_from(exact).expect("a share is at most the whole, which is a u64")
            };
            left -= part;
            if let Action::FunctionCall(call) = &mut self.drafts[share.draft].actions[share.action] {
                call.gas = Gas::from_gas(call.gas.as_gas().saturating_add(part));
            }
        }
        unused
    }

    /// Turns the drafts into receipts without ids: the actions in order, then the resumed yields.
    pub(crate) fn into_receipts(self, origin: &Origin<'_>) -> Vec<Receipt> {
        let actions = self.drafts.into_iter().map(|draft| draft.into_receipt(origin));
        let resumes = self.resumes.into_iter().map(|(data_id, data)| {
            receipt(
                origin.account_id.clone(),
                origin.account_id.clone(),
                ReceiptEnum::PromiseResume(DataReceipt { data_id, data: Some(data) }),
            )
        });
        actions.chain(resumes).collect()
    }

    fn push(&mut self, receiver_id: AccountId, input_data_ids: Vec<CryptoHash>, is_yield: bool) -> usize {
        self.drafts.push(Draft {
            receiver_id,
            refund_to: None,
            is_yield,
            output_data_receivers: Vec::new(),
            input_data_ids,
            actions: Vec::new(),
        });
        self.drafts.len() - 1
    }
}

impl Draft {
    fn into_receipt(self, origin: &Origin<'_>) -> Receipt {
        let signer_id = origin.signer_id.clone();
        let signer_public_key = origin.signer_public_key.clone();
        let gas_price = origin.gas_price;
        let body = match self.refund_to {
            Some(refund_to) => {
                let action = ActionReceiptV2 {
                    signer_id,
                    refund_to: Some(refund_to),
                    signer_public_key,
                    gas_price,
                    output_data_receivers: self.output_data_receivers,
                    input_data_ids: self.input_data_ids,
                    actions: self.actions,
                };
                if self.is_yield { ReceiptEnum::PromiseYieldV2(action) } else { ReceiptEnum::ActionV2(action) }
            }
            None => {
                let action = ActionReceipt {
                    signer_id,
                    signer_public_key,
                    gas_price,
                    output_data_receivers: self.output_data_receivers,
                    input_data_ids: self.input_data_ids,
                    actions: self.actions,
                };
                if self.is_yield { ReceiptEnum::PromiseYield(action) } else { ReceiptEnum::Action(action) }
            }
        };
        receipt(origin.account_id.clone(), self.receiver_id, body)
    }
}

/// A receipt whose id is still to be given.
pub(crate) fn receipt(predecessor_id: AccountId, receiver_id: AccountId, receipt: ReceiptEnum) -> Receipt {
    Receipt::V0(ReceiptV0 { predecessor_id, receiver_id, receipt_id: CryptoHash::default(), receipt })
}

#[cfg(test)]
mod tests {
    use super::*;
    use near_primitives::transaction::FunctionCallAction;

    fn call(gas: u64) -> Action {
        Action::FunctionCall(Box::new(FunctionCallAction {
            method_name: "m".to_owned(),
            args: Vec::new(),
            gas: Gas::from_gas(gas),
            deposit: Balance::ZERO,
        }))
    }

    fn account(id: &str) -> AccountId {
        id.parse().expect("a valid account id")
    }

    #[test]
    fn unused_gas_is_shared_by_weight_and_the_remainder_goes_to_the_last() {
        let mut ids = DataIds::new(CryptoHash::default(), 1);
        let mut promises = Promises::default();
        for weight in [1, 2, 0, 1] {
            let index = promises.create(&[], account("aa"), &mut ids).expect("no dependencies");
            assert!(promises.append(index, call(10), weight));
        }
        assert_eq!(promises.distribute(Gas::from_gas(101)), Gas::from_gas(101));
        let gas: Vec<u64> = promises.drafts().iter().map(|draft| draft.actions[0].get_prepaid_gas().as_gas()).collect();
        assert_eq!(gas, vec![10 + 25, 10 + 50, 10, 10 + 26]);
    }

    #[test]
    fn without_weights_nothing_is_given_away() {
        let mut ids = DataIds::new(CryptoHash::default(), 1);
        let mut promises = Promises::default();
        let index = promises.create(&[], account("aa"), &mut ids).expect("no dependencies");
        promises.append(index, call(10), 0);
        assert_eq!(promises.distribute(Gas::from_gas(101)), Gas::ZERO);
    }

    #[test]
    fn a_callback_waits_for_each_promise_under_its_own_data_id() {
        let mut ids = DataIds::new(CryptoHash::default(), 1);
        let mut promises = Promises::default();
        let first = promises.create(&[], account("aa"), &mut ids).expect("no dependencies");
        let second = promises.create(&[], account("bb"), &mut ids).expect("no dependencies");
        let both = promises.create(&[first, second], account("cc"), &mut ids).expect("both exist");
        let inputs = promises.drafts()[both].input_data_ids.clone();
        assert_eq!(inputs.len(), 2);
        assert_ne!(inputs[0], inputs[1]);
        assert_eq!(promises.drafts()[first].output_data_receivers[0].data_id, inputs[0]);
        assert_eq!(promises.drafts()[second].output_data_receivers[0].data_id, inputs[1]);
        assert!(promises.create(&[7], account("cc"), &mut ids).is_none());
    }
}
