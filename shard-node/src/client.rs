//! A client of a node's local API: what the command line talks through.

mod stream;

pub use stream::{StreamAnswers, StreamSender};

use crate::api::types::{
    AcceptQuery, BatchQuery, ErrorBody, ErrorResponse, EvidenceResponse, FeedResponse, ImportResponse, InboxQuery,
    InboxResponse, LaneSide, MessageQuery, MessageResponse, NewMessage, ResumeQuery, SendRequest, SendResponse,
    SentMessage, SettleRequest, StatusResponse, UnsettledQuery, WaitQuery, WaitResponse,
};
use crate::home::{Home, HomeError};
use queue::engine::{AcceptedIncarnation, FeedName, Unsettled};
use queue::ids::ShardId;
use queue::proof::{DeliveryProof, ExpiryProof, MessageProof};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::time::Duration;

/// How long connecting may take: the node is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take beyond what was asked to be waited.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long taking the longest batch file may take, in milliseconds.
const IMPORT_TIMEOUT_MS: u64 = 3_600_000;

/// Why a node gave no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The home can't be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Nobody listens.
    #[error("no node answers at {address}: start it with `shard-node run --home {home}`")]
    NotRunning {
        /// Where it should listen.
        address: SocketAddr,
        /// Its home.
        home: String,
    },
    /// The node refused, and says why.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// Something else answers, or the connection broke.
    #[error("the node at {address} gave no valid answer: {reason}; does the home belong to the node that runs there?")]
    Answer {
        /// The node's address.
        address: SocketAddr,
        /// What failed.
        reason: String,
    },
}

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    token: String,
    home: String,
}

impl Client {
    /// A client of the node that runs, or should run, in `home`.
    ///
    /// # Errors
    /// [`ClientError::Home`].
    pub fn of_home(home: &Home) -> Result<Self, ClientError> {
        let config = home.read_config()?;
        Client::new(config.api_addr, home.read_token()?, home.root().display().to_string())
    }

    fn new(address: SocketAddr, token: String, home: String) -> Result<Self, ClientError> {
        // A proxy has no business between a node and its own user.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build();
        let http = http.map_err(|error| ClientError::Answer { address, reason: error.to_string() })?;
        Ok(Client { http, address, token, home })
    }

    /// Sends one message, and returns when it is durable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send(&self, message: NewMessage) -> Result<SentMessage, ClientError> {
        self.answer(self.request(Method::POST, "/v1/messages").json(&SendRequest::One(message)), 0).await
    }

    /// Sends many messages in this order, and returns when those that were accepted are durable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send_many(&self, messages: Vec<NewMessage>) -> Result<SendResponse, ClientError> {
        self.answer(self.request(Method::POST, "/v1/messages").json(&SendRequest::Many { messages }), 0).await
    }

    /// How many messages of a feed are durable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn feed(&self, feed: &FeedName) -> Result<FeedResponse, ClientError> {
        self.answer(self.request(Method::GET, &format!("/v1/feeds/{feed}")), 0).await
    }

    /// Reads the inbox.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn inbox(&self, query: &InboxQuery) -> Result<InboxResponse, ClientError> {
        self.answer(self.request(Method::GET, "/v1/inbox").query(query), query.wait_ms).await
    }

    /// Asks for the node's state.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<StatusResponse, ClientError> {
        self.answer(self.request(Method::GET, "/v1/status"), 0).await
    }

    /// Waits until a message to `peer` has come so far.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn wait(&self, peer: &ShardId, query: &WaitQuery) -> Result<WaitResponse, ClientError> {
        let path = format!("/v1/lanes/{peer}/wait");
        self.answer(self.request(Method::GET, &path).query(query), query.wait_ms).await
    }

    /// How far message `nonce` to `peer` has come, and what became of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn message(&self, peer: &ShardId, nonce: u64) -> Result<MessageResponse, ClientError> {
        self.answer(self.request(Method::GET, &format!("/v1/lanes/{peer}/messages/{nonce}")), 0).await
    }

    /// The file that proves a received message.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prove(
        &self,
        lane: &ShardId,
        incarnation: Option<u32>,
        nonce: u64,
    ) -> Result<MessageProof, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/proofs/{lane}/{nonce}"));
        self.answer(request.query(&MessageQuery { incarnation }), 0).await
    }

    /// The file that proves that a message to `peer` was delivered, or at least decided.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prove_delivery(
        &self,
        peer: &ShardId,
        incarnation: Option<u32>,
        nonce: u64,
    ) -> Result<DeliveryProof, ClientError> {
        let path = format!("/v1/lanes/{peer}/messages/{nonce}/delivery-proof");
        self.answer(self.request(Method::GET, &path).query(&MessageQuery { incarnation }), 0).await
    }

    /// The file that proves that a message to `peer` never ran and never will.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prove_expiry(
        &self,
        peer: &ShardId,
        incarnation: Option<u32>,
        nonce: u64,
    ) -> Result<ExpiryProof, ClientError> {
        let path = format!("/v1/lanes/{peer}/messages/{nonce}/expiry-proof");
        self.answer(self.request(Method::GET, &path).query(&MessageQuery { incarnation }), 0).await
    }

    /// A batch file of a lane, as it comes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn export(&self, peer: &ShardId, query: &BatchQuery) -> Result<BatchDownload, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/lanes/{peer}/batch")).query(query);
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        if response.status().is_success() {
            return Ok(BatchDownload { response, address: self.address });
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.unanswered(&error))?;
        Err(self.refused(status, &body))
    }

    /// Gives a batch file to the node, and returns when all that it brought is durable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn import(&self, file: tokio::fs::File) -> Result<ImportResponse, ClientError> {
        let request = self.request(Method::POST, "/v1/batches").body(file);
        self.answer(request, IMPORT_TIMEOUT_MS).await
    }

    /// What froze the node's lanes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn evidence(&self) -> Result<EvidenceResponse, ClientError> {
        self.answer(self.request(Method::GET, "/v1/evidence"), 0).await
    }

    /// Takes back a lane's freeze.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resume(&self, peer: &ShardId, side: LaneSide) -> Result<(), ClientError> {
        let request = self.request(Method::POST, &format!("/v1/lanes/{peer}/resume")).query(&ResumeQuery { side });
        self.answer::<serde_json::Value>(request, 0).await.map(drop)
    }

    /// Accepts that a peer began an incarnation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn accept_incarnation(
        &self,
        peer: &ShardId,
        incarnation: u32,
    ) -> Result<AcceptedIncarnation, ClientError> {
        let request = self.request(Method::POST, &format!("/v1/lanes/{peer}/accept-incarnation"));
        self.answer(request.query(&AcceptQuery { incarnation }), 0).await
    }

    /// Requests from nonce `from` on to an incarnation of a peer that is over, of which it is unknown
    /// what became: as many as one answer has.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unsettled(&self, peer: &ShardId, incarnation: u32, from: u64) -> Result<Unsettled, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/lanes/{peer}/unsettled"));
        self.answer(request.query(&UnsettledQuery { incarnation, from, limit: None }), 0).await
    }

    /// Settles requests to an incarnation of a peer that is over.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn settle(&self, peer: &ShardId, request: &SettleRequest) -> Result<(), ClientError> {
        let request = self.request(Method::POST, &format!("/v1/lanes/{peer}/settle")).json(request);
        self.answer::<serde_json::Value>(request, 0).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address)).bearer_auth(&self.token)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder, wait_ms: u64) -> Result<T, ClientError> {
        let invalid = |reason: String| ClientError::Answer { address: self.address, reason };
        let timeout = ANSWER_TIMEOUT.saturating_add(Duration::from_millis(wait_ms));
        let response = request.timeout(timeout).send().await.map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| invalid(error.to_string()))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()));
        }
        Err(self.refused(status, &body))
    }

    fn unanswered(&self, error: &reqwest::Error) -> ClientError {
        match error.is_connect() {
            true => ClientError::NotRunning { address: self.address, home: self.home.clone() },
            false => ClientError::Answer { address: self.address, reason: error.to_string() },
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice(body) {
            Ok(ErrorResponse { error }) => ClientError::Refused(error),
            Err(_) => ClientError::Answer { address: self.address, reason: format!("HTTP {status}") },
        }
    }
}

/// A batch file that is on its way.
#[derive(Debug)]
pub struct BatchDownload {
    response: Response,
    address: SocketAddr,
}

impl BatchDownload {
    /// Its next bytes; `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Answer`] if it breaks off.
    pub async fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let next = self.response.chunk().await;
        next.map(|bytes| bytes.map(Into::into))
            .map_err(|error| ClientError::Answer { address: self.address, reason: error.to_string() })
    }
}
