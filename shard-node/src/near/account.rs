//! What NEAR knows of any account: balance, code and keys; and the network's name.

use super::{NearClient, NearError, near_account};
use near_crypto::PublicKeyHandle;
use near_jsonrpc_client::methods;
use near_jsonrpc_primitives::types::query::{QueryResponseKind, RpcQueryError};
use near_primitives::hash::CryptoHash;
use near_primitives::types::Finality;
use near_primitives::views::{AccessKeyPermissionView, QueryRequest};
use queue::ids::AccountId;

/// Most pages of access keys that are read: a bound on what a broken server can make us hold.
const KEY_PAGES_MAX: usize = 100;

/// An account at `final`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// Its balance, in yoctoNEAR.
    pub balance_yocto: u128,
    /// The storage that it occupies, in bytes.
    pub storage_bytes: u64,
    /// SHA-256 of its contract's code, if it has a contract.
    pub code_hash: Option<CryptoHash>,
}

/// One of an account's access keys at `final`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKey {
    /// Its public half.
    pub public_key: PublicKeyHandle,
    /// Whether it may do everything that its account may.
    pub full_access: bool,
}

impl NearClient {
    /// The name of the network that the server is of: `mainnet`, `testnet`, `localnet`, ….
    ///
    /// # Errors
    /// [`NearError::Unreachable`].
    pub async fn network(&self) -> Result<String, NearError> {
        let answer = self.rpc.call(methods::status::RpcStatusRequest).await;
        Ok(answer.map_err(|error| self.unreachable(&error))?.chain_id)
    }

    /// An account, if it exists.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn account(&self, account: &AccountId) -> Result<Option<AccountState>, NearError> {
        let request = QueryRequest::ViewAccount { account_id: near_account(account) };
        match self.query(request, Finality::Final).await {
            Ok(QueryResponseKind::ViewAccount(view)) => Ok(Some(AccountState {
                balance_yocto: view.amount.as_yoctonear(),
                storage_bytes: view.storage_usage,
                code_hash: Some(view.code_hash).filter(|hash| *hash != CryptoHash::default()),
            })),
            Ok(_) => Err(self.nonsense()),
            Err(error) => match error.handler_error() {
                Some(RpcQueryError::UnknownAccount { .. }) => Ok(None),
                _ => Err(self.unreachable(&error)),
            },
        }
    }

    /// An account's access keys; none if there is no such account.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn access_keys(&self, account: &AccountId) -> Result<Vec<AccountKey>, NearError> {
        let mut keys = Vec::new();
        let mut after_key = None;
        for _ in 0..KEY_PAGES_MAX {
            let account_id = near_account(account);
            let request = QueryRequest::ViewAccessKeyList { account_id, after_key, limit: None };
            let page = match self.query(request, Finality::Final).await {
                Ok(QueryResponseKind::AccessKeyList(page)) => page,
                Ok(_) => return Err(self.nonsense()),
                Err(error) => match error.handler_error() {
                    Some(RpcQueryError::UnknownAccount { .. }) => return Ok(Vec::new()),
                    _ => return Err(self.unreachable(&error)),
                },
            };
            keys.extend(page.keys.into_iter().map(|key| AccountKey {
                public_key: key.public_key,
                full_access: is_full_access(&key.access_key.permission),
            }));
            after_key = page.last_key;
            if after_key.is_none() {
                return Ok(keys);
            }
        }
        let reason = format!("it lists more than {KEY_PAGES_MAX} pages of access keys of {account}");
        Err(NearError::Unreachable { url: self.url().to_owned(), reason })
    }
}

fn is_full_access(permission: &AccessKeyPermissionView) -> bool {
    match permission {
        AccessKeyPermissionView::FullAccess | AccessKeyPermissionView::GasKeyFullAccess { .. } => true,
        AccessKeyPermissionView::FunctionCall { .. } | AccessKeyPermissionView::GasKeyFunctionCall { .. } => false,
    }
}
