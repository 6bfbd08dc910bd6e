"""``python -m modeling.pipeline``: see ``modeling.pipeline.command``."""

import sys

try:
    from modeling.pipeline import command
except KeyboardInterrupt:
    print("stopped before any notebook ran", file=sys.stderr)
    sys.exit(130)

if __name__ == "__main__":  # not in the processes that it starts
    sys.exit(command.main())
