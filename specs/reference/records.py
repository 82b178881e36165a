"""The bridge's records: from the JSON form that users see to the bytes that are hashed.

Every function takes the JSON form (hashes in hex) and gives the borsh encoding.
"""

from borsh import byte_string, fixed, listing, option, text, u8, u16, u32, u64, u128
from hashing import log_leaf

CURVES = {"secp256k1": 0, "ed25519": 1}
KINDS = {"shard": 0, "round": 1}
TOMBSTONES = {
    "expired": 0,
    "malformed": 1,
    "sender_not_yours": 2,
    "receiver_not_mine": 3,
    "no_contracts": 4,
    "unexpected_result": 5,
}


def hash32(value: str) -> bytes:
    return fixed(value, 32)


def hashes(values: list[str]) -> bytes:
    return listing([hash32(value) for value in values])


def domain(value: dict) -> bytes:
    return text(value["network"]) + text(value["bridge"]) + hash32(value["instance"])


def lane(value: dict) -> bytes:
    return (
        text(value["source"])
        + text(value["destination"])
        + u32(value["source_incarnation"])
        + u32(value["destination_incarnation"])
    )


def message(value: dict) -> bytes:
    deadline = value["deadline_ns"]
    return (
        u8(value["version"])
        + hash32(value["salt"])
        + text(value["sender"])
        + text(value["receiver"])
        + option(None if deadline is None else u64(int(deadline)))
        + body(value["body"])
    )


def body(value: dict) -> bytes:
    match value:
        case {"data": content}:
            return u8(0) + byte_string(bytes.fromhex(content))
        case {"call": call}:
            return (
                u8(1)
                + text(call["refund_to"])
                + listing([action(item) for item in call["actions"]])
                + listing([promise_result(item) for item in call["promise_results"]])
            )
        case {"result": result}:
            return u8(2) + u64(int(result["request_nonce"])) + outcome(result["outcome"])
    raise ValueError(f"unknown body {value}")


def action(value: dict) -> bytes:
    match value:
        case {"function_call": call}:
            return (
                u8(0)
                + text(call["method"])
                + byte_string(bytes.fromhex(call["args"]))
                + u64(int(call["gas"]))
                + u128(int(call["deposit_yocto"]))
            )
        case {"transfer": transfer}:
            return u8(1) + u128(int(transfer["deposit_yocto"]))
    raise ValueError(f"unknown action {value}")


def promise_result(value: dict) -> bytes:
    match value:
        case {"successful": content}:
            return u8(0) + byte_string(bytes.fromhex(content))
        case {"failed": None}:
            return u8(1)
    raise ValueError(f"unknown promise result {value}")


def outcome(value: dict) -> bytes:
    match value:
        case {"success": content}:
            return u8(0) + byte_string(bytes.fromhex(content))
        case {"failure": reason}:
            return u8(1) + text(reason)
        case {"tombstone": reason}:
            return u8(2) + u8(TOMBSTONES[reason])
    raise ValueError(f"unknown outcome {value}")


def head(value: dict) -> bytes:
    return (
        text(value["peer"])
        + u32(value["own_incarnation"])
        + u32(value["peer_incarnation"])
        + u64(value["sent_size"])
        + hash32(value["sent_root"])
        + u64(value["received_size"])
        + hash32(value["received_root"])
        + hash32(value["salt"])
    )


def checkpoint(value: dict) -> bytes:
    return (
        u8(value["version"])
        + domain(value["domain"])
        + text(value["shard"])
        + u32(value["key_epoch"])
        + u64(value["epoch_first_height"])
        + u64(value["height"])
        + hash32(value["previous"])
        + hash32(value["heads_root"])
        + u64(int(value["time_ns"]))
    )


def checkpoint_hash(value: dict) -> bytes:
    return log_leaf(checkpoint(value))


def chain_signature(value: dict) -> bytes:
    if value["scheme"] == "secp256k1":
        return u8(0) + fixed(value["rs"], 64) + u8(value["recovery_id"])
    return u8(1) + fixed(value["signature"], 64)


def attestation(value: dict) -> bytes:
    return (
        u8(KINDS[value["kind"]])
        + checkpoint(value["checkpoint"])
        + u64(value["index"])
        + u64(value["size"])
        + hashes(value["path"])
        + chain_signature(value["signature"])
    )


def head_proof(value: dict) -> bytes:
    return head(value["head"]) + hashes(value["path"]) + attestation(value["attestation"])


def scope(value: dict) -> bytes:
    return domain(value["domain"]) + text(value["shard"]) + u32(value["members_version"])


def statement(value: dict) -> tuple[str, bytes]:
    """The purpose that the statement's tag names, and its content."""
    match value:
        case {"endorse": content}:
            return "endorse", hash32(content["checkpoint"])
        case {"rotate": content}:
            members = listing([hash32(key) for key in content["members"]])
            return "rotate", members + u16(content["threshold"])
        case {"rekey": content}:
            return "rekey", u32(content["key_epoch"]) + u8(CURVES[content["curve"]])
        case {"lift": content}:
            peer = content["peer"]
            return "lift", option(None if peer is None else text(peer)) + u64(content["evidence_floor"])
    raise ValueError(f"unknown statement {value}")


def attest_args(value: dict) -> bytes:
    signatures = {item["member"]: fixed(item["signature"], 64) for item in value["endorsements"]}
    members = sum(1 << member for member in signatures)
    return checkpoint(value["checkpoint"]) + u64(members) + listing([signatures[at] for at in sorted(signatures)])


def receiver_frame(value: dict) -> bytes:
    match value:
        case {"open": frame}:
            held = u64(frame["size"]) + hash32(frame["root"])
            return u8(0x00) + lane(frame["lane"]) + held + u64(frame["staged_size"]) + hash32(frame["staged_root"])
        case {"ack": frame}:
            return u8(0x01) + u64(frame["size"])
        case {"staged": frame}:
            return u8(0x02) + u64(frame["size"])
    raise ValueError(f"unknown frame {value}")


def sender_frame(value: dict) -> bytes:
    match value:
        case {"data": content}:
            return u8(0x10) + byte_string(bytes.fromhex(content))
        case {"mark": frame}:
            return u8(0x11) + u64(frame["size"])
        case {"begin": frame}:
            return u8(0x14) + u64(frame["size"])
        case {"wish": frame}:
            return u8(0x12) + u64(int(frame["time_ns"]))
        case {"release": frame}:
            return u8(0x13) + u64(frame["end"]) + head_proof(frame["head"]) + hashes(frame["consistency"])
    raise ValueError(f"unknown frame {value}")


def framed(body_bytes: bytes) -> bytes:
    """A frame as it stands on the stream: its length, then itself."""
    return byte_string(body_bytes)
