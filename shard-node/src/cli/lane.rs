//! `shard-node lane`: what an operator does to a lane.

mod incarnations;

use super::Output;
use super::export::LaneChoice;
use crate::client::Client;
use crate::home::Home;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `lane`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shard-node lane resume --home .local/beta --lane alpha")]
pub struct LaneArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take back a freeze, after looking at `shard-node evidence`; the evidence is kept
    Resume(ResumeArgs),
    /// Go on with a peer that lost its data and began anew: empty lanes begin
    AcceptIncarnation(incarnations::AcceptArgs),
    /// List the requests to a peer that began anew of which it is unknown what became
    Unsettled(incarnations::UnsettledArgs),
    /// Settle such requests by what was found out
    Settle(incarnations::SettleArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane resume --home .local/beta --lane alpha
  shard-node lane resume --home .local/beta --to alpha")]
struct ResumeArgs {
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    lane: LaneChoice,
}

pub(super) async fn run(args: LaneArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Resume(args) => resume(args, output).await,
        Action::AcceptIncarnation(args) => incarnations::accept(args, output).await,
        Action::Unsettled(args) => incarnations::unsettled(args, output).await,
        Action::Settle(args) => incarnations::settle(args, output).await,
    }
}

async fn resume(args: ResumeArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let (side, peer) = args.lane.chosen()?;
    Client::of_home(&Home::at(args.home))?.resume(peer, side).await?;
    output.finish(
        &format!("the lane with {peer} goes on; should the contradiction come again, it freezes again"),
        &json!({}),
    );
    Ok(ExitCode::SUCCESS)
}
