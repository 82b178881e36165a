//! `shard-node shard activate`: the derived key of the newest key epoch.

use super::{ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call};
use crate::near::ACTIVATE_TGAS;
use anyhow::bail;
use clap::Args;
use queue::contract::{ShardArgs, method};
use std::process::ExitCode;
use std::time::Duration;

/// How often the signer is asked before giving up.
const ATTEMPTS_MAX: u32 = 20;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Arguments of `shard activate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard activate --home .local/alpha
  shard-node shard activate alpha --near testnet --bridge bridge.alice.testnet --account bob.testnet

Anybody may do it; with --home and no --account the node's own access key signs.")]
pub struct ActivateArgs {
    #[command(flatten)]
    name: ShardName,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) async fn run(args: ActivateArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let node = bridge.home.as_ref().filter(|_| !args.sign.is_named());
    let signer = args.sign.account(node.map(|(_, config)| &config.owner))?;
    let node_key = node.map(|(home, _)| home.read_keys()).transpose()?.map(|keys| keys.near);
    for attempt in 0..ATTEMPTS_MAX {
        if bridge.shard(&shard).await?.public_key.is_some() {
            return finish(&bridge, &shard, &format!("the derived key of {shard} is known"), output).await;
        }
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let action = call(method::ACTIVATE, &ShardArgs { shard: shard.clone() }, ACTIVATE_TGAS, 0)?;
        let act = Act::call(format!("fetch the derived key of {shard}"), &bridge, signer.clone(), action);
        let done = match &node_key {
            Some(key) if !args.sign.dry_run => Some(act.perform_with(&bridge, key.clone(), output).await?),
            _ => act.perform(&bridge, &args.sign, output).await?,
        };
        if done.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    bail!("NEAR's signer gave no key for {shard} in {ATTEMPTS_MAX} attempts: run this again later")
}
