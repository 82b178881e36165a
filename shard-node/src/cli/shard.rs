//! `shard-node shard`: what becomes of a shard.

mod recover;

use super::Output;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Arguments of `shard`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shard-node shard recover --home .local/alpha")]
pub struct ShardArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Begin a shard anew whose data are lost
    Recover(recover::RecoverArgs),
}

pub(super) async fn run(args: ShardArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Recover(args) => recover::run(args, output).await,
    }
}
