//! `shard-node shard top-up` and `withdraw`: what is left for the signer's deposits.

use super::{RECORDS_TGAS, ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call, near, parse_near};
use clap::Args;
use queue::contract::{AmountYocto, ShardArgs, WithdrawArgs as ContractArgs, method};
use std::process::ExitCode;

/// Arguments of `shard top-up`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node shard top-up --home .local/alpha --amount 0.000001

A request to the signer costs 1 yoctoNEAR, 10^-24 NEAR: the smallest amounts go a long way.
Anybody may.")]
pub struct TopUpArgs {
    #[command(flatten)]
    name: ShardName,
    /// How much, in NEAR
    #[arg(long, value_name = "NEAR", value_parser = parse_near)]
    amount: u128,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

/// Arguments of `shard withdraw`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard withdraw --home .local/alpha
  shard-node shard withdraw --home .local/alpha --amount 0.5

The shard's owner signs, and is paid.")]
pub struct WithdrawArgs {
    #[command(flatten)]
    name: ShardName,
    /// How much, in NEAR [default: all]
    #[arg(long, value_name = "NEAR", value_parser = parse_near)]
    amount: Option<u128>,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) async fn top_up(args: TopUpArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let signer = args.sign.account(Some(&bridge.shard(&shard).await?.owner))?;
    let action = call(method::TOP_UP, &ShardArgs { shard: shard.clone() }, RECORDS_TGAS, args.amount)?;
    let what = format!("add {} NEAR to the balance of shard {shard}", near(args.amount));
    let act = Act::call(what, &bridge, signer, action);
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(&bridge, &shard, &format!("transaction {}", transaction), output).await
}

pub(super) async fn withdraw(args: WithdrawArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let signer = args.sign.account(Some(&bridge.shard(&shard).await?.owner))?;
    let contract_args = ContractArgs { shard: shard.clone(), amount_yocto: args.amount.map(AmountYocto) };
    let action = call(method::WITHDRAW, &contract_args, RECORDS_TGAS, 0)?;
    let amount = args.amount.map_or("all".to_owned(), |yocto| format!("{} NEAR", near(yocto)));
    let act = Act::call(format!("withdraw {amount} of the balance of shard {shard}"), &bridge, signer, action);
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(&bridge, &shard, &format!("transaction {}", transaction), output).await
}
