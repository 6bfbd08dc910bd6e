"""``python -m modeling.export``: see ``command``."""

import sys

from modeling.export.command import main

if __name__ == "__main__":
    sys.exit(main())
