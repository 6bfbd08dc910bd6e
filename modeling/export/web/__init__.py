"""A static page that reads a voice and a face in the browser, by the exported networks alone."""
