//! `shard-node lane`: what an operator does to a lane.

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
    let Action::Resume(args) = args.action;
    let (side, peer) = args.lane.chosen()?;
    Client::of_home(&Home::at(args.home))?.resume(peer, side).await?;
    output.finish(
        &format!("the lane with {peer} goes on; should the contradiction come again, it freezes again"),
        &json!({}),
    );
    Ok(ExitCode::SUCCESS)
}
