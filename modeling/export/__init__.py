"""A network taken along: as LiteRT or ONNX, in a folder that needs nothing of this repository."""
