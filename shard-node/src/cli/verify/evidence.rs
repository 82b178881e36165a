//! Evidence files: that a shard signed what can't all be true.

use super::{Told, Trust, parse, verdict};
use crate::cli::output::printable;
use anyhow::{Context as _, bail};
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::evidence::Evidence;
use queue::ids::Lane;
use serde::Serialize;

/// What was proved.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    authenticated: bool,
    lane: &'a Lane,
    contradiction: &'a str,
    claimed: &'a str,
}

pub(super) fn verify(bytes: &[u8], trust: &Trust) -> anyhow::Result<Told> {
    let evidence: Evidence = parse(bytes, "no evidence")?;
    let root = trust.pinned_or(&evidence.trust)?;
    let verified = evidence.verify::<Native>(&root, derive_public_key).context("proves nothing")?;
    let claimed = printable(verified.claimed.as_bytes());
    let Some(contradiction) = &verified.proven else {
        bail!(
            "proves no contradiction: every signature in it holds, and all of them may be true; whoever made the file claims: {claimed}"
        );
    };
    let authenticated = trust.is_pinned();
    let report = Report { valid: true, authenticated, lane: &verified.lane, contradiction, claimed: &verified.claimed };
    let verdict = verdict(authenticated);
    let text = format!(
        "{verdict}\n  lane           {}\n  contradiction  {contradiction}\n  in the words of whoever made the file: {claimed}",
        verified.lane
    );
    Told::new(text, &report)
}
