//! `shard-node shard reserve`: takes a name, for keys that needn't be on this machine.

use super::{ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{Bridge, BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call, parse_near};
use crate::near::{RESERVE_DEPOSIT, RESERVE_TGAS};
use anyhow::{Context as _, bail};
use clap::Args;
use queue::contract::{ReserveArgs as ContractArgs, method};
use queue::ids::ShardId;
use queue::trust::{Curve, PublicKey};
use std::process::ExitCode;

/// Arguments of `shard reserve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard reserve alpha --near testnet --bridge bridge.alice.testnet --account alice.testnet \\
    --member ed25519:… --member ed25519:… --member ed25519:… --threshold 2
  shard-node shard reserve --home .local/alpha --account alice.testnet

The account that signs becomes the owner. A name is given once. With --home, keys and addresses
are the home's. What the deposit has beyond the price comes back.")]
pub struct ReserveArgs {
    #[command(flatten)]
    name: ShardName,
    /// Ed25519 key of a member; may be repeated [default: the home's]
    #[arg(long, value_name = "KEY")]
    member: Vec<PublicKey>,
    /// How many members must endorse [default: more than half]
    #[arg(long, value_name = "N")]
    threshold: Option<u16>,
    /// Curve of the shard's derived key
    #[arg(long, value_name = "CURVE", value_parser = parse_curve, default_value = "secp256k1")]
    curve: Curve,
    /// Ed25519 TLS key of one of the shard's nodes; may be repeated [default: the home's]
    #[arg(long, value_name = "KEY")]
    transport_key: Vec<PublicKey>,
    /// Address that the contract lists; may be repeated [default: those of the home]
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,
    /// What is attached, in NEAR [default: 0.25, of which what is not needed comes back]
    #[arg(long, value_name = "NEAR", value_parser = parse_near)]
    deposit: Option<u128>,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) async fn run(mut args: ReserveArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    if let Some((home, config)) = bridge.home.as_ref().filter(|(_, config)| config.shard == shard) {
        let keys = home.read_keys()?;
        if args.member.is_empty() {
            args.member.push(keys.member_public());
        }
        if args.transport_key.is_empty() {
            args.transport_key.push(keys.transport_public());
        }
        if args.address.is_empty() {
            args.address.clone_from(&config.addresses);
        }
    }
    refuse_taken(&bridge, &shard).await?;
    let contract_args = ContractArgs {
        shard: shard.clone(),
        threshold: threshold(args.threshold, &args.member)?,
        members: args.member,
        curve: args.curve,
        transport_keys: args.transport_key,
        addresses: args.address,
    };
    let owner = bridge.home.as_ref().map(|(_, config)| &config.owner);
    let signer = args.sign.account(owner)?;
    let deposit = args.deposit.unwrap_or(RESERVE_DEPOSIT.as_yoctonear());
    let action = call(method::RESERVE, &contract_args, RESERVE_TGAS, deposit)?;
    let act = Act::call(format!("reserve the name {shard}"), &bridge, signer, action);
    if act.perform(&bridge, &args.sign, output).await?.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    finish(&bridge, &shard, &format!("{shard} is reserved; it can attest after `shard activate`"), output).await
}

async fn refuse_taken(bridge: &Bridge, shard: &ShardId) -> anyhow::Result<()> {
    match bridge.client.shard(shard).await? {
        Some(view) => bail!("shard name {shard} is taken by {}, and names are never given twice", view.owner),
        None => Ok(()),
    }
}

/// The threshold that is given, or the least that is allowed: more than half.
pub(super) fn threshold(given: Option<u16>, members: &[PublicKey]) -> anyhow::Result<u16> {
    if members.is_empty() {
        bail!("who are the members? name their keys with --member, or give a --home");
    }
    let least = u16::try_from(members.len() / 2 + 1).context("too many members")?;
    Ok(given.unwrap_or(least))
}

/// Parses the name of a curve.
pub(in crate::cli) fn parse_curve(text: &str) -> Result<Curve, String> {
    let curves = [Curve::Secp256k1, Curve::Ed25519];
    let found = curves.into_iter().find(|curve| curve.to_string() == text);
    found.ok_or_else(|| format!("{text:?} is no curve: expected secp256k1 or ed25519"))
}
