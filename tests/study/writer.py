"""A process that changes a study: ``python writer.py FOLDER WHO COUNT``.

Each change is one transaction over two rows, and is said aloud once it is committed.
"""

import sys

from napari_mednext.study import Study


def say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(folder, who, count):
    with Study.open(folder) as study:
        say("open")
        for i in range(int(count)):
            study.add_effort("a", seconds=1.0, strokes=1)
            study.set_comment(who, f"change {i}")
            say(i)


if __name__ == "__main__":
    main(*sys.argv[1:])
