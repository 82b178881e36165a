use super::*;
use crate::from_json::tests::reads_as_serde_does;
use serde_json::{Value, json};

fn key() -> Value {
    json!(queue::trust::PublicKey::Ed25519([7; 32]))
}

fn endorsements() -> Value {
    let endorsement = |member: u16| Endorsement { member, signature: [7; 64] };
    json!([endorsement(0), endorsement(3)])
}

#[test]
fn arguments_about_shards_are_read_as_serde_reads_them_whatever_is_changed_in_them() {
    let shard = json!("alpha");
    reads_as_serde_does::<InitArgs>(&[
        json!({ "network": "testnet", "signer": "v1.signer", "admin": "admin.near", "open_registration": false }),
    ]);
    reads_as_serde_does::<ReserveArgs>(&[json!({
        "shard": shard, "members": [key()], "threshold": 1, "curve": "ed25519", "transport_keys": [key()],
        "addresses": ["alpha.example:3100"],
    })]);
    let transport = json!({ "shard": shard, "transport_keys": [key()], "addresses": ["alpha.example:3100"] });
    reads_as_serde_does::<SetTransportArgs>(&[transport]);
    reads_as_serde_does::<WithdrawArgs>(&[json!({ "shard": shard, "amount_yocto": u128::MAX.to_string() })]);
    reads_as_serde_does::<ShardArgs>(&[json!({ "shard": shard })]);
    reads_as_serde_does::<ShardsArgs>(&[json!({ "from_index": 0, "limit": u32::MAX })]);
    reads_as_serde_does::<EpochArgs>(&[json!({ "shard": shard, "key_epoch": 1 })]);
    reads_as_serde_does::<RoundArgs>(&[json!({ "curve": "secp256k1" })]);
    let members = json!({ "shard": shard, "members": [key()], "threshold": 1 });
    reads_as_serde_does::<ProposeRotationArgs>(&[members]);
}

#[test]
fn arguments_with_endorsements_are_read_as_serde_reads_them_whatever_is_changed_in_them() {
    let endorsements = endorsements();
    reads_as_serde_does::<RotateArgs>(&[
        json!({ "shard": "alpha", "members": [key()], "threshold": 1, "endorsements": endorsements }),
    ]);
    reads_as_serde_does::<RekeyArgs>(&[json!({ "shard": "alpha", "curve": "ed25519", "endorsements": endorsements })]);
    reads_as_serde_does::<LiftArgs>(&[
        json!({ "shard": "alpha", "peer": "beta", "evidence_floor": 7, "endorsements": endorsements }),
    ]);
    let twice = json!({ "member": 3, "signature": "07".repeat(64) });
    assert!(Endorsements::from_json(&crate::from_json::tests::json(&json!([twice, twice]))).is_err());
}

#[test]
fn arguments_about_lanes_are_read_as_serde_reads_them_whatever_is_changed_in_them() {
    reads_as_serde_does::<LaneArgs>(&[json!({ "shard": "alpha", "peer": "beta" })]);
    reads_as_serde_does::<LanesArgs>(&[json!({ "shard": "alpha", "from_index": 1, "limit": 2 })]);
    let stop = |direction: &str| json!({ "shard": "alpha", "peer": "beta", "direction": direction });
    reads_as_serde_does::<LaneStopArgs>(&["inbound", "outbound", "both"].map(stop));
    let permissions = [json!("everybody"), json!({ "public": "a list" }), json!({ "private": "07".repeat(32) })];
    reads_as_serde_does::<LaneProposal>(&permissions.map(|permissions| {
        let terms = json!({
            "message_bytes_max": 65_536, "result_bytes_max": 4_096, "call_window": 64,
            "call_gas_max": u64::MAX.to_string(), "deadline_ms": 60_000, "permissions": permissions,
        });
        json!({ "shard": "alpha", "peer": "beta", "terms": terms })
    }));
}

#[test]
fn arguments_of_administration_are_read_as_serde_reads_them_whatever_is_changed_in_them() {
    let role = |role| json!({ "role": role, "account_id": "eve" });
    reads_as_serde_does::<RoleArgs>(&Role::ALL.map(role));
    reads_as_serde_does::<PauseArgs>(&[json!({ "key": "ALL" })]);
    reads_as_serde_does::<RegistrationSet>(&[json!({ "open": true })]);
    reads_as_serde_does::<DelayArgs>(&[json!({ "staging_duration": u64::MAX })]);
    let call =
        json!({ "function_name": "migrate", "arguments": [1, 255], "amount": "0", "gas": 50_000_000_000_000u64 });
    reads_as_serde_does::<DeployCodeArgs>(&[json!({ "hash": "a hash", "function_call_args": call })]);
}

#[test]
fn gas_is_read_from_a_string_too() {
    let call = json!({ "function_name": "migrate", "arguments": [], "amount": "0", "gas": "50000000000000" });
    let read = DeployCall::from_json(&crate::from_json::tests::json(&call)).expect("near-plugins reads it");
    assert_eq!(read.gas, 50_000_000_000_000);
}
