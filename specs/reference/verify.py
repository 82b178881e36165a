#!/usr/bin/env python3
"""Verifies a proof file of a message, its delivery or its expiry with nothing but the specification:
see specs/attestation.md and specs/settlement.md.

    python3 specs/reference/verify.py m.json trust.json

Slow, and independent of the bridge's own code. Prints what was proved and exits with 0, or says why
nothing was and exits with 1.
"""

import sys

sys.dont_write_bytecode = True

import base64
import binascii
import json

import base58
import decode
import ed25519
import head_trie
import lane_log
import names
import records
import secp256k1
from derivation import attestation_digest, round_path, shard_path, tweak
from hashing import log_leaf

FORMAT = "private-shard-bridge message proof v1"
DELIVERY_FORMAT = "private-shard-bridge delivery proof v1"
EXPIRY_FORMAT = "private-shard-bridge expiry proof v1"
KEY_BYTES = {"secp256k1": 64, "ed25519": 32}


class Refused(Exception):
    """Why a file proves nothing. `kind` is the word that the vectors use."""

    def __init__(self, kind: str, reason: str):
        super().__init__(reason)
        self.kind = kind


def require(condition: bool, kind: str, reason: str) -> None:
    if not condition:
        raise Refused(kind, reason)


def unhex(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def check_checkpoint(checkpoint: dict) -> None:
    domain = checkpoint["domain"]
    named = names.is_network(domain["network"]) and names.is_account(domain["bridge"])
    require(named and names.is_shard(checkpoint["shard"]), "checkpoint", "a name breaks the rules")
    require(checkpoint["version"] == 1, "checkpoint", "unknown version")
    require(checkpoint["height"] >= checkpoint["epoch_first_height"], "checkpoint", "below its key epoch")
    is_first = checkpoint["previous"] == "00" * 32
    require((checkpoint["height"] == 0) == is_first, "checkpoint", "only the first has no previous one")


def signed_root(attestation: dict) -> bytes:
    path, size = unhex(attestation["path"]), attestation["size"]
    fits = len(path) <= 63 if attestation["kind"] == "round" else size == 1 and not path
    leaf = records.checkpoint_hash(attestation["checkpoint"])
    root = lane_log.root_from_inclusion(leaf, attestation["index"], size, path) if fits else None
    require(root is not None, "path", "the checkpoint's inclusion proof does not fit")
    return root


def derived_key(attestation: dict, trust: dict) -> bytes:
    curve, checkpoint, domain = attestation["signature"]["scheme"], attestation["checkpoint"], trust
    root_key = trust[curve]
    require(root_key is not None, "no_root_key", f"the trust root pins no {curve} key")
    notation, encoded = root_key.split(":")
    require(notation == curve, "no_root_key", "the trust root's key is of another curve")
    if attestation["kind"] == "shard":
        path = shard_path(domain, checkpoint["shard"], checkpoint["key_epoch"])
    else:
        path = round_path(domain, curve)
    module = {"secp256k1": secp256k1, "ed25519": ed25519}[curve]
    return module.derive(base58.decode(encoded, KEY_BYTES[curve]), tweak(domain["bridge"], path))


def verify_attestation(attestation: dict, trust: dict) -> None:
    checkpoint, signature = attestation["checkpoint"], attestation["signature"]
    check_checkpoint(checkpoint)
    pinned = {field: trust[field] for field in ("network", "bridge", "instance")}
    require(checkpoint["domain"] == pinned, "other_bridge", "attested by another bridge than the pinned one")
    root = signed_root(attestation)
    key = derived_key(attestation, trust)
    kind = records.KINDS[attestation["kind"]]
    digest = attestation_digest(kind, pinned, root, signature["scheme"])
    if signature["scheme"] == "secp256k1":
        valid = secp256k1.recover(digest, bytes.fromhex(signature["rs"]), signature["recovery_id"]) == key
    else:
        valid = ed25519.verify(key, digest, bytes.fromhex(signature["signature"]))
    require(valid, "signature", "the signature is not the signer's for this checkpoint")


def verify_head(proof: dict, trust: dict) -> None:
    try:
        verify_attestation(proof["attestation"], trust)
    except Refused as refused:
        raise Refused("attestation", str(refused)) from refused
    require(len(proof["path"]) <= 256, "path_too_long", "a path longer than any trie is deep")
    head = proof["head"]
    root = head_trie.root_from_path(head["peer"], records.head(head), unhex(proof["path"]))
    expected = proof["attestation"]["checkpoint"]["heads_root"]
    require(root.hex() == expected, "head", "the head is not in the attested checkpoint")


def verify_message(proof: dict, trust: dict) -> dict:
    """The proved message, in the form of specs/vectors/messages.json."""
    check_origin(proof, FORMAT, trust)
    verify_head(proof["head"], trust)
    head = proof["head"]["head"]
    message = decoded(included(proof, head["sent_size"], head["sent_root"]))
    shard = proof["head"]["attestation"]["checkpoint"]["shard"]
    require(names.owns(shard, message["sender"]), "sender", f"{message['sender']} does not belong to {shard}")
    return message


def check_origin(proof: dict, expected: str, trust: dict) -> None:
    require(proof["format"] == expected, "format", f"unknown format {proof['format']!r}")
    require(proof["trust"] == trust, "other_trust_root", "made under another trust root than the pinned one")


def included(proof: dict, size: int, root: str) -> bytes:
    """The bytes of a message that is number `nonce` of the log of this size and root."""
    path = unhex(proof["inclusion"])
    require(len(path) <= 63, "path_too_long", "a path longer than any log is deep")
    data = base64.b64decode(proof["message"], validate=True)
    found = lane_log.root_from_inclusion(log_leaf(data), proof["nonce"], size, path)
    in_lane = found is not None and found.hex() == root
    require(in_lane, "message", f"the message is not number {proof['nonce']} of the lane")
    return data


def decoded(data: bytes) -> dict:
    try:
        return decode.message(data)
    except decode.Malformed as error:
        raise Refused("not_a_message", str(error)) from error


def deadline(message: dict) -> int | None:
    """The deadline that counts: results have none."""
    is_request = "result" not in message["body"] and message["deadline_ns"] is not None
    return int(message["deadline_ns"]) if is_request else None


def verify_delivery(proof: dict, trust: dict) -> str:
    """"delivered", or "decided" where no more follows."""
    check_origin(proof, DELIVERY_FORMAT, trust)
    verify_head(proof["head"], trust)
    head, checkpoint = proof["head"]["head"], proof["head"]["attestation"]["checkpoint"]
    data = included(proof, head["received_size"], head["received_root"])
    try:
        message = decode.message(data)
    except decode.Malformed:
        return "decided"
    spoken = names.owns(head["peer"], message["sender"]) and names.owns(checkpoint["shard"], message["receiver"])
    until = deadline(message)
    in_time = until is None or int(checkpoint["time_ns"]) < until
    return "delivered" if spoken and in_time and "data" in message["body"] else "decided"


def verify_expiry(proof: dict, trust: dict) -> str:
    """Why the message never runs."""
    check_origin(proof, EXPIRY_FORMAT, trust)
    verify_head(proof["sent"], trust)
    head = proof["sent"]["head"]
    data = included(proof, head["sent_size"], head["sent_root"])
    match proof["ground"]:
        case {"checkpoint": received}:
            verify_head(received, trust)
            check_ends(proof["sent"], received)
            until = deadline(decoded(data))
            time = int(received["attestation"]["checkpoint"]["time_ns"])
            require(until is not None and time >= until, "not_settled", "its deadline has not passed")
            require(proof["nonce"] >= received["head"]["received_size"], "not_settled", "it was decided before")
            return "expired"
        case {"result": result}:
            verify_head(result["head"], trust)
            check_ends(proof["sent"], result["head"])
            reverse = result["head"]["head"]
            message = decoded(included(result, reverse["sent_size"], reverse["sent_root"]))
            shard = result["head"]["attestation"]["checkpoint"]["shard"]
            require(names.owns(shard, message["sender"]), "sender", f"{message['sender']} does not belong to {shard}")
            content = message["body"].get("result", {"request_nonce": "-1", "outcome": {}})
            require(int(content["request_nonce"]) == proof["nonce"], "not_settled", "no result for this message")
            require("tombstone" in content["outcome"], "not_settled", "the result is no tombstone")
            return content["outcome"]["tombstone"]
    raise Refused("not_settled", "no known ground")


def check_ends(sent: dict, received: dict) -> None:
    """Whether two heads are of the two ends of one lane."""
    there, back = sent["head"], received["head"]
    of_one_lane = (
        sent["attestation"]["checkpoint"]["shard"] == back["peer"]
        and received["attestation"]["checkpoint"]["shard"] == there["peer"]
        and there["own_incarnation"] == back["peer_incarnation"]
        and there["peer_incarnation"] == back["own_incarnation"]
    )
    require(of_one_lane, "other_lane", "the heads are not of one lane")


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    proof, trust = (json.load(open(path, encoding="utf-8")) for path in arguments)
    try:
        match proof["format"]:
            case "private-shard-bridge delivery proof v1":
                print(f"message {proof['nonce']} is {verify_delivery(proof, trust)}")
                return 0
            case "private-shard-bridge expiry proof v1":
                print(f"message {proof['nonce']} never ran: {verify_expiry(proof, trust)}")
                return 0
        message = verify_message(proof, trust)
    except (Refused, KeyError, TypeError, ValueError, AssertionError, binascii.Error) as error:
        print(f"proves nothing: {error}", file=sys.stderr)
        return 1
    shard, peer = proof["head"]["attestation"]["checkpoint"]["shard"], proof["head"]["head"]["peer"]
    print(f"message {proof['nonce']} from {shard} to {peer}: {message['sender']} → {message['receiver']}")
    print(json.dumps(message["body"], ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
