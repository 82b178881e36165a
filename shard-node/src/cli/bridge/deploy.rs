//! `shard-node bridge deploy`: the contract's code and its initialisation in one transaction, so
//! that nobody else can initialise it in between.

use super::init::{self, Initialisation};
use crate::cli::Output;
use crate::cli::access::{Bridge, BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, AssentArgs, agreed, call, parse_near};
use crate::localnet::BRIDGE_WASM;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use near_crypto::PublicKey;
use near_primitives::account::AccessKey;
use near_primitives::action::{
    Action, AddKeyAction, CreateAccountAction, DeleteKeyAction, DeployContractAction, TransferAction,
};
use near_primitives::hash::CryptoHash;
use near_primitives::types::Balance;
use queue::contract::method;
use queue::ids::AccountId;
use queue::trust::TrustRoot;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Gas for `migrate`, which writes the root state anew, in Tgas.
const MIGRATE_TGAS: u64 = 100;

/// Arguments of `bridge deploy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node bridge deploy --near testnet --bridge bridge.alice.testnet --account alice.testnet \\
    --admin alice.testnet --yes
  shard-node bridge deploy --near mainnet --bridge bridge.near --admin dao.near --delete-keys --yes
  shard-node bridge deploy --near testnet --bridge bridge.alice.testnet --replace --dry-run

An account that doesn't exist is made by the account above it, and its only key is deleted in
the transaction that deploys: from then on only the contract itself can replace its code. An
account that exists keeps its keys, unless --delete-keys takes them away.")]
pub struct DeployArgs {
    /// The contract's code [default: that of this release]
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Replace code that is there already, and have the new code migrate the state
    #[arg(long)]
    replace: bool,
    /// Delete all keys of the bridge's account in the same transaction
    #[arg(long)]
    delete_keys: bool,
    /// What a new account is given, in NEAR; code and state take some of it as storage
    #[arg(long, value_name = "NEAR", value_parser = parse_near, default_value = "10")]
    balance: u128,
    #[command(flatten)]
    initialisation: Initialisation,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    assent: AssentArgs,
}

/// What was deployed.
#[derive(Debug, Serialize)]
struct Deployed {
    network: String,
    rpc: String,
    bridge: AccountId,
    code_hash: String,
    transactions: Vec<String>,
    trust: TrustRoot,
    keys_deleted: usize,
}

pub(super) async fn run(args: DeployArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let DeployArgs { bridge, initialisation, wasm, replace, delete_keys, balance, sign, assent } = args;
    let bridge = bridge.connect().await?;
    let code = match &wasm {
        Some(path) => std::fs::read(path).with_context(|| path.display().to_string())?,
        None => BRIDGE_WASM.to_vec(),
    };
    let code_hash = CryptoHash::hash_bytes(&code);
    let existing = bridge.client.account(&bridge.account).await?;
    let replaced = existing.as_ref().and_then(|account| account.code_hash);
    check_replaced(&bridge, replaced, code_hash, replace)?;

    let holder = holder(&bridge, &sign, existing.is_some())?;
    let keychain = sign.keychain(&bridge)?;
    let mut acts = Vec::new();
    let (maker_key, deleted) = if existing.is_some() {
        (None, if delete_keys { keys(&bridge).await? } else { Vec::new() })
    } else {
        let key = keychain.full_access(&bridge.client, &bridge.network, &holder).await?.key;
        acts.push(creation(&bridge, holder.clone(), balance, key.public_key()));
        let deleted = vec![key.public_key()];
        (Some(key), deleted)
    };
    let keys_deleted = deleted.len();
    let calls = match replaced {
        Some(_) => vec![call(method::MIGRATE, &serde_json::json!({}), MIGRATE_TGAS, 0)?],
        None => initialisation.calls(&bridge)?.to_vec(),
    };
    let deployment = deployment(&bridge, code, calls, deleted, replaced);
    acts.push(deployment.without_way_back("all that is attested rests on this code", &assent));
    if !agreed(&acts, &bridge, &sign, output)? {
        return Ok(ExitCode::SUCCESS);
    }
    let key = match maker_key {
        Some(key) => key,
        None => keychain.full_access_among(&bridge.client, &bridge.network, &bridge.account, &holder).await?.key,
    };
    let mut transactions = Vec::new();
    for act in acts {
        transactions.push(act.perform_with(&bridge, key.clone(), output).await?.to_string());
    }
    let deployed = Deployed {
        network: bridge.network.clone(),
        rpc: bridge.client.url().to_owned(),
        bridge: bridge.account.clone(),
        code_hash: code_hash.to_string(),
        transactions,
        trust: bridge.client.trust().await?,
        keys_deleted,
    };
    output.finish(&human(&deployed), &deployed);
    Ok(ExitCode::SUCCESS)
}

/// Code is replaced only if that is asked for.
fn check_replaced(
    bridge: &Bridge,
    replaced: Option<CryptoHash>,
    code_hash: CryptoHash,
    replace: bool,
) -> anyhow::Result<()> {
    match replaced {
        Some(found) if !replace => bail!(
            "{} has a contract already, of code hash {found}; this is {code_hash}: choose another --bridge, or \
             replace it with --replace",
            bridge.account
        ),
        None if replace => bail!("{} has no contract to replace: leave --replace out", bridge.account),
        _ => Ok(()),
    }
}

/// Deploys the code, calls it, and deletes keys, all or nothing.
fn deployment(
    bridge: &Bridge,
    code: Vec<u8>,
    calls: Vec<Action>,
    deleted: Vec<PublicKey>,
    replaced: Option<CryptoHash>,
) -> Act {
    let (account, code_hash) = (bridge.account.clone(), CryptoHash::hash_bytes(&code));
    let what = match replaced {
        Some(found) => format!("replace code {found} of {account} by {code_hash}"),
        None => format!("deploy the bridge contract of code hash {code_hash} to {account}"),
    };
    let mut actions = vec![Action::DeployContract(DeployContractAction { code })];
    actions.extend(calls);
    actions.extend(deleted.into_iter().map(|public_key| Action::DeleteKey(Box::new(DeleteKeyAction { public_key }))));
    Act { what, signer: account.clone(), receiver: account, actions, final_act: None }
}

/// Whose key signs: that of the bridge's account itself, or of the one above it that makes it.
fn holder(bridge: &Bridge, sign: &SignArgs, exists: bool) -> anyhow::Result<AccountId> {
    let account = &bridge.account;
    let holder = sign.account(exists.then_some(account))?;
    let is_above = account.as_str().split_once('.').is_some_and(|(_, above)| above == holder.as_str());
    ensure!(
        is_above || exists,
        "{account} does not exist, and only the account above it can make it: sign as that with --account, not {holder}"
    );
    Ok(holder)
}

/// Makes the bridge's account, with a key that the deployment takes away again.
fn creation(bridge: &Bridge, signer: AccountId, balance: u128, public_key: PublicKey) -> Act {
    let access_key = AccessKey::full_access();
    let actions = vec![
        Action::CreateAccount(CreateAccountAction {}),
        Action::Transfer(TransferAction { deposit: Balance::from_yoctonear(balance) }),
        Action::AddKey(Box::new(AddKeyAction { public_key, access_key })),
    ];
    let receiver = bridge.account.clone();
    Act { what: format!("make the account {receiver}"), signer, receiver, actions, final_act: None }
}

/// Keys of the bridge's account, all of which a transaction can name.
async fn keys(bridge: &Bridge) -> anyhow::Result<Vec<PublicKey>> {
    let keys = bridge.client.access_keys(&bridge.account).await?;
    let parsed = keys.into_iter().map(|key| {
        let text = key.public_key.to_string();
        text.parse().with_context(|| format!("key {text} of {} can't be deleted by this program", bridge.account))
    });
    parsed.collect()
}

fn human(deployed: &Deployed) -> String {
    let Deployed { network, rpc, bridge, code_hash, transactions, trust, keys_deleted } = deployed;
    let keys = match keys_deleted {
        0 => String::new(),
        count => format!("\n  deleted keys {count}, all that the account had"),
    };
    format!(
        "{bridge} on {network} is a bridge, instance {}\n  code hash    {code_hash}\n  transaction  {}{keys}\n{}\n\
         pin it: shard-node bridge trust --near {rpc} --bridge {bridge} > trust.json",
        trust.domain.instance,
        transactions.join(", "),
        init::keys_text(trust),
    )
}
