//! `shard-node localnet`: an embedded NEAR network with the bridge contract and a signer.

use super::Output;
use super::run::StopSignals;
use crate::localnet::{Localnet, Options};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `localnet`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  shard-node localnet --home .local/near\n  shard-node localnet --home .local/near --rpc-addr 127.0.0.1:0 --signer-delay-ms 0 --json"
)]
pub struct LocalnetArgs {
    /// Folder of the network; made if it isn't there
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Where the RPC listens; port 0 takes the last one again, or any free one, and writes it to
    /// DIR/rpc.addr
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:3030")]
    rpc_addr: SocketAddr,
    /// How long the signer takes to answer; fixed when the folder is made [default: 3000]
    #[arg(long, value_name = "MS")]
    signer_delay_ms: Option<u64>,
}

/// What is printed once the network is ready.
#[derive(Debug, Serialize)]
struct Ready {
    rpc: String,
    trust: PathBuf,
    bridge: String,
}

pub(super) async fn run(args: LocalnetArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let stop = StopSignals::listen()?;
    let LocalnetArgs { home, rpc_addr, signer_delay_ms } = args;
    output.step("starting the network and deploying the bridge contract");
    let localnet = Localnet::open(Options { home, rpc_addr, signer_delay_ms }).await?;
    let ready = Ready {
        rpc: localnet.rpc_url(),
        trust: localnet.trust_path().to_owned(),
        bridge: localnet.trust().domain.bridge.to_string(),
    };
    let human = format!(
        "localnet is ready: NEAR RPC at {}, bridge {}, trust root in {}; Ctrl-C stops it",
        ready.rpc,
        ready.bridge,
        ready.trust.display()
    );
    output.finish(&human, &ready);
    localnet.run(stop.received()).await?;
    Ok(ExitCode::SUCCESS)
}
