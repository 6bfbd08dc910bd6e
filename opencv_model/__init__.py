"""The ResNet-10 SSD face detector for OpenCV."""
