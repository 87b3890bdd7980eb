"""Exit codes: a contract with scripts."""

OK = 0
FAILURE = 1
USAGE = 2
UNHEALTHY = 3
NOTHING = 4
REFUSED = 5
LOCKED = 6
