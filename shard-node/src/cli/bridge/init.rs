//! `shard-node bridge init`: initialises code that was deployed by other means, and has the
//! contract fetch the signer's keys.

use crate::cli::Output;
use crate::cli::access::{Bridge, BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call};
use crate::near::NearError;
use anyhow::{Context as _, ensure};
use clap::Args;
use near_primitives::action::Action;
use queue::contract::{InitArgs as ContractInitArgs, method};
use queue::ids::AccountId;
use queue::trust::TrustRoot;
use serde_json::json;
use std::process::ExitCode;

/// Gas for `init`, which draws the instance id and writes a few records, in Tgas.
const INIT_TGAS: u64 = 50;

/// Gas for `sync_signer`, which asks the signer for keys at 20 each, in Tgas.
const SYNC_SIGNER_TGAS: u64 = 200;

/// How a contract is initialised.
#[derive(Debug, Args)]
#[command(next_help_heading = "Initialisation")]
pub(super) struct Initialisation {
    /// Account of NEAR's chain-signature signer [default: v1.signer; on testnet v1.signer-prod.testnet]
    #[arg(long, value_name = "ACCOUNT")]
    signer: Option<AccountId>,
    /// Account that administers the contract: grants roles, and so decides on upgrades
    #[arg(long, value_name = "ACCOUNT")]
    admin: Option<AccountId>,
    /// Let only accounts of the role Registrar reserve names
    #[arg(long)]
    closed_registration: bool,
}

/// Arguments of `bridge init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node bridge init --near testnet --bridge bridge.alice.testnet --admin alice.testnet
  shard-node bridge init --near testnet --bridge bridge.alice.testnet --account bob.testnet

Only the bridge's own account can initialise it. Anybody may see to it that the signer's keys
are fetched: running it again, as any account, finishes that.")]
pub struct InitArgs {
    #[command(flatten)]
    initialisation: Initialisation,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

impl Initialisation {
    /// `init`, and `sync_signer` behind it.
    ///
    /// # Errors
    /// If nobody is named who administers it.
    pub(super) fn calls(&self, bridge: &Bridge) -> anyhow::Result<[Action; 2]> {
        let signer = match (&self.signer, bridge.network.as_str()) {
            (Some(signer), _) => signer.clone(),
            (None, "testnet") => "v1.signer-prod.testnet".parse()?,
            (None, _) => "v1.signer".parse()?,
        };
        let admin = self.admin.clone().context("who administers the contract? name the account with --admin")?;
        let open_registration = Some(!self.closed_registration);
        let args = ContractInitArgs { network: bridge.network.parse()?, signer, admin, open_registration };
        Ok([call(method::INIT, &args, INIT_TGAS, 0)?, sync_signer()?])
    }
}

pub(super) async fn run(args: InitArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.connect().await?;
    let trust = match bridge.client.trust().await {
        Ok(trust) => Some(trust),
        // Before `init` there is no state, and near-sdk panics.
        Err(NearError::View { reason, .. }) if reason.contains("not initialized") => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(trust) = trust.as_ref().filter(|trust| trust.secp256k1.is_some() && trust.ed25519.is_some()) {
        output.finish(&format!("{} is initialised; {}", bridge.account, keys_text(trust)), trust);
        return Ok(ExitCode::SUCCESS);
    }
    let (what, signer, actions) = match trust {
        None => {
            let signer = args.sign.account(Some(&bridge.account))?;
            let account = &bridge.account;
            ensure!(signer == *account, "only {account} itself can initialise itself: leave --account out");
            let actions = args.initialisation.calls(&bridge)?.to_vec();
            (format!("initialise the bridge contract on {account}"), signer, actions)
        }
        Some(_) => {
            let signer = args.sign.account(None)?;
            (format!("have {} fetch the signer's keys", bridge.account), signer, vec![sync_signer()?])
        }
    };
    let receiver = bridge.account.clone();
    let act = Act { what, signer, receiver, actions, final_act: None };
    if act.perform(&bridge, &args.sign, output).await?.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let trust = bridge.client.trust().await?;
    output.finish(&format!("{} is initialised; {}", bridge.account, keys_text(&trust)), &trust);
    Ok(ExitCode::SUCCESS)
}

fn sync_signer() -> anyhow::Result<Action> {
    call(method::SYNC_SIGNER, &json!({}), SYNC_SIGNER_TGAS, 0)
}

/// Whether the signer's keys are known, for people.
pub(super) fn keys_text(trust: &TrustRoot) -> String {
    match (&trust.secp256k1, &trust.ed25519) {
        (Some(secp256k1), Some(ed25519)) => format!("the signer's keys are {secp256k1} and {ed25519}"),
        _ => "the signer has not given both of its keys yet: run `bridge init` again later".to_owned(),
    }
}
