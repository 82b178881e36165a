//! Signing transactions for people: what is signed is shown before, from the very actions that are
//! signed, and what has no way back needs `--yes`.

use super::Output;
use super::access::{Bridge, SignArgs};
use crate::near::{Actor, near_account};
use anyhow::{anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use near_crypto::SecretKey;
use near_primitives::account::{AccessKey, AccessKeyPermission};
use near_primitives::action::{
    Action, AddKeyAction, CreateAccountAction, DeleteKeyAction, DeployContractAction, FunctionCallAction,
    TransferAction,
};
use near_primitives::hash::CryptoHash;
use near_primitives::types::{Balance, Gas};
use queue::ids::AccountId;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The assent to what has no way back.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub(super) struct AssentArgs {
    /// Do it: without this, what has no way back is only shown
    #[arg(long)]
    pub(super) yes: bool,
}

/// A transaction that is to be signed.
#[derive(Debug)]
pub(super) struct Act {
    /// What it does, as in "retire shard alpha".
    pub(super) what: String,
    /// Who signs.
    pub(super) signer: AccountId,
    /// On whose account it is executed.
    pub(super) receiver: AccountId,
    /// What is signed.
    pub(super) actions: Vec<Action>,
    /// What can't be taken back, and whether that is agreed to.
    pub(super) final_act: Option<(&'static str, bool)>,
}

impl Act {
    /// A call of the bridge contract, without deposit.
    pub(super) fn call(what: String, bridge: &Bridge, signer: AccountId, action: Action) -> Self {
        Act { what, signer, receiver: bridge.account.clone(), actions: vec![action], final_act: None }
    }

    /// The same, of something that has no way back: `loss` says what is lost.
    pub(super) fn without_way_back(self, loss: &'static str, assent: &AssentArgs) -> Self {
        Act { final_act: Some((loss, assent.yes)), ..self }
    }

    /// Signs and sends it, waits until its outcome is final, and gives its hash; `None` if nothing
    /// was to be signed: then it was shown instead.
    ///
    /// # Errors
    /// No key, no assent, NEAR's, or the contract's refusal.
    pub(super) async fn perform(
        self,
        bridge: &Bridge,
        sign: &SignArgs,
        output: &Output,
    ) -> anyhow::Result<Option<CryptoHash>> {
        if !agreed(std::slice::from_ref(&self), bridge, sign, output)? {
            return Ok(None);
        }
        let key = sign.keychain(bridge)?.full_access(&bridge.client, &bridge.network, &self.signer).await?.key;
        self.perform_with(bridge, key, output).await.map(Some)
    }

    /// Signs and sends it with this key of the signing account, and gives its hash.
    ///
    /// # Errors
    /// NEAR's, or the contract's refusal.
    pub(super) async fn perform_with(
        self,
        bridge: &Bridge,
        key: SecretKey,
        output: &Output,
    ) -> anyhow::Result<CryptoHash> {
        output.step(format!("{}: waiting for {} to finalise it", self.what, bridge.network));
        let actor = Actor::new(bridge.client.clone(), &self.signer, key);
        let outcome = actor.transact(near_account(&self.receiver), self.actions).await?;
        let transaction = outcome.transaction;
        match outcome.result {
            Ok(_) => Ok(transaction),
            Err(reason) => Err(anyhow!("cannot {}: {reason} (transaction {transaction})", self.what)),
        }
    }

    fn shown(&self, bridge: &Bridge) -> Shown {
        Shown {
            signed: false,
            what: self.what.clone(),
            network: bridge.network.clone(),
            signer: self.signer.to_string(),
            receiver: self.receiver.to_string(),
            actions: self.actions.iter().map(action_json).collect(),
            near_cli: near_cli(&bridge.network, &self.signer, &self.receiver, &self.actions),
        }
    }
}

/// Whether these are to be signed, one after the other; if not, they were shown instead.
///
/// # Errors
/// Without assent to what has no way back.
pub(super) fn agreed(acts: &[Act], bridge: &Bridge, sign: &SignArgs, output: &Output) -> anyhow::Result<bool> {
    let shown: Vec<Shown> = acts.iter().map(|act| act.shown(bridge)).collect();
    let texts = acts.iter().zip(&shown).map(|(act, shown)| human(shown, act.final_act));
    let text = texts.collect::<Vec<_>>().join("\n");
    if sign.dry_run {
        match shown.as_slice() {
            [one] => output.finish(&text, one),
            several => output.finish(&text, &several),
        }
        return Ok(false);
    }
    let refused = acts.iter().find_map(|act| act.final_act.filter(|(_, yes)| !yes));
    if let Some((loss, _)) = refused {
        bail!("{text}\nnothing was signed: {loss}; to do it, say so with --yes");
    }
    Ok(true)
}

/// A call of a method with JSON arguments.
pub(super) fn call(method: &str, args: &impl Serialize, tgas: u64, deposit_yocto: u128) -> anyhow::Result<Action> {
    Ok(Action::FunctionCall(Box::new(FunctionCallAction {
        method_name: method.to_owned(),
        args: serde_json::to_vec(args)?,
        gas: Gas::from_teragas(tgas),
        deposit: Balance::from_yoctonear(deposit_yocto),
    })))
}

/// Parses an amount of NEAR, as in `1.5`, into yoctoNEAR.
pub(super) fn parse_near(text: &str) -> Result<u128, String> {
    let refused = || format!("{text:?} is no amount of NEAR: expected a number such as 2 or 0.05");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 24 {
        return Err(refused());
    }
    format!("{whole}{fraction:0<24}").parse().map_err(|_| refused())
}

/// An amount in NEAR, exactly.
pub(super) fn near(yocto: u128) -> String {
    const YOCTO: u128 = 10_u128.pow(24);
    let fraction = format!("{:024}", yocto % YOCTO);
    match fraction.trim_end_matches('0') {
        "" => (yocto / YOCTO).to_string(),
        fraction => format!("{}.{fraction}", yocto / YOCTO),
    }
}

/// What would be signed.
#[derive(Debug, Serialize)]
struct Shown {
    signed: bool,
    what: String,
    network: String,
    signer: String,
    receiver: String,
    actions: Vec<Value>,
    /// The same as a command of near-cli, for keys that this program can't read.
    near_cli: Option<String>,
}

fn human(shown: &Shown, final_act: Option<(&str, bool)>) -> String {
    let Shown { what, network, signer, receiver, actions, near_cli, .. } = shown;
    let mut text = format!("to {what} on {network}, {signer} signs for {receiver}:");
    for action in actions {
        write!(text, "\n  {action}").expect("writing to a String can't fail");
    }
    if let Some((loss, _)) = final_act {
        write!(text, "\nthere is no way back: {loss}").expect("writing to a String can't fail");
    }
    if let Some(command) = near_cli {
        write!(text, "\nwith near-cli: {command}").expect("writing to a String can't fail");
    }
    text
}

fn action_json(action: &Action) -> Value {
    match action {
        Action::FunctionCall(call) => {
            let mut shown = json!({
                "call": call.method_name,
                "tgas": call.gas.as_gas() / 10_u64.pow(12),
                "deposit_yocto": call.deposit.as_yoctonear().to_string(),
            });
            match serde_json::from_slice::<Value>(&call.args) {
                Ok(args) => shown["args"] = args,
                Err(_) => shown["args_base64"] = STANDARD.encode(&call.args).into(),
            }
            shown
        }
        Action::DeployContract(DeployContractAction { code }) => {
            json!({ "deploy": { "code_hash": CryptoHash::hash_bytes(code), "bytes": code.len() } })
        }
        Action::CreateAccount(CreateAccountAction {}) => json!("create account"),
        Action::Transfer(TransferAction { deposit }) => {
            json!({ "transfer_yocto": deposit.as_yoctonear().to_string() })
        }
        Action::DeleteKey(action) => json!({ "delete_key": DeleteKeyAction::clone(action).public_key }),
        Action::AddKey(action) => {
            let AddKeyAction { public_key, access_key: AccessKey { permission, .. } } = AddKeyAction::clone(action);
            json!({ "add_key": public_key, "full_access": matches!(permission, AccessKeyPermission::FullAccess) })
        }
        other => json!(format!("{other:?}")),
    }
}

/// The command of near-cli that signs the same, for a single call: it has none for what several
/// actions do at once.
fn near_cli(network: &str, signer: &AccountId, receiver: &AccountId, actions: &[Action]) -> Option<String> {
    let [Action::FunctionCall(call)] = actions else { return None };
    let args = match std::str::from_utf8(&call.args) {
        Ok(text) if serde_json::from_str::<Value>(text).is_ok() => format!("json-args '{text}'"),
        _ => format!("base64-args {}", STANDARD.encode(&call.args)),
    };
    Some(format!(
        "near contract call-function as-transaction {receiver} {} {args} prepaid-gas '{} Tgas' \
         attached-deposit '{} yoctoNEAR' sign-as {signer} network-config {network} sign-with-keychain send",
        call.method_name,
        call.gas.as_gas() / 10_u64.pow(12),
        call.deposit.as_yoctonear(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_near_are_exact_in_both_directions() {
        for (text, yocto) in [
            ("1", 10_u128.pow(24)),
            ("0.05", 5 * 10_u128.pow(22)),
            ("0.000000000000000000000001", 1),
            ("12.5", 125 * 10_u128.pow(23)),
            ("0", 0),
        ] {
            assert_eq!(parse_near(text), Ok(yocto));
            assert_eq!(near(yocto), text);
        }
        for text in ["", ".", "-1", "1e3", "1.", "0.0000000000000000000000001", "999999999999999999999", "1 NEAR"] {
            if text == "1." {
                assert_eq!(parse_near(text), parse_near("1"));
                continue;
            }
            assert!(parse_near(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_what_would_be_signed_also_as_a_command_of_near_cli() {
        let action = call("retire", &json!({ "shard": "alpha" }), 30, 1).expect("JSON");
        let shown = action_json(&action);
        assert_eq!(shown, json!({"call": "retire", "args": {"shard": "alpha"}, "tgas": 30, "deposit_yocto": "1"}));
        let [signer, receiver]: [AccountId; 2] =
            ["owner.testnet", "bridge.testnet"].map(|id| id.parse().expect("an account id"));
        let command = near_cli("testnet", &signer, &receiver, &[action]).expect("a single call");
        assert!(command.contains(r#"json-args '{"shard":"alpha"}'"#), "{command}");
        assert!(command.contains("sign-as owner.testnet network-config testnet"), "{command}");
    }
}
