//! What waits for the signer, and what its nodes are working on.

use borsh::{BorshDeserialize, BorshSerialize};
use near_primitives::hash::CryptoHash;
use near_primitives::transaction::{Action, FunctionCallAction, SignedTransaction, Transaction, TransactionV0};
use near_primitives::types::{Balance, BlockHeight, Gas};

use super::faults::SignerFault;
use super::json::{RespondArgs, SignatureRequest, to_json};
use super::{SignerAccount, method};
use crate::account::access_key;
use crate::block::BlockRecord;
use crate::keys::{self, Column};
use crate::receipts;
use crate::state::{Entries, State, decode, scan};

/// Gas that a node attaches to `respond`.
const RESPOND_GAS: Gas = Gas::from_teragas(30);

/// All callers that wait for one signature.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug, Default)]
pub(crate) struct WaitingRequest {
    /// The yields, oldest first. Invariant: one to `FAN_OUT_LIMIT`.
    pub(crate) yields: Vec<CryptoHash>,
    /// Set by the scripted faults whose signatures shall get through.
    pub(crate) accepts_any_signature: bool,
    /// Set by the scripted fault whose answer shall be too long.
    pub(crate) pads_answer: bool,
}

/// One request that the nodes have seen.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug)]
pub(crate) struct SignJob {
    pub(crate) request: SignatureRequest,
    /// Block time from which on the answer may be sent.
    pub(crate) ready_ns: u64,
    /// Height from which on the answer may be sent.
    pub(crate) ready_height: BlockHeight,
    pub(crate) fault: SignerFault,
}

pub(crate) fn request_key(request: &SignatureRequest) -> Vec<u8> {
    keys::by_hash(Column::SignRequest, &CryptoHash::hash_borsh(request))
}

/// Hands a request to the nodes, unless they already work on the same one and will answer it faithfully.
pub(crate) fn start(state: &mut State, job: SignJob) {
    let is_known = waiting(state.entries()).any(|known| {
        known.request == job.request && known.fault == SignerFault::None && known.ready_ns <= job.ready_ns
    });
    if is_known {
        return;
    }
    let mut counters = receipts::counters(state.entries());
    state.write(&keys::by_number(Column::SignJob, counters.sign_jobs), &job);
    counters.sign_jobs += 1;
    receipts::set_counters(state, counters);
}

/// What the nodes work on, in the order of the requests.
pub(crate) fn waiting(entries: &Entries) -> impl Iterator<Item = SignJob> {
    scan(entries, &[Column::SignJob as u8]).map(|(_, value)| decode(value)).collect::<Vec<_>>().into_iter()
}

/// Takes the requests that are due in this block and turns them into the nodes' transactions.
pub(crate) fn due_answers(state: &mut State, signer: &SignerAccount, block: &BlockRecord) -> Vec<SignedTransaction> {
    let due: Vec<_> = scan(state.entries(), &keys::single(Column::SignJob))
        .map(|(key, value)| (key.clone(), decode::<SignJob>(value)))
        .filter(|(_, job)| job.ready_ns <= block.time_ns && job.ready_height <= block.height)
        .collect();
    let node_key = signer.node_key.public_key();
    let mut nonce = access_key(state.entries(), &signer.node_id, &node_key).map_or(0, |access_key| access_key.nonce);
    let mut answers = Vec::with_capacity(due.len());
    for (key, job) in due {
        state.delete(&key);
        let Some(response) = signer.keys.sign(&job.request, job.fault) else { continue };
        nonce += 1;
        let args = to_json(&RespondArgs { request: job.request, response });
        answers.push(respond_transaction(signer, block, nonce, args));
    }
    answers
}

fn respond_transaction(signer: &SignerAccount, block: &BlockRecord, nonce: u64, args: Vec<u8>) -> SignedTransaction {
    let transaction = Transaction::V0(TransactionV0 {
        signer_id: signer.node_id.clone(),
        public_key: signer.node_key.public_key(),
        nonce,
        receiver_id: signer.account_id.clone(),
        block_hash: block.prev_hash,
        actions: vec![Action::FunctionCall(Box::new(FunctionCallAction {
            method_name: method::RESPOND.to_owned(),
            args,
            gas: RESPOND_GAS,
            deposit: Balance::ZERO,
        }))],
    });
    let (hash, _) = transaction.get_hash_and_size();
    SignedTransaction::new(signer.node_key.sign(hash.as_ref()), transaction)
}
