//! `shard-node export`: the proof of a received message.

use super::Output;
use crate::client::Client;
use crate::home::Home;
use clap::Args;
use queue::ids::ShardId;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shard-node export --home .local/beta --lane alpha --nonce 0 > m.json")]
pub struct ExportArgs {
    /// The home of the receiving shard's node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The shard that the message came from
    #[arg(long, value_name = "SHARD")]
    lane: ShardId,
    /// The message's nonce in the lane
    #[arg(long, value_name = "N")]
    nonce: u64,
}

pub(super) async fn run(args: ExportArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let proof = Client::of_home(&Home::at(args.home))?.prove(&args.lane, args.nonce).await?;
    output.finish(&serde_json::to_string_pretty(&proof)?, &proof);
    Ok(ExitCode::SUCCESS)
}
