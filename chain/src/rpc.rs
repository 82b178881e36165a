//! NEAR's JSON-RPC: one request body in, one answer, or what to wait for.
//!
//! Bodies are those of a NEAR node: its types, its error shapes, its HTTP codes. Serving HTTP and waiting are
//! the driver's: it submits what [`Reply::Submit`] carries, and asks a [`Wait`] after each block.

use near_jsonrpc_primitives::errors::RpcError;
use near_jsonrpc_primitives::message::Request;
use near_primitives::transaction::SignedTransaction;
use near_primitives::types::BlockHeight;
use serde_json::{Value, json};

use crate::view::View;

mod block;
mod errors;
mod query;
mod status;
mod tx;

pub use tx::Wait;

/// Seconds after which a node gives up waiting for a transaction: see [`Wait::timed_out`].
pub const WAIT_SECONDS: u64 = 10;

/// What the driver does with a request.
#[derive(Debug)]
pub enum Reply {
    /// Answer with this JSON.
    Answer {
        /// The HTTP status.
        http_status: u16,
        /// The body.
        body: Value,
    },
    /// Answer with plain text.
    Text {
        /// The HTTP status.
        http_status: u16,
        /// The body.
        body: String,
    },
    /// Submit a transaction; answer with [`Wait::refused`] if that fails, otherwise wait.
    Submit {
        /// The transaction.
        transaction: Box<SignedTransaction>,
        /// What to wait for.
        wait: Wait,
    },
    /// Wait for a transaction that may never come.
    Wait(Wait),
    /// Make this many blocks, then answer.
    FastForward {
        /// How many blocks; never more than [`crate::FAST_FORWARD_LIMIT`].
        blocks: BlockHeight,
        /// The body to answer with, and HTTP status 200.
        body: Value,
    },
}

type Handled = Result<Value, RpcError>;

/// Answers one JSON-RPC request.
pub fn handle(body: &[u8], view: &View) -> Reply {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => {
            let body = format!("Failed to parse the request body as JSON: {error}");
            return Reply::Text { http_status: 400, body };
        }
    };
    let Ok(request) = serde_json::from_value::<Request>(value) else {
        let error = RpcError::parse_error("JSON RPC Request format was expected".to_owned());
        return answer(Value::Null, Err(error));
    };
    let Request { method, params, id, .. } = request;
    match method.as_str() {
        "send_tx" => tx::send(id, params),
        "broadcast_tx_commit" => tx::broadcast_commit(id, params),
        "broadcast_tx_async" => tx::broadcast_async(id, params),
        "tx" => tx::status(id, params, false, view),
        "EXPERIMENTAL_tx_status" => tx::status(id, params, true, view),
        "sandbox_fast_forward" => fast_forward(id, params),
        _ => answer(id, handle_at_once(&method, params, view)),
    }
}

/// Answers `GET /status`, which is the bare result of the method of the same name.
pub fn status_page(view: &View) -> Value {
    status::status(view)
}

/// Answers `GET /network_info`, likewise.
pub fn network_info_page() -> Value {
    status::network_info()
}

fn handle_at_once(method: &str, params: Value, view: &View) -> Handled {
    match method {
        "query" => query::query(params, view),
        "block" => block::block(params, view),
        "gas_price" => block::gas_price(params, view),
        "validators" => Ok(status::validators(view)),
        "status" => Ok(status::status(view)),
        "health" => Ok(Value::Null),
        "network_info" => Ok(status::network_info()),
        "EXPERIMENTAL_protocol_config" => status::protocol_config(view),
        "EXPERIMENTAL_receipt" => tx::receipt(params, view),
        _ => Err(RpcError::method_not_found(method.to_owned())),
    }
}

fn fast_forward(id: Value, params: Value) -> Reply {
    let request: near_jsonrpc_primitives::types::sandbox::RpcSandboxFastForwardRequest = match errors::parse(params) {
        Ok(request) => request,
        Err(error) => return answer(id, Err(error)),
    };
    let blocks = request.delta_height.min(crate::FAST_FORWARD_LIMIT);
    Reply::FastForward { blocks, body: envelope(&id, Ok(json!({}))) }
}

fn answer(id: Value, handled: Handled) -> Reply {
    let http_status = errors::http_status(&handled);
    Reply::Answer { http_status, body: envelope(&id, handled) }
}

fn envelope(id: &Value, handled: Handled) -> Value {
    match handled {
        Ok(result) => json!({"jsonrpc": "2.0", "result": result, "id": id}),
        Err(error) => json!({"jsonrpc": "2.0", "error": error, "id": id}),
    }
}

fn to_value<T: serde::Serialize>(value: &T) -> Handled {
    serde_json::to_value(value).map_err(|error| RpcError::serialization_error(error.to_string()))
}
