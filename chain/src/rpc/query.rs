//! `query`: accounts, keys, code, state, view calls.
//!
//! Only the newest state can be asked for; an older block of the history is `GARBAGE_COLLECTED_BLOCK`.

use near_jsonrpc_primitives::errors::RpcError;
use near_jsonrpc_primitives::types::query::{QueryResponseKind, RpcQueryError, RpcQueryRequest, RpcQueryResponse};
use near_primitives::account::AccountContract;
use near_primitives::types::{AccountId, BlockId, BlockReference, FunctionArgs, StoreKey};
use near_primitives::views::{
    AccessKeyInfoView, AccessKeyList, AccessKeyView, AccountView, CallResult, ContractCodeView, QueryRequest,
    StateItem, ViewStateResult,
};
use serde_json::{Value, json};

use super::block::{Missing, resolve};
use super::errors::{parse, refused, with_data};
use super::{Handled, to_value};
use crate::keys::{self, Column};
use crate::state::scan;
use crate::view::{View, ViewError};

/// Bytes of a contract's state above which `view_state` refuses to list it, as on nodes by default.
const VIEW_STATE_BYTES_MAX: usize = 50_000;

pub(super) fn query(params: Value, view: &View) -> Handled {
    let request = parse_request(params)?;
    resolve_newest(&request.block_reference, view)?;
    let kind = match request.request {
        QueryRequest::ViewAccount { account_id } => {
            let account = view.account(&account_id).ok_or_else(|| unknown_account(view, account_id))?;
            QueryResponseKind::ViewAccount(AccountView::from(account))
        }
        QueryRequest::ViewCode { account_id } => view_code(view, account_id)?,
        QueryRequest::ViewState { account_id, prefix, .. } => view_state(view, account_id, &prefix)?,
        QueryRequest::ViewAccessKey { account_id, public_key } => match view.access_key(&account_id, &public_key) {
            Some(key) => QueryResponseKind::AccessKey(AccessKeyView::from(key)),
            None => {
                let error = format!("access key {public_key} does not exist while viewing");
                return Ok(soft_error(view, &error, &[]));
            }
        },
        QueryRequest::ViewAccessKeyList { account_id, .. } => {
            if view.account(&account_id).is_none() {
                return Err(unknown_account(view, account_id));
            }
            let keys = view.access_keys(&account_id).into_iter();
            let list: AccessKeyList =
                keys.map(|(public_key, key)| AccessKeyInfoView::new(public_key, key.into())).collect();
            QueryResponseKind::AccessKeyList(list)
        }
        QueryRequest::CallFunction { account_id, method_name, args } => {
            match call_function(view, account_id, &method_name, &args)? {
                Ok(result) => QueryResponseKind::CallResult(result),
                Err(failed) => return Ok(failed),
            }
        }
        QueryRequest::ViewGasKeyNonces { .. }
        | QueryRequest::ViewGlobalContractCode { .. }
        | QueryRequest::ViewGlobalContractCodeByAccountId { .. } => {
            return Err(refused("this chain has no gas keys and no global contracts"));
        }
    };
    let response = RpcQueryResponse { kind, block_height: view.head.height, block_hash: view.head.hash };
    to_value(&response)
}

/// The named form, or the old one: a path and base58 data.
fn parse_request(params: Value) -> Result<RpcQueryRequest, RpcError> {
    let Value::Array(positional) = params else { return parse(params) };
    let (Some(Value::String(path)), data) = (positional.first(), positional.get(1)) else {
        return Err(refused("expected a path and data"));
    };
    let data = data.and_then(Value::as_str).unwrap_or_default();
    let data = bs58::decode(data).into_vec().map_err(|error| refused(&error.to_string()))?;
    let mut parts = path.splitn(3, '/');
    let command = parts.next().unwrap_or_default();
    let account_id = parts.next().unwrap_or_default();
    let account_id: AccountId = parse(Value::String(account_id.to_owned()))?;
    let rest = parts.next();
    let request = match (command, rest) {
        ("account", None) => QueryRequest::ViewAccount { account_id },
        ("code", None) => QueryRequest::ViewCode { account_id },
        ("access_key", None) => QueryRequest::ViewAccessKeyList { account_id, after_key: None, limit: None },
        ("access_key", Some(public_key)) => {
            let public_key = parse(Value::String(public_key.to_owned()))?;
            QueryRequest::ViewAccessKey { account_id, public_key }
        }
        ("contract", None) => QueryRequest::ViewState {
            account_id,
            prefix: data.into(),
            after_key: None,
            limit: None,
            include_proof: false,
        },
        ("call", Some(method_name)) => {
            QueryRequest::CallFunction { account_id, method_name: method_name.to_owned(), args: data.into() }
        }
        _ => return Err(refused(&format!("unknown path {path}"))),
    };
    Ok(RpcQueryRequest { block_reference: BlockReference::latest(), request })
}

fn resolve_newest(reference: &BlockReference, view: &View) -> Result<(), RpcError> {
    match resolve(reference, view) {
        Ok(block) if block.hash == view.head.hash => Ok(()),
        Ok(block) => {
            let (block_height, block_hash) = (block.height, block.hash);
            Err(RpcQueryError::GarbageCollectedBlock { block_height, block_hash }.into())
        }
        Err(Missing { message }) => {
            let error = RpcQueryError::UnknownBlock { block_reference: reference.clone() };
            Err(with_data(error.into(), format!("DB Not Found Error: {message} \n Cause: Unknown")))
        }
    }
}

fn view_code(view: &View, account_id: AccountId) -> Result<QueryResponseKind, RpcError> {
    let account = view.account(&account_id).ok_or_else(|| unknown_account(view, account_id.clone()))?;
    match (account.contract().as_ref(), view.code(&account_id)) {
        (AccountContract::Local(hash), Some(code)) => {
            Ok(QueryResponseKind::ViewCode(ContractCodeView { code: code.to_vec(), hash: *hash }))
        }
        _ => Err(RpcQueryError::NoContractCode {
            contract_account_id: account_id,
            block_height: view.head.height,
            block_hash: view.head.hash,
        }
        .into()),
    }
}

fn view_state(view: &View, account_id: AccountId, prefix: &StoreKey) -> Result<QueryResponseKind, RpcError> {
    if view.account(&account_id).is_none() {
        return Err(unknown_account(view, account_id));
    }
    let owned = keys::owned(Column::Data, &account_id);
    let full = keys::owned_part(Column::Data, &account_id, prefix);
    let mut bytes = 0usize;
    let mut values = Vec::new();
    for (key, value) in scan(&view.entries, &full) {
        let key = key[owned.len()..].to_vec();
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        if bytes > VIEW_STATE_BYTES_MAX {
            return Err(RpcQueryError::TooLargeContractState {
                contract_account_id: account_id,
                block_height: view.head.height,
                block_hash: view.head.hash,
            }
            .into());
        }
        values.push(StateItem { key: key.into(), value: value.to_vec().into() });
    }
    Ok(QueryResponseKind::ViewState(ViewStateResult { values, proof: Vec::new(), last_key: None }))
}

/// A call that fails is a result with an error text, not an error.
fn call_function(
    view: &View,
    account_id: AccountId,
    method: &str,
    args: &FunctionArgs,
) -> Result<Result<CallResult, Value>, RpcError> {
    match view.call_with_logs(&account_id, method, args) {
        Ok(outcome) => Ok(Ok(CallResult { result: outcome.result, logs: outcome.logs })),
        Err(ViewError::UnknownAccount { account_id }) => Err(unknown_account(view, account_id)),
        Err(ref error @ ViewError::Execution { ref logs, .. }) => Ok(Err(soft_error(view, &error.to_string(), logs))),
    }
}

fn soft_error(view: &View, error: &str, logs: &[String]) -> Value {
    json!({
        "block_hash": view.head.hash,
        "block_height": view.head.height,
        "error": error,
        "logs": logs,
    })
}

fn unknown_account(view: &View, requested_account_id: AccountId) -> RpcError {
    RpcQueryError::UnknownAccount { requested_account_id, block_height: view.head.height, block_hash: view.head.hash }
        .into()
}

/// A block id as nodes write it when they don't find it.
pub(super) fn describe(id: &BlockId) -> String {
    match id {
        BlockId::Height(height) => format!("BLOCK HEIGHT: {height}"),
        BlockId::Hash(hash) => format!("BLOCK: {hash}"),
    }
}
