//! Questions to one snapshot of the chain.

use std::sync::Arc;

use imbl::OrdMap;
use near_crypto::{KeyType, PublicKey};
use near_primitives::account::{AccessKey, Account};
use near_primitives::errors::{FunctionCallError, InvalidTxError};
use near_primitives::hash::CryptoHash;
use near_primitives::types::{AccountId, Balance, BlockHeight};
use near_primitives::utils::create_random_seed;
use near_primitives::views::FinalExecutionOutcomeView;
use near_vm_runner::logic::ReturnData;

use crate::account;
use crate::block::BlockRecord;
use crate::config::{ChainConfig, VIEW_GAS_LIMIT};
use crate::execute::{Call, CallFailure, ContractCache, call_contract};
use crate::genesis::GenesisRecord;
use crate::keys;
use crate::outcome::{self, TransactionStatus};
use crate::signer::{self, SignerAccount};
use crate::state::{Entries, State};

/// The chain as it was when the view was taken. Clones cost nothing and may go to other threads.
#[derive(Clone)]
pub struct View {
    pub(crate) entries: Entries,
    pub(crate) genesis: Arc<GenesisRecord>,
    pub(crate) config: Arc<ChainConfig>,
    pub(crate) signer: Option<Arc<SignerAccount>>,
    pub(crate) cache: ContractCache,
    pub(crate) head: BlockRecord,
    pub(crate) rejected: OrdMap<CryptoHash, InvalidTxError>,
}

/// What a view call has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// The returned bytes; empty when the method returned nothing.
    pub result: Vec<u8>,
    /// What it logged.
    pub logs: Vec<String>,
}

/// Why a view call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no such account.
    #[error("account {account_id} does not exist while viewing")]
    UnknownAccount {
        /// The account.
        account_id: AccountId,
    },
    /// The contract failed, or there is none.
    #[error("wasm execution failed with error: {text}")]
    Execution {
        /// What went wrong.
        error: FunctionCallError,
        /// The same in the VM's own words.
        text: String,
        /// What it logged before.
        logs: Vec<String>,
    },
}

impl View {
    /// Height of the newest block.
    pub fn height(&self) -> BlockHeight {
        self.head.height
    }

    /// Hash of the newest block; a transaction may name it.
    pub fn block_hash(&self) -> CryptoHash {
        self.head.hash
    }

    /// Time of the newest block, in nanoseconds since the Unix epoch.
    pub fn block_time_ns(&self) -> u64 {
        self.head.time_ns
    }

    /// The network's name.
    pub fn chain_id(&self) -> &str {
        &self.config.chain_id
    }

    /// An account, if it exists.
    pub fn account(&self, id: &AccountId) -> Option<Account> {
        account::account(&self.entries, id)
    }

    /// An access key, if it exists.
    pub fn access_key(&self, id: &AccountId, public_key: &PublicKey) -> Option<AccessKey> {
        account::access_key(&self.entries, id, public_key)
    }

    /// All access keys of an account.
    pub fn access_keys(&self, id: &AccountId) -> Vec<(PublicKey, AccessKey)> {
        account::access_keys(&self.entries, id)
    }

    /// An account's contract, if it has one.
    pub fn code(&self, id: &AccountId) -> Option<&[u8]> {
        self.entries.get(&*keys::code(id)).map(|code| &**code)
    }

    /// All outcomes of a transaction so far; `None` if no block of the history has it.
    pub fn outcome(&self, transaction: &CryptoHash) -> Option<FinalExecutionOutcomeView> {
        self.transaction_status(transaction).map(|status| status.outcome)
    }

    /// How far a transaction has come; `None` if no block of the history has it.
    pub fn transaction_status(&self, transaction: &CryptoHash) -> Option<TransactionStatus> {
        outcome::follow(&self.entries, transaction)
    }

    /// Why a submitted transaction was dropped when its block was made, if it was.
    pub fn rejection(&self, transaction: &CryptoHash) -> Option<&InvalidTxError> {
        self.rejected.get(transaction)
    }

    /// Calls a view method; returns its bytes.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn call(&self, account_id: &AccountId, method: &str, args: &[u8]) -> Result<Vec<u8>, ViewError> {
        self.call_with_logs(account_id, method, args).map(|outcome| outcome.result)
    }

    /// Calls a view method; returns its bytes and logs. It may burn [`VIEW_GAS_LIMIT`].
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn call_with_logs(&self, account_id: &AccountId, method: &str, args: &[u8]) -> Result<CallOutcome, ViewError> {
        let account =
            self.account(account_id).ok_or_else(|| ViewError::UnknownAccount { account_id: account_id.clone() })?;
        if let Some(signer) = self.signer.as_deref().filter(|signer| signer.account_id == *account_id) {
            return self.call_signer(signer, method, args);
        }
        // What a view writes, which the VM forbids anyway, would stay in this copy.
        let mut state = State::persisted(self.entries.clone());
        let nobody = PublicKey::empty(KeyType::ED25519);
        let action_hash = CryptoHash::default();
        let call = Call {
            account_id,
            signer_id: account_id,
            signer_public_key: &nobody,
            predecessor_id: account_id,
            refund_to: account_id,
            method,
            args,
            deposit: Balance::ZERO,
            gas: VIEW_GAS_LIMIT,
            promise_results: &[],
            output_data_receivers: Vec::new(),
            action_hash,
            random_seed: create_random_seed(action_hash, self.head.random_value),
            is_view: true,
        };
        let result = call_contract(&self.config, &*self.cache, &self.head, &mut state, &account, call);
        match result.end {
            Ok(success) => {
                let returned = match success.returned {
                    ReturnData::Value(value) => value,
                    ReturnData::None | ReturnData::ReceiptIndex(_) => Vec::new(),
                };
                Ok(CallOutcome { result: returned, logs: result.logs })
            }
            Err(CallFailure { error, text }) => Err(ViewError::Execution { error, text, logs: result.logs }),
        }
    }

    fn call_signer(&self, signer: &SignerAccount, method: &str, args: &[u8]) -> Result<CallOutcome, ViewError> {
        signer::view(&self.entries, signer, method, args, &signer.account_id)
            .map(|result| CallOutcome { result, logs: Vec::new() })
            .map_err(|message| {
                let CallFailure { error, text } = signer::panicked(message).into();
                ViewError::Execution { error, text, logs: Vec::new() }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_may_be_shared_and_a_chain_may_be_sent() {
        fn is_shared<T: Clone + Send + Sync>() {}
        fn is_sent<T: Send>() {}
        is_shared::<View>();
        is_sent::<crate::Chain>();
    }
}
