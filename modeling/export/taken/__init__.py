"""Files that an exported bundle takes along: they know nothing of this repository."""
