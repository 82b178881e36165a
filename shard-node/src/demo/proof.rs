//! One message, proved to a stranger: separate processes that have a file and a pinned trust root,
//! no node, no home and no network.

use super::fleet::Fleet;
use anyhow::{Context as _, ensure};
use queue::proof::MessageProof;
use std::path::Path;

/// What the stranger found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// The command for the honest file, and what it printed.
    pub verified: String,
    /// The same for each forgery, which was refused.
    pub refused: Vec<String>,
    /// The same for the foreign file without a pinned trust root.
    pub unpinned: String,
}

/// Exports the first message of `from` out of `to`'s inbox, and shows it to a stranger together
/// with two forgeries of it: one flipped bit, and `foreign`, attested by another bridge.
///
/// # Errors
/// The honest file is refused, or a forgery passes.
pub async fn show_to_a_stranger(
    fleet: &Fleet,
    folder: &Path,
    from: &str,
    to: &str,
    foreign: &MessageProof,
) -> anyhow::Result<Findings> {
    std::fs::create_dir(folder)?;
    let trust = folder.join("trust.json");
    std::fs::copy(fleet.trust(), &trust)?;
    let exported = fleet
        .command()
        .args(["export", "--lane", from, "--nonce", "0", "--home"])
        .arg(fleet.home(to))
        .output()
        .await
        .context("running export")?;
    ensure!(exported.status.success(), "export failed: {}", String::from_utf8_lossy(&exported.stderr).trim());
    let honest: MessageProof = serde_json::from_slice(&exported.stdout).context("export printed no message proof")?;

    write(folder, "m.json", &honest)?;
    let mut flipped = honest;
    *flipped.message.last_mut().context("a message is never empty")? ^= 1;
    write(folder, "flipped.json", &flipped)?;
    write(folder, "foreign.json", foreign)?;

    let pinned = ["--trust", "trust.json"];
    let verified = verify(fleet, folder, "m.json", &pinned, 0).await?;
    let refused = vec![
        verify(fleet, folder, "flipped.json", &pinned, 1).await?,
        verify(fleet, folder, "foreign.json", &pinned, 1).await?,
    ];
    let unpinned = verify(fleet, folder, "foreign.json", &[], 3).await?;
    Ok(Findings { verified, refused, unpinned })
}

/// Runs `verify` in the stranger's folder; gives the command and what it said.
async fn verify(fleet: &Fleet, folder: &Path, file: &str, trust: &[&str], expected: i32) -> anyhow::Result<String> {
    let output = fleet.command().current_dir(folder).args(["verify", file]).args(trust).output().await;
    let output = output.context("running verify")?;
    let words = [output.stdout, output.stderr].concat();
    let command = [&["$ shard-node verify", file][..], trust].concat().join(" ");
    let answer = format!("{command}\n{}", String::from_utf8_lossy(&words).trim());
    let code = output.status.code();
    ensure!(code == Some(expected), "expected exit code {expected}, found {code:?}:\n{answer}");
    Ok(answer)
}

fn write(folder: &Path, name: &str, proof: &MessageProof) -> anyhow::Result<()> {
    std::fs::write(folder.join(name), serde_json::to_vec_pretty(proof)?).with_context(|| format!("writing {name}"))
}
