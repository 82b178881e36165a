//! `shard-node prove`: files that prove what became of a sent message.

use super::Output;
use crate::client::Client;
use crate::home::Home;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use queue::ids::ShardId;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// Arguments of `prove`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node prove delivery --home .local/alpha beta/0 > d.json
  shard-node prove expiry --home .local/alpha beta/1 > x.json
  shard-node verify d.json --trust trust.json")]
pub struct ProveArgs {
    #[command(subcommand)]
    claim: Claim,
}

#[derive(Debug, Subcommand)]
enum Claim {
    /// Print the proof that a message was delivered; or, if its deadline leaves that open, decided
    #[command(after_help = "Example:\n  shard-node prove delivery --home .local/alpha beta/0 > d.json")]
    Delivery(MessageArgs),
    /// Print the proof that a message never ran and never will
    #[command(after_help = "Example:\n  shard-node prove expiry --home .local/alpha beta/1 > x.json")]
    Expiry(MessageArgs),
}

#[derive(Debug, Args)]
struct MessageArgs {
    /// The home of the node that sent the message, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The message: the shard that it was sent to, and its nonce in the lane there, as in beta/0
    #[arg(value_name = "LANE/NONCE")]
    message: Place,
    /// Incarnation of that shard, if the message was for one that is over
    #[arg(long, value_name = "NUMBER")]
    incarnation: Option<u32>,
}

/// A sent message by its place.
#[derive(Debug, Clone)]
struct Place {
    peer: ShardId,
    nonce: u64,
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (peer, nonce) = text.split_once('/').context("expected a shard and a nonce, as in beta/0")?;
        let nonce = nonce.parse().with_context(|| format!("{nonce:?} is no nonce, expected a number as in beta/0"))?;
        Ok(Place { peer: peer.parse()?, nonce })
    }
}

pub(super) async fn run(args: ProveArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match args.claim {
        Claim::Delivery(MessageArgs { home, message: Place { peer, nonce }, incarnation }) => {
            print(&Client::of_home(&Home::at(home))?.prove_delivery(&peer, incarnation, nonce).await?, output)
        }
        Claim::Expiry(MessageArgs { home, message: Place { peer, nonce }, incarnation }) => {
            print(&Client::of_home(&Home::at(home))?.prove_expiry(&peer, incarnation, nonce).await?, output)
        }
    }
}

fn print(proof: &impl Serialize, output: &Output) -> anyhow::Result<ExitCode> {
    output.finish(&serde_json::to_string_pretty(proof)?, proof);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_shard_and_a_nonce() {
        let place: Place = "beta/18446744073709551615".parse().expect("a place");
        assert_eq!((place.peer.as_str(), place.nonce), ("beta", u64::MAX));
        for wrong in ["beta", "beta/", "/0", "beta/-1", "beta/0/1", "Beta!/0", "beta/18446744073709551616"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
