//! NEAR's MPC signer as the contract sees it: exact JSON, prices, and how its answers are read.
//!
//! Source: `near/mpc`, the contract at `v1.signer`.

use crate::from_json::{FromJson, field};
use crate::json::Json;
use queue::attestation::ChainSignature;
use queue::digest::Hash;
use queue::ids::AccountId;
use queue::trust::{Curve, PublicKey};
use serde::Serialize;

/// Gas in Tgas that `sign` requires its caller to attach, until the signer's own figure is known
/// (`config().sign_call_gas_attachment_requirement_tera_gas`, which its voters can change). All gas
/// that a caller of `attest` attaches beyond our needs goes to `sign` too.
pub const SIGN_TGAS_DEFAULT: u64 = 15;

/// Most Tgas that are believed: what a call of 300 Tgas leaves beside the contract's own needs.
pub const SIGN_TGAS_MAX: u64 = 200;

/// Deposit that `sign` requires, in yoctoNEAR.
pub const SIGN_DEPOSIT_YOCTO: u128 = 1;

/// Least gas in Tgas for `public_key` and `derived_public_key`: the latter multiplies a curve point in Wasm.
pub const KEY_TGAS: u64 = 20;

/// Longest answer that is read, in bytes. A signature takes some 250, an ed25519 one as decimal
/// numbers some 300.
pub const ANSWER_BYTES_MAX: usize = 1024;

/// Longest answer of `config` that is read, in bytes. It has some twenty numbers.
pub const CONFIG_BYTES_MAX: usize = 4096;

/// The signer's domain for a curve: fixed on all public networks.
const fn domain_id(curve: Curve) -> u64 {
    match curve {
        Curve::Secp256k1 => 0,
        Curve::Ed25519 => 1,
    }
}

#[derive(Serialize)]
struct SignArgs<'a> {
    request: SignRequest<'a>,
}

#[derive(Serialize)]
struct SignRequest<'a> {
    path: &'a str,
    payload_v2: Payload,
    domain_id: u64,
}

#[derive(Serialize)]
enum Payload {
    Ecdsa(String),
    Eddsa(String),
}

#[derive(Serialize)]
struct DerivedKeyArgs<'a> {
    path: &'a str,
    predecessor: &'a AccountId,
    domain_id: u64,
}

#[derive(Serialize)]
struct RootKeyArgs {
    domain_id: u64,
}

/// Arguments of `sign`: `digest` by the key of `path`.
pub fn sign_args(path: &str, digest: &Hash, curve: Curve) -> Vec<u8> {
    let payload_v2 = match curve {
        Curve::Secp256k1 => Payload::Ecdsa(digest.to_string()),
        Curve::Ed25519 => Payload::Eddsa(digest.to_string()),
    };
    json(&SignArgs { request: SignRequest { path, payload_v2, domain_id: domain_id(curve) } })
}

/// Arguments of `derived_public_key`: the key of `path` when `predecessor` calls.
pub fn derived_key_args(path: &str, predecessor: &AccountId, curve: Curve) -> Vec<u8> {
    json(&DerivedKeyArgs { path, predecessor, domain_id: domain_id(curve) })
}

/// Arguments of `public_key`: the root key of a curve.
pub fn root_key_args(curve: Curve) -> Vec<u8> {
    json(&RootKeyArgs { domain_id: domain_id(curve) })
}

fn json(args: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(args).expect("the arguments have string keys only")
}

/// What the signer's answer to one request turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Readable; not verified.
    Given(T),
    /// The promise failed: callbacks aren't told why.
    None,
    /// Not what the signer's interface promises, or longer than it.
    Unreadable,
}

/// Reads the result of `sign`; `None` if it is none in a form that we know.
pub fn parse_signature(bytes: &[u8]) -> Option<ChainSignature> {
    let json = Json::parse(bytes)?;
    match json.get("scheme")?.as_str()? {
        "Secp256k1" => {
            // SEC 1 compressed: the parity of y, which the recovery id repeats, then x.
            let mut big_r = [0; 33];
            hex::decode_to_slice(json.get("big_r")?.get("affine_point")?.as_str()?, &mut big_r).ok()?;
            let mut rs = [0; 64];
            rs[..32].copy_from_slice(&big_r[1..]);
            hex::decode_to_slice(json.get("s")?.get("scalar")?.as_str()?, &mut rs[32..]).ok()?;
            let recovery_id = field(&json, "recovery_id").ok().filter(|id| *id <= 1)?;
            Some(ChainSignature::Secp256k1 { rs, recovery_id })
        }
        "Ed25519" => {
            let signature: Vec<u8> = field(&json, "signature").ok()?;
            Some(ChainSignature::Ed25519 { signature: signature.try_into().ok()? })
        }
        _ => None,
    }
}

/// Reads the result of `public_key` and `derived_public_key`; `None` if it is no key on `curve`.
pub fn parse_key(bytes: &[u8], curve: Curve) -> Option<PublicKey> {
    let key = PublicKey::from_json(&Json::parse(bytes)?).ok()?;
    (key.curve() == curve).then_some(key)
}

/// Reads the gas in Tgas that `sign` requires from the result of `config`; `None` if there is no
/// such number, or one that can't be met.
pub fn parse_sign_tgas(bytes: &[u8]) -> Option<u64> {
    let tgas = field(&Json::parse(bytes)?, "sign_call_gas_attachment_requirement_tera_gas").ok()?;
    Some(tgas).filter(|tgas| (1..=SIGN_TGAS_MAX).contains(tgas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signer_is_asked_in_its_own_words() {
        let digest = Hash([0xab; 32]);
        let hex = "ab".repeat(32);
        assert_eq!(
            String::from_utf8(sign_args("a/path", &digest, Curve::Secp256k1)).expect("JSON is UTF-8"),
            format!(r#"{{"request":{{"path":"a/path","payload_v2":{{"Ecdsa":"{hex}"}},"domain_id":0}}}}"#)
        );
        assert_eq!(
            String::from_utf8(sign_args("a/path", &digest, Curve::Ed25519)).expect("JSON is UTF-8"),
            format!(r#"{{"request":{{"path":"a/path","payload_v2":{{"Eddsa":"{hex}"}},"domain_id":1}}}}"#)
        );
    }

    #[test]
    fn a_secp256k1_answer_is_read_whatever_the_case_of_its_hex() {
        let (x, s) = ("AB".repeat(32), "cd".repeat(32));
        let text = format!(
            r#"{{"scheme":"Secp256k1","big_r":{{"affine_point":"02{x}"}},"s":{{"scalar":"{s}"}},"recovery_id":1}}"#
        );
        let mut rs = [0xab; 64];
        rs[32..].fill(0xcd);
        assert_eq!(parse_signature(text.as_bytes()), Some(ChainSignature::Secp256k1 { rs, recovery_id: 1 }));
    }

    #[test]
    fn an_ed25519_answer_is_read() {
        let numbers = vec!["7"; 64].join(",");
        let text = format!(r#"{{"scheme":"Ed25519","signature":[{numbers}]}}"#);
        assert_eq!(parse_signature(text.as_bytes()), Some(ChainSignature::Ed25519 { signature: [7; 64] }));
    }

    #[test]
    fn a_signer_that_answers_something_else_is_not_understood() {
        let short = r#"{"scheme":"Secp256k1","big_r":{"affine_point":"02ab"},"s":{"scalar":"cd"},"recovery_id":0}"#;
        let (x, s) = ("ab".repeat(32), "cd".repeat(32));
        let third_key = format!(
            r#"{{"scheme":"Secp256k1","big_r":{{"affine_point":"02{x}"}},"s":{{"scalar":"{s}"}},"recovery_id":2}}"#
        );
        let few = r#"{"scheme":"Ed25519","signature":[1,2,3]}"#;
        for text in ["", "null", "{}", r#"{"scheme":"Bls12381"}"#, short, &third_key, few] {
            assert_eq!(parse_signature(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_key_on_another_curve_is_not_understood() {
        let key = PublicKey::Ed25519([3; 32]);
        let text = serde_json::to_vec(&key).expect("a key is a string");
        assert_eq!(parse_key(&text, Curve::Ed25519), Some(key));
        assert_eq!(parse_key(&text, Curve::Secp256k1), None);
    }
}
