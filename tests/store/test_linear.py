"""The checker of histories finds what it is there to find."""
import json
import os

from linear import checker


def history(*operations):
    return "".join(json.dumps({"client": c, "name": "a", "op": op, "from": a, "to": b, "outcome": outcome, "call": call, "end": end}) + "\n"
                   for c, op, a, b, outcome, call, end in operations)


GOOD = [(0, "write", "", "x", "ok", 1, 2), (1, "cas", "x", "y", "unknown", 3, 4), (0, "read", "x", "", "ok", 5, 6), (0, "read", "y", "", "ok", 7, 8),
        (1, "cas", "z", "w", "no", 9, 10)]
BAD = {
    "a read of what was overwritten": GOOD + [(0, "read", "x", "", "ok", 11, 12)],
    "an acknowledged write is lost": [(0, "write", "", "x", "ok", 1, 2), (1, "read", "", "", "ok", 3, 4)],
    "two swaps from the same value": [(0, "write", "", "x", "ok", 1, 2), (0, "cas", "x", "y", "ok", 3, 5), (1, "cas", "x", "z", "ok", 3, 5)],
    "a swap that must succeed does not": [(0, "write", "", "x", "ok", 1, 2), (0, "cas", "x", "y", "no", 3, 4)],
}


def test_histories_that_are_right_and_wrong(folder):
    binary = checker(folder)
    path = os.path.join(folder, "history")
    for name, operations in [("right", GOOD), *BAD.items()]:
        with open(path, "w") as f:
            f.write(history(*operations))
        code = os.spawnl(os.P_WAIT, binary, binary, path)
        assert code == (0 if name == "right" else 1), name
