//! What a lane's terms are by default, from arguments, from a file, and for people.

use crate::cli::output::printable;
use crate::home::{HomeError, read_bounded};
use anyhow::Context as _;
use clap::Args;
use queue::contract::{LaneTerms, Permissions};
use queue::digest::Hash;
use queue::engine::PermissionList;
use queue::limits::MESSAGE_BYTES_MAX;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gas units in one Tgas.
const TGAS: u64 = 1_000_000_000_000;

/// Calls in one direction that may be unsettled, unless agreed otherwise: what nodes allow by
/// default.
const CALL_WINDOW_DEFAULT: u32 = 1_024;

/// Most gas of one call unless agreed otherwise, in Tgas: what NEAR gives one.
const CALL_TGAS_DEFAULT: u64 = 300;

/// Terms, part by part. What isn't named stays as it is agreed or offered.
#[derive(Debug, Args)]
#[command(next_help_heading = "Terms, of which those not named stay")]
pub(super) struct TermsArgs {
    /// Largest message, in bytes [first: 4 MiB, the largest that there is]
    #[arg(long, value_name = "BYTES")]
    message_bytes_max: Option<u32>,
    /// Largest result, in bytes [first: as the largest message]
    #[arg(long, value_name = "BYTES")]
    result_bytes_max: Option<u32>,
    /// Most calls in one direction that aren't settled [first: 1024]
    #[arg(long, value_name = "N")]
    call_window: Option<u32>,
    /// Most gas of one call, in Tgas [first: 300]
    #[arg(long, value_name = "TGAS")]
    call_tgas_max: Option<u64>,
    /// Deadline of a request that sets none, as in 10m, or `none` [first: none]
    #[arg(long, value_name = "DURATION", value_parser = parse_deadline)]
    deadline: Option<Deadline>,
    /// File with a list of who may send to whom, which the contract shows to everybody: on each line a
    /// sender and a receiver, each an account, `*.` and one for all below it, or `*` [first: everybody may]
    #[arg(long, value_name = "FILE", conflicts_with = "permissions_hash")]
    permissions: Option<PathBuf>,
    /// Salted hash of a list that only the two shards know, in hex; nodes don't hold to it
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    permissions_hash: Option<Hash>,
    /// All terms, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["message_bytes_max", "result_bytes_max", "call_window",
        "call_tgas_max", "deadline", "permissions", "permissions_hash"])]
    terms: Option<PathBuf>,
}

/// A deadline in milliseconds, or none.
#[derive(Debug, Clone, Copy)]
struct Deadline(Option<u64>);

impl TermsArgs {
    /// The terms that are asked for: changes of `present`, if there are any.
    pub(super) fn terms(&self, present: Option<LaneTerms>) -> anyhow::Result<LaneTerms> {
        if let Some(path) = &self.terms {
            return read(path);
        }
        let mut terms = match present {
            Some(present) => present,
            None => first_terms(self.message_bytes_max)?,
        };
        terms.message_bytes_max = self.message_bytes_max.unwrap_or(terms.message_bytes_max);
        terms.result_bytes_max = self.result_bytes_max.unwrap_or(terms.result_bytes_max);
        terms.call_window = self.call_window.unwrap_or(terms.call_window);
        terms.call_gas_max = self.call_tgas_max.map_or(terms.call_gas_max, |tgas| tgas.saturating_mul(TGAS));
        terms.deadline_ms = self.deadline.map_or(terms.deadline_ms, |Deadline(ms)| ms);
        if let Some(path) = &self.permissions {
            terms.permissions = Permissions::Public(read_bounded(path)?);
            check_permissions(&terms).with_context(|| path.display().to_string())?;
        } else if let Some(hash) = self.permissions_hash {
            terms.permissions = Permissions::Private(hash);
        }
        Ok(terms)
    }
}

/// What a first offer is, but for what it names.
fn first_terms(message_bytes_max: Option<u32>) -> anyhow::Result<LaneTerms> {
    let message_bytes_max = message_bytes_max.map_or_else(|| u32::try_from(MESSAGE_BYTES_MAX), Ok)?;
    Ok(LaneTerms {
        message_bytes_max,
        result_bytes_max: message_bytes_max,
        call_window: CALL_WINDOW_DEFAULT,
        call_gas_max: CALL_TGAS_DEFAULT.saturating_mul(TGAS),
        deadline_ms: None,
        permissions: Permissions::Everybody,
    })
}

fn parse_deadline(text: &str) -> Result<Deadline, String> {
    if text == "none" {
        return Ok(Deadline(None));
    }
    let refused = |reason: String| format!("{text:?} is no duration such as 10m, and not `none`: {reason}");
    let duration = humantime::parse_duration(text).map_err(|error| refused(error.to_string()))?;
    u64::try_from(duration.as_millis()).map(|ms| Deadline(Some(ms))).map_err(|error| refused(error.to_string()))
}

fn parse_hash(text: &str) -> Result<Hash, String> {
    let mut hash = Hash::ZERO;
    let read = hex::decode_to_slice(text, &mut hash.0);
    read.map(|()| hash).map_err(|_| format!("{text:?} is no hash: expected 64 hex digits"))
}

/// Reads terms from a file, as `lane show --offer` prints them.
///
/// # Errors
/// [`HomeError`] of the file, or if it has no terms; or if nobody could send by their permissions.
pub(super) fn read(path: &Path) -> anyhow::Result<LaneTerms> {
    let text = read_bounded(path)?;
    let terms = serde_json::from_str(&text).map_err(|error| HomeError::Malformed {
        path: path.to_owned(),
        reason: format!("these are no terms of a lane: {error}"),
    })?;
    check_permissions(&terms).with_context(|| path.display().to_string())?;
    Ok(terms)
}

/// The contract takes any text for a list, and nodes let nobody send by one that they can't read.
fn check_permissions(terms: &LaneTerms) -> anyhow::Result<()> {
    if let Permissions::Public(list) = &terms.permissions {
        list.parse::<PermissionList>().context("by these permissions nobody could send, nothing was signed")?;
    }
    Ok(())
}

/// Terms in one line, for people.
pub(in crate::cli) fn text(terms: &LaneTerms) -> String {
    let LaneTerms { message_bytes_max, result_bytes_max, call_window, call_gas_max, .. } = terms;
    let deadline = terms
        .deadline_ms
        .map_or("none".to_owned(), |ms| humantime::format_duration(Duration::from_millis(ms)).to_string());
    let permissions = match &terms.permissions {
        Permissions::Everybody => "everybody may send".to_owned(),
        Permissions::Public(list) => {
            let pairs: Vec<_> = list.lines().filter(|line| !line.trim().is_empty()).collect();
            format!("only these may send: {}", printable(pairs.join(", ").as_bytes()))
        }
        Permissions::Private(hash) => {
            format!("who may send is in the list of salted hash {hash}, which nodes don't know")
        }
    };
    format!(
        "messages to {message_bytes_max} bytes, results to {result_bytes_max}, {call_window} calls at once of at most \
         {} Tgas, default deadline {deadline}, {permissions}",
        call_gas_max / TGAS
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        terms: TermsArgs,
    }

    fn terms(line: &str, present: Option<LaneTerms>) -> LaneTerms {
        let line = Line::parse_from(format!("lane {line}").split_whitespace());
        line.terms.terms(present).expect("terms")
    }

    #[test]
    fn what_a_changed_offer_does_not_name_stays_as_it_is() {
        let first = terms("--message-bytes-max 65536 --deadline 10m", None);
        assert_eq!((first.message_bytes_max, first.result_bytes_max), (65_536, 65_536));
        assert_eq!((first.call_window, first.deadline_ms), (CALL_WINDOW_DEFAULT, Some(600_000)));
        let second = terms("--call-window 5 --call-tgas-max 50", Some(first.clone()));
        assert_eq!(second, LaneTerms { call_window: 5, call_gas_max: 50 * TGAS, ..first });
        let third = terms("--deadline none", Some(second.clone()));
        assert_eq!(third, LaneTerms { deadline_ms: None, ..second });
    }
}
