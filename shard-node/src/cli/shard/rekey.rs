//! `shard-node shard rekey`: a new key epoch.

use super::endorsements::AgreementArgs;
use super::reserve::parse_curve;
use super::{ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, AssentArgs, call, parse_near};
use anyhow::Context as _;
use clap::Args;
use queue::contract::{RekeyArgs as ContractArgs, method};
use queue::statement::Statement;
use queue::trust::Curve;
use std::process::ExitCode;

/// Gas for `rekey`, which checks up to 64 signatures, in Tgas.
const REKEY_TGAS: u64 = 150;

/// Arguments of `shard rekey`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard rekey --home .local/alpha --yes
  shard-node shard rekey --home .local/bob --curve ed25519 --sign-only > bob.json
  shard-node shard rekey --home .local/alpha --curve ed25519 --signature bob.json --yes

The members agree. Heights run on: what was attested stays so. The new epoch begins after the
tip, and the shard attests in it once `shard activate` has its key; a running node sees to that
itself. What the deposit has beyond the epoch's price comes back.")]
pub struct RekeyArgs {
    #[command(flatten)]
    name: ShardName,
    /// Curve of the new epoch's key [default: the present one]
    #[arg(long, value_name = "CURVE", value_parser = parse_curve)]
    curve: Option<Curve>,
    /// What is attached, in NEAR
    #[arg(long, value_name = "NEAR", value_parser = parse_near, default_value = "0.05")]
    deposit: u128,
    #[command(flatten)]
    agreement: AgreementArgs,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    assent: AssentArgs,
}

pub(super) async fn run(args: RekeyArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let view = bridge.shard(&shard).await?;
    let curve = args.curve.unwrap_or(view.curve);
    let key_epoch = view.key_epoch.checked_add(1).context("there is no key epoch after the last one")?;
    let what = format!("open key epoch {key_epoch} of shard {shard}, on {curve}");
    let statement = Statement::Rekey { key_epoch, curve };
    let Some(endorsements) = args.agreement.reach(&bridge, &view, statement, &what, output).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let contract_args = ContractArgs { shard: shard.clone(), curve, endorsements };
    let signer = args.sign.account(Some(&view.owner))?;
    let action = call(method::REKEY, &contract_args, REKEY_TGAS, args.deposit)?;
    let loss = "the present epoch ends at the tip, and is never opened again";
    let act = Act::call(what, &bridge, signer, action).without_way_back(loss, &args.assent);
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(&bridge, &shard, &format!("transaction {}; next: shard activate", transaction), output).await
}
