"""``python -m napari_mednext.cli`` is the command ``napari-mednext``."""

import sys

from napari_mednext.cli import main

if __name__ == "__main__":
    sys.exit(main())
