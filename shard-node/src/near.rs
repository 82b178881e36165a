//! NEAR as a node sees it: JSON-RPC and nothing else, so that localnet, testnet and mainnet differ
//! by configuration alone.
//!
//! What is read here is believed for liveness only. Safety rests on the pinned trust root: every
//! signature is verified against it.

mod account;
mod attestor;
mod credentials;
mod keychain;
mod network;
mod registration;
mod rounds;
mod transact;
mod view;
mod watcher;

pub use account::{AccountKey, AccountState};
pub use attestor::{Attempt, AttestGas, AttestMode, Attestor, Spent};
pub use credentials::{Credentials, KeyFile, default_folder, keys_of, places};
pub use keychain::{Keychain, KeychainError};
pub use network::Network;
pub use registration::{ACTIVATE_TGAS, RESERVE_DEPOSIT, RESERVE_TGAS, Registration, RegistrationError, Sponsor};
pub use rounds::RoundPatience;
pub use transact::{Actor, Outcome, TransactError, sign_transaction};
pub use watcher::{NearEvent, Watcher, watch};

use near_jsonrpc_client::errors::JsonRpcTransportRecvError::PayloadRecvError;
use near_jsonrpc_client::errors::JsonRpcTransportSendError::PayloadSendError;
use near_jsonrpc_client::errors::{
    JsonRpcError, JsonRpcServerError, JsonRpcServerResponseStatusError, RpcTransportError,
};
use near_jsonrpc_client::methods::query::RpcQueryError;
use near_jsonrpc_client::{JsonRpcClient, methods};
use near_jsonrpc_primitives::types::query::QueryResponseKind;
use near_primitives::hash::CryptoHash;
use near_primitives::types::{AccountId as NearAccountId, BlockReference, Finality};
use near_primitives::views::QueryRequest;
use queue::contract::{
    LANES_PER_PAGE_MAX, LaneView, LanesArgs, SHARDS_PER_PAGE_MAX, ShardArgs, ShardView, ShardsArgs, TipView, method,
};
use queue::ids::{AccountId, ShardId};
use queue::limits::LANES_PER_SHARD_MAX;
use queue::trust::TrustRoot;
use std::time::Duration;

/// How long one request may take. A server answers a request that waits within 10 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most shards that are read from the contract: a bound on what a broken server can make us hold,
/// far above the number of shards that a bridge serves.
const SHARDS_MAX: u32 = 100_000;

/// Why NEAR gave no answer, or not the one that was hoped for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NearError {
    /// The address can't be one.
    #[error("{url:?} is no address of a NEAR RPC server: {reason}; expected http://host:port or https://…")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers, or not with what a NEAR RPC server says.
    #[error("NEAR can't be reached at {url}: {reason}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The server knows no such account.
    #[error("account {account} does not exist on the network of {url}")]
    NoAccount {
        /// The server's address.
        url: String,
        /// The account.
        account: String,
    },
    /// The account has no contract.
    #[error("account {account} has no contract on the network of {url}")]
    NoContract {
        /// The server's address.
        url: String,
        /// The account.
        account: String,
    },
    /// The contract has no such view: it is none of this bridge, or of another release.
    #[error("account {account} has no view {method}: is it the bridge contract of this version?")]
    NoView {
        /// The contract's account.
        account: String,
        /// The view.
        method: &'static str,
    },
    /// The contract's view failed.
    #[error("view {method} of {account} failed: {reason}")]
    View {
        /// The contract's account.
        account: String,
        /// The view.
        method: &'static str,
        /// What the contract said.
        reason: String,
    },
    /// The contract answered something else than its interface promises.
    #[error("view {method} of {account} gave an unknown answer: {reason}; is it the bridge contract of this version?")]
    Answer {
        /// The contract's account.
        account: String,
        /// The view.
        method: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// The newest block that no reorganisation can undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalBlock {
    /// Its height.
    pub height: u64,
    /// Its time, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Its hash.
    pub hash: CryptoHash,
}

/// A client of one NEAR RPC server and one bridge contract.
#[derive(Debug, Clone)]
pub struct NearClient {
    rpc: JsonRpcClient,
    bridge: NearAccountId,
}

impl NearClient {
    /// A client of the server at `url`; nothing is sent yet.
    ///
    /// # Errors
    /// [`NearError::Url`].
    pub fn new(url: &str, bridge: &AccountId) -> Result<Self, NearError> {
        let refused = |reason: String| NearError::Url { url: url.to_owned(), reason };
        let parsed = reqwest::Url::parse(url).map_err(|error| refused(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(refused("it has another scheme, or no host".to_owned()));
        }
        let mut headers = reqwest::header::HeaderMap::new();
        let json = reqwest::header::HeaderValue::from_static("application/json");
        headers.insert(reqwest::header::CONTENT_TYPE, json);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        Ok(NearClient { rpc: JsonRpcClient::with(http).connect(parsed), bridge: near_account(bridge) })
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        self.rpc.server_addr()
    }

    /// The bridge contract's account.
    pub fn bridge(&self) -> &NearAccountId {
        &self.bridge
    }

    /// The newest final block.
    ///
    /// # Errors
    /// [`NearError::Unreachable`].
    pub async fn final_block(&self) -> Result<FinalBlock, NearError> {
        let request = methods::block::RpcBlockRequest { block_reference: BlockReference::Finality(Finality::Final) };
        let header = self.rpc.call(request).await.map_err(|error| self.unreachable(&error))?.header;
        Ok(FinalBlock { height: header.height, time_ns: header.timestamp_nanosec, hash: header.hash })
    }

    /// What the contract at `final` says that verifiers pin.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn trust(&self) -> Result<TrustRoot, NearError> {
        let trust: TrustRoot = self.view(method::TRUST, &serde_json::Map::new()).await?;
        trust.checked().map_err(|error| self.unknown_answer(method::TRUST, error.to_string()))
    }

    /// A shard at `final`, if its name is taken.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn shard(&self, shard: &ShardId) -> Result<Option<ShardView>, NearError> {
        self.view(method::SHARD, &ShardArgs { shard: shard.clone() }).await
    }

    /// A shard's tip at `final`, if it has one.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn tip(&self, shard: &ShardId) -> Result<Option<TipView>, NearError> {
        self.view(method::TIP, &ShardArgs { shard: shard.clone() }).await
    }

    /// All shards at `final`.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn shards(&self) -> Result<Vec<ShardView>, NearError> {
        let mut shards = Vec::new();
        for from_index in (0..SHARDS_MAX).step_by(SHARDS_PER_PAGE_MAX as usize) {
            let args = ShardsArgs { from_index, limit: SHARDS_PER_PAGE_MAX };
            let page: Vec<ShardView> = self.view(method::SHARDS, &args).await?;
            let complete = page.len() < SHARDS_PER_PAGE_MAX as usize;
            shards.extend(page);
            if complete {
                return Ok(shards);
            }
        }
        Err(self.unknown_answer(method::SHARDS, format!("it lists more than {SHARDS_MAX} shards")))
    }

    /// All lanes of a shard at `final`: those that are open, and those that it offers.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn lanes(&self, shard: &ShardId) -> Result<Vec<LaneView>, NearError> {
        let mut lanes = Vec::new();
        for from_index in (0..=LANES_PER_SHARD_MAX).step_by(LANES_PER_PAGE_MAX as usize) {
            let args = LanesArgs { shard: shard.clone(), from_index, limit: LANES_PER_PAGE_MAX };
            let page: Vec<LaneView> = self.view(method::LANES, &args).await?;
            let complete = page.len() < LANES_PER_PAGE_MAX as usize;
            lanes.extend(page);
            if complete {
                return Ok(lanes);
            }
        }
        Err(self.unknown_answer(method::LANES, format!("it lists more than {LANES_PER_SHARD_MAX} lanes of a shard")))
    }

    /// An account's balance in yoctoNEAR, if the account exists.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn balance(&self, account: &AccountId) -> Result<Option<u128>, NearError> {
        let request = QueryRequest::ViewAccount { account_id: near_account(account) };
        match self.query(request, Finality::Final).await {
            Ok(QueryResponseKind::ViewAccount(view)) => Ok(Some(view.amount.as_yoctonear())),
            Ok(_) => Err(self.nonsense()),
            Err(error) => match error.handler_error() {
                Some(RpcQueryError::UnknownAccount { .. }) => Ok(None),
                _ => Err(self.unreachable(&error)),
            },
        }
    }

    /// The nonce of an account's access key in the newest block, if the account has that key.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn nonce(
        &self,
        account: &NearAccountId,
        public_key: &near_crypto::PublicKey,
    ) -> Result<Option<u64>, NearError> {
        let request = QueryRequest::ViewAccessKey { account_id: account.clone(), public_key: public_key.clone() };
        match self.query(request, Finality::None).await {
            Ok(QueryResponseKind::AccessKey(view)) => Ok(Some(view.nonce)),
            Ok(_) => Err(self.nonsense()),
            Err(error) => match error.handler_error() {
                Some(RpcQueryError::UnknownAccessKey { .. } | RpcQueryError::UnknownAccount { .. }) => Ok(None),
                _ => Err(self.unreachable(&error)),
            },
        }
    }

    async fn query(
        &self,
        request: QueryRequest,
        finality: Finality,
    ) -> Result<QueryResponseKind, JsonRpcError<RpcQueryError>> {
        let block_reference = BlockReference::Finality(finality);
        Ok(self.rpc.call(methods::query::RpcQueryRequest { block_reference, request }).await?.kind)
    }

    fn nonsense(&self) -> NearError {
        NearError::Unreachable { url: self.url().to_owned(), reason: "the answer is to another question".to_owned() }
    }

    fn unreachable<E: std::error::Error>(&self, error: &JsonRpcError<E>) -> NearError {
        NearError::Unreachable { url: self.url().to_owned(), reason: root_cause(error) }
    }
}

/// What differs between the pinned trust root and the one that an RPC server shows, if anything.
pub fn disagreement(pinned: &TrustRoot, found: &TrustRoot) -> Option<String> {
    let differs = |what: &str, pinned: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
        Some(format!("wrong trust root: the pinned {what} is {pinned}, the RPC server shows {found}"))
    };
    if pinned.domain.network != found.domain.network {
        return differs("network", &pinned.domain.network, &found.domain.network);
    }
    if pinned.domain.bridge != found.domain.bridge {
        return differs("bridge account", &pinned.domain.bridge, &found.domain.bridge);
    }
    if pinned.domain.instance != found.domain.instance {
        return differs("bridge instance", &pinned.domain.instance, &found.domain.instance);
    }
    for (pinned, found) in [(pinned.secp256k1, found.secp256k1), (pinned.ed25519, found.ed25519)] {
        if let Some(pinned) = pinned
            && found != Some(pinned)
        {
            let found = found.map_or("none".to_owned(), |key| key.to_string());
            return differs("signer key", &pinned, &found);
        }
    }
    None
}

/// The same account id in the version of the type that NEAR's crates use.
pub fn near_account(account: &AccountId) -> NearAccountId {
    account.as_str().parse().expect("both versions of the type accept the same texts")
}

/// Whether the server said that waiting took too long: the transaction may still be executed.
fn is_timeout<E>(error: &JsonRpcError<E>) -> bool {
    let JsonRpcError::ServerError(JsonRpcServerError::ResponseStatusError(status)) = error else { return false };
    matches!(status, JsonRpcServerResponseStatusError::TimeoutError)
}

/// The innermost error: the outer ones only say that something was sent or received.
fn root_cause<E: std::error::Error>(error: &JsonRpcError<E>) -> String {
    let http = match error {
        JsonRpcError::TransportError(RpcTransportError::SendError(PayloadSendError(error))) => error,
        JsonRpcError::TransportError(RpcTransportError::RecvError(PayloadRecvError(error))) => error,
        error => return error.to_string(),
    };
    let mut cause: &dyn std::error::Error = http;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
