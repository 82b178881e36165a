//! `shard-node shard set-transport`: how a shard's nodes are reached.

use super::{RECORDS_TGAS, ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call};
use clap::Args;
use queue::contract::{SetTransportArgs as ContractArgs, method};
use queue::trust::PublicKey;
use std::process::ExitCode;

/// Arguments of `shard set-transport`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard set-transport --home .local/alpha --address alpha.example.com:4001
  shard-node shard set-transport alpha --near testnet --bridge bridge.alice.testnet \\
    --transport-key ed25519:… --transport-key ed25519:…

What is listed until then is replaced as a whole. Without --address none is public. The shard's
owner signs.")]
pub struct SetTransportArgs {
    #[command(flatten)]
    name: ShardName,
    /// Ed25519 TLS key of one of the shard's nodes; may be repeated [default: those that are listed]
    #[arg(long, value_name = "KEY")]
    transport_key: Vec<PublicKey>,
    /// Address that the contract lists; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) async fn run(args: SetTransportArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let view = bridge.shard(&shard).await?;
    let signer = args.sign.account(Some(&view.owner))?;
    let transport_keys = if args.transport_key.is_empty() { view.transport_keys } else { args.transport_key };
    let contract_args = ContractArgs { shard: shard.clone(), transport_keys, addresses: args.address };
    let action = call(method::SET_TRANSPORT, &contract_args, RECORDS_TGAS, 0)?;
    let act = Act::call(format!("replace TLS keys and addresses of shard {shard}"), &bridge, signer, action);
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(&bridge, &shard, &format!("transaction {}", transaction), output).await
}
