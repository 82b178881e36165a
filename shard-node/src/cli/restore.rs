//! `shard-node restore`: a home of a backup, checked as a whole.

use super::Output;
use super::fsck::{human, teller};
use crate::backup::age::Identity;
use crate::backup::{BackupError, restore};
use crate::home::read_bounded;
use anyhow::Context as _;
use clap::Args;
use queue::trust::TrustRoot;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `restore`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node restore --from backups/alpha --identity identity.txt --home .local/alpha2 --trust trust.json
  install -m 600 /elsewhere/keys.json .local/alpha2/keys.json
  shard-node run --home .local/alpha2
Everything is verified as by `fsck` before the home is there. A backup can come from anybody who
knows its recipient: --trust makes sure that it is of your bridge. The node resumes if the backup
holds its shard's newest checkpoint; otherwise it stops by itself and says so.")]
pub struct RestoreArgs {
    /// The backup: a file, or a folder that `backup --follow` kept up
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    /// The file with the identity that reads it
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The home to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The trust root that the backup's configuration must pin
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

pub(super) async fn run(args: RestoreArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let RestoreArgs { from, identity, home, trust } = args;
    let identities = Identity::parse_file(&read_bounded(&identity)?)
        .map_err(|error| BackupError::Age { path: identity.clone(), error })?;
    let trust = match trust {
        Some(path) => {
            let parsed: TrustRoot = serde_json::from_str(&read_bounded(&path)?)
                .with_context(|| format!("{} is no trust root of this version", path.display()))?;
            Some(parsed.checked()?)
        }
        None => None,
    };
    output.step(format_args!("restoring {}", from.display()));
    let restored = tokio::task::block_in_place(|| restore(&from, &identities, &home, trust.as_ref(), teller(output)))?;
    let domain = &restored.trust.domain;
    let keys = home.join("keys.json");
    let next = format!(
        "put the node's own keys into {} (mode 0600), then `shard-node run --home {}`; stop the old node for good",
        keys.display(),
        home.display()
    );
    let text = format!(
        "{}\n  restored  {}, of bridge {} on {}, instance {}{}\n  next      {next}",
        human(&restored.verdict),
        home.display(),
        domain.bridge,
        domain.network,
        domain.instance,
        if trust.is_some() { " as pinned" } else { ", pinned by the backup itself" },
    );
    let found = json!({ "restored": home, "content": restored.content, "found": restored.verdict, "do": next });
    output.finish(&text, &found);
    Ok(ExitCode::SUCCESS)
}
