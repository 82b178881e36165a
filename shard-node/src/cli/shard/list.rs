//! `shard-node shard list`: all shards of a bridge.

use super::show::status;
use crate::cli::Output;
use crate::cli::access::BridgeArgs;
use clap::Args;
use queue::contract::ShardView;
use std::process::ExitCode;

/// Arguments of `shard list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard list --home .local/alpha
  shard-node shard list --near testnet --bridge bridge.alice.testnet --json")]
pub struct ListArgs {
    #[command(flatten)]
    bridge: BridgeArgs,
}

pub(super) async fn run(args: ListArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let shards = args.bridge.open().await?.client.shards().await?;
    let lines: Vec<String> = shards.iter().map(line).collect();
    let text = if lines.is_empty() { "no shard is registered".to_owned() } else { lines.join("\n") };
    output.finish(&text, &shards);
    Ok(ExitCode::SUCCESS)
}

fn line(view: &ShardView) -> String {
    let ShardView { shard, owner, threshold, members, key_epoch, incarnation, .. } = view;
    format!(
        "{shard}\t{}\towner {owner}\t{threshold} of {} members\tkey epoch {key_epoch}\tincarnation {incarnation}",
        status(view.status),
        members.len()
    )
}
