"""What an answer rests on, and whether a map of that means anything. See the README beside this."""
