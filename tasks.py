"""The tasks of ``sitegen.commands.program`` for ``invoke NAME`` in a checkout; ``tinygpt NAME`` runs the same."""

import sys

from invoke.main import program as invoke

from sitegen.commands.program import main, namespace

__all__ = ["namespace"]

if invoke.argv:  # Invoke loads this file to read the words after it: our own parser reads them, and says what is wrong
    main(invoke.argv)
    sys.exit()
