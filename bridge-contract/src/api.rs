//! What can be called, one file per family of methods.
#![allow(missing_docs, reason = "near-sdk's macros generate public items without docs")]

mod admin;
mod ask;
mod attest;
mod epochs;
mod evidence;
mod lanes;
mod members;
mod rounds;
mod shards;
mod signer_keys;
mod upgrades;
mod verify;
mod views;

use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use crate::events;
use crate::from_json::FromJson;
use crate::json::Json;
use crate::registry::ShardRecord;
use crate::{rules, storage};
use near_sdk::{AccountId, Gas, NearToken, Promise, env};
use queue::contract::Event;
use queue::ids::ShardId;

/// Gas for a callback that stores a key or a number.
const ON_KEY_GAS: Gas = Gas::from_tgas(6);

fn emit(event: &Event) {
    env::log_str(&events::log_line(event));
}

/// The call's arguments, in JSON. near-sdk would read a method's parameters by serde: `from_json` says
/// what that takes.
pub(crate) fn args<T: FromJson>() -> T {
    T::from_json(&input()).unwrap_or_else(|error| env::panic_str(&format!("the arguments do not parse: {error}")))
}

/// The call's input, in JSON.
fn input() -> Json {
    let input = env::input().unwrap_or_default();
    Json::parse(&input).unwrap_or_else(|| env::panic_str("the arguments do not parse: expected JSON"))
}

/// One of the call's arguments, which is read by hand.
fn argument<'a>(input: &'a Json, name: &str) -> &'a Json {
    input.get(name).unwrap_or_else(|| env::panic_str(&format!("missing field `{name}`")))
}

fn registered(shard: &ShardId) -> Result<ShardRecord, Refusal> {
    storage::read_shard(shard).ok_or_else(|| Refusal::UnknownShard(shard.clone()))
}

/// The caller's own shard, which isn't retired.
fn owned(shard: &ShardId) -> Result<ShardRecord, Refusal> {
    let record = registered(shard)?;
    rules::judge_owner(shard, &record, env::predecessor_account_id())?;
    Ok(record)
}

/// Refuses a deposit that would stay here for nothing: near-sdk does so only where a method writes the
/// root state.
fn takes_no_deposit(method: &'static str) -> Result<(), Refusal> {
    match env::attached_deposit().as_yoctonear() {
        0 => Ok(()),
        found_yocto => Err(Refusal::DepositNotTaken { method, found_yocto }),
    }
}

/// What remains of the attached deposit beyond the price of so many bytes of storage, and that
/// price, in yoctoNEAR.
fn pay_for_storage(what: &'static str, bytes: u128) -> Result<(u128, u128), Refusal> {
    let price_yocto = storage_price_yocto(bytes);
    let found_yocto = env::attached_deposit().as_yoctonear();
    match found_yocto.checked_sub(price_yocto) {
        Some(rest) => Ok((rest, price_yocto)),
        None => Err(Refusal::DepositTooSmall { what, found_yocto, expected_yocto: price_yocto }),
    }
}

fn storage_price_yocto(bytes: u128) -> u128 {
    bytes * env::storage_byte_cost().as_yoctonear()
}

/// Sends back what isn't needed.
fn refund(account: AccountId, yocto: u128) {
    if yocto > 0 {
        Promise::new(account).transfer(NearToken::from_yoctonear(yocto)).detach();
    }
}

/// The rest of the gas is the signer's.
fn key_callback() -> BridgeExt {
    Bridge::ext(env::current_account_id()).with_static_gas(ON_KEY_GAS).with_unused_gas_weight(0)
}
