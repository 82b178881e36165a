//! `shard-node shard show`: what the contract knows of a shard.

use super::ShardName;
use crate::cli::Output;
use crate::cli::access::BridgeArgs;
use crate::cli::output::{printable, utc};
use crate::cli::transaction::near;
use clap::Args;
use queue::attestation::AttestationKind;
use queue::contract::{ShardStatus, ShardView, TipView};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Arguments of `shard show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard show --home .local/alpha
  shard-node shard show alpha --near testnet --bridge bridge.alice.testnet")]
pub struct ShowArgs {
    #[command(flatten)]
    name: ShardName,
    #[command(flatten)]
    bridge: BridgeArgs,
}

/// A shard and its tip.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    shard: ShardView,
    tip: Option<TipView>,
}

pub(super) async fn run(args: ShowArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let name = args.name.or_home(&bridge)?;
    let shard = bridge.shard(&name).await?;
    let tip = bridge.client.tip(&name).await?;
    let human = format!("{}\n  tip             {}", text(&shard)?, tip_text(tip.as_ref()));
    output.finish(&human, &Shown { shard, tip });
    Ok(ExitCode::SUCCESS)
}

/// A shard for people.
pub(super) fn text(view: &ShardView) -> Result<String, std::fmt::Error> {
    let mut text = format!("shard {}: {}", view.shard, status(view.status));
    write!(text, "\n  owner           {}", view.owner)?;
    write!(text, "\n  members         {} of {}, version {}", view.threshold, view.members.len(), view.members_version)?;
    for member in &view.members {
        write!(text, "\n                  {member}")?;
    }
    if let Some(rotation) = &view.rotation {
        let (threshold, count) = (rotation.threshold, rotation.members.len());
        write!(text, "\n  ANNOUNCED       {threshold} of {count} new members, from {}:", utc(rotation.ready_at_ns))?;
        for member in &rotation.members {
            write!(text, "\n                  {member}")?;
        }
    }
    write!(text, "\n  key epoch       {}, from height {}", view.key_epoch, view.epoch_first_height)?;
    let key = view.public_key.map_or("not known yet: run `shard activate`".to_owned(), |key| key.to_string());
    write!(text, "\n  derived key     {key} ({})", view.curve)?;
    write!(text, "\n  incarnation     {}", view.incarnation)?;
    for key in &view.transport_keys {
        write!(text, "\n  transport key   {key}")?;
    }
    for address in &view.addresses {
        write!(text, "\n  address         {}", printable(address.as_bytes()))?;
    }
    write!(text, "\n  balance         {} NEAR for the signer's deposits", near(view.balance_yocto))?;
    Ok(text)
}

/// A status in the words of the JSON.
pub(in crate::cli) fn status(status: ShardStatus) -> &'static str {
    match status {
        ShardStatus::Reserved => "reserved",
        ShardStatus::Active => "active",
        ShardStatus::Paused => "paused",
        ShardStatus::Frozen => "frozen",
        ShardStatus::Retired => "retired",
    }
}

fn tip_text(tip: Option<&TipView>) -> String {
    let Some(TipView { checkpoint, hash, attested, attempts, round, .. }) = tip else {
        return "none: nothing was attested yet".to_owned();
    };
    let state = match (attested, round) {
        (Some(AttestationKind::Round), Some(position)) => format!("signed with round {}", position.round),
        (Some(_), _) => "signed".to_owned(),
        (None, Some(position)) => {
            format!("pending in round {}, the signer was asked {attempts} times for itself", position.round)
        }
        (None, None) => format!("pending, the signer was asked {attempts} times"),
    };
    format!("height {}, {}, {hash}, {state}", checkpoint.height, utc(checkpoint.time_ns))
}
