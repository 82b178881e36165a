//! Which bridge a command speaks of, and who signs: the arguments that all commands on NEAR share.

use crate::config::Config;
use crate::home::Home;
use crate::init::read_trust;
use crate::near::{Keychain, KeychainError, NearClient, Network, default_folder, disagreement};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use queue::contract::ShardView;
use queue::ids::{AccountId, BridgeDomain, ShardId};
use queue::trust::TrustRoot;
use std::path::PathBuf;

/// Which bridge.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bridge")]
pub(super) struct BridgeArgs {
    /// Home of a node: says where NEAR is, which bridge, and which shard
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// NEAR: localnet, testnet, mainnet, or the address of an RPC server [default: the home's]
    #[arg(long, value_name = "NETWORK|URL")]
    near: Option<Network>,
    /// Account of the bridge contract [default: that of the home or the trust root]
    #[arg(long, value_name = "ACCOUNT")]
    bridge: Option<AccountId>,
    /// File of the pinned trust root: a server that shows another bridge is refused [default: the home's]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

/// Who signs, and whether anything is signed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub(super) struct SignArgs {
    /// NEAR account that signs and pays [default: the shard's owner, or the key file's account]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Key file of near-cli to sign with [default: found by the account's name in the folder below]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Folder in which near-cli keeps keys, as NETWORK/ACCOUNT.json [default: ~/.near-credentials]
    #[arg(long, value_name = "DIR")]
    credentials_dir: Option<PathBuf>,
    /// Sign nothing: show what would be signed, also as a command of near-cli
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// A bridge that can be asked.
#[derive(Debug)]
pub(super) struct Bridge {
    /// The server, and the bridge's account.
    pub(super) client: NearClient,
    /// The bridge's account.
    pub(super) account: AccountId,
    /// The network's name, as the server shows it.
    pub(super) network: String,
    /// The trust root, if one is pinned.
    pub(super) pinned: Option<TrustRoot>,
    /// The node's home, if one is named.
    pub(super) home: Option<(Home, Config)>,
    trust_path: Option<PathBuf>,
}

impl BridgeArgs {
    /// The trust root that is pinned by a file or a home.
    pub(super) fn pinned(&self) -> anyhow::Result<Option<TrustRoot>> {
        let of_home = self.home.as_ref().map(|home| Home::at(home).read_config()).transpose()?;
        let of_home = of_home.map(|config| config.trust);
        let Some(path) = &self.trust else { return Ok(of_home) };
        let pinned = read_trust(path)?;
        if let Some(of_home) = of_home
            && let Some(reason) = disagreement(&of_home, &pinned)
        {
            bail!("--trust is of another bridge than --home: {reason}");
        }
        Ok(Some(pinned))
    }

    /// Reaches the server; the bridge need not be there yet.
    pub(super) async fn connect(self) -> anyhow::Result<Bridge> {
        let pinned = self.pinned()?;
        let home = self.home.map(Home::at);
        let home = home.map(|home| home.read_config().map(|config| (home, config))).transpose()?;
        let of_home = home.as_ref().map(|(_, config)| config);
        let account = match (self.bridge, &pinned) {
            (Some(given), Some(pinned)) if given != pinned.domain.bridge => {
                bail!("--bridge names {given}, the trust root pins {}", pinned.domain.bridge)
            }
            (Some(given), _) => given,
            (None, Some(pinned)) => pinned.domain.bridge.clone(),
            (None, None) => bail!("which bridge? name its account with --bridge, or give --trust or --home"),
        };
        let near = self.near.or_else(|| of_home.map(|config| Network::Server(config.near_rpc.clone())));
        let near = near.context("which NEAR? give --near localnet, testnet, mainnet or an address, or a --home")?;
        let client = NearClient::new(near.url(), &account)?;
        let network = client.network().await?;
        let expected = near.name().or(pinned.as_ref().map(|pinned| pinned.domain.network.as_str()));
        if let Some(expected) = expected {
            ensure!(network == expected, "{} is a server of {network}, expected {expected}; check --near", near.url());
        }
        Ok(Bridge { client, account, network, pinned, home, trust_path: self.trust })
    }

    /// Reaches the server, and makes sure that it shows the pinned bridge, if one is pinned.
    pub(super) async fn open(self) -> anyhow::Result<Bridge> {
        let bridge = self.connect().await?;
        if let Some(pinned) = &bridge.pinned
            && let Some(reason) = disagreement(pinned, &bridge.client.trust().await?)
        {
            bail!("{reason} ({}); check --near, --trust and --home", bridge.client.url());
        }
        Ok(bridge)
    }
}

impl Bridge {
    /// What members' statements are made to: the pinned bridge, otherwise the one that the server
    /// shows.
    pub(super) async fn domain(&self) -> anyhow::Result<BridgeDomain> {
        Ok(match &self.pinned {
            Some(pinned) => pinned.domain.clone(),
            None => self.client.trust().await?.domain,
        })
    }

    /// A registered shard at `final`.
    pub(super) async fn shard(&self, shard: &ShardId) -> anyhow::Result<ShardView> {
        let view = self.client.shard(shard).await?;
        view.with_context(|| format!("shard {shard} is not registered with {} on {}", self.account, self.network))
    }
}

impl SignArgs {
    /// The account that is to sign: the one that is named, that of the key file, or `default`.
    pub(super) fn account(&self, default: Option<&AccountId>) -> anyhow::Result<AccountId> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        if let Some(account) = default {
            return Ok(account.clone());
        }
        let keychain = Keychain { file: self.key_file.clone(), folders: Vec::new() };
        keychain.named_account()?.context("who signs? name the NEAR account with --account")
    }

    /// Whether somebody said who signs.
    pub(super) fn is_named(&self) -> bool {
        self.account.is_some() || self.key_file.is_some()
    }

    /// Where keys are looked for: as the arguments say, otherwise where near-cli keeps them, and
    /// where a localnet keeps them beside its trust root.
    pub(super) fn keychain(&self, bridge: &Bridge) -> Result<Keychain, KeychainError> {
        let folders = match &self.credentials_dir {
            Some(folder) => vec![folder.clone()],
            None => {
                let beside = bridge.trust_path.as_ref().and_then(|path| path.parent());
                let beside = beside.map(|folder| folder.join("credentials")).filter(|folder| folder.is_dir());
                default_folder().into_iter().chain(beside).collect()
            }
        };
        Ok(Keychain { file: self.key_file.clone(), folders })
    }
}
