//! `shard-node import`: takes a batch file into a running node.

use super::Output;
use crate::client::Client;
use crate::home::Home;
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node export --home .local/alpha --to beta > b.batch
  shard-node import --home .local/beta b.batch
The acknowledgement goes back the same way:
  shard-node export --home .local/beta --to alpha > a.batch
  shard-node import --home .local/alpha a.batch")]
pub struct ImportArgs {
    /// The home of the receiving shard's node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// A batch file, as `shard-node export` writes it; it may come from anybody
    file: PathBuf,
}

pub(super) async fn run(args: ImportArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(args.home))?;
    let shown = args.file.display();
    let file = tokio::fs::File::open(&args.file).await.with_context(|| format!("cannot read {shown}"))?;
    let imported = client.import(file).await?;
    let text = format!(
        "messages {}..{} of lane {}: {} taken, the lane has {}",
        imported.begin, imported.end, imported.lane, imported.taken, imported.size
    );
    output.finish(&text, &imported);
    Ok(ExitCode::SUCCESS)
}
