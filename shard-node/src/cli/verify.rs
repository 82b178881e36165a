//! `shard-node verify`: checks a file offline. Uses nothing but the file and the pinned trust root,
//! unless the bridge contract is to be asked too.

mod batch;
mod delivery;
mod evidence;
mod expiry;
mod message;
mod on_chain;

use super::Output;
use super::access::BridgeArgs;
use super::output::utc;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use queue::batch::BATCH_MAGIC;
use queue::evidence::EVIDENCE_FORMAT;
use queue::proof::{DELIVERY_PROOF_FORMAT, EXPIRY_PROOF_FORMAT, MESSAGE_PROOF_FORMAT};
use queue::trust::TrustRoot;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest JSON file that is read, in bytes: a message of 4 MiB in base64 with its proofs needs less
/// than half.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Exit code of a file that is consistent in itself but checked against no pinned trust root.
const NOT_AUTHENTICATED: u8 = 3;

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node verify m.json --trust trust.json
  shard-node verify m.json --trust trust.json --on-chain --near testnet
Exit codes:
  0  what the file says is proved under the pinned trust root
  1  the file proves nothing, or the contract that was asked refuses it
  3  the file is consistent, but no trust root was pinned: it may come from anybody's own bridge")]
pub struct VerifyArgs {
    /// A message proof or a batch, as `shard-node export` writes them; a proof of delivery
    /// or expiry, as `shard-node prove` does; or evidence, as `shard-node evidence` does
    file: PathBuf,
    /// Also have the bridge contract verify it, by a view call
    #[arg(long)]
    on_chain: bool,
    #[command(flatten)]
    bridge: BridgeArgs,
}

/// What a file proves, for people and for programs.
struct Told {
    human: String,
    json: Value,
}

impl Told {
    fn new(human: String, report: &impl Serialize) -> anyhow::Result<Self> {
        Ok(Told { human, json: serde_json::to_value(report)? })
    }
}

/// The trust root under which a file is judged.
struct Trust {
    pinned: Option<TrustRoot>,
}

impl Trust {
    fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// The pinned trust root, or the file's own.
    fn pinned_or(&self, of_file: &TrustRoot) -> anyhow::Result<TrustRoot> {
        Ok(self.pinned.clone().unwrap_or_else(|| of_file.clone()).checked()?)
    }
}

/// What says which kind of file a JSON file is.
#[derive(Deserialize)]
struct Kind {
    format: String,
}

pub(super) async fn run(args: VerifyArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let trust = Trust { pinned: args.bridge.pinned()? };
    let shown = args.file.display().to_string();
    let offline = verify(&args.file, &trust).with_context(|| shown.clone());
    let asked = match args.on_chain {
        true => {
            let asked = async { on_chain::ask(&args.bridge.open().await?, &args.file).await }.await;
            Some(asked.with_context(|| shown.clone()))
        }
        false => None,
    };
    let mut told = match (offline, &asked) {
        (Ok(told), _) => told,
        // Whoever asked for the contract's word hears it, whatever it changes.
        (Err(error), Some(Ok(answer))) => bail!("{error:#}\n{}", answer.human),
        (Err(error), _) => return Err(error),
    };
    let mut refused = false;
    match asked {
        None => {}
        Some(Ok(answer)) => {
            told.human = format!("{}\n{}", told.human, answer.human);
            told.json["on_chain"] = answer.json;
            refused = !answer.verified;
        }
        Some(Err(error)) => {
            // What was found offline holds whether or not the contract can be asked.
            output.finish(&told.human, &told.json);
            return Err(error);
        }
    }
    output.finish(&told.human, &told.json);
    Ok(match (refused, trust.is_pinned()) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(NOT_AUTHENTICATED),
    })
}

/// Tells the kinds of files apart by their beginnings.
fn verify(path: &Path, trust: &Trust) -> anyhow::Result<Told> {
    let file = File::open(path).context("cannot read it")?;
    let mut begin = Vec::new();
    let magic_bytes = u64::try_from(BATCH_MAGIC.len())?;
    (&file).take(magic_bytes).read_to_end(&mut begin).context("cannot read it")?;
    if begin == BATCH_MAGIC {
        return batch::verify(&mut begin.as_slice().chain(file), trust);
    }
    let bytes = read(file, begin).context("cannot read it")?;
    let Kind { format } = parse(&bytes, "neither a batch nor a JSON file with a format")?;
    match format.as_str() {
        MESSAGE_PROOF_FORMAT => message::verify(&bytes, trust),
        DELIVERY_PROOF_FORMAT => delivery::verify(&bytes, trust),
        EXPIRY_PROOF_FORMAT => expiry::verify(&bytes, trust),
        EVIDENCE_FORMAT => evidence::verify(&bytes, trust),
        _ => bail!("its format is {format:?}, which this version does not verify"),
    }
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> anyhow::Result<T> {
    serde_json::from_slice(bytes).with_context(|| format!("it is {what} of this version"))
}

/// Reads the rest of a file whose beginning was read.
fn read(file: File, mut bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    ensure!(length <= FILE_BYTES_MAX, "it has {length} bytes, more than the limit of {FILE_BYTES_MAX}");
    // A file may grow, and a pipe tells no length.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(u64::try_from(bytes.len())? <= FILE_BYTES_MAX, "it has more bytes than the limit of {FILE_BYTES_MAX}");
    Ok(bytes)
}

fn verdict(authenticated: bool) -> &'static str {
    match authenticated {
        true => "verified: attested by NEAR under the pinned trust root",
        false => "consistent, NOT authenticated (trust root taken from the file)",
    }
}
