"""Work in child processes, here or on a cluster."""
