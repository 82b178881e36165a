//! What the signer tells without changing anything: its keys, its domains, its requirements.

use near_primitives::types::AccountId;
use queue::derivation::derive_public_key;
use queue::trust::PublicKey;
use serde_json::json;

use super::jobs::{WaitingRequest, request_key};
use super::json::{DerivedKeyArgs, KeyVersionArgs, PendingArgs, PublicKeyArgs, Scheme, YieldIndex, to_json};
use super::{SignerAccount, parse};
use crate::state::{Entries, read};

/// Answers a view method in JSON.
///
/// `caller` is who the derivation is for when the arguments don't say it.
pub(crate) fn view(
    entries: &Entries,
    signer: &SignerAccount,
    method: &str,
    args: &[u8],
    caller: &AccountId,
) -> Result<Vec<u8>, String> {
    match method {
        "public_key" => {
            let args: PublicKeyArgs = parse_or_default(args)?;
            root_key(signer, args.domain_id).map(|key| to_json(&key.to_string()))
        }
        "derived_public_key" => {
            let args: DerivedKeyArgs = parse(args)?;
            let root = root_key(signer, args.domain_id)?;
            let predecessor = args.predecessor.as_ref().unwrap_or(caller);
            let derived = derive_public_key(&root, predecessor.as_str(), &args.path)
                .ok_or("TweakNotOnCurve: this path has no key")?;
            Ok(to_json(&derived.to_string()))
        }
        "latest_key_version" => {
            let args: KeyVersionArgs = parse_or_default(args)?;
            Ok(to_json(&match args.signature_scheme {
                None | Some(Scheme::Secp256k1) => 0u32,
                Some(Scheme::Ed25519) => 1,
            }))
        }
        "state" => Ok(to_json(&state(signer)?)),
        "config" => Ok(to_json(&json!({
            "sign_call_gas_attachment_requirement_tera_gas": signer.condition.sign_gas_tgas,
            "return_signature_and_clean_state_on_success_call_tera_gas": 7,
            "fail_on_timeout_tera_gas": 2,
        }))),
        "version" => Ok(to_json(&concat!("embedded ", env!("CARGO_PKG_VERSION")))),
        "get_pending_request" => {
            let args: PendingArgs = parse(args)?;
            let waiting: Option<WaitingRequest> = read(entries, &request_key(&args.request));
            let first = waiting.and_then(|waiting| waiting.yields.first().copied());
            Ok(to_json(&first.map(YieldIndex::from)))
        }
        other => Err(format!("MethodNotFound: the signer has no method {other}")),
    }
}

fn root_key(signer: &SignerAccount, domain_id: Option<u64>) -> Result<PublicKey, String> {
    signer.check_running()?;
    let domain_id = domain_id.unwrap_or(0);
    signer.keys.public_key(domain_id).ok_or_else(|| format!("DomainNotFound: there is no domain {domain_id}"))
}

fn state(signer: &SignerAccount) -> Result<serde_json::Value, String> {
    let domain = |id: u64, protocol: &str| json!({"id": id, "protocol": protocol, "reconstruction_threshold": 1, "purpose": "Sign"});
    let key = |id: u64| -> Result<serde_json::Value, String> {
        let key = root_key(signer, Some(id))?;
        Ok(json!({"domain_id": id, "attempt": 0, "key": key.to_string()}))
    };
    Ok(json!({
        "Running": {
            "domains": {
                "next_domain_id": 2,
                "domains": [domain(0, "CaitSith"), domain(1, "Frost")],
            },
            "keyset": {"epoch_id": 0, "domains": [key(0)?, key(1)?]},
            "parameters": {"threshold": 1},
        }
    }))
}

/// Arguments that may be left out altogether.
fn parse_or_default<T: serde::de::DeserializeOwned + Default>(args: &[u8]) -> Result<T, String> {
    if args.is_empty() { Ok(T::default()) } else { parse(args) }
}
