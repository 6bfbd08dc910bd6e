"""A page on this machine: give it a clip, or a camera, and see what is displayed, and when."""
