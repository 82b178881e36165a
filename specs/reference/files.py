"""Batch files and evidence files: see specs/files.md."""

import decode
import lane_log
import records
import verify
from borsh import byte_string, option, u8, u64
from hashing import log_leaf, log_node
from verify import require, unhex

MAGIC = b"private-shard-bridge batch v1\n"
EVIDENCE = "private-shard-bridge evidence v1"
HEADER_BYTES_MAX = 64 * 1024
PART_BYTES_MAX = 4 * 1024 * 1024 + 4 * 1024
FILE_MESSAGE_BYTES_MAX = 1024**3
KEYS = [("secp256k1", 64), ("ed25519", 32)]


def trust_root(value: dict) -> bytes:
    keys = b""
    for variant, (curve, size) in enumerate(KEYS):
        key = value[curve]
        raw = None if key is None else verify.base58.decode(key.split(":")[1], size)
        keys += option(None if raw is None else u8(variant) + raw)
    return records.domain(value) + keys


def header(value: dict) -> bytes:
    begin = value["begin"]
    return (
        trust_root(value["trust"])
        + records.lane(value["lane"])
        + u64(begin["size"])
        + records.hashes(begin["peaks"])
        + u64(value["end"])
        + records.head_proof(value["head"])
    )


def part(value: dict) -> bytes:
    return u64(value["end"]) + records.hashes(value["consistency"]) + byte_string(bytes.fromhex(value["stream"]))


def batch(value: dict) -> bytes:
    return MAGIC + byte_string(header(value["header"])) + b"".join(byte_string(part(item)) for item in value["parts"])


def split_batch(data: bytes) -> list[bytes]:
    """The bytes of the header and of each part."""
    require(data.startswith(MAGIC), "format", "not a batch file")
    reader, bodies = decode.Reader(data[len(MAGIC) :]), []
    while reader.data or not bodies:
        limit = PART_BYTES_MAX if bodies else HEADER_BYTES_MAX
        size = reader.number(4)
        require(size <= limit, "decode", "a piece that is too long")
        bodies.append(reader.take(size))
    return bodies


def peaks(leaves: list[bytes]) -> list[bytes]:
    """The roots of the maximal perfect subtrees, largest first."""
    if not leaves:
        return []
    size = 1
    while size * 2 <= len(leaves):
        size *= 2
    return [lane_log.root(leaves[:size])] + peaks(leaves[size:])


def append(size: int, hashes: list[bytes], leaf: bytes) -> list[bytes]:
    """The peaks with one leaf more."""
    while size % 2 == 1:
        leaf, hashes, size = log_node(hashes[-1], leaf), hashes[:-1], size // 2
    return hashes + [leaf]


def root_of(hashes: list[bytes]) -> bytes:
    if not hashes:
        return lane_log.root([])
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = log_node(left, root)
    return root


def root_from_consistency(old: int, old_root: bytes, new: int, proof: list[bytes]) -> bytes | None:
    """The root at `new` to which a consistency proof leads (RFC 6962 section 2.1.2), recursively."""
    if old == new:
        return old_root if not proof else None
    if old == 0 or old > new:
        return None

    def walk(old: int, new: int, proof: list[bytes], is_whole: bool) -> tuple[bytes, bytes] | None:
        """The roots at both sizes of a subtree."""
        if old == new:
            if is_whole:
                return (old_root, old_root) if not proof else None
            return (proof[0], proof[0]) if len(proof) == 1 else None
        if not proof:
            return None
        k = lane_log.split(new)
        if old <= k:
            found = walk(old, k, proof[:-1], is_whole)
            return found and (found[0], log_node(found[1], proof[-1]))
        found = walk(old - k, new - k, proof[:-1], False)
        return found and (log_node(proof[-1], found[0]), log_node(proof[-1], found[1]))

    roots = walk(old, new, proof, True)
    return roots[1] if roots and roots[0] == old_root else None


def is_of(proof: dict, lane: dict) -> bool:
    head, shard = proof["head"], proof["attestation"]["checkpoint"]["shard"]
    found = (shard, head["peer"], head["own_incarnation"], head["peer_incarnation"])
    return found == (lane["source"], lane["destination"], lane["source_incarnation"], lane["destination_incarnation"])


def messages(stream: bytes) -> list[bytes]:
    reader, found = decode.Reader(stream), []
    try:
        while reader.data:
            found.append(reader.byte_string())
    except decode.Malformed as error:
        raise verify.Refused("messages", str(error)) from error
    require(all(len(message) <= decode.MESSAGE_BYTES_MAX for message in found), "messages", "one is too long")
    return found


def verify_batch(value: dict, trust: dict) -> None:
    head_of_file, parts = value["header"], value["parts"]
    require(head_of_file["trust"] == trust, "head", "made under another trust root than the pinned one")
    proof = head_of_file["head"]
    try:
        verify.verify_head(proof, trust)
    except verify.Refused as refused:
        raise verify.Refused("head", str(refused)) from refused
    require(is_of(proof, head_of_file["lane"]), "other_lane", "the head is of another lane")
    head, begin, end = proof["head"], head_of_file["begin"], head_of_file["end"]
    require(begin["size"] <= end <= head["sent_size"], "range", "the sizes contradict each other")
    size, hashes, held = begin["size"], unhex(begin["peaks"]), 0
    for number, item in enumerate(parts):
        require(number == 0 or size < end, "after_end", "more follows the end")
        stream = bytes.fromhex(item["stream"])
        require(bool(stream) or (number == 0 and size == end), "empty_part", "a part without messages")
        held += len(stream)
        require(held <= FILE_MESSAGE_BYTES_MAX, "too_long", "more than 1 GiB")
        found = messages(stream)
        require(item["end"] <= end and size + len(found) == item["end"], "messages", "not as many as it says")
        for message in found:
            hashes, size = append(size, hashes, log_leaf(message)), size + 1
        root, wanted = root_of(hashes), bytes.fromhex(head["sent_root"])
        if size == 0 and head["sent_size"] > 0:
            covered = not item["consistency"]
        else:
            covered = root_from_consistency(size, root, head["sent_size"], unhex(item["consistency"])) == wanted
        require(covered, "not_covered", "not the messages of the attested lane")
    require(bool(parts) and size == end, "cut_short", "the file ends too early")


def verify_root(value: dict, lane: dict, trust: dict) -> bool:
    """Whether the root is proved, and not only claimed."""
    proof, at, root = value["head"], value["size"], bytes.fromhex(value["root"])
    if proof is None:
        return at == 0 and root == lane_log.root([])
    verify_head_of(proof, [lane], trust)
    require(len(value["steps"]) <= 2, "root", "more than two steps")
    for step in value["steps"]:
        found = root_from_consistency(at, root, step["size"], unhex(step["proof"]))
        require(found is not None, "root", "a step does not fit")
        at, root = step["size"], found
    head = proof["head"]
    require((at, root.hex()) == (head["sent_size"], head["sent_root"]), "root", "does not lead to its head")
    return True


def verify_head_of(proof: dict, lanes: list[dict], trust: dict) -> None:
    try:
        verify.verify_head(proof, trust)
    except verify.Refused as refused:
        raise verify.Refused("head", str(refused)) from refused
    require(any(is_of(proof, lane) for lane in lanes), "other_lane", "a head of another lane")


def heads_contradict(earlier: dict, later: dict) -> bool:
    old, new = earlier["attestation"]["checkpoint"], later["attestation"]["checkpoint"]
    if earlier["head"]["peer"] != later["head"]["peer"] or old["height"] > new["height"]:
        return False
    if old["height"] == new["height"]:
        return old != new
    if new["key_epoch"] < old["key_epoch"] or int(new["time_ns"]) < int(old["time_ns"]):
        return True
    a, b = earlier["head"], later["head"]
    if any(a[name] != b[name] for name in ("own_incarnation", "peer_incarnation")):
        return False
    sides = [(f"{side}_size", f"{side}_root") for side in ("sent", "received")]
    return any(b[size] < a[size] or (b[size] == a[size] and b[root] != a[root]) for size, root in sides)


def verify_evidence(value: dict, trust: dict) -> bool:
    """Whether a contradiction is proved, and not only claimed."""
    require(value["format"] == EVIDENCE, "format", f"unknown format {value['format']!r}")
    require(value["trust"] == trust, "head", "made under another trust root than the pinned one")
    lane = value["lane"]
    reverse = {
        "source": lane["destination"],
        "destination": lane["source"],
        "source_incarnation": lane["destination_incarnation"],
        "destination_incarnation": lane["source_incarnation"],
    }
    match value["contradiction"]:
        case {"kind": "heads", "earlier": earlier, "later": later}:
            verify_head_of(earlier, [lane, reverse], trust)
            verify_head_of(later, [lane, reverse], trust)
            return heads_contradict(earlier, later)
        case {"kind": "roots", "one": one, "other": other}:
            proved = [verify_root(root, lane, trust) for root in (one, other)]
            return all(proved) and one["size"] == other["size"] and one["root"] != other["root"]
        case {"kind": "received", "head": proof, "log": log}:
            verify_head_of(proof, [reverse], trust)
            proved, head = verify_root(log, lane, trust), proof["head"]
            if proved and log["size"] == head["received_size"] and log["root"] != head["received_root"]:
                return True
            if log["head"] is None:
                return False
            time = int(proof["attestation"]["checkpoint"]["time_ns"])
            later = int(log["head"]["attestation"]["checkpoint"]["time_ns"]) >= time
            return later and head["received_size"] > log["head"]["head"]["sent_size"]
    raise verify.Refused("format", "unknown contradiction")
