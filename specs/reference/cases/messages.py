"""messages.json: each kind of message, and bytes that are none."""

from borsh import byte_string, text, u8, u32, u64
from fixtures import message_salt
from records import TOMBSTONES, message

LANE = {"source": "alpha", "destination": "beta", "source_incarnation": 0, "destination_incarnation": 0}
ETH_IMPLICIT = "0x06012c8cf97bead5deae237070f9587f8e7a266d"
NEAR_IMPLICIT = "98793cd91a3f870fb126f66285808c7e094afcfc4eda8a970f6648cdf0dbd6de"


def make(nonce: int, body: dict, **changes) -> dict:
    return {
        "version": 1,
        "salt": message_salt(LANE, nonce).hex(),
        "sender": "ann.alpha",
        "receiver": "bob.beta",
        "deadline_ns": None,
        "body": body,
    } | changes


def function_call(method: str) -> dict:
    return {"function_call": {"method": method, "args": "7b7d", "gas": "30000000000000", "deposit_yocto": "1"}}


def call(actions: list[dict], promise_results: list[dict]) -> dict:
    return {"call": {"refund_to": "ann.alpha", "actions": actions, "promise_results": promise_results}}


def result(request_nonce: int, outcome: dict) -> dict:
    return {"result": {"request_nonce": str(request_nonce), "outcome": outcome}}


def valid() -> list[tuple[str, dict]]:
    transfer = {"transfer": {"deposit_yocto": str(2**128 - 1)}}
    all_results = [{"successful": "00ff"}, {"failed": None}, {"successful": ""}]
    return [
        ("data", make(0, {"data": b"hello".hex()})),
        ("data without content", make(1, {"data": ""})),
        ("data with a deadline", make(2, {"data": "00"}, deadline_ns=str(2**64 - 1))),
        ("data from the shard's own account", make(3, {"data": "00"}, sender="alpha", receiver="beta")),
        ("a call with one action", make(4, call([function_call("transfer")], []))),
        ("a call with actions and promise results", make(5, call([function_call("a"), transfer], all_results))),
        ("a call with as many actions as can be", make(6, call([transfer] * 100, []))),
        ("a call with as many promise results as can be", make(7, call([transfer], [{"failed": None}] * 128))),
        ("a call with the longest method name", make(8, call([function_call("m" * 256)], []))),
        ("a success", make(9, result(0, {"success": b"42".hex()}))),
        ("a failure", make(10, result(2**64 - 1, {"failure": "no such method"}))),
        ("the longest failure", make(11, result(1, {"failure": "é" * 512}))),
    ] + [(f"tombstone {name}", make(12, result(7, {"tombstone": name}))) for name in TOMBSTONES]


def breaks_a_rule() -> list[tuple[str, dict]]:
    transfer = {"transfer": {"deposit_yocto": "0"}}
    return [
        ("an Ethereum-implicit sender", make(0, {"data": ""}, sender=ETH_IMPLICIT)),
        ("an Ethereum-implicit receiver", make(0, {"data": ""}, receiver=ETH_IMPLICIT)),
        ("a NEAR-implicit sender", make(0, {"data": ""}, sender=NEAR_IMPLICIT)),
        ("a NEAR-implicit receiver", make(0, {"data": ""}, receiver=NEAR_IMPLICIT)),
        ("a call without actions", make(0, call([], []))),
        ("an action too many", make(0, call([transfer] * 101, []))),
        ("a promise result too many", make(0, call([transfer], [{"failed": None}] * 129))),
        ("a method without a name", make(0, call([function_call("")], []))),
        ("a method name too long", make(0, call([function_call("m" * 257)], []))),
        ("a failure's reason too long", make(0, result(0, {"failure": "é" * 512 + "!"}))),
    ]


def malformed() -> list[tuple[str, bytes]]:
    whole = message(make(0, {"data": b"hello".hex()}))
    front = whole[: 1 + 32]
    names = text("ann.alpha") + text("bob.beta")
    no_deadline = u8(0)
    data_without_content = u8(0) + byte_string(b"")

    def between(sender: bytes) -> bytes:
        return front + byte_string(sender) + text("bob.beta") + no_deadline + data_without_content

    return [
        ("nothing", b""),
        ("only a version", u8(1)),
        ("cut short", whole[:-1]),
        ("a trailing byte", whole + b"\x00"),
        ("an unknown kind", front + names + no_deadline + u8(3) + byte_string(b"hello")),
        ("an option that is neither", front + names + u8(2) + u8(0) + byte_string(b"hello")),
        ("a length beyond the end", front + names + no_deadline + u8(0) + b"\xff\xff\xff\xff" + b"hello"),
        ("a sender in capitals", between(b"Ann.alpha")),
        ("a sender that is no text", between(b"\xff\xfe")),
        ("an unknown action", front + names + no_deadline + u8(1) + text("ann.alpha") + u32(1) + u8(2) + bytes(20)),
        ("an unknown outcome", front + names + no_deadline + u8(2) + u64(0) + u8(3)),
        ("an unknown tombstone", front + names + no_deadline + u8(2) + u64(0) + u8(2) + u8(6)),
    ]


def vectors() -> dict:
    refused = [{"name": name, "error": "rule", "bytes": message(value).hex()} for name, value in breaks_a_rule()]
    refused += [{"name": name, "error": "malformed", "bytes": value.hex()} for name, value in malformed()]
    for version in (0, 2, 255):
        value = message(make(0, {"data": ""}, version=version))
        refused.append({"name": f"version {version}", "error": "unknown_version", "bytes": value.hex()})
    return {
        "about": "Messages and their bytes. Byte strings are hex; 64- and 128-bit numbers are strings.",
        "messages": [
            {"name": name, "message": value, "bytes": message(value).hex()} for name, value in valid()
        ],
        "refused": refused,
    }
