# SPDX-License-Identifier: Apache-2.0
"""The files of the project, for the checks beside this."""
import pathlib
import subprocess
import sys


def root():
    """The checkout that is looked at: the argument, else the one this lies in."""
    return pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()


def files(*patterns):
    """Relative paths of what git has (or would take), sorted; of a copy without .git, of all but build/."""
    base = root()
    if (base / ".git").exists():
        listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", base, "ls-files", "--cached", "--others", "--exclude-standard"],
                                check=True, capture_output=True, text=True).stdout.splitlines()
        paths = [pathlib.PurePath(line) for line in listed if (base / line).is_file()]
    else:
        paths = [file.relative_to(base) for file in base.rglob("*") if file.is_file()]
    return sorted(path for path in paths if path.parts[0] != "build" and (not patterns or any(map(path.match, patterns))))


def text(path):
    return (root() / path).read_text(encoding="utf-8")


def finish(faults):
    """Prints the faults, one a line, and exits 1 if there are any."""
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)
