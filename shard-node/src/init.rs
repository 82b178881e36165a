//! Makes a node's home and registers its shard. Every step is skipped if an earlier run has done
//! it, so that an interrupted run is finished by the next.

use crate::config::{Config, LanesConfig, NEAR_POLL_MS_DEFAULT};
use crate::home::{self, HOME_FORMAT, Home, HomeError};
use crate::keys::Keys;
use crate::localnet::ROOT_ACCOUNT;
use crate::near::{
    Credentials, KeyFile, Keychain, KeychainError, NearClient, NearError, Registration, RegistrationError, Sponsor,
    default_folder, disagreement, near_account,
};
use near_primitives::types::Balance;
use queue::attestation::AttestationKind;
use queue::contract::ShardStatus;
use queue::ids::{AccountId, ShardId};
use queue::trust::{Curve, TrustRoot};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

/// The network whose nodes are all on one machine: their addresses are published unasked.
const LOCALNET: &str = "localnet";

/// What a new owner's account is given on networks where NEAR has a price: the deposit and more
/// than a thousand attestations.
const OWNER_BALANCE: Balance = Balance::from_near(5);

/// What it is given on localnet: attestations for ever.
const OWNER_BALANCE_LOCALNET: Balance = Balance::from_near(100_000);

/// What `init` is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The home to make.
    pub home: PathBuf,
    /// The shard that it serves.
    pub shard: ShardId,
    /// Address of a NEAR RPC server.
    pub near_rpc: String,
    /// The file of the trust root to pin.
    pub trust: PathBuf,
    /// The account that shall own the shard; by default one below the credentials' account.
    pub owner: Option<AccountId>,
    /// A key file with which the owner's account is made, or the owner's own.
    pub credentials: Option<PathBuf>,
    /// Where peers' connections arrive; by default a free loopback port.
    pub p2p_addr: Option<SocketAddr>,
    /// Where the local API listens; by default a free loopback port.
    pub api_addr: Option<SocketAddr>,
    /// Addresses that the bridge contract lists; on localnet the node's own by default.
    pub addresses: Vec<String>,
    /// The curve of the shard's derived key; that of a registered shard, otherwise secp256k1, if left out.
    pub curve: Option<Curve>,
}

/// What `init` has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initialised {
    /// The home.
    pub home: PathBuf,
    /// The shard.
    pub shard: ShardId,
    /// The account that owns it, or shall.
    pub owner: AccountId,
    /// Public member key.
    pub member_key: String,
    /// Public transport key.
    pub transport_key: String,
    /// Public NEAR access key.
    pub near_key: String,
    /// Where peers' connections arrive.
    pub p2p_addr: SocketAddr,
    /// Where the local API listens.
    pub api_addr: SocketAddr,
    /// Addresses that the bridge contract lists.
    pub addresses: Vec<String>,
    /// Whether the shard is registered and active.
    pub active: bool,
    /// What the owner has to run where its credentials are, if it isn't.
    pub commands: Vec<String>,
}

/// Why there is no initialised home.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The home is another one's.
    #[error(
        "home {home} exists, and its {what} is {found}, not {asked}: \
         use another --home, or run init with what the home was made with"
    )]
    HomeExists {
        /// The home.
        home: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the home has.
        found: String,
        /// What was asked for.
        asked: String,
    },
    /// The home belongs to an embedded network.
    #[error("{0} is the home of a localnet: give the node a --home of its own")]
    LocalnetHome(PathBuf),
    /// NEAR can't be asked.
    #[error(transparent)]
    Near(#[from] NearError),
    /// The server is of another bridge.
    #[error("{reason} ({url}); check --near and --trust")]
    WrongTrust {
        /// What differs.
        reason: String,
        /// The server's address.
        url: String,
    },
    /// Nothing says who shall own the shard.
    #[error("who shall own shard {0}? name a NEAR account with --owner, or give its key file with --key-file")]
    NoOwner(ShardId),
    /// A key file of near-cli's newer kind doesn't name its account.
    #[error("{0} doesn't say whose key it has: name the account with --owner")]
    KeyOfWhom(PathBuf),
    /// The default owner's name can't be one.
    #[error("{0} is no account id: name the owner with --owner")]
    OwnerName(String),
    /// The shard can't be registered.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The shard is registered on the other curve.
    #[error(
        "shard {shard} is registered on {found}, not {asked}: leave --curve out, and change it with \
         `shard-node shard rekey --curve {asked}`"
    )]
    OtherCurve {
        /// The shard.
        shard: ShardId,
        /// The curve of its newest key epoch.
        found: Curve,
        /// What was asked for.
        asked: Curve,
    },
    /// No port can be had.
    #[error("no free port on {ip}: {error}", ip = Ipv4Addr::LOCALHOST)]
    Port {
        /// What failed.
        error: io::Error,
    },
}

/// Makes the home and registers the shard, as far as credentials are at hand. `step` is told what
/// is being done.
///
/// # Errors
/// [`InitError`].
pub async fn init(options: Options, step: impl Fn(&str)) -> Result<Initialised, InitError> {
    let trust = read_trust(&options.trust)?;
    let client = NearClient::new(&options.near_rpc, &trust.domain.bridge)?;
    step("comparing the bridge with the pinned trust root");
    if let Some(reason) = disagreement(&trust, &client.trust().await?) {
        return Err(InitError::WrongTrust { reason, url: options.near_rpc });
    }
    let sponsor = match read_sponsor(&options, &trust)? {
        Some(given) => Some(given),
        None => find_owner_key(&client, &options, &trust).await?,
    };
    let home = Home::at(&options.home);
    if home.root().join("localnet.json").exists() {
        return Err(InitError::LocalnetHome(options.home));
    }
    let owner = match existing_config(&home)? {
        Some(config) => config.owner,
        None => owner(&options, sponsor.as_ref().map(|(sponsor, _)| sponsor))?,
    };
    home.create()?;
    let _lock = home.lock()?;
    step("making the keys");
    let keys = ensure_keys(&home)?;
    let config = ensure_config(&home, &options, &trust, owner)?;
    let registration = Registration {
        client,
        owner: config.owner.clone(),
        node_key: keys.near.public_key(),
        owner_balance: if is_localnet(&trust) { OWNER_BALANCE_LOCALNET } else { OWNER_BALANCE },
        args: Registration::args(
            config.shard.clone(),
            keys.member_public(),
            keys.transport_public(),
            config.addresses.clone(),
            options.curve.unwrap_or(Curve::Secp256k1),
        ),
    };
    let sponsor_key = sponsor.as_ref().map(|(sponsor, _)| sponsor);
    let active = register(&registration, options.curve, sponsor_key, &keys, &step).await?;
    if let Some((sponsor, path)) = &sponsor {
        keep_owner_key(&config.owner, sponsor, path)?;
    }
    let network = trust.domain.network.as_str();
    Ok(Initialised {
        home: options.home,
        shard: config.shard,
        owner: config.owner,
        member_key: keys.member_public().to_string(),
        transport_key: keys.transport_public().to_string(),
        near_key: keys.near.public_key().to_string(),
        p2p_addr: config.p2p_addr,
        api_addr: config.api_addr,
        addresses: config.addresses,
        active,
        commands: if active { Vec::new() } else { registration.near_cli_commands(network) },
    })
}

/// Reads a trust root from the file to pin.
///
/// # Errors
/// [`HomeError::Io`] without the file, [`HomeError::Malformed`] if it isn't a trust root.
pub fn read_trust(path: &Path) -> Result<TrustRoot, HomeError> {
    let malformed = |reason: String| HomeError::Malformed {
        path: path.to_owned(),
        reason: format!("this is no trust root: {reason}"),
    };
    let trust: TrustRoot =
        serde_json::from_str(&home::read_bounded(path)?).map_err(|error| malformed(error.to_string()))?;
    trust.checked().map_err(|error| malformed(error.to_string()))
}

/// The given key file, or the one that a localnet has left beside its trust root.
fn read_sponsor(options: &Options, trust: &TrustRoot) -> Result<Option<(Sponsor, PathBuf)>, InitError> {
    let beside = || {
        let folder = options.trust.parent()?;
        let path = Credentials::path(folder, trust.domain.network.as_str(), ROOT_ACCOUNT);
        path.exists().then_some(path)
    };
    let Some(path) = options.credentials.clone().or_else(beside) else { return Ok(None) };
    let KeyFile { path, account, key } = KeyFile::read(&path)?;
    let account = account.or_else(|| options.owner.clone()).ok_or_else(|| InitError::KeyOfWhom(path.clone()))?;
    Ok(Some((Sponsor { account, key }, path)))
}

/// The owner's key where near-cli keeps it. Without one the owner has to run near-cli's commands:
/// the key may be in a wallet.
async fn find_owner_key(
    client: &NearClient,
    options: &Options,
    trust: &TrustRoot,
) -> Result<Option<(Sponsor, PathBuf)>, InitError> {
    let Some(owner) = &options.owner else { return Ok(None) };
    let keychain = Keychain { file: None, folders: default_folder().into_iter().collect() };
    match keychain.full_access(client, trust.domain.network.as_str(), owner).await {
        Ok(KeyFile { path, key, .. }) => Ok(Some((Sponsor { account: owner.clone(), key }, path))),
        Err(KeychainError::Home(error)) => Err(error.into()),
        Err(KeychainError::Near(error)) => Err(error.into()),
        Err(KeychainError::NotFound { .. } | KeychainError::NoAccount { .. } | KeychainError::NoFullAccess { .. }) => {
            Ok(None)
        }
    }
}

/// Keeps the key to an account that was made with `sponsor`'s where near-cli and the commands of
/// this program look for it, if the sponsor's own key is in such a place.
fn keep_owner_key(owner: &AccountId, sponsor: &Sponsor, path: &Path) -> Result<(), HomeError> {
    let owners = path.with_file_name(format!("{owner}.json"));
    let is_credentials = path.file_name().is_some_and(|name| name == format!("{}.json", sponsor.account).as_str());
    if !is_credentials || owners.exists() {
        return Ok(());
    }
    let credentials = Credentials {
        account_id: near_account(owner),
        public_key: sponsor.key.public_key(),
        private_key: sponsor.key.clone(),
    };
    home::write_json(&owners, &credentials)
}

fn owner(options: &Options, sponsor: Option<&Sponsor>) -> Result<AccountId, InitError> {
    if let Some(owner) = &options.owner {
        return Ok(owner.clone());
    }
    let sponsor = sponsor.ok_or_else(|| InitError::NoOwner(options.shard.clone()))?;
    let name = format!("{}.{}", options.shard, sponsor.account);
    name.parse().map_err(|_| InitError::OwnerName(name))
}

fn existing_config(home: &Home) -> Result<Option<Config>, HomeError> {
    if home.config_path().exists() { home.read_config().map(Some) } else { Ok(None) }
}

fn ensure_keys(home: &Home) -> Result<Keys, HomeError> {
    if !home.token_path().exists() {
        home.write_token()?;
    }
    if home.keys_path().exists() {
        return home.read_keys();
    }
    let keys = Keys::generate()?;
    home.write_keys(&keys)?;
    Ok(keys)
}

fn ensure_config(home: &Home, options: &Options, trust: &TrustRoot, owner: AccountId) -> Result<Config, InitError> {
    if let Some(config) = existing_config(home)? {
        check_same(home, &config, options, trust)?;
        return Ok(config);
    }
    let p2p_addr = options.p2p_addr.map_or_else(free_udp_port, Ok)?;
    let api_addr = options.api_addr.map_or_else(free_tcp_port, Ok)?;
    let mut addresses = options.addresses.clone();
    if addresses.is_empty() && is_localnet(trust) {
        addresses.push(p2p_addr.to_string());
    }
    let config = Config {
        format: HOME_FORMAT,
        shard: options.shard.clone(),
        owner,
        near_rpc: options.near_rpc.clone(),
        near_poll_ms: NEAR_POLL_MS_DEFAULT,
        trust: trust.clone(),
        p2p_addr,
        api_addr,
        addresses,
        peers: BTreeMap::new(),
        lanes: LanesConfig::default(),
        backlog_bytes_max: None,
        staged_bytes_max: None,
        deadline_default_ms: None,
        retention_bytes_max: None,
        inbound_retention_bytes_max: None,
        attestation: AttestationKind::Shard,
        round_wait_ms: None,
        budget: None,
    };
    home.write_config(&config)?;
    Ok(config)
}

/// A home is finished only with what it was begun with.
fn check_same(home: &Home, config: &Config, options: &Options, trust: &TrustRoot) -> Result<(), InitError> {
    let differs = |what: &'static str, found: String, asked: String| {
        Err(InitError::HomeExists { home: home.root().to_owned(), what, found, asked })
    };
    if config.shard != options.shard {
        return differs("shard", config.shard.to_string(), options.shard.to_string());
    }
    if config.trust != *trust {
        let name = |trust: &TrustRoot| format!("{} (instance {})", trust.domain.bridge, trust.domain.instance);
        return differs("trust root", name(&config.trust), name(trust));
    }
    if config.near_rpc != options.near_rpc {
        return differs("NEAR server", config.near_rpc.clone(), options.near_rpc.clone());
    }
    match &options.owner {
        Some(owner) if *owner != config.owner => differs("owner", config.owner.to_string(), owner.to_string()),
        _ => Ok(()),
    }
}

/// Registers as far as the credentials go; says whether the shard is active.
async fn register(
    registration: &Registration,
    curve: Option<Curve>,
    sponsor: Option<&Sponsor>,
    keys: &Keys,
    step: &impl Fn(&str),
) -> Result<bool, InitError> {
    step("looking the shard up");
    let registered = registration.registered().await?;
    if let (Some(view), Some(asked)) = (&registered, curve)
        && view.curve != asked
    {
        return Err(InitError::OtherCurve { shard: view.shard.clone(), found: view.curve, asked });
    }
    if let Some(sponsor) = sponsor {
        step("making the owner's account");
        registration.ensure_owner(sponsor).await?;
        if registered.is_none() {
            step("reserving the shard's name");
            registration.reserve(sponsor).await?;
        }
    } else {
        match registered {
            Some(view) if view.status == ShardStatus::Active => return Ok(true),
            _ => return Ok(false),
        }
    }
    step("waiting for the signer's key");
    registration.activate(&keys.near).await?;
    Ok(true)
}

fn is_localnet(trust: &TrustRoot) -> bool {
    trust.domain.network.as_str() == LOCALNET
}

fn free_udp_port() -> Result<SocketAddr, InitError> {
    let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    bound.map_err(|error| InitError::Port { error })
}

fn free_tcp_port() -> Result<SocketAddr, InitError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    bound.map_err(|error| InitError::Port { error })
}
