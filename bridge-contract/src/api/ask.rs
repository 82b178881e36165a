//! The promises to the signer, and what came of them.

use crate::signer::{self, ANSWER_BYTES_MAX, Answer, CONFIG_BYTES_MAX, KEY_TGAS, SIGN_DEPOSIT_YOCTO};
use near_sdk::{AccountId, Gas, GasWeight, NearToken, Promise, PromiseError, env};
use queue::attestation::ChainSignature;
use queue::digest::Hash;
use queue::trust::{Curve, PublicKey};

/// Gas for the signer's small views.
const VIEW_TGAS: u64 = 5;

/// Asks for the signature of `digest` by the key of `path`, with at least `tgas`.
pub fn sign(signer: AccountId, path: &str, digest: &Hash, curve: Curve, tgas: u64) -> Promise {
    call(signer, "sign", signer::sign_args(path, digest, curve), SIGN_DEPOSIT_YOCTO, tgas)
}

/// Asks for the signer's requirements.
pub fn config(signer: AccountId) -> Promise {
    call(signer, "config", b"{}".to_vec(), 0, VIEW_TGAS)
}

/// Asks for the key of `path` when this contract calls.
pub fn derived_public_key(signer: AccountId, path: &str, curve: Curve) -> Promise {
    let args = signer::derived_key_args(path, &env::current_account_id(), curve);
    call(signer, "derived_public_key", args, 0, KEY_TGAS)
}

/// Asks for the root key of a curve.
pub fn public_key(signer: AccountId, curve: Curve) -> Promise {
    call(signer, "public_key", signer::root_key_args(curve), 0, KEY_TGAS)
}

fn call(signer: AccountId, method: &str, args: Vec<u8>, yocto: u128, tgas: u64) -> Promise {
    let (deposit, gas) = (NearToken::from_yoctonear(yocto), Gas::from_tgas(tgas));
    Promise::new(signer).function_call_weight(method, args, deposit, gas, GasWeight(1))
}

/// The signature that the promise before this callback returned.
pub fn signature_answer() -> Answer<ChainSignature> {
    read_answer(ANSWER_BYTES_MAX, signer::parse_signature)
}

/// The public key on `curve` that the promise before this callback returned.
pub fn key_answer(curve: Curve) -> Answer<PublicKey> {
    read_answer(ANSWER_BYTES_MAX, |bytes| signer::parse_key(bytes, curve))
}

/// The gas in Tgas that `sign` requires, from the promise before this callback.
pub fn sign_tgas_answer() -> Answer<u64> {
    read_answer(CONFIG_BYTES_MAX, signer::parse_sign_tgas)
}

fn read_answer<T>(bytes_max: usize, parse: impl FnOnce(&[u8]) -> Option<T>) -> Answer<T> {
    match env::promise_result_checked(0, bytes_max) {
        Ok(bytes) => parse(&bytes).map_or(Answer::Unreadable, Answer::Given),
        Err(PromiseError::TooLong(_)) => Answer::Unreadable,
        Err(_) => Answer::None,
    }
}
