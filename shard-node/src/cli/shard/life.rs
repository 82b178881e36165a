//! `shard-node shard lapse`, `pause`, `resume` and `retire`: calls of the owner that name the shard
//! and nothing else.

use super::{RECORDS_TGAS, ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, AssentArgs, call};
use clap::Args;
use queue::contract::{ShardArgs, method};
use serde_json::json;
use std::process::ExitCode;

/// Arguments of what can be taken back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard pause --home .local/alpha
  shard-node shard resume alpha --near testnet --bridge bridge.alice.testnet

While a shard is paused, no new checkpoint of it is recorded; one that is recorded still gets
its signature. The shard's owner signs.")]
pub struct LifeArgs {
    #[command(flatten)]
    name: ShardName,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

/// Arguments of what can't.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard retire --home .local/alpha --dry-run
  shard-node shard retire --home .local/alpha --yes
  shard-node shard lapse alpha --near testnet --bridge bridge.alice.testnet --yes

Retiring is refused while a checkpoint waits for its signature. The name stays taken for ever.
Only a name that never became active lapses: it is free then, and its price comes back. The
shard's owner signs.")]
pub struct FinalArgs {
    #[command(flatten)]
    life: LifeArgs,
    #[command(flatten)]
    assent: AssentArgs,
}

pub(super) async fn pause(args: LifeArgs, output: &Output) -> anyhow::Result<ExitCode> {
    run(args, method::PAUSE, "pause", None, output).await
}

pub(super) async fn resume(args: LifeArgs, output: &Output) -> anyhow::Result<ExitCode> {
    run(args, method::RESUME, "resume", None, output).await
}

pub(super) async fn lapse(args: FinalArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let loss = "the name is free for anybody";
    run(args.life, method::LAPSE, "give up", Some((loss, args.assent)), output).await
}

pub(super) async fn retire(args: FinalArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let loss = "the shard never attests again, and its name is never given again";
    run(args.life, method::RETIRE, "retire", Some((loss, args.assent)), output).await
}

async fn run(
    args: LifeArgs,
    method: &'static str,
    verb: &str,
    final_act: Option<(&'static str, AssentArgs)>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let signer = args.sign.account(Some(&bridge.shard(&shard).await?.owner))?;
    let action = call(method, &ShardArgs { shard: shard.clone() }, RECORDS_TGAS, 0)?;
    let mut act = Act::call(format!("{verb} shard {shard}"), &bridge, signer, action);
    if let Some((loss, assent)) = &final_act {
        act = act.without_way_back(loss, assent);
    }
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    if method == method::LAPSE {
        let transaction = transaction.to_string();
        output.finish(&format!("the name {shard} is free again"), &json!({"shard": shard, "transaction": transaction}));
        return Ok(ExitCode::SUCCESS);
    }
    finish(&bridge, &shard, &format!("transaction {}", transaction), output).await
}
