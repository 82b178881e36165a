"""attestation.json: attestations of both kinds and curves, and what doesn't verify."""

import lane_log
import records
import secp256k1
from derivation import attestation_digest, round_path, shard_path
from fixtures import (
    DOMAIN,
    OTHER_ACCOUNT,
    OTHER_INSTANCE,
    attest,
    chain_sign,
    derived_key,
    flip_bit,
    make_checkpoint,
    near_key,
    trust_root,
)
from hashing import seeded

SHARDS = ["alpha", "beta", "gamma", "delta", "epsilon"]


def attest_round(checkpoints: list[dict], index: int, curve: str) -> dict:
    """The attestation of one of the checkpoints of a round."""
    leaves = [records.checkpoint(checkpoint) for checkpoint in checkpoints]
    digest = attestation_digest(1, DOMAIN, lane_log.root(leaves), curve)
    return {
        "kind": "round",
        "checkpoint": checkpoints[index],
        "index": index,
        "size": len(leaves),
        "path": [sibling.hex() for sibling in lane_log.inclusion(index, leaves)],
        "signature": chain_sign(curve, DOMAIN["bridge"], round_path(DOMAIN, curve), digest),
    }


def round_checkpoints() -> list[dict]:
    return [make_checkpoint(DOMAIN, shard, 9, seeded(f"heads of {shard}")) for shard in SHARDS]


def valid() -> list[tuple[str, dict]]:
    first = make_checkpoint(DOMAIN, "alpha", 0, seeded("heads"))
    later = make_checkpoint(DOMAIN, "alpha", 70, seeded("heads"), key_epoch=2, epoch_first_height=64)
    cases = []
    for curve in ("secp256k1", "ed25519"):
        cases.append((f"shard, {curve}", attest(first, curve)))
        cases.append((f"shard in key epoch 2, {curve}", attest(later, curve)))
        cases.append((f"round of five, {curve}", attest_round(round_checkpoints(), 3, curve)))
        cases.append((f"last of a round of five, {curve}", attest_round(round_checkpoints(), 4, curve)))
        cases.append((f"round of one, {curve}", attest_round(round_checkpoints()[:1], 0, curve)))
    return cases


def described(name: str, attestation: dict) -> dict:
    checkpoint = attestation["checkpoint"]
    of, curve = checkpoint["domain"], attestation["signature"]["scheme"]
    if attestation["kind"] == "shard":
        path = shard_path(of, checkpoint["shard"], checkpoint["key_epoch"])
        root = records.checkpoint_hash(checkpoint)
    else:
        path = round_path(of, curve)
        count = attestation["size"]
        root = lane_log.root([records.checkpoint(each) for each in round_checkpoints()[:count]])
    kind = records.KINDS[attestation["kind"]]
    return {
        "name": name,
        "attestation": attestation,
        "bytes": records.attestation(attestation).hex(),
        "root": root.hex(),
        "digest": attestation_digest(kind, of, root, curve).hex(),
        "path": path,
        "key": near_key(curve, derived_key(curve, of["bridge"], path)),
    }


def broken_signatures(curve: str) -> list[tuple[str, str, dict]]:
    good = attest(make_checkpoint(DOMAIN, "alpha", 5, seeded("heads")), curve)
    checkpoint, signature = good["checkpoint"], good["signature"]
    field = "rs" if curve == "secp256k1" else "signature"
    raw = bytes.fromhex(signature[field])

    def signed(changes: dict) -> dict:
        return good | {"signature": signature | changes}

    other_path = shard_path(DOMAIN, "alpha", 1)
    digest = attestation_digest(0, DOMAIN, records.checkpoint_hash(checkpoint), curve)
    as_round = attestation_digest(1, DOMAIN, records.checkpoint_hash(checkpoint), curve)
    own_path = shard_path(DOMAIN, "alpha", 0)
    cases = [
        ("a flipped bit of the signature", "signature", signed({field: flip_bit(raw, 0).hex()})),
        ("another bit of the signature", "signature", signed({field: flip_bit(raw, 300).hex()})),
        ("a signature of zeros", "signature", signed({field: bytes(64).hex()})),
        ("another height", "signature", good | {"checkpoint": checkpoint | {"height": 6}}),
        ("another root of heads", "signature", good | {"checkpoint": checkpoint | {"heads_root": seeded("x").hex()}}),
        ("another shard", "signature", good | {"checkpoint": checkpoint | {"shard": "beta"}}),
        ("another key epoch", "signature", good | {"checkpoint": checkpoint | {"key_epoch": 1}}),
        ("a shard's signature called a round's", "signature", good | {"kind": "round"}),
        (
            "signed for another path",
            "signature",
            good | {"signature": chain_sign(curve, DOMAIN["bridge"], other_path, digest)},
        ),
        (
            "signed for another caller",
            "signature",
            good | {"signature": chain_sign(curve, OTHER_ACCOUNT["bridge"], own_path, digest)},
        ),
        (
            "signed as another kind",
            "signature",
            good | {"signature": chain_sign(curve, DOMAIN["bridge"], own_path, as_round)},
        ),
    ]
    if curve == "secp256k1":
        r, s = raw[:32], int.from_bytes(raw[32:], "big")
        high = r + (secp256k1.N - s).to_bytes(32, "big")
        flipped = signature["recovery_id"] ^ 1
        cases += [
            ("a high s", "signature", signed({"rs": high.hex(), "recovery_id": flipped})),
            ("the other recovery id", "signature", signed({"recovery_id": flipped})),
            ("a recovery id of 4", "signature", signed({"recovery_id": 4})),
        ]
    return [(f"{name}, {curve}", error, value) for name, error, value in cases]


def broken_shapes() -> list[tuple[str, str, dict]]:
    good = attest(make_checkpoint(DOMAIN, "alpha", 5, seeded("heads")), "secp256k1")
    in_round = attest_round(round_checkpoints(), 3, "secp256k1")
    path = in_round["path"]
    elsewhere = [
        (name, attest(make_checkpoint(other, "alpha", 5, seeded("heads")), curve))
        for name, other in (("another instance", OTHER_INSTANCE), ("another bridge account", OTHER_ACCOUNT))
        for curve in ("secp256k1", "ed25519")
    ]
    contradicting = make_checkpoint(DOMAIN, "alpha", 5, seeded("heads"), epoch_first_height=6)
    return [(f"{name}, {value['signature']['scheme']}", "other_bridge", value) for name, value in elsewhere] + [
        ("below its key epoch", "checkpoint", attest(contradicting, "secp256k1")),
        ("a shard's tree of two", "path", good | {"size": 2, "path": [seeded("x").hex()]}),
        ("a shard's tree of one with a path", "path", good | {"path": [seeded("x").hex()]}),
        ("an index beyond the tree", "path", good | {"index": 1}),
        ("a tree of none", "path", good | {"size": 0}),
        ("a round's path cut short", "path", in_round | {"path": path[:-1]}),
        ("a round's path too long", "path", in_round | {"path": path + path[-1:]}),
        ("64 siblings in a round", "path", in_round | {"path": (path * 64)[:64], "size": 2**64 - 1}),
        ("another index in a round", "signature", in_round | {"index": 2}),
        ("a round's siblings in another order", "signature", in_round | {"path": path[::-1]}),
        ("a round's signature called a shard's", "path", in_round | {"kind": "shard"}),
    ]


def refused_bytes() -> list[tuple[str, bytes]]:
    good = attest(make_checkpoint(DOMAIN, "alpha", 5, seeded("heads")), "secp256k1")
    whole = records.attestation(good)
    signature_at = len(whole) - len(records.chain_signature(good["signature"]))
    return [
        ("reserved kind 2", b"\x02" + whole[1:]),
        ("an unknown curve", whole[:signature_at] + b"\x02" + whole[signature_at + 1 :]),
        ("a length beyond the end", whole[: signature_at - 4] + b"\xff\xff\xff\xff" + whole[signature_at:]),
        ("cut short", whole[:-1]),
        ("a trailing byte", whole + b"\x00"),
    ]


def vectors() -> dict:
    broken = broken_signatures("secp256k1") + broken_signatures("ed25519") + broken_shapes()
    return {
        "about": "Attestations, verified under this trust root.",
        "trust": trust_root(DOMAIN),
        "attestations": [described(name, value) for name, value in valid()],
        "refused": [{"name": name, "error": error, "attestation": value} for name, error, value in broken],
        "refused_bytes": [{"name": name, "bytes": value.hex()} for name, value in refused_bytes()],
    }
