//! `shard-node bridge trust`: the trust root, for pinning.

use crate::cli::Output;
use crate::cli::access::BridgeArgs;
use anyhow::bail;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `bridge trust`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node bridge trust --near testnet --bridge bridge.alice.testnet > trust.json
  shard-node bridge trust --near mainnet --bridge bridge.near --borsh > trust.borsh

A pin that is taken from an RPC server trusts that server. Compare it with what somebody says
whom you trust, or with other servers' answers; from then on no server is believed against it.")]
pub struct TrustArgs {
    #[command(flatten)]
    bridge: BridgeArgs,
    /// Write borsh instead of JSON
    #[arg(long)]
    borsh: bool,
}

pub(super) async fn run(args: TrustArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let trust = bridge.client.trust().await?;
    if trust.domain.network.as_str() != bridge.network || trust.domain.bridge != bridge.account {
        bail!(
            "the contract on {} says that it is {} on {}, but the server is of {}: it was initialised wrongly, or the \
             server lies",
            bridge.account,
            trust.domain.bridge,
            trust.domain.network,
            bridge.network
        );
    }
    let url = bridge.client.url();
    output.step(match &bridge.pinned {
        Some(_) => format!("{url} shows the trust root that is pinned"),
        None => format!("read from {url} at a final block: who pins this trusts that server; compare it elsewhere"),
    });
    if trust.secp256k1.is_none() && trust.ed25519.is_none() {
        output.step("the signer's keys are not known yet, so that nothing verifies under it: run `bridge init`");
    }
    if args.borsh {
        output.write_file(&borsh::to_vec(&trust)?)?;
    } else {
        output.finish(&serde_json::to_string_pretty(&trust)?, &trust);
    }
    Ok(ExitCode::SUCCESS)
}
