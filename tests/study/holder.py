"""A process that locks a case until it ends: ``python holder.py LOCK``."""

import sys
from pathlib import Path

from napari_mednext.study.locks import CaseLock

if __name__ == "__main__":
    lock = CaseLock(Path(sys.argv[1]))
    sys.stdout.write(f"{lock.held}\n")
    sys.stdout.flush()
    sys.stdin.read()
