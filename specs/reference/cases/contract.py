"""contract.json: the arguments of `attest`, and the JSON that the contract's callers read."""

import ed25519
import records
from cases.statements import SEED, signed_bytes
from derivation import round_path, shard_path
from fixtures import DOMAIN, attest, derived_key, make_checkpoint, near_key
from hashing import seeded
from records import checkpoint_hash


def vectors() -> dict:
    first = make_checkpoint(DOMAIN, "alpha", 0, seeded("heads"))
    scope = {"domain": DOMAIN, "shard": "alpha", "members_version": 0}
    endorsement = ed25519.sign(SEED, signed_bytes(scope, {"endorse": {"checkpoint": checkpoint_hash(first).hex()}}))
    arguments = {"checkpoint": first, "endorsements": [{"member": 0, "signature": endorsement.hex()}]}
    signature = attest(first, "secp256k1")["signature"]
    subject = {"shard": "alpha", "height": 0, "hash": checkpoint_hash(first).hex()}
    member = near_key("ed25519", ed25519.public_key(SEED))
    key = near_key("secp256k1", derived_key("secp256k1", DOMAIN["bridge"], shard_path(DOMAIN, "alpha", 0)))
    tip = {"checkpoint": first, "hash": subject["hash"]}
    rotation = {"members": [member], "threshold": 1, "ready_at_ns": "1790000000000000000"}
    position = {"curve": "secp256k1", "round": 3, "index": 9}
    rounds_key = near_key("secp256k1", derived_key("secp256k1", DOMAIN["bridge"], round_path(DOMAIN, "secp256k1")))
    round_signed = {"curve": "secp256k1", "round": 3, "size": 10, "root": seeded("root").hex(), "signature": signature}
    rounds = {"open": 4, "size": 2, "closing": None, "closable_at_ns": "1790000000000000000", "pot_yocto": "9"}
    two = [endorsement, ed25519.sign(SEED, b"of another member")]
    by_two = {"checkpoint": first, "endorsements": [{"member": m, "signature": s.hex()} for m, s in zip((0, 63), two)]}
    ends = {"shard": "alpha", "peer": "beta"}
    terms = {
        "message_bytes_max": 65536,
        "result_bytes_max": 4096,
        "call_window": 64,
        "call_gas_max": "100000000000000",
        "deadline_ms": 60000,
        "permissions": "everybody",
    }
    wider = terms | {"deadline_ms": None, "permissions": {"public": "*.alpha pay.beta"}}
    stops = {"inbound": False, "outbound": False}
    lane_view = ends | {"status": "open", "terms": terms, "proposed": None, "proposed_by_peer": None}
    lane_view |= {"stops": stops, "peer_stops": stops, "frozen_height": None, "peer_frozen_height": None}
    lane = {"source": "alpha", "destination": "beta", "source_incarnation": 0, "destination_incarnation": 1}
    attested = {"shard": "alpha", "height": 21, "time_ns": "1790000021000000000", "size": 11, "status": "active"}
    decided = {"shows": "decided", "reason": "by the checkpoint's time it is expired"}
    events = [
        ("shard_reserved", {"shard": "alpha", "owner": "alpha.test.near"}),
        ("shard_activated", {"shard": "alpha", "key_epoch": 0, "public_key": key}),
        ("shard_activation_failed", {"shard": "alpha"}),
        ("shard_lapsed", {"shard": "alpha"}),
        ("members_rotated", {"shard": "alpha", "members_version": 1}),
        ("rotation_proposed", {"shard": "alpha", "ready_at_ns": "1790000000000000000"}),
        ("rotation_cancelled", {"shard": "alpha"}),
        ("epoch_opened", {"shard": "alpha", "key_epoch": 1, "first_height": 7, "incarnation": 1}),
        ("shard_paused", {"shard": "alpha"}),
        ("shard_resumed", {"shard": "alpha"}),
        ("shard_retired", {"shard": "alpha"}),
        ("attested", subject | {"signature": signature}),
        ("attestation_failed", subject | {"reason": "signer_failed"}),
        ("attestation_failed", subject | {"reason": "unknown_answer"}),
        ("attestation_failed", subject | {"reason": "wrong_signature"}),
        ("round_signed", round_signed),
        ("round_failed", {"curve": "ed25519", "round": 3, "reason": "signer_failed"}),
        ("lane_proposed", ends),
        ("lane_agreed", {"shard": "beta", "peer": "alpha"}),
        ("lane_proposal_withdrawn", ends),
        ("lane_stops_changed", ends | {"stops": {"inbound": True, "outbound": False}}),
        ("shard_frozen", {"shard": "alpha", "height": 7}),
        ("lane_frozen", ends | {"height": 7}),
        ("freeze_lifted", {"shard": "alpha", "peer": None, "height": 7}),
    ]
    return {
        "about": "Borsh arguments of attest; JSON of results, views and events.",
        "attest_args": [{"args": args, "bytes": records.attest_args(args).hex()} for args in (arguments, by_two)],
        "attest_results": [{"status": "attested", "signature": signature}, {"status": "failed"}],
        "submit_results": [
            {"status": "submitted", "position": position},
            {"status": "attested", "signature": signature},
        ],
        "tip_views": [
            tip | {"attested": None, "signature": None, "attempts": 1, "last_failure_block": 7, "round": None},
            tip | {"attested": "round", "signature": None, "attempts": 0, "last_failure_block": None, "round": position},
            tip | {"attested": "shard", "signature": signature, "attempts": 2, "last_failure_block": 7, "round": position},
        ],
        "rounds_views": [rounds | {"public_key": None}, rounds | {"closing": 3, "public_key": rounds_key}],
        "shard_views": [
            {
                "shard": "alpha",
                "owner": "alpha.test.near",
                "status": "active",
                "members": [member],
                "threshold": 1,
                "members_version": 0,
                "transport_keys": [member],
                "addresses": ["127.0.0.1:4001"],
                "curve": "secp256k1",
                "key_epoch": 0,
                "epoch_first_height": 0,
                "incarnation": 0,
                "public_key": key,
                "rotation": rotation,
                "frozen_height": None,
                "balance_yocto": "1000000000000000000000000",
            }
        ],
        "lane_views": [
            lane_view,
            lane_view | {"status": "proposed", "terms": None, "proposed_by_peer": wider},
            lane_view
            | {"status": "frozen", "proposed": terms | {"permissions": {"private": "ab" * 32}}}
            | {"stops": {"inbound": True, "outbound": True}, "frozen_height": 7, "peer_frozen_height": 9},
        ],
        "verifications": [
            {"verified": True, "shows": "sent", "reason": None, "lane": lane, "nonce": 3, "attested": [attested]},
            {"verified": True} | decided | {"lane": lane, "nonce": 3, "attested": [attested | {"status": "retired"}]},
            {"verified": False, "reason": "shard gamma is not registered at this bridge"},
        ],
        "events": [{"event": name, "data": [data]} for name, data in events],
    }
