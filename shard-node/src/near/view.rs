//! Views of contracts at `final`: what they answer, and why they don't.

use super::{NearClient, NearError, near_account};
use near_jsonrpc_client::errors::JsonRpcError;
use near_jsonrpc_primitives::types::query::{QueryResponseKind, RpcQueryError};
use near_primitives::types::{AccountId as NearAccountId, Finality};
use near_primitives::views::QueryRequest;
use queue::ids::AccountId;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl NearClient {
    /// What a view of any contract answers at `final`, read from JSON.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn view_of<T: DeserializeOwned>(
        &self,
        contract: &AccountId,
        method: &'static str,
        args: &impl Serialize,
    ) -> Result<T, NearError> {
        self.view_at(&near_account(contract), method, args).await
    }

    /// What a view of the bridge contract answers at `final`.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn view<T: DeserializeOwned>(&self, method: &'static str, args: &impl Serialize) -> Result<T, NearError> {
        self.view_at(&self.bridge, method, args).await
    }

    async fn view_at<T: DeserializeOwned>(
        &self,
        contract: &NearAccountId,
        method: &'static str,
        args: &impl Serialize,
    ) -> Result<T, NearError> {
        let unknown = |reason: String| NearError::Answer { account: contract.to_string(), method, reason };
        let args = serde_json::to_vec(args).map_err(|error| unknown(error.to_string()))?;
        let request = QueryRequest::CallFunction {
            account_id: contract.clone(),
            method_name: method.to_owned(),
            args: args.into(),
        };
        match self.query(request, Finality::Final).await {
            Ok(QueryResponseKind::CallResult(answer)) => {
                serde_json::from_slice(&answer.result).map_err(|error| unknown(error.to_string()))
            }
            Ok(_) => Err(self.nonsense()),
            Err(error) => Err(self.view_error(contract, method, &error)),
        }
    }

    /// That the bridge contract's answer can't be one.
    pub(super) fn unknown_answer(&self, method: &'static str, reason: String) -> NearError {
        NearError::Answer { account: self.bridge.to_string(), method, reason }
    }

    fn view_error(
        &self,
        contract: &NearAccountId,
        method: &'static str,
        error: &JsonRpcError<RpcQueryError>,
    ) -> NearError {
        let (url, account) = (self.url().to_owned(), contract.to_string());
        match error.handler_error() {
            Some(RpcQueryError::UnknownAccount { .. }) => NearError::NoAccount { url, account },
            Some(RpcQueryError::NoContractCode { .. }) => NearError::NoContract { url, account },
            Some(RpcQueryError::ContractExecutionError { vm_error, .. }) if vm_error.contains("CodeDoesNotExist") => {
                NearError::NoContract { url, account }
            }
            Some(RpcQueryError::ContractExecutionError { vm_error, .. }) if vm_error.contains("MethodNotFound") => {
                NearError::NoView { account, method }
            }
            // A real server reports a missing account in a view call as an execution error.
            Some(RpcQueryError::ContractExecutionError { vm_error, .. })
                if vm_error.contains("does not exist while viewing") =>
            {
                NearError::NoAccount { url, account }
            }
            Some(RpcQueryError::ContractExecutionError { vm_error, .. }) => {
                NearError::View { account, method, reason: vm_error.clone() }
            }
            _ => self.unreachable(error),
        }
    }
}
