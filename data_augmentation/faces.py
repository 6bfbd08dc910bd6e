"""Altered face sequences, made while training: one draw per clip, the same for all its frames.

Keras draws once per image; so time goes into the channel axis, where one image is one whole clip.
Only calls with ``training=True`` change anything.
"""

import numpy as np

from data_augmentation.quiet_keras import keras, layers, ops


def build_face_augmenter(
    *,
    flip=True,
    rotation=8.0,
    shift=0.05,
    zoom=0.1,
    brightness=0.15,
    contrast=0.2,
    cutout=0.3,
    frame_drop=0.1,
    time_shift=1,
    seed=None,
):
    """Return a Keras model of the wanted augmentations; a strength of 0 leaves one out.

    Args:
        flip: Whether half of the clips are mirrored.
        rotation: Largest turn to either side, in degrees.
        shift: Largest move in height and in width, as a share of the side.
        zoom: Largest enlargement or reduction, as a share of the size.
        brightness: Largest change of all values, as a share of the value range.
        contrast: Largest change of the contrast, as a share of it.
        cutout: Largest side of a grey rectangle laid over each clip, as a share of the face's side
            (DeVries & Taylor 2017; Zhong et al. 2020).
        frame_drop: Chance of each frame to be replaced by the one before it (the first by the
            second).
        time_shift: Largest shift in time, in frames; the first or last frame is repeated.
        seed: What the draws follow; the same seed and order of clips give the same draws.

    Returns:
        keras.Sequential from faces (clip, time, height, width[, channel]) from 0 to 255, uint8 or
        float, to float32 of the same shape and range; frames of zeros, which hold no face, stay
        zeros. Call it with ``training=True``, also in ``tf.data.Dataset.map`` (one map call at a
        time keeps the draws in order).
    """
    # Seeds are drawn for all, so that leaving one augmentation out keeps the others' draws.
    seeds = np.random.default_rng(seed).integers(2**31 - 1, size=6).tolist()
    values = [{"seed": n, "dtype": "float32"} for n in seeds[:3]]
    images = [
        (flip or rotation or shift or zoom, MoveFaces(flip, rotation, shift, zoom, seed=seeds[3])),
        (brightness, layers.RandomBrightness(brightness, **values[0])),
        (contrast, layers.RandomContrast(contrast, **values[1])),
        (cutout, layers.RandomErasing((1.0, 1.0), (0.0, cutout**2), 127.5, **values[2])),
    ]
    augmenter = keras.Sequential(name="face_augmenter")
    augmenter.add(OneDrawPerClip([layer for strength, layer in images if strength]))
    if frame_drop or time_shift:
        augmenter.add(MoveInTime(frame_drop, time_shift, seeds=seeds[4:]))
    return augmenter


class OneDrawPerClip(keras.layers.Layer):
    """Apply Keras's layers for images to clips, each with one draw for all frames of a clip."""

    def __init__(self, image_layers, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.image_layers = image_layers

    def build(self, faces_shape):
        """Mark the image layers as built: they hold no weights."""
        for layer in self.image_layers:
            layer.built = True

    def call(self, faces, training=False):
        """Return faces (clip, time, height, width[, channel]), float32."""
        faces = ops.cast(faces, "float32")
        if not (training and self.image_layers):
            return faces
        there = ops.any(faces != 0, axis=tuple(range(2, len(faces.shape))), keepdims=True)
        images = ops.moveaxis(faces, 1, -1)  # clip, height, width[, channel], time
        stacked_shape = ops.shape(images)
        images = ops.reshape(images, (*stacked_shape[:3], int(np.prod(images.shape[3:]))))
        for layer in self.image_layers:
            images = layer(images, training=True)
        altered = ops.moveaxis(ops.reshape(images, stacked_shape), -1, 1)
        return altered * ops.cast(there, "float32")


class MoveFaces(keras.layers.Layer):
    """Mirror, turn, move and zoom images in one step, so that they are interpolated only once.

    Keras's four layers for this do the same one after the other, in twice the time. Beyond its edge
    an image goes on with the pixels of the edge. See ``build_face_augmenter`` for the strengths.
    """

    def __init__(self, flip, rotation, shift, zoom, *, seed=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.flip, self.rotation, self.shift, self.zoom = flip, rotation, shift, zoom
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        """Return images (batch, height, width, channel), float32."""
        if not training:
            return images
        n_images = ops.shape(images)[0]
        height, width = images.shape[1:3]
        draws = keras.random.uniform((5, n_images), -1, 1, seed=self.generator)
        turn = draws[0] * (np.pi * self.rotation / 180)
        scale = 1 + draws[1] * self.zoom
        mirror = ops.where(draws[2] < 0, -1.0, 1.0) if self.flip else 1.0
        # Rows (x, y, 1) of the map from a pixel of the result to the one it is taken from.
        x_x, x_y = mirror * scale * ops.cos(turn), -mirror * scale * ops.sin(turn)
        y_x, y_y = scale * ops.sin(turn), scale * ops.cos(turn)
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        x_1 = middle_x - x_x * middle_x - x_y * middle_y + draws[3] * self.shift * width
        y_1 = middle_y - y_x * middle_x - y_y * middle_y + draws[4] * self.shift * height
        zeros = ops.zeros_like(turn)
        transforms = ops.stack([x_x, x_y, x_1, y_x, y_y, y_1, zeros, zeros], axis=-1)
        return ops.image.affine_transform(images, transforms, fill_mode="nearest")


class MoveInTime(keras.layers.Layer):
    """Show some frames twice instead of the next one, then move whole clips earlier or later."""

    def __init__(self, frame_drop, time_shift, *, seeds, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.frame_drop, self.time_shift = frame_drop, time_shift
        self.generators = [keras.random.SeedGenerator(seed) for seed in seeds]

    def call(self, faces, training=False):
        """Return faces (clip, time, height, width[, channel]), float32."""
        n_clips, n_frames = ops.shape(faces)[:2]
        if not training or n_frames < 2:
            return faces
        frames = ops.arange(n_frames)
        drops, moves = self.generators
        dropped = keras.random.uniform((n_clips, n_frames), seed=drops) < self.frame_drop
        taken = ops.where(dropped, ops.abs(frames - 1), frames)
        low, high = -self.time_shift, self.time_shift + 1
        shifts = keras.random.randint((n_clips, 1), low, high, seed=moves)
        taken = ops.take_along_axis(taken, ops.clip(frames + shifts, 0, n_frames - 1), axis=1)
        chosen = ops.one_hot(taken, n_frames, dtype="float32")  # a product with it copies exactly
        flat = ops.reshape(faces, (n_clips, n_frames, int(np.prod(faces.shape[2:]))))
        return ops.reshape(ops.matmul(chosen, flat), ops.shape(faces))
