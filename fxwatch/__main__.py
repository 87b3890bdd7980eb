"""`python -m fxwatch` is the `fxwatch` command."""

from fxwatch.cli import main

if __name__ == "__main__":
    main()
