//! NEAR's MPC signer as the contract sees it: exact JSON, gas, and how its answers are read.
//!
//! Source: `near/mpc`, the contract at `v1.signer`.

use near_sdk::{AccountId, Gas, GasWeight, NearToken, Promise, env};
use queue::attestation::ChainSignature;
use queue::digest::Hash;
use queue::trust::{Curve, PublicKey};
use serde::{Deserialize, Serialize};

/// Gas that `sign` requires its caller to attach. The signer's voters can change it
/// (`config().sign_call_gas_attachment_requirement_tera_gas`), and so all gas that a caller of
/// `attest` attaches beyond our needs goes to `sign` too: a raised requirement needs no new code.
pub const SIGN_GAS: Gas = Gas::from_tgas(15);

/// Deposit that `sign` requires. What it doesn't need it would return, so we attach no more.
pub const SIGN_DEPOSIT: NearToken = NearToken::from_yoctonear(1);

/// Least gas for `public_key` and `derived_public_key`: the latter multiplies a curve point in Wasm.
pub const KEY_GAS: Gas = Gas::from_tgas(20);

/// Longest answer that is read, in bytes. A signature takes some 250, an ed25519 one as decimal
/// numbers some 300.
const ANSWER_BYTES_MAX: usize = 1024;

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

/// Asks for the signature of `digest` by the key of `path`.
pub fn sign(signer: AccountId, path: &str, digest: &Hash, curve: Curve) -> Promise {
    let payload = match curve {
        Curve::Secp256k1 => Payload::Ecdsa(digest.to_string()),
        Curve::Ed25519 => Payload::Eddsa(digest.to_string()),
    };
    let args = SignArgs { request: SignRequest { path, payload_v2: payload, domain_id: domain_id(curve) } };
    Promise::new(signer).function_call_weight("sign", json(&args), SIGN_DEPOSIT, SIGN_GAS, GasWeight(1))
}

/// Asks for the key of `path` when this contract calls.
pub fn derived_public_key(signer: AccountId, path: &str, curve: Curve) -> Promise {
    let args = DerivedKeyArgs { path, predecessor: &env::current_account_id(), domain_id: domain_id(curve) };
    ask(signer, "derived_public_key", json(&args))
}

/// Asks for the root key of a curve.
pub fn public_key(signer: AccountId, curve: Curve) -> Promise {
    ask(signer, "public_key", json(&RootKeyArgs { domain_id: domain_id(curve) }))
}

fn ask(signer: AccountId, method: &str, args: Vec<u8>) -> Promise {
    Promise::new(signer).function_call_weight(method, args, NearToken::from_yoctonear(0), KEY_GAS, GasWeight(1))
}

fn json(args: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(args).expect("the arguments have string keys only")
}

/// What the signer's answer to one request turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Readable; not verified.
    Given(T),
    /// The promise failed or its result is too long: callbacks aren't told why.
    None,
    /// Not what the signer's interface promises.
    Unreadable,
}

/// The signature that the promise before this callback returned.
pub fn signature_answer() -> Answer<ChainSignature> {
    read_answer(parse_signature)
}

/// The public key on `curve` that the promise before this callback returned.
pub fn key_answer(curve: Curve) -> Answer<PublicKey> {
    read_answer(|bytes| parse_key(bytes, curve))
}

fn read_answer<T>(parse: impl FnOnce(&[u8]) -> Option<T>) -> Answer<T> {
    match env::promise_result_checked(0, ANSWER_BYTES_MAX) {
        Ok(bytes) => parse(&bytes).map_or(Answer::Unreadable, Answer::Given),
        Err(_) => Answer::None,
    }
}

/// All fields of both schemes: a tagged enum would cost 10 kB of Wasm.
#[derive(Deserialize)]
struct SignatureJson {
    scheme: String,
    big_r: Option<AffinePointJson>,
    s: Option<ScalarJson>,
    recovery_id: Option<u8>,
    signature: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct AffinePointJson {
    affine_point: String,
}

#[derive(Deserialize)]
struct ScalarJson {
    scalar: String,
}

fn parse_signature(bytes: &[u8]) -> Option<ChainSignature> {
    let json: SignatureJson = serde_json::from_slice(bytes).ok()?;
    match json.scheme.as_str() {
        "Secp256k1" => {
            // SEC 1 compressed: the parity of y, which the recovery id repeats, then x.
            let mut big_r = [0; 33];
            hex::decode_to_slice(json.big_r?.affine_point, &mut big_r).ok()?;
            let mut rs = [0; 64];
            rs[..32].copy_from_slice(&big_r[1..]);
            hex::decode_to_slice(json.s?.scalar, &mut rs[32..]).ok()?;
            let recovery_id = json.recovery_id.filter(|id| *id <= 1)?;
            Some(ChainSignature::Secp256k1 { rs, recovery_id })
        }
        "Ed25519" => Some(ChainSignature::Ed25519 { signature: json.signature?.try_into().ok()? }),
        _ => None,
    }
}

fn parse_key(bytes: &[u8], curve: Curve) -> Option<PublicKey> {
    let key: PublicKey = serde_json::from_slice(bytes).ok()?;
    (key.curve() == curve).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

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
