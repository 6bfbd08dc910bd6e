"""Arrays and tables on disk, written whole or not at all."""
