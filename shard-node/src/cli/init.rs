//! `shard-node init`: makes a node's home and registers its shard.

use super::Output;
use super::shard::parse_curve;
use crate::init::{self, Initialised, Options};
use crate::near::Network;
use queue::ids::{AccountId, ShardId};
use queue::trust::Curve;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  shard-node init --home .local/alpha --shard alpha --near http://127.0.0.1:3030 --trust .local/near/trust.json\n\nRunning it again finishes what was interrupted."
)]
pub struct InitArgs {
    /// Folder of the node; made if it isn't there
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Name of the shard: 2 to 32 characters of a-z, 0-9, - and _
    #[arg(long, value_name = "NAME")]
    shard: ShardId,
    /// NEAR: localnet, testnet, mainnet, or the address of an RPC server
    #[arg(long, value_name = "NETWORK|URL")]
    near: Network,
    /// File of the trust root to pin
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// NEAR account that shall own the shard [default: NAME.<account of the key file>]
    #[arg(long, value_name = "ACCOUNT")]
    owner: Option<AccountId>,
    /// Key file of near-cli: the owner's, or of the account above it [default: the one that a
    /// localnet keeps beside its trust root, otherwise the owner's in ~/.near-credentials]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Where peers' QUIC connections arrive (UDP) [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "IP:PORT")]
    p2p_addr: Option<SocketAddr>,
    /// Where the local API listens (TCP, loopback) [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "IP:PORT")]
    api_addr: Option<SocketAddr>,
    /// Address under which peers reach this node, listed by the bridge contract; may be repeated
    /// [default: on localnet the --p2p-addr, elsewhere none]
    #[arg(long, value_name = "HOST:PORT")]
    publish_address: Vec<String>,
    /// Curve of the shard's derived key: secp256k1 or ed25519 [default: secp256k1]
    #[arg(long, value_name = "CURVE", value_parser = parse_curve)]
    curve: Option<Curve>,
}

pub(super) async fn run(args: InitArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let options = Options {
        home: args.home,
        shard: args.shard,
        near_rpc: args.near.url().to_owned(),
        trust: args.trust,
        owner: args.owner,
        credentials: args.key_file,
        p2p_addr: args.p2p_addr,
        api_addr: args.api_addr,
        addresses: args.publish_address,
        curve: args.curve,
    };
    let made = init::init(options, |text| output.step(text)).await?;
    output.finish(&summary(&made), &made);
    Ok(ExitCode::SUCCESS)
}

fn summary(made: &Initialised) -> String {
    let home = made.home.display();
    let Initialised { shard, owner, p2p_addr, .. } = made;
    if made.active {
        return format!(
            "shard {shard} is registered, owned by {owner}; peers reach it at {p2p_addr}\n\
             start it with: shard-node run --home {home}"
        );
    }
    let mut text = format!(
        "home {home} is ready, but shard {shard} is not registered yet.\n\
         Where the keys of {owner} are, run (near-cli):\n"
    );
    for command in &made.commands {
        writeln!(text, "  {command}").expect("writing to a String can't fail");
    }
    write!(text, "then run init again, or start the node: shard-node run --home {home}")
        .expect("writing to a String can't fail");
    text
}
