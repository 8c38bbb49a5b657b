"""``python -m tinygpt`` and the console script ``tinygpt``: the tasks of all three packages, imported when run."""

import sys
from importlib import import_module


def main() -> None:
    """Run the program, or name the missing package."""
    try:
        program = import_module("sitegen.commands.program")
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed; run: python -m pip install 'tinygpt[site]'", file=sys.stderr)
        sys.exit(2)
    program.main()


if __name__ == "__main__":
    main()
