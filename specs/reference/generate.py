#!/usr/bin/env python3
"""Writes specs/vectors/*.json, from nothing but the specification and fixed seeds.

    python3 specs/reference/generate.py           write the files
    python3 specs/reference/generate.py --check   compare with the files, write nothing

This is the independent reference: slow, written to be read, sharing no code with the bridge.
Writing the files again approves a new format. Don't do it merely to make a failing test pass.
"""

import sys

sys.dont_write_bytecode = True

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import decode
import ed25519
import files as lane_files
import lane_log
import secp256k1
import verify
from derivation import tweak
from hashing import seeded

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
FILES = [
    "merkle",
    "messages",
    "heads",
    "checkpoint",
    "attestation",
    "proofs",
    "batches",
    "evidence",
    "derivation",
    "statements",
    "salts",
    "frames",
    "settlement",
    "contract",
    "permissions",
]


def check_the_reference() -> None:
    """Values that others published, so that the reference isn't only consistent with itself."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert ed25519.public_key(seed).hex() == public, "RFC 8032 section 7.1, test 1"
    assert ed25519.verify(bytes.fromhex(public), b"", ed25519.sign(seed, b"")), "RFC 8032 section 7.1, test 1"
    assert secp256k1.multiply(secp256k1.N, secp256k1.G) is None, "SEC 2 section 2.4.1: the order of G"
    key, digest = secp256k1.public_key(7), seeded("a digest")
    assert secp256k1.recover(digest, *secp256k1.sign(7, digest)) == key, "SEC 1 section 4.1.6"
    mpc = "ad2d6fc1f445a1b43830415e7e6e3d03cd077673047848a085f130c24f53ee00"
    assert tweak("dwefqwg", "frwewegwegweg").hex() == mpc, "near/mpc's own vector"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert lane_log.root([]).hex() == empty, "SHA-256 of nothing"
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    eight = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert lane_log.root([bytes.fromhex(leaf) for leaf in leaves]).hex() == eight, "certificate transparency's own log"


def check_the_verifier(files: dict[str, dict]) -> None:
    """The reference verifies, decodes and refuses what the vectors say."""
    trust = files["attestation"]["trust"]
    for case in files["attestation"]["attestations"]:
        verify.verify_attestation(case["attestation"], trust)
    for case in files["attestation"]["refused"]:
        expect_refusal(case, lambda case: verify.verify_attestation(case["attestation"], trust))
    for case in files["proofs"]["proofs"]:
        verify.verify_message(case["proof"], trust)
    for case in files["proofs"]["refused"]:
        expect_refusal(case, lambda case: verify.verify_message(case["proof"], trust))
    check_settlement(files["settlement"])
    for case in files["batches"]["files"]:
        lane_files.verify_batch(case["file"], files["batches"]["trust"])
        assert len(lane_files.split_batch(bytes.fromhex(case["bytes"]))) == 1 + len(case["file"]["parts"])
    for case in files["batches"]["refused"]:
        expect_refusal(case, lambda case: lane_files.verify_batch(case["file"], files["batches"]["trust"]))
    for case in files["evidence"]["evidence"]:
        found = lane_files.verify_evidence(case["file"], files["evidence"]["trust"])
        assert found == case["proven"], f"{case['name']}: proven is {found}"
    for case in files["evidence"]["refused"]:
        expect_refusal(case, lambda case: lane_files.verify_evidence(case["file"], files["evidence"]["trust"]))
    for case in files["messages"]["messages"]:
        assert decode.message(bytes.fromhex(case["bytes"])) == case["message"], case["name"]
    for case in files["messages"]["refused"]:
        try:
            decode.message(bytes.fromhex(case["bytes"]))
        except decode.Malformed:
            continue
        raise AssertionError(f"the reference decodes {case['name']}")


def check_settlement(cases: dict) -> None:
    trust = cases["trust"]
    for case in cases["deliveries"]:
        assert verify.verify_delivery(case["proof"], trust) == case["verdict"], case["name"]
    for case in cases["refused_deliveries"]:
        expect_refusal(case, lambda case: verify.verify_delivery(case["proof"], trust))
    for case in cases["expiries"]:
        assert verify.verify_expiry(case["proof"], trust) == case["reason"], case["name"]
    for case in cases["refused_expiries"]:
        expect_refusal(case, lambda case: verify.verify_expiry(case["proof"], trust))


def expect_refusal(case: dict, attempt: Callable[[dict], object]) -> None:
    try:
        attempt(case)
    except verify.Refused as refused:
        assert refused.kind == case["error"], f"{case['name']}: {refused.kind}, expected {case['error']}"
        return
    raise AssertionError(f"the reference accepts {case['name']}")


def render(vectors: dict) -> str:
    """JSON with one case per line, so that a difference shows which case differs."""
    lines = []
    for key, value in vectors.items():
        if isinstance(value, list) and value:
            cases = ",\n".join(f"    {json.dumps(case, ensure_ascii=False)}" for case in value)
            lines.append(f"  {json.dumps(key)}: [\n{cases}\n  ]")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    check_the_reference()
    files = {name: importlib.import_module(f"cases.{name}").vectors() for name in FILES}
    check_the_verifier(files)
    differing = []
    for name in FILES:
        path = VECTORS / f"{name}.json"
        wanted = render(files[name])
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        differing.append(path.name)
        if not arguments:
            path.write_text(wanted, encoding="utf-8")
    unexpected = sorted(path.name for path in VECTORS.glob("*.json") if path.stem not in FILES)
    if unexpected:
        print(f"specs/vectors has files that no module makes: {', '.join(unexpected)}", file=sys.stderr)
        return 1
    if not arguments:
        print(f"wrote {', '.join(differing) or 'nothing: all files are up to date'}")
        return 0
    if differing:
        print(f"these vectors differ from the reference: {', '.join(differing)}", file=sys.stderr)
        return 1
    print(f"all {len(FILES)} vector files agree with the reference")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
