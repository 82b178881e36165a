"""salts.json: what a node derives from its salt secret."""

from fixtures import SALT_SECRET, empty_side_salt, head_salt, message_salt


def lanes() -> list[dict]:
    lane = {"source": "alpha", "destination": "beta", "source_incarnation": 0, "destination_incarnation": 0}
    changes = [{}, {"source_incarnation": 1}, {"destination_incarnation": 1}, {"destination": "gamma"}]
    return [lane | change for change in changes]


def vectors() -> dict:
    heads = [("beta", (0, 0), 0), ("beta", (0, 0), 1), ("beta", (1, 0), 1), ("beta", (0, 1), 1), ("gamma", (0, 0), 1)]
    sides = [(0, ""), (1, "0"), (1, "1"), (1, "00"), (2, "1"), (2, "101100111000")]
    return {
        "about": "Salts derived from one secret. The directions of an empty side are '0' for left, '1' for right.",
        "secret": SALT_SECRET.hex(),
        "messages": [
            {"lane": lane, "nonce": str(nonce), "salt": message_salt(lane, nonce).hex()}
            for lane in lanes()
            for nonce in (0, 1, 15, 16, 2**32 - 1, 2**32, 2**64 - 1)
        ],
        "heads": [
            {
                "own": "alpha",
                "peer": peer,
                "incarnations": list(incarnations),
                "height": height,
                "salt": head_salt("alpha", peer, incarnations, height).hex(),
            }
            for peer, incarnations, height in heads
        ],
        "empty_sides": [
            {
                "own": "alpha",
                "height": height,
                "directions": directions,
                "salt": empty_side_salt("alpha", height, directions).hex(),
            }
            for height, directions in sides
        ],
    }
