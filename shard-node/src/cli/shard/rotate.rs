//! `shard-node shard rotate`: other members.

use super::endorsements::AgreementArgs;
use super::reserve::threshold;
use super::{RECORDS_TGAS, ShardName, finish};
use crate::cli::Output;
use crate::cli::access::{BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, AssentArgs, call};
use anyhow::bail;
use clap::Args;
use near_primitives::action::Action;
use queue::contract::{ProposeRotationArgs, RotateArgs as ContractArgs, ShardArgs, ShardView, method};
use queue::statement::Statement;
use queue::trust::PublicKey;
use std::process::ExitCode;

/// Gas for `rotate`, which checks up to 64 signatures, in Tgas.
const ROTATE_TGAS: u64 = 150;

/// Arguments of `shard rotate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples, at once by the members' agreement:
  shard-node shard rotate --home .local/alpha --member ed25519:… --member ed25519:… --member ed25519:… --yes
  shard-node shard rotate --home .local/bob --member … --threshold 2 --sign-only > bob.json
  shard-node shard rotate --home .local/alpha --member … --threshold 2 --signature bob.json --yes
By the owner, after a delay in which everybody sees it coming:
  shard-node shard rotate --home .local/alpha --member … --announce --yes
  shard-node shard rotate --home .local/alpha --apply
  shard-node shard rotate --home .local/alpha --cancel

A node whose member key is not among the new members endorses nothing any more. Who calls the
contract needn't be the owner where the members agree.")]
pub struct RotateArgs {
    #[command(flatten)]
    name: ShardName,
    /// Ed25519 key of a new member; may be repeated: all members, also those that stay
    #[arg(long, value_name = "KEY")]
    member: Vec<PublicKey>,
    /// How many of them must endorse [default: more than half]
    #[arg(long, value_name = "N")]
    threshold: Option<u16>,
    /// The owner announces the new members, without the present ones' agreement
    #[arg(long, group = "by_owner", conflicts_with_all = ["sign_only", "signature"])]
    announce: bool,
    /// Install the announced members, once their time has come; anybody may
    #[arg(long, group = "by_owner", conflicts_with_all = ["member", "threshold", "sign_only", "signature"])]
    apply: bool,
    /// Take the announcement back
    #[arg(long, group = "by_owner", conflicts_with_all = ["member", "threshold", "sign_only", "signature"])]
    cancel: bool,
    #[command(flatten)]
    agreement: AgreementArgs,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    assent: AssentArgs,
}

pub(super) async fn run(args: RotateArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = args.name.or_home(&bridge)?;
    let view = bridge.shard(&shard).await?;
    let named = ShardArgs { shard: shard.clone() };
    let (what, action, needs_assent) = if args.cancel {
        let action = call(method::CANCEL_ROTATION, &named, RECORDS_TGAS, 0)?;
        (format!("take back the announced members of shard {shard}"), action, false)
    } else if args.apply {
        let action = call(method::APPLY_ROTATION, &named, RECORDS_TGAS, 0)?;
        (format!("install the announced members of shard {shard}"), action, false)
    } else {
        let threshold = threshold(args.threshold, &args.member)?;
        let what = format!("make {threshold} of {} the members of shard {shard}", list(&args.member));
        if args.announce {
            let contract_args = ProposeRotationArgs { shard: shard.clone(), members: args.member, threshold };
            let action = call(method::PROPOSE_ROTATION, &contract_args, RECORDS_TGAS, 0)?;
            (format!("announce to {what}"), action, true)
        } else {
            let statement = Statement::Rotate { members: keys(&args.member)?, threshold };
            let Some(endorsements) = args.agreement.reach(&bridge, &view, statement, &what, output).await? else {
                return Ok(ExitCode::SUCCESS);
            };
            (what, rotate(&view, args.member, threshold, endorsements)?, true)
        }
    };
    let signer = args.sign.account(Some(&view.owner))?;
    let mut act = Act::call(what, &bridge, signer, action);
    if needs_assent {
        act = act.without_way_back("who isn't among the new members has no say any more", &args.assent);
    }
    let Some(transaction) = act.perform(&bridge, &args.sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(&bridge, &shard, &format!("transaction {}", transaction), output).await
}

fn keys(members: &[PublicKey]) -> anyhow::Result<Vec<[u8; 32]>> {
    let key = |member: &PublicKey| match member {
        PublicKey::Ed25519(key) => Ok(*key),
        PublicKey::Secp256k1(_) => bail!("member {member} is no ed25519 key"),
    };
    members.iter().map(key).collect()
}

fn rotate(
    view: &ShardView,
    members: Vec<PublicKey>,
    threshold: u16,
    endorsements: queue::contract::Endorsements,
) -> anyhow::Result<Action> {
    let args = ContractArgs { shard: view.shard.clone(), members, threshold, endorsements };
    call(method::ROTATE, &args, ROTATE_TGAS, 0)
}

fn list(members: &[PublicKey]) -> String {
    members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
