"""Networks trained by others: found, fetched, verified."""
