"""From arrays to trained networks and the runs they leave."""
