"""frames.json: what peers send each other, and what drops a connection."""

import lane_log
import records
from cases.messages import LANE, make
from cases.proofs import SENT, head_proof, lane_messages
from borsh import byte_string, u32, u64
from fixtures import DOMAIN

FRAME_BYTES_MAX = 256 * 1024


def receiver_frames() -> list[dict]:
    held, staged = lane_messages()[:7], lane_messages()[:9]
    return [
        {"open": {"lane": LANE} | sizes([], [])},
        {"open": {"lane": LANE | {"source_incarnation": 2}} | sizes(held, staged)},
        {"ack": {"size": 0}},
        {"ack": {"size": 2**64 - 1}},
        {"staged": {"size": 9}},
    ]


def sizes(held: list[bytes], staged: list[bytes]) -> dict:
    return {
        "size": len(held),
        "root": lane_log.root(held).hex(),
        "staged_size": len(staged),
        "staged_root": lane_log.root(staged).hex(),
    }


def sender_frames() -> list[dict]:
    proof = head_proof(DOMAIN, "secp256k1")
    consistency = [value.hex() for value in lane_log.consistency(7, lane_messages())]
    batch = b"".join(byte_string(message) for message in lane_messages()[7:9])
    return [
        {"data": batch.hex()},
        {"data": byte_string(records.message(make(0, {"data": b"hello".hex()}))).hex()},
        {"data": batch[:5].hex()},
        {"data": ""},
        {"mark": {"size": 9}},
        {"begin": {"size": 7}},
        {"wish": {"time_ns": "1790000001000000000"}},
        {"wish": {"time_ns": str(2**64 - 1)}},
        {"release": {"end": SENT, "head": proof, "consistency": []}},
        {"release": {"end": 7, "head": head_proof(DOMAIN, "ed25519"), "consistency": consistency}},
    ]


def refused() -> list[tuple[str, str, bytes]]:
    """For each side's reader: frame bodies that are none."""
    opened, _, ack, *_ = (records.receiver_frame(frame) for frame in receiver_frames())
    data, *_, release, _ = (records.sender_frame(frame) for frame in sender_frames())
    return [
        ("sender", "no variant", b""),
        ("sender", "an unknown variant", b"\x03" + ack[1:]),
        ("sender", "a frame of the other direction", data),
        ("sender", "cut short", ack[:-1]),
        ("sender", "a trailing byte", ack + b"\x00"),
        ("sender", "an open cut short", opened[:-1]),
        ("sender", "an open for a reserved shard", opened[:1] + byte_string(b"near") + opened[1 + 4 + 5 :]),
        ("receiver", "no variant", b""),
        ("receiver", "a mark cut short", b"\x11" + u64(1)[:-1]),
        ("receiver", "an unknown variant", b"\x15" + u64(1)),
        ("receiver", "a wish without a time", b"\x12"),
        ("receiver", "a wish with a trailing byte", b"\x12" + u64(1) + b"\x00"),
        ("receiver", "a frame of the other direction", ack),
        ("receiver", "data of a length beyond the end", b"\x10" + u32(2**32 - 1) + b"hello"),
        ("receiver", "data with a trailing byte", data + b"\x00"),
        ("receiver", "data cut short", data[:-1]),
        ("receiver", "a release cut short", release[:-1]),
        ("receiver", "a release with a trailing byte", release + b"\x00"),
    ]


def vectors() -> dict:
    headers = [0, 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 2**31, 2**32 - 1]
    return {
        "about": "Frames with their length, as they stand on the stream; bodies that a reader refuses; lengths.",
        "receiver_frames": [
            {"frame": frame, "bytes": records.framed(records.receiver_frame(frame)).hex()}
            for frame in receiver_frames()
        ],
        "sender_frames": [
            {"frame": frame, "bytes": records.framed(records.sender_frame(frame)).hex()} for frame in sender_frames()
        ],
        "refused": [{"reader": reader, "name": name, "body": body.hex()} for reader, name, body in refused()],
        "lengths": [
            {"header": u32(length).hex(), "length": length, "accepted": length <= FRAME_BYTES_MAX}
            for length in headers
        ],
    }
