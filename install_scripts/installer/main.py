"""What the installer does with its options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .bundle import make_bundle
from .commands import say
from .errors import InstallError
from .options import parse
from .plan import make_plan
from .remove import uninstall
from .steps import install

__all__ = ["main"]


def main(arguments: Sequence[str], *, here: Path) -> int:
    """Install, uninstall or make a bundle with the scripts in `here`; returns the exit code."""
    try:
        options = parse(arguments, here=here)
        if options.uninstall:
            uninstall(options.prefix, purge=options.purge, dry_run=options.dry_run)
            return 0
        plan = make_plan(options, here=here)
        if options.bundle is not None:
            say("bundle", options.bundle)
        for what, how in plan.lines():
            say(what, how)
        if options.dry_run:
            return 0
        print()
        if options.bundle is not None:
            make_bundle(plan, options.bundle, here=here)
        else:
            install(plan, here=here)
    except InstallError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(
            f"Error: {error.filename or 'a file'}: {error.strerror}; nothing was undone, run it again.", file=sys.stderr
        )
        return InstallError.exit_code
    except KeyboardInterrupt:
        print("Stopped; run it again to go on, or with --uninstall to remove what is there.", file=sys.stderr)
        return 130
    return 0
