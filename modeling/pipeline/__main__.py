"""``python -m modeling.pipeline``: see ``modeling.pipeline.command``."""

import sys

from modeling.pipeline import command

sys.exit(command.main())
