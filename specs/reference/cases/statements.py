"""statements.json: what members sign."""

import ed25519
import records
from fixtures import DOMAIN, OTHER_ACCOUNT, OTHER_INSTANCE, flip_bit
from hashing import TAG, seeded

SEED = seeded("member")
SCOPE = {"domain": DOMAIN, "shard": "alpha", "members_version": 3}


def signed_bytes(scope: dict, statement: dict) -> bytes:
    purpose, content = records.statement(statement)
    return TAG[purpose] + records.scope(scope) + content


def vectors() -> dict:
    endorse = {"endorse": {"checkpoint": seeded("checkpoint").hex()}}
    members = [ed25519.public_key(seeded(f"member {number}")).hex() for number in range(3)]
    statements = [
        endorse,
        {"rotate": {"members": members, "threshold": 2}},
        {"rekey": {"key_epoch": 4, "curve": "secp256k1"}},
        {"rekey": {"key_epoch": 5, "curve": "ed25519"}},
        {"lift": {"peer": None, "evidence_floor": 21}},
        {"lift": {"peer": "beta", "evidence_floor": 22}},
    ]
    good = ed25519.sign(SEED, signed_bytes(SCOPE, endorse))
    content = signed_bytes(SCOPE, endorse)[len(TAG["endorse"]) :]

    def elsewhere(**changes) -> bytes:
        return ed25519.sign(SEED, signed_bytes(SCOPE | changes, endorse))

    refused = [
        ("a flipped bit", flip_bit(good, 77)),
        ("another member's", ed25519.sign(seeded("member 0"), signed_bytes(SCOPE, endorse))),
        ("another checkpoint's", ed25519.sign(SEED, signed_bytes(SCOPE, {"endorse": {"checkpoint": bytes(32).hex()}}))),
        ("made to another instance", elsewhere(domain=OTHER_INSTANCE)),
        ("made to another bridge account", elsewhere(domain=OTHER_ACCOUNT)),
        ("made to another network", elsewhere(domain=DOMAIN | {"network": "testnet"})),
        ("made for another shard", elsewhere(shard="beta")),
        ("made by an earlier set of members", elsewhere(members_version=2)),
        ("made by a later set of members", elsewhere(members_version=4)),
        ("made under the tag rotate", ed25519.sign(SEED, TAG["rotate"] + content)),
        ("made under the tag lift", ed25519.sign(SEED, TAG["lift"] + content)),
        ("made under the tag attestation", ed25519.sign(SEED, TAG["attestation"] + content)),
        ("made without a tag", ed25519.sign(SEED, content)),
    ]
    return {
        "about": "Member statements under one scope; the refused ones are signatures for the first statement.",
        "scope": SCOPE,
        "member": ed25519.public_key(SEED).hex(),
        "statements": [
            {
                "statement": statement,
                "signed_bytes": signed_bytes(SCOPE, statement).hex(),
                "signature": ed25519.sign(SEED, signed_bytes(SCOPE, statement)).hex(),
            }
            for statement in statements
        ],
        "refused": [{"name": name, "signature": signature.hex()} for name, signature in refused],
    }
