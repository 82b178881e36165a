"""batches.json: batch files, whole and broken."""

import files
import lane_log
from cases.messages import LANE
from cases.proofs import SENT, head_proof, lane_messages
from borsh import byte_string
from fixtures import DOMAIN, OTHER_INSTANCE, trust_root


def make_part(begin: int, end: int) -> dict:
    leaves = lane_messages()
    return {
        "end": end,
        "consistency": [value.hex() for value in lane_log.consistency(end, leaves)],
        "stream": b"".join(byte_string(message) for message in leaves[begin:end]).hex(),
    }


def make(ends: list[int], curve: str = "secp256k1", domain: dict = DOMAIN) -> dict:
    """A file whose first part begins at the first of `ends`."""
    begin = ends[0]
    pairs = list(zip(ends, ends[1:]))
    header = {
        "trust": trust_root(domain),
        "lane": LANE,
        "begin": {"size": begin, "peaks": [peak.hex() for peak in files.peaks(lane_messages()[:begin])]},
        "end": ends[-1],
        "head": head_proof(domain, curve),
    }
    return {"header": header, "parts": [make_part(*pair) for pair in pairs]}


def valid() -> list[tuple[str, dict]]:
    return [
        ("the whole lane", make([0, SENT])),
        ("a run from within", make([3, 7], "ed25519")),
        ("three parts", make([0, 1, 6, SENT])),
        ("nothing but the head, at the lane's end", make([SENT, SENT])),
        ("nothing but the head, before the lane's end", make([5, 5])),
        ("nothing but the head, for somebody who has nothing", make([0, 0])),
    ]


def refused() -> list[tuple[str, str, dict]]:
    good = make([3, 5, 7])
    header, parts = good["header"], good["parts"]
    begin, first, last = header["begin"], parts[0], parts[1]

    def with_header(**changes) -> dict:
        return {"header": header | changes, "parts": parts}

    def with_first(**changes) -> dict:
        return {"header": header, "parts": [first | changes, last]}

    flipped = bytearray.fromhex(first["stream"])
    flipped[-1] ^= 1
    return [
        ("a flipped bit of a message", "not_covered", with_first(stream=flipped.hex())),
        ("a message left out", "messages", with_first(stream=make_part(3, 4)["stream"])),
        ("a message too many", "messages", with_first(stream=make_part(3, 6)["stream"])),
        ("a message cut short", "messages", with_first(stream=first["stream"][:-2])),
        ("a length beyond the stream", "messages", with_first(stream="ffffffff" + first["stream"][8:])),
        ("messages of another place", "not_covered", with_first(stream=make_part(4, 6)["stream"])),
        ("a consistency proof cut short", "not_covered", with_first(consistency=first["consistency"][:-1])),
        ("another part's proof", "not_covered", with_first(consistency=last["consistency"])),
        ("another prefix", "not_covered", with_header(begin=begin | {"peaks": ["11" * 32, "22" * 32]})),
        ("a part left out", "cut_short", {"header": header, "parts": [first]}),
        ("no part", "cut_short", {"header": header, "parts": []}),
        ("parts in the other order", "messages", {"header": header, "parts": [last, first]}),
        ("a part twice", "after_end", {"header": header, "parts": [first, last, last]}),
        ("an empty part among others", "empty_part", {"header": header, "parts": [make_part(3, 3), first, last]}),
        ("a part beyond the end", "messages", {"header": header, "parts": [first, make_part(5, 8)]}),
        ("an end before the begin", "range", with_header(end=2)),
        ("an end beyond what is attested", "range", with_header(end=SENT + 1)),
        ("another destination", "other_lane", with_header(lane=LANE | {"destination": "gamma"})),
        ("another source", "other_lane", with_header(lane=LANE | {"source": "gamma"})),
        ("another incarnation", "other_lane", with_header(lane=LANE | {"source_incarnation": 1})),
        ("another bridge instance", "head", make([3, 7], domain=OTHER_INSTANCE)),
        (
            "another bridge instance, renamed to the pinned one",
            "head",
            make([3, 7], domain=OTHER_INSTANCE) | {"header": make([3, 7], domain=OTHER_INSTANCE)["header"] | {"trust": trust_root(DOMAIN)}},
        ),
    ]


def broken() -> list[tuple[str, str, bytes]]:
    """Bytes that are no batch file."""
    good = make([3, 5, 7])
    whole, header = files.batch(good), files.header(good["header"])
    magic = files.MAGIC
    return [
        ("nothing", "format", b""),
        ("another version", "format", magic.replace(b"v1", b"v2") + whole[len(magic) :]),
        ("JSON", "format", b"{}"),
        ("a header of 4 GiB", "decode", magic + b"\xff\xff\xff\xff"),
        ("a header above its limit", "decode", magic + (64 * 1024 + 1).to_bytes(4, "little")),
        ("a header with a trailing byte", "decode", magic + byte_string(header + b"\x00")),
        ("a header with more peaks than its size has", "decode", magic + byte_string(files.header(
            good["header"] | {"begin": {"size": 4, "peaks": good["header"]["begin"]["peaks"]}}
        ))),
        ("a part of 4 GiB", "decode", magic + byte_string(header) + b"\xff\xff\xff\xff"),
        ("a part with a trailing byte", "decode", magic + byte_string(header) + byte_string(
            files.part(good["parts"][0]) + b"\x00"
        )),
        ("cut short within the header", "format", whole[:100]),
        ("cut short within a part", "cut_short", whole[:-1]),
        ("cut short behind a part", "cut_short", files.batch(good | {"parts": good["parts"][:1]})),
        ("a byte behind the end", "after_end", whole + b"\x00"),
    ]


def vectors() -> dict:
    return {
        "about": "Batch files, verified under this trust root; files that prove nothing; bytes that are none.",
        "trust": trust_root(DOMAIN),
        "files": [
            {"name": name, "file": value, "bytes": files.batch(value).hex()} for name, value in valid()
        ],
        "refused": [
            {"name": name, "error": error, "file": value, "bytes": files.batch(value).hex()}
            for name, error, value in refused()
        ],
        "broken": [{"name": name, "error": error, "bytes": data.hex()} for name, error, data in broken()],
    }
