"""Exit codes: a contract with scripts."""

OK = 0
FAILURE = 1
USAGE = 2
UNHEALTHY = 3
NOTHING = 4
REFUSED = 5
LOCKED = 6

MEANINGS = {
    OK: "ok",
    FAILURE: "failure",
    USAGE: "usage or config",
    UNHEALTHY: "health at or below --fail-on",
    NOTHING: "nothing found",
    REFUSED: "refused as unsafe",
    LOCKED: "another daemon holds the folder",
}
