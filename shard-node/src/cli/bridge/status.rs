//! `shard-node bridge status`: what the bridge's trustworthiness rests on, at a final block.

use crate::cli::Output;
use crate::cli::access::{Bridge, BridgeArgs};
use crate::cli::output::utc;
use crate::cli::transaction::near;
use crate::localnet::BRIDGE_WASM;
use crate::near::{AccountState, NearError};
use clap::Args;
use near_primitives::hash::CryptoHash;
use queue::contract::{DelayStatus, RoundArgs, RoundsView, method};
use queue::ids::AccountId;
use queue::trust::{Curve, TrustRoot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Arguments of `bridge status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node bridge status --home .local/alpha
  shard-node bridge status --near mainnet --bridge bridge.near --json

What is worth worrying about is listed as warnings; the exit code is 0 all the same.")]
pub struct StatusArgs {
    #[command(flatten)]
    bridge: BridgeArgs,
}

/// What `--json` shows. What this release's contract would answer and this one doesn't is `null`.
#[derive(Debug, Serialize)]
struct Status {
    network: String,
    rpc: String,
    bridge: AccountId,
    code_hash: String,
    release_code_hash: String,
    balance_yocto: String,
    storage_bytes: u64,
    full_access_keys: Vec<String>,
    /// `null` until the contract is initialised.
    trust: Option<TrustRoot>,
    permissions: Option<Permissions>,
    paused: Option<BTreeSet<String>>,
    upgrade: Option<Upgrade>,
    rounds: BTreeMap<String, RoundsView>,
    shards: usize,
    open_registration: Option<bool>,
    warnings: Vec<String>,
}

/// Who may do what: [`queue::contract::PermissionedAccounts`], whatever the roles are called.
#[derive(Debug, Serialize, Deserialize)]
struct Permissions {
    super_admins: Vec<AccountId>,
    roles: BTreeMap<String, Role>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Role {
    grantees: Vec<AccountId>,
}

/// What upgrades wait for.
#[derive(Debug, Serialize)]
struct Upgrade {
    staged_code_hash: Option<String>,
    deployable_at_ns: Option<u64>,
    delay_ns: Option<u64>,
    /// A change of the delay that is announced.
    next_delay_ns: Option<u64>,
    next_delay_at_ns: Option<u64>,
}

pub(super) async fn run(args: StatusArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.connect().await?;
    output.step(format!("asking {}", bridge.client.url()));
    let status = status(&bridge).await?;
    output.finish(&text(&status)?, &status);
    Ok(ExitCode::SUCCESS)
}

async fn status(bridge: &Bridge) -> anyhow::Result<Status> {
    let (url, account) = (bridge.client.url().to_owned(), bridge.account.to_string());
    let state = bridge.client.account(&bridge.account).await?;
    let Some(AccountState { balance_yocto, storage_bytes, code_hash }) = state else {
        return Err(NearError::NoAccount { url, account }.into());
    };
    let Some(code_hash) = code_hash else { return Err(NearError::NoContract { url, account }.into()) };
    let keys = bridge.client.access_keys(&bridge.account).await?;
    let trust = match bridge.client.trust().await {
        Ok(trust) => Some(trust),
        Err(NearError::View { reason, .. }) if reason.contains("not initialized") => None,
        Err(error) => return Err(error.into()),
    };
    let mut status = Status {
        network: bridge.network.clone(),
        rpc: url,
        bridge: bridge.account.clone(),
        code_hash: code_hash.to_string(),
        release_code_hash: CryptoHash::hash_bytes(BRIDGE_WASM).to_string(),
        balance_yocto: balance_yocto.to_string(),
        storage_bytes,
        full_access_keys: keys.iter().filter(|key| key.full_access).map(|key| key.public_key.to_string()).collect(),
        trust,
        permissions: None,
        paused: None,
        upgrade: None,
        rounds: BTreeMap::new(),
        shards: 0,
        open_registration: None,
        warnings: Vec::new(),
    };
    if status.trust.is_some() {
        ask_contract(bridge, &mut status).await?;
    }
    status.warnings = warnings(bridge, &status);
    Ok(status)
}

async fn ask_contract(bridge: &Bridge, status: &mut Status) -> Result<(), NearError> {
    status.permissions = ask(bridge, method::ACL_GET_PERMISSIONED_ACCOUNTS, &json!({})).await?;
    // The contract answers `null` while nothing is paused.
    let paused: Option<Option<BTreeSet<String>>> = ask(bridge, method::PA_ALL_PAUSED, &json!({})).await?;
    status.paused = paused.map(Option::unwrap_or_default);
    let staged: Option<Option<String>> = ask(bridge, method::UP_STAGED_CODE_HASH, &json!({})).await?;
    let delays: Option<DelayStatus> = ask(bridge, method::UP_GET_DELAY_STATUS, &json!({})).await?;
    if let (Some(staged_code_hash), Some(delays)) = (staged, delays) {
        status.upgrade = Some(Upgrade {
            deployable_at_ns: delays.staging_timestamp.filter(|_| staged_code_hash.is_some()),
            staged_code_hash,
            delay_ns: delays.staging_duration,
            next_delay_ns: delays.new_staging_duration,
            next_delay_at_ns: delays.new_staging_duration_timestamp,
        });
    }
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        if let Some(rounds) = ask(bridge, method::ROUNDS, &RoundArgs { curve }).await? {
            status.rounds.insert(curve.to_string(), rounds);
        }
    }
    status.shards = bridge.client.shards().await?.len();
    status.open_registration = ask(bridge, method::OPEN_REGISTRATION, &json!({})).await?;
    Ok(())
}

/// What a view answers; `None` if the contract, perhaps an older one, has no such view.
async fn ask<T: DeserializeOwned>(
    bridge: &Bridge,
    view: &'static str,
    args: &impl Serialize,
) -> Result<Option<T>, NearError> {
    match bridge.client.view(view, args).await {
        Ok(answer) => Ok(Some(answer)),
        Err(NearError::NoView { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn warnings(bridge: &Bridge, status: &Status) -> Vec<String> {
    let mut warnings = Vec::new();
    let account = &status.bridge;
    for key in &status.full_access_keys {
        warnings.push(format!(
            "{account} still has the full-access key {key}: whoever holds it can replace the code at once, and have \
             anything signed; delete it"
        ));
    }
    if status.code_hash != status.release_code_hash {
        warnings.push("the code is not that of this release: find out whose it is before you trust it".to_owned());
    }
    match &status.trust {
        None => warnings.push("the contract is not initialised: run `bridge init`".to_owned()),
        Some(trust) => {
            if trust.secp256k1.is_none() || trust.ed25519.is_none() {
                warnings.push("the signer's keys are not all known: run `bridge init`".to_owned());
            }
            if let Some(pinned) = &bridge.pinned
                && let Some(reason) = crate::near::disagreement(pinned, trust)
            {
                warnings.push(reason);
            }
        }
    }
    if let Some(upgrade) = &status.upgrade {
        if let Some(hash) = &upgrade.staged_code_hash {
            let when = upgrade.deployable_at_ns.map_or("at any time".to_owned(), |ns| format!("from {}", utc(ns)));
            warnings.push(format!("code of hash {hash} is staged, and may be deployed {when}"));
        }
        if upgrade.delay_ns.unwrap_or_default() == 0 && status.network != "localnet" {
            warnings.push("staged code may be deployed without delay".to_owned());
        }
        if let (Some(delay_ns), Some(at_ns)) = (upgrade.next_delay_ns, upgrade.next_delay_at_ns) {
            let delay_s = delay_ns / 1_000_000_000;
            warnings.push(format!("the delay of staged code may be changed to {delay_s} s from {}", utc(at_ns)));
        }
    }
    if let Some(paused) = status.paused.as_ref().filter(|paused| !paused.is_empty()) {
        let names: Vec<&str> = paused.iter().map(String::as_str).collect();
        warnings.push(format!("paused: {}", names.join(", ")));
    }
    warnings
}

fn text(status: &Status) -> Result<String, std::fmt::Error> {
    let Status { network, rpc, bridge, code_hash, release_code_hash, balance_yocto, storage_bytes, .. } = status;
    let mut text = format!("bridge {bridge} on {network} ({rpc})");
    let is_release = if code_hash == release_code_hash { "this release's" } else { "NOT this release's" };
    write!(text, "\n  code hash     {code_hash}, {is_release}")?;
    if let Some(trust) = &status.trust {
        write!(text, "\n  instance      {}", trust.domain.instance)?;
        for (curve, key) in [(Curve::Secp256k1, trust.secp256k1), (Curve::Ed25519, trust.ed25519)] {
            let key = key.map_or(format!("{curve}: not known yet"), |key| key.to_string());
            write!(text, "\n  signer's key  {key}")?;
        }
        let closed = if status.open_registration == Some(false) { "; only registrars reserve names" } else { "" };
        write!(text, "\n  shards        {}{closed}", status.shards)?;
    }
    let balance = balance_yocto.parse().map_or_else(|_| balance_yocto.clone(), near);
    write!(text, "\n  account       {balance} NEAR, {storage_bytes} bytes of storage")?;
    for (curve, RoundsView { open, size, closing, .. }) in &status.rounds {
        let closing = closing.map_or(String::new(), |round| format!(", round {round} waits for its signature"));
        write!(text, "\n  rounds        {curve}: round {open} is open with {size} checkpoints{closing}")?;
    }
    if let Some(Permissions { super_admins, roles }) = &status.permissions {
        write!(text, "\n  super admins  {}", list(super_admins))?;
        for (role, Role { grantees }) in roles.iter().filter(|(_, role)| !role.grantees.is_empty()) {
            write!(text, "\n  role          {role}: {}", list(grantees))?;
        }
    }
    if let Some(Upgrade { delay_ns: Some(delay_ns), .. }) = &status.upgrade {
        write!(text, "\n  upgrades      {} s after their code is staged", delay_ns / 1_000_000_000)?;
    }
    for warning in &status.warnings {
        write!(text, "\nWARNING: {warning}")?;
    }
    Ok(text)
}

fn list(accounts: &[AccountId]) -> String {
    if accounts.is_empty() {
        return "nobody".to_owned();
    }
    accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
