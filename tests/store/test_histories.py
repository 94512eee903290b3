"""The program that judges histories finds what it is there to find."""
import json
import os

from conftest import run
from histories import program


def history(*events):
    """(client, kind, expect, value, result, begin, end) of one name."""
    return "".join(json.dumps({"client": client, "name": "r1", "kind": kind, "expect": expect, "value": value, "gateway": 0, "tries": 1,
                               "begin": begin, "end": end, "result": result}) + "\n"
                   for client, kind, expect, value, result, begin, end in events)


RIGHT = [(0, "set", "", "x", "NOERROR", 1, 2), (1, "replace", "x", "y", "none", 3, 4), (0, "is", "x", "", "NOERROR", 5, 6),
         (0, "is", "y", "", "NOERROR", 7, 8), (1, "replace", "z", "w", "NXRRSET", 9, 10)]
WRONG = {
    "what was overwritten is there again": RIGHT + [(0, "is", "x", "", "NOERROR", 11, 12)],
    "an acknowledged update is lost": [(0, "set", "", "x", "NOERROR", 1, 2), (1, "is", "", "", "NOERROR", 3, 4)],
    "two replace one value": [(0, "set", "", "x", "NOERROR", 1, 2), (0, "replace", "x", "y", "NOERROR", 3, 5),
                              (1, "replace", "x", "z", "NOERROR", 3, 5)],
    "what holds is denied": [(0, "set", "", "x", "NOERROR", 1, 2), (0, "replace", "x", "y", "NXRRSET", 3, 4)],
}


def test_histories_that_are_right_and_wrong(folder):
    path = os.path.join(folder, "history")
    for name, events in [("right", RIGHT), *WRONG.items()]:
        with open(path, "w") as f:
            f.write(history(*events))
        assert (run(program(), "check", path, check=False).returncode == 0) == (name == "right"), name
