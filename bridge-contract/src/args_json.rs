//! Arguments of methods: of those that take JSON, all but proofs and evidence.

use crate::from_json::{FieldError, FromJson, field, field_as, hex, parsed, read_fields, word, wrong};
use crate::json::Json;
use queue::contract::{
    AmountYocto, DelayArgs, DeployCall, DeployCodeArgs, Endorsement, Endorsements, EpochArgs, InitArgs, LaneArgs,
    LaneDirection, LaneProposal, LaneStopArgs, LaneTerms, LanesArgs, LiftArgs, PauseArgs, Permissions,
    ProposeRotationArgs, RegistrationSet, RekeyArgs, ReserveArgs, Role, RoleArgs, RotateArgs, RoundArgs,
    SetTransportArgs, ShardArgs, ShardsArgs, WithdrawArgs,
};

read_fields! {
    InitArgs { network, signer, admin, open_registration }
    ReserveArgs { shard, members, threshold, curve, transport_keys, addresses }
    SetTransportArgs { shard, transport_keys, addresses }
    WithdrawArgs { shard, amount_yocto }
    ShardArgs { shard }
    ShardsArgs { from_index, limit }
    EpochArgs { shard, key_epoch }
    RotateArgs { shard, members, threshold, endorsements }
    ProposeRotationArgs { shard, members, threshold }
    RekeyArgs { shard, curve, endorsements }
    LiftArgs { shard, peer, evidence_floor, endorsements }
    RoundArgs { curve }
    LaneArgs { shard, peer }
    LanesArgs { shard, from_index, limit }
    LaneProposal { shard, peer, terms }
    LaneStopArgs { shard, peer, direction }
    RoleArgs { role, account_id }
    PauseArgs { key }
    RegistrationSet { open }
    DeployCodeArgs { hash, function_call_args }
    DelayArgs { staging_duration }
}

impl FromJson for AmountYocto {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        parsed(json).map(AmountYocto)
    }
}

impl FromJson for DeployCall {
    /// The gas may stand in a string, as near-plugins has it.
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(DeployCall {
            function_name: field(json, "function_name")?,
            arguments: field(json, "arguments")?,
            amount: field(json, "amount")?,
            gas: field_as(json, "gas", |gas| u64::from_json(gas).or_else(|_| parsed(gas)))?,
        })
    }
}

impl FromJson for Endorsements {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Vec::<Endorsement>::from_json(json)?.try_into().map_err(wrong)
    }
}

impl FromJson for Endorsement {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(Endorsement { member: field(json, "member")?, signature: field_as(json, "signature", hex)? })
    }
}

impl FromJson for LaneTerms {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(LaneTerms {
            message_bytes_max: field(json, "message_bytes_max")?,
            result_bytes_max: field(json, "result_bytes_max")?,
            call_window: field(json, "call_window")?,
            call_gas_max: field_as(json, "call_gas_max", parsed)?,
            deadline_ms: field(json, "deadline_ms")?,
            permissions: field(json, "permissions")?,
        })
    }
}

impl FromJson for Permissions {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json {
            Json::Text(word) if word == "everybody" => Ok(Permissions::Everybody),
            Json::Object(fields) if fields.len() == 1 && json.get("public").is_some() => {
                Ok(Permissions::Public(field(json, "public")?))
            }
            Json::Object(fields) if fields.len() == 1 && json.get("private").is_some() => {
                Ok(Permissions::Private(field(json, "private")?))
            }
            _ => Err(wrong("expected everybody, or an object with the field public or private alone")),
        }
    }
}

impl FromJson for LaneDirection {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        use LaneDirection::{Both, Inbound, Outbound};
        word(json, &[("inbound", Inbound), ("outbound", Outbound), ("both", Both)])
    }
}

impl FromJson for Role {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        word(json, &Role::ALL.map(|role| (role.into(), role)))
    }
}

#[cfg(test)]
mod tests;
