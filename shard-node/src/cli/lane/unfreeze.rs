//! `shard-node lane unfreeze`: an operator takes back a freeze of their own node.

use crate::cli::Output;
use crate::cli::export::LaneChoice;
use crate::client::Client;
use crate::home::Home;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `lane unfreeze`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane unfreeze --home .local/beta --lane alpha
  shard-node lane unfreeze --home .local/beta --to alpha")]
pub struct UnfreezeArgs {
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    lane: LaneChoice,
}

pub(super) async fn run(args: UnfreezeArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let (side, peer) = args.lane.chosen()?;
    Client::of_home(&Home::at(args.home))?.resume(peer, side).await?;
    output.finish(
        &format!("the lane with {peer} goes on; should the contradiction come again, it freezes again"),
        &json!({}),
    );
    Ok(ExitCode::SUCCESS)
}
