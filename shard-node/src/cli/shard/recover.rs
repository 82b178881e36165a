//! `shard-node shard recover`: begins a shard anew whose data are lost.

use crate::cli::Output;
use crate::home::Home;
use crate::near::{Actor, Keychain, default_folder};
use crate::recovery::{Recovered, Recovery};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use near_primitives::types::Balance;
use queue::contract::{ShardArgs, method};
use queue::ids::AccountId;
use std::path::PathBuf;
use std::process::ExitCode;

/// Attached to `open_incarnation`. The contract keeps the price of the ended epoch's record, 256
/// bytes; the rest comes back.
const DEPOSIT: Balance = Balance::from_millinear(50);

/// Gas for `open_incarnation`, which writes a few records, in Tgas.
const OPEN_TGAS: u64 = 30;

/// Arguments of `shard recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard recover --home .local/alpha
  shard-node shard recover --home .local/alpha --yes

For a shard whose node's store is lost for good, and of which no backup is new enough: look for one first.
The shard's owner opens another incarnation in the bridge contract; the store of before, if there is one, is
set aside, and an empty one begins behind the contract's tip. Every peer's operator then has to accept it.
If this is cut anywhere, run it again: it goes on, and opens no second incarnation.")]
pub struct RecoverArgs {
    /// The home of the shard's node, which must not be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Do it: without this, it is only said what would follow
    #[arg(long)]
    yes: bool,
    /// Key file of near-cli of the shard's owner [default: found by the owner's name in the folder below]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Folder in which near-cli keeps keys, as NETWORK/ACCOUNT.json [default: ~/.near-credentials]
    #[arg(long, value_name = "DIR")]
    credentials_dir: Option<PathBuf>,
}

pub(super) async fn run(args: RecoverArgs, output: &Output) -> anyhow::Result<ExitCode> {
    output.step("comparing the home with the bridge contract");
    let mut recovery = Recovery::open(Home::at(&args.home)).await?;
    ensure!(args.yes, "{}", what_follows(&recovery));
    recovery.intend()?;
    if !recovery.is_opened() {
        output.step("having the owner open the incarnation");
        let folders = args.credentials_dir.map_or_else(default_folder, Some).into_iter().collect();
        open_incarnation(&recovery, &Keychain { file: args.key_file, folders }).await?;
    }
    let recovered = recovery.finish(|step| output.step(step)).await?;
    output.finish(&text(&recovered), &recovered);
    Ok(ExitCode::SUCCESS)
}

fn what_follows(recovery: &Recovery) -> String {
    let (view, incarnation) = (recovery.shard(), recovery.incarnation());
    let tip = recovery.tip_height().map_or("no checkpoint".to_owned(), |height| format!("height {height} as its tip"));
    let shard = &view.shard;
    format!(
        "the bridge contract has shard {shard} in incarnation {}, with {tip}, which this home's store does not have.\n\
         If a copy of the home or a backup is newer, restore that instead: nothing is lost then.\n\
         Otherwise shard {shard} begins incarnation {incarnation}: its lanes begin empty on both sides once each \
         peer's operator accepts it; what it had received, and what it had accepted and not sent, is gone; heights \
         run on, and what was attested stays true. {} signs. There is no way back.\n\
         Nothing was changed: to do it, say so with --yes",
        view.incarnation, view.owner
    )
}

async fn open_incarnation(recovery: &Recovery, keychain: &Keychain) -> anyhow::Result<()> {
    let (client, view) = (recovery.client(), recovery.shard());
    let owner: &AccountId = &view.owner;
    let network = recovery.network();
    let args = serde_json::to_vec(&ShardArgs { shard: view.shard.clone() })?;
    let key = keychain.full_access(client, network, owner).await.with_context(|| {
        format!(
            "the owner {owner} has to sign. Where its key is, run\n  near contract call-function as-transaction {} {} \
             json-args '{}' prepaid-gas '{OPEN_TGAS} Tgas' attached-deposit '{} yoctoNEAR' sign-as {owner} \
             network-config {network} sign-with-keychain send\nonce, then this command again",
            client.bridge(),
            method::OPEN_INCARNATION,
            String::from_utf8_lossy(&args),
            DEPOSIT.as_yoctonear(),
        )
    })?;
    let actor = Actor::new(client.clone(), owner, key.key);
    let outcome = actor.call_bridge(method::OPEN_INCARNATION, args, OPEN_TGAS, DEPOSIT).await?;
    match outcome.result {
        Ok(_) => Ok(()),
        Err(reason) => bail!("the bridge contract refuses to open the incarnation: {reason}"),
    }
}

fn text(recovered: &Recovered) -> String {
    let Recovered { shard, incarnation, first_height, set_aside } = recovered;
    let before = set_aside.as_ref().map_or(String::new(), |path| {
        format!("; the store of before is at {}, for you to keep or remove", path.display())
    });
    format!(
        "shard {shard} begins incarnation {incarnation}; its next checkpoint has height {first_height}{before}.\n\
         Start its node with `shard-node run`; each peer's operator accepts it with \
         `shard-node lane accept-incarnation {shard}`"
    )
}
