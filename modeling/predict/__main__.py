"""``python -m modeling.predict``: see ``modeling.predict.command``."""

import sys

from modeling.predict import command

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(command.main())
