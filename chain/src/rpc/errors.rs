//! Which HTTP status an error has, and how arguments that don't parse are refused.

use near_jsonrpc_primitives::errors::{RpcError, RpcErrorKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Handled;

/// Requests that make no sense are 400, waits that end without a result 408, internal errors 500; everything
/// else, failed transactions included, is 200.
pub(super) fn http_status(handled: &Handled) -> u16 {
    let Err(error) = handled else { return 200 };
    match &error.error_struct {
        Some(RpcErrorKind::RequestValidationError(_)) => 400,
        Some(RpcErrorKind::HandlerError(cause)) if cause["name"] == "TIMEOUT_ERROR" => 408,
        Some(RpcErrorKind::InternalError(_)) => 500,
        _ => 200,
    }
}

/// Parses the arguments of a method.
pub(super) fn parse<T: DeserializeOwned>(params: Value) -> Result<T, RpcError> {
    serde_json::from_value(params).map_err(|error| refused(&error.to_string()))
}

pub(super) fn refused(reason: &str) -> RpcError {
    RpcError::parse_error(format!("Failed parsing args: {reason}"))
}

/// Gives an error the text that nodes give it in the deprecated field `data`.
pub(super) fn with_data(mut error: RpcError, data: String) -> RpcError {
    error.data = Some(Box::new(Value::String(data)));
    error
}
