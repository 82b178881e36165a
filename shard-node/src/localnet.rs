//! An embedded NEAR network: one chain in this process behind NEAR's JSON-RPC, with the bridge
//! contract deployed and a chain-signature signer.
//!
//! ```text
//! localnet.json          what it was made with
//! trust.json             the trust root that nodes and verifiers pin
//! credentials/localnet/  test.near's key, as near-cli keeps it
//! rpc.addr               where the RPC listened last
//! store/                 the chain                      (store.rs)
//! lock                   held while a process uses the home
//! ```

mod http;
mod ledger;
mod producer;
mod setup;

pub use setup::{BRIDGE_WASM, ROOT_ACCOUNT, SIGNER_ACCOUNT};

use crate::home::{self, HOME_FORMAT, Home, HomeError, HomeLock};
use crate::store::OpenError;
use chain::ChainError;
use ledger::Ledger;
use producer::Producer;
use queue::store::StoreError;
use queue::trust::TrustRoot;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// How long the signer of a new network takes to answer, unless said otherwise: about as long as
/// NEAR's at its best, in milliseconds.
pub const SIGNER_DELAY_MS_DEFAULT: u64 = 3_000;

/// How long requests under way may take to end once the network is being stopped.
const GRACE: Duration = Duration::from_secs(1);

/// How a network is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its home; made if it isn't there.
    pub home: PathBuf,
    /// Where its RPC listens. Port 0: where it listened last if that is free, otherwise any port.
    pub rpc_addr: SocketAddr,
    /// How long the signer takes to answer, in milliseconds; fixed when the home is made.
    pub signer_delay_ms: Option<u64>,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum LocalnetError {
    /// The home can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The home belongs to a shard's node.
    #[error("{0} is the home of a shard's node: give the network a --home of its own")]
    NodeHome(PathBuf),
    /// The home was made with another delay.
    #[error(
        "the signer of {home} answers after {found} ms, which was fixed when the home was made: \
         leave --signer-delay-ms {asked} out, or use a new --home"
    )]
    SignerDelay {
        /// The home.
        home: PathBuf,
        /// Its signer's delay, in milliseconds.
        found: u64,
        /// The delay asked for.
        asked: u64,
    },
    /// Something else listens there.
    #[error(
        "port {port} of {ip} is taken: stop what listens there, or choose another with --rpc-addr {ip}:0",
        port = .0.port(), ip = .0.ip()
    )]
    PortTaken(SocketAddr),
    /// The address can't be listened on.
    #[error("can't listen on {addr}: {error}; choose another --rpc-addr")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What failed.
        error: io::Error,
    },
    /// The chain's files can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The chain's files failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain in the store can't be continued.
    #[error("the chain can't be started: {0}")]
    Chain(#[from] ChainError),
    /// The bridge contract can't be set up.
    #[error("setting up the bridge contract failed at {step}: {reason}; remove the home and start again")]
    Setup {
        /// What was being done.
        step: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The pinned file isn't of this chain.
    #[error("{path} is not the trust root of the chain in this home: {reason}; restore the file or the chain")]
    Trust {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// A part of the process ended unexpectedly.
    #[error("the network stopped: {0}")]
    Ended(String),
}

/// What a network was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    format: u32,
    signer_delay_ms: u64,
}

/// A network that is ready to run: the contract is deployed and the RPC's port is taken.
pub struct Localnet {
    _lock: HomeLock,
    listener: TcpListener,
    rpc_addr: SocketAddr,
    ledger: Ledger,
    trust: TrustRoot,
    trust_path: PathBuf,
}

impl Localnet {
    /// Opens the home, or makes it: chain, accounts, bridge contract and files.
    ///
    /// # Errors
    /// [`LocalnetError`].
    pub async fn open(options: Options) -> Result<Self, LocalnetError> {
        let home = Home::at(&options.home);
        if home.config_path().exists() {
            return Err(LocalnetError::NodeHome(options.home));
        }
        home.create()?;
        let lock = home.lock()?;
        let address_path = options.home.join("rpc.addr");
        let (listener, rpc_addr) = listen(options.rpc_addr, &address_path).await?;
        let settings = settings(&options)?;
        let (ledger, trust) = {
            let home = home.clone();
            let delay_ms = settings.signer_delay_ms;
            let opened = tokio::task::spawn_blocking(move || setup::open(&home, delay_ms)).await;
            opened.map_err(|error| LocalnetError::Ended(error.to_string()))??
        };
        let trust_path = options.home.join("trust.json");
        pin(&trust_path, &trust)?;
        home::write_private(&address_path, format!("{rpc_addr}\n").as_bytes())?;
        Ok(Localnet { _lock: lock, listener, rpc_addr, ledger, trust, trust_path })
    }

    /// Where the RPC is, as clients write it.
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc_addr)
    }

    /// The trust root that nodes and verifiers pin.
    pub fn trust(&self) -> &TrustRoot {
        &self.trust
    }

    /// The file of the trust root.
    pub fn trust_path(&self) -> &Path {
        &self.trust_path
    }

    /// Serves until `shutdown`, or until the store fails.
    ///
    /// # Errors
    /// [`LocalnetError`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), LocalnetError> {
        let mut producer = Producer::start(self.ledger)?;
        let app = http::app(producer.handle());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = axum::serve(self.listener, app).with_graceful_shutdown(async {
            // A dropped sender stops it as well.
            stopped.await.ok();
        });
        let mut served = std::pin::pin!(served.into_future());
        let ended = tokio::select! {
            served = &mut served => return Err(LocalnetError::Ended(served.map_or_else(|error| error.to_string(), |()| "the RPC ended".to_owned()))),
            ended = producer.ended() => ended,
            () = shutdown => Ok(()),
        };
        drop(stop);
        tokio::time::timeout(GRACE, served).await.ok();
        producer.stop().await?;
        ended
    }
}

fn settings(options: &Options) -> Result<Settings, LocalnetError> {
    let path = options.home.join("localnet.json");
    if !path.exists() {
        let signer_delay_ms = options.signer_delay_ms.unwrap_or(SIGNER_DELAY_MS_DEFAULT);
        let settings = Settings { format: HOME_FORMAT, signer_delay_ms };
        home::write_json(&path, &settings)?;
        return Ok(settings);
    }
    let settings: Settings = home::read_json(&path)?;
    match options.signer_delay_ms {
        Some(asked) if asked != settings.signer_delay_ms => {
            Err(LocalnetError::SignerDelay { home: options.home.clone(), found: settings.signer_delay_ms, asked })
        }
        _ => Ok(settings),
    }
}

async fn listen(addr: SocketAddr, last: &Path) -> Result<(TcpListener, SocketAddr), LocalnetError> {
    let last = home::read_bounded(last).ok().and_then(|text| text.trim().parse::<SocketAddr>().ok());
    let bound = match last.filter(|last| addr.port() == 0 && last.ip() == addr.ip()) {
        Some(last) => match TcpListener::bind(last).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(addr).await,
        },
        None => TcpListener::bind(addr).await,
    };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => LocalnetError::PortTaken(addr),
        _ => LocalnetError::Listen { addr, error },
    };
    let listener = bound.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Writes the trust root once; later starts only compare.
fn pin(path: &Path, trust: &TrustRoot) -> Result<(), LocalnetError> {
    if !path.exists() {
        return Ok(home::write_json(path, trust)?);
    }
    let differs = |reason: String| LocalnetError::Trust { path: path.to_owned(), reason };
    let pinned: TrustRoot =
        serde_json::from_str(&home::read_bounded(path)?).map_err(|error| differs(error.to_string()))?;
    crate::near::disagreement(&pinned, trust).map_or(Ok(()), |reason| Err(differs(reason)))
}

/// The machine's clock, in nanoseconds since the Unix epoch.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
