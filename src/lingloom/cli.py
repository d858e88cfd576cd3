"""The command line: one file in verbs/ for each verb; nothing heavy is imported before it is used.

Standard output carries the answer, standard error the story. Exit codes: 0 done, 1 our error,
2 wrong recipe or wrong words on the command line, 130 stopped by Ctrl-C.
"""

import errno
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper

from .errors import LingloomError, RecipeError
from .verbs.table import MODEL, VERBS

SPIN, SPIN_COUNT = "GOMP_SPINCOUNT", "3000"
_PERMISSIONS_OR_ROOM = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def usage() -> str:
    """The text of `lingloom --help`."""
    width = max(len(f"{verb} {words}") for verb, (words, _) in VERBS.items())
    lines = [
        f"  lingloom {f'{verb} {words}':<{width}}  {says}" for verb, (words, says) in VERBS.items()
    ]
    return "\n".join(
        [
            "Lingloom (织语): from raw text to a language model, trained, measured and explained.",
            "",
            *lines,
            "",
            MODEL + ".",
            "lingloom VERB --help lists every key of that verb, its default and its meaning.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; the exit code."""
    _spare_the_streams()
    _share_the_processor()
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if words[0] == "--version":
        from . import __version__

        print(f"lingloom {__version__}")
        return 0
    verb, *rest = words
    if verb not in VERBS:
        near = get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "lingloom --help lists the verbs"
        print(f"error: '{verb}' is not a verb; {hint}", file=sys.stderr)
        return 2
    try:
        return int(import_module(f".verbs.{verb}", __package__).run(rest))
    except RecipeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LingloomError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nobody is left to tell
        return 1
    except OSError as error:
        print(f"error: {_told(error)}", file=sys.stderr)
        return 1


def _share_the_processor() -> None:
    """Threads that wait for one another turn for some ten microseconds, and then sleep.

    GNU's OpenMP lets them turn for milliseconds by default: beside one other busy program, a step
    of a small model took 1.4 times as long by two workers, and 2.7 times by one on two threads
    (benchmarks/busy.py). It reads this once, when torch is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(SPIN, SPIN_COUNT)


def _spare_the_streams() -> None:
    """A character that the screen's encoding lacks is shown as an escape; it ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _told(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    why = error.strerror or str(error) or type(error).__name__
    if error.errno in _PERMISSIONS_OR_ROOM:
        return (
            f"{place}cannot be read or written ({why}); look at its permissions and at the room on "
            "the disk"
        )
    return f"{place}{why}"


if __name__ == "__main__":
    sys.exit(main())
