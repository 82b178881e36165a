//! The command line. The file tree is the command tree.

mod access;
mod backup;
mod bench;
mod bench_part;
mod bridge;
mod demo;
mod evidence;
mod export;
mod fsck;
mod import;
mod inbox;
mod init;
mod lane;
mod localnet;
mod output;
mod prove;
mod restore;
mod run;
mod send;
mod shard;
mod status;
mod transaction;
mod verify;

pub use output::Output;

use crate::telemetry::{self, LogFormat};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// Node of a private shard: exchanges messages with other shards, attested by NEAR.
#[derive(Debug, Parser)]
#[command(name = "shard-node", version, after_help = EXAMPLE, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    json: bool,
    /// How logs are written to stderr; RUST_LOG says what is logged
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
}

const EXAMPLE: &str = "\
Example, each line in a terminal of its own:
  shard-node localnet --home .local/near
  shard-node init --home .local/alpha --shard alpha --near http://127.0.0.1:3030 --trust .local/near/trust.json
  shard-node run --home .local/alpha";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an embedded NEAR network with the bridge contract and a signer
    Localnet(localnet::LocalnetArgs),
    /// Make a node's home: keys, ports, and the shard's registration with the bridge
    Init(init::InitArgs),
    /// Run a whole bridge on this machine: two shards, an embedded NEAR, real messages, proof
    Demo(demo::DemoArgs),
    /// Run the node of a home
    Run(run::RunArgs),
    /// Send a message to an account of another shard
    Send(send::SendArgs),
    /// Show the messages that were delivered to this shard
    Inbox(inbox::InboxArgs),
    /// Show the state of a running node, and what each lane waits for
    Status(status::StatusArgs),
    /// Print the proof of a received message, or a lane's messages as a batch file
    Export(export::ExportArgs),
    /// Prove to a stranger that a sent message was delivered, or never will be
    Prove(prove::ProveArgs),
    /// Check all that a stopped node keeps on disk, and recompute every root
    Fsck(fsck::FsckArgs),
    /// Back a home up, but for its keys, while its node runs
    Backup(backup::BackupArgs),
    /// Make a home of a backup, and check all of it
    Restore(restore::RestoreArgs),
    /// Take a batch file into a running node
    Import(import::ImportArgs),
    /// Show what froze a lane, or print it as a file, for anybody to verify offline
    Evidence(evidence::EvidenceArgs),
    /// Deploy the bridge contract, and look at what its trustworthiness rests on
    Bridge(bridge::BridgeCommandArgs),
    /// Register shards, and decide what becomes of them
    Shard(shard::ShardArgs),
    /// Agree on lanes, stop and resume them
    Lane(lane::LaneArgs),
    /// Verify a proof, a batch or evidence: needs no node, no home and no network
    Verify(verify::VerifyArgs),
    /// Measure this machine: each stage alone, and the whole way between real processes
    Bench(bench::BenchArgs),
    /// Run one of the processes of `bench`
    #[command(hide = true)]
    BenchPart(bench_part::BenchPartArgs),
}

impl Command {
    /// Servers tell what they do; the others tell only what is wrong.
    fn log_level(&self) -> LevelFilter {
        match self {
            Command::Run(_) | Command::Localnet(_) => LevelFilter::INFO,
            _ => LevelFilter::WARN,
        }
    }

    async fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        match self {
            Command::Localnet(args) => localnet::run(args, output).await,
            Command::Init(args) => init::run(args, output).await,
            Command::Demo(args) => demo::run(args, output).await,
            Command::Run(args) => run::run(args, output).await,
            Command::Send(args) => send::run(args, output).await,
            Command::Inbox(args) => inbox::run(args, output).await,
            Command::Status(args) => status::run(args, output).await,
            Command::Export(args) => export::run(args, output).await,
            Command::Prove(args) => prove::run(args, output).await,
            Command::Fsck(args) => fsck::run(args, output).await,
            Command::Backup(args) => backup::run(args, output).await,
            Command::Restore(args) => restore::run(args, output).await,
            Command::Import(args) => import::run(args, output).await,
            Command::Evidence(args) => evidence::run(args, output).await,
            Command::Bridge(args) => bridge::run(args, output).await,
            Command::Shard(args) => shard::run(args, output).await,
            Command::Lane(args) => lane::run(args, output).await,
            Command::Verify(args) => verify::run(args, output).await,
            Command::Bench(args) => bench::run(args, output).await,
            Command::BenchPart(args) => bench_part::run(args, output).await,
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start(cli.log_format, cli.command.log_level());
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    match runtime.block_on(cli.command.run(&output)) {
        Ok(code) => code,
        Err(error) => output.fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_json() {
        let mut commands: Vec<_> = Cli::command().get_subcommands().cloned().collect();
        while let Some(command) = commands.pop() {
            if command.is_hide_set() {
                continue;
            }
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{} has no example", command.get_name());
            commands.extend(command.get_subcommands().cloned());
        }
        for command in ["run", "status"] {
            Cli::try_parse_from(["shard-node", command, "--home", "h", "--json"]).expect("--json is known everywhere");
        }
    }

    #[test]
    fn the_commands_of_the_readme_parse() {
        for line in [
            "shard-node localnet --home .local/near",
            "shard-node init --home .local/alpha --shard alpha --near http://127.0.0.1:3030 --trust .local/near/trust.json",
            "shard-node run --home .local/alpha",
            "shard-node send --home .local/alpha --to bob.beta hello",
            "shard-node send --home .local/alpha --to bob.beta --wait acknowledged --timeout 60 hello",
            "shard-node send --home .local/alpha --to bob.beta --key invoice-7 --deadline 10m --wait settled hello",
            "shard-node inbox --home .local/beta --follow",
            "shard-node status --home .local/alpha --json",
            "shard-node export --home .local/beta --lane alpha --nonce 0",
            "shard-node prove delivery --home .local/alpha beta/0",
            "shard-node prove expiry --home .local/alpha beta/1",
            "shard-node fsck --home .local/alpha",
            "shard-node backup --new-identity identity.txt",
            "shard-node restore --from backups/alpha --identity identity.txt --home .local/alpha2",
            "shard-node export --home .local/alpha --to beta --range 0..1000",
            "shard-node import --home .local/beta b.batch",
            "shard-node evidence --home .local/beta --number 0",
            "shard-node shard recover --home .local/alpha --yes",
            "shard-node lane accept-incarnation alpha --home .local/beta --yes",
            "shard-node lane unsettled alpha --home .local/beta",
            "shard-node lane settle alpha 7 9..12 --as failed --home .local/beta",
            "shard-node lane propose beta --home .local/alpha",
            "shard-node lane accept alpha --home .local/beta --terms terms.json",
            "shard-node lane stop beta --home .local/alpha --inbound",
            "shard-node lane unfreeze --home .local/beta --lane alpha",
            "shard-node bridge status --home .local/alpha",
            "shard-node bridge deploy --near testnet --bridge bridge.alice.testnet --account alice.testnet --admin alice.testnet --yes",
            "shard-node bridge trust --near testnet --bridge bridge.alice.testnet",
            "shard-node shard list --near testnet --bridge bridge.alice.testnet",
            "shard-node shard show --home .local/alpha",
            "shard-node shard rekey --home .local/alpha --yes",
            "shard-node shard retire --home .local/alpha --dry-run",
            "shard-node verify m.json --trust .local/near/trust.json",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn a_receiver_that_is_no_account_is_refused_by_name() {
        let refused = Cli::try_parse_from(["shard-node", "send", "--home", "h", "--to", "Bob!", "hello"]);
        assert!(refused.expect_err("not an account").to_string().contains("Bob!"));
    }
}
