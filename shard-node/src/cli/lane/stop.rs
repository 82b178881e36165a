//! `shard-node lane stop` and `resume`: requests of a lane, as one shard's owner wants it.

use super::{LANE_TGAS, LaneName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call};
use clap::Args;
use queue::contract::{LaneDirection, LaneStopArgs, method};
use std::process::ExitCode;

/// Arguments of `lane stop` and `lane resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane stop beta --home .local/alpha
  shard-node lane stop beta --home .local/alpha --inbound
  shard-node lane resume beta --shard alpha --near testnet --bridge bridge.alice.testnet

Only requests stop: results of what came before flow on, and nothing that was attested is lost.
Each side resumes what it stopped itself. A lane that a node has frozen is unfrozen with `lane
unfreeze`. The shard's owner signs.")]
pub struct StopArgs {
    #[command(flatten)]
    lane: LaneName,
    /// Only requests that come in
    #[arg(long, conflicts_with = "outbound")]
    inbound: bool,
    /// Only requests that go out
    #[arg(long)]
    outbound: bool,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) async fn stop(args: StopArgs, output: &Output) -> anyhow::Result<ExitCode> {
    run(args, method::STOP_LANE, "stop", output).await
}

pub(super) async fn resume(args: StopArgs, output: &Output) -> anyhow::Result<ExitCode> {
    run(args, method::RESUME_LANE, "resume", output).await
}

async fn run(args: StopArgs, method: &'static str, verb: &str, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let lane = args.lane.resolve(&bridge)?;
    let (direction, which) = match (args.inbound, args.outbound) {
        (true, _) => (LaneDirection::Inbound, format!("requests from {}", lane.peer)),
        (_, true) => (LaneDirection::Outbound, format!("requests to {}", lane.peer)),
        _ => (LaneDirection::Both, format!("requests between {} and {}", lane.shard, lane.peer)),
    };
    let signer = args.sign.account(Some(&bridge.shard(&lane.shard).await?.owner))?;
    let contract_args = LaneStopArgs { shard: lane.shard.clone(), peer: lane.peer.clone(), direction };
    let action = call(method, &contract_args, LANE_TGAS, 0)?;
    let act = Act::call(format!("{verb} {which}"), &bridge, signer, action);
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(&bridge, &lane, &format!("transaction {}", transaction), output).await
}
