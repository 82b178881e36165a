//! One message, proved to a stranger: separate processes that have a file and a pinned trust root,
//! no node, no home and no network.

use super::fleet::Fleet;
use anyhow::{Context as _, ensure};
use queue::proof::MessageProof;
use std::path::{Path, PathBuf};

/// What the stranger found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// What `verify` printed about the honest file.
    pub verified: String,
    /// Why each forgery was refused.
    pub refused: Vec<String>,
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

    let verified = verify(fleet, &write(folder, "m.json", &honest)?, Some(&trust)).await?;
    ensure!(verified.code == Some(0), "the honest file was refused: {}", verified.words);
    let mut flipped = honest;
    *flipped.message.last_mut().context("a message is never empty")? ^= 1;
    let mut refused = Vec::new();
    for (name, forgery) in [("flipped.json", &flipped), ("foreign.json", foreign)] {
        let answer = verify(fleet, &write(folder, name, forgery)?, Some(&trust)).await?;
        ensure!(answer.code == Some(1), "verify passed {name}: {}", answer.words);
        refused.push(answer.words);
    }
    let unpinned = verify(fleet, &folder.join("foreign.json"), None).await?;
    ensure!(unpinned.code == Some(3), "without a pinned trust root, verify said: {}", unpinned.words);
    Ok(Findings { verified: verified.words, refused })
}

struct Answer {
    code: Option<i32>,
    words: String,
}

async fn verify(fleet: &Fleet, file: &Path, trust: Option<&Path>) -> anyhow::Result<Answer> {
    let mut command = fleet.command();
    command.arg("verify").arg(file);
    if let Some(trust) = trust {
        command.arg("--trust").arg(trust);
    }
    let output = command.output().await.context("running verify")?;
    let words = if output.status.success() { output.stdout } else { output.stderr };
    Ok(Answer { code: output.status.code(), words: String::from_utf8_lossy(&words).trim().to_owned() })
}

fn write(folder: &Path, name: &str, proof: &MessageProof) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, serde_json::to_vec_pretty(proof)?)?;
    Ok(path)
}
