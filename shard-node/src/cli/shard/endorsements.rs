//! Members' agreement: each signs with the key of their own home, into a file that whoever calls
//! the contract gathers.

use crate::cli::Output;
use crate::cli::access::Bridge;
use crate::home::{HomeError, read_bounded};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use ed25519_dalek::Signer as _;
use queue::contract::{Endorsement, Endorsements, ShardView};
use queue::digest::Native;
use queue::ids::{BridgeDomain, ShardId};
use queue::statement::{Statement, StatementScope};
use queue::trust::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a file of one member's signature begins with.
const FORMAT: &str = "private-shard-bridge/member-signature/1";

/// How members agree.
#[derive(Debug, Args)]
#[command(next_help_heading = "Members' agreement")]
pub(super) struct AgreementArgs {
    /// Print the signature of the home's member key as a file, and call nothing
    #[arg(long, requires = "home")]
    sign_only: bool,
    /// File with another member's signature, as --sign-only prints it; may be repeated
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
}

/// One member's signature under a statement.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    format: String,
    shard: ShardId,
    /// What is agreed to, for people; the signature is over the statement that the caller makes.
    statement: String,
    members_version: u32,
    member: PublicKey,
    #[serde(with = "hex::serde")]
    signature: [u8; 64],
}

impl AgreementArgs {
    /// The members' agreement to a statement, which `text` says for people. `None` if the signature of the
    /// home's member is all that was asked for: it was printed.
    ///
    /// # Errors
    /// The home's key is no member's, a file isn't of a member or not for this statement, or there are too
    /// few.
    pub(super) async fn reach(
        &self,
        bridge: &Bridge,
        shard: &ShardView,
        statement: Statement,
        text: &str,
        output: &Output,
    ) -> anyhow::Result<Option<Endorsements>> {
        let agreement = Agreement { bridge, domain: bridge.domain().await?, shard, statement, text };
        if self.sign_only {
            let file = agreement.own()?;
            let file = file.with_context(|| format!("the home's member key is no member of shard {}", shard.shard))?;
            output.finish(&serde_json::to_string_pretty(&file)?, &file);
            return Ok(None);
        }
        agreement.gather(&self.signature).map(Some)
    }
}

/// What members are to agree to.
struct Agreement<'a> {
    bridge: &'a Bridge,
    domain: BridgeDomain,
    shard: &'a ShardView,
    statement: Statement,
    /// The statement for people.
    text: &'a str,
}

impl Agreement<'_> {
    /// The signatures of the home's member, if there is a home, and of the files.
    fn gather(&self, paths: &[PathBuf]) -> anyhow::Result<Endorsements> {
        let mut files = Vec::new();
        for path in paths {
            let file = read(path)?;
            ensure!(
                file.shard == self.shard.shard,
                "{}: this is of a member of shard {}, not {}",
                path.display(),
                file.shard,
                self.shard.shard
            );
            files.push((path.display().to_string(), file));
        }
        if let Some(own) = self.own()? {
            files.push(("the home".to_owned(), own));
        }
        let mut endorsements = Vec::new();
        for (source, file) in &files {
            endorsements.push(self.endorsement(file).with_context(|| source.clone())?);
        }
        endorsements.sort_by_key(|endorsement| endorsement.member);
        endorsements.dedup_by_key(|endorsement| endorsement.member);
        let (found, threshold) = (endorsements.len(), self.shard.threshold);
        if found < usize::from(threshold) {
            bail!(
                "{found} of the members agree, {threshold} must: have others run this with --sign-only and their own \
                 --home, and give their files with --signature"
            );
        }
        Ok(Endorsements::try_from(endorsements)?)
    }

    /// The home's own signature, if a home is named and its key is a member's.
    fn own(&self) -> anyhow::Result<Option<SignatureFile>> {
        let Some((home, _)) = &self.bridge.home else { return Ok(None) };
        let keys = home.read_keys()?;
        let member = keys.member_public();
        if !self.shard.members.contains(&member) {
            return Ok(None);
        }
        let signature = keys.member.sign(&self.statement.signed_bytes(&self.scope())).to_bytes();
        Ok(Some(SignatureFile {
            format: FORMAT.to_owned(),
            shard: self.shard.shard.clone(),
            statement: self.text.to_owned(),
            members_version: self.shard.members_version,
            member,
            signature,
        }))
    }

    fn scope(&self) -> StatementScope {
        let ShardView { shard, members_version, .. } = self.shard;
        StatementScope { domain: self.domain.clone(), shard: shard.clone(), members_version: *members_version }
    }

    fn endorsement(&self, file: &SignatureFile) -> anyhow::Result<Endorsement> {
        let SignatureFile { statement, members_version, member, signature, .. } = file;
        let expected = self.shard.members_version;
        ensure!(
            *members_version == expected,
            "it was made for members' version {members_version}, the shard is at {expected}: have it made again"
        );
        let index = self.shard.members.iter().position(|key| key == member);
        let index = index.with_context(|| format!("{member} is no member of shard {}", self.shard.shard))?;
        let PublicKey::Ed25519(key) = member else { bail!("{member} is no ed25519 key, as members have") };
        ensure!(
            self.statement.is_signed_by::<Native>(&self.scope(), key, signature),
            "the signature of {member} is not under this statement ({}), but perhaps under what it says of itself: \
             {statement}",
            self.text
        );
        Ok(Endorsement { member: u16::try_from(index)?, signature: *signature })
    }
}

fn read(path: &Path) -> anyhow::Result<SignatureFile> {
    let text = read_bounded(path)?;
    let malformed = |reason: String| HomeError::Malformed {
        path: path.to_owned(),
        reason: format!("this is no member's signature: {reason}"),
    };
    let file: SignatureFile = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if file.format != FORMAT {
        return Err(malformed(format!("its format is {:?}, expected {FORMAT:?}", file.format)).into());
    }
    Ok(file)
}
