"""The sound of a clip that is written anew: as it was, or as AAC where MP4 cannot hold it."""

import av

from preprocessing.clips.containers import DECODER_ERRORS
from preprocessing.clips.pictures import decode_packets

COPIED = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
"""Codecs of sound that both MP4 and players of it know."""


class SoundCopy:
    """Hands on packets of sound as they are, or encodes what MP4 cannot hold.

    Args:
        stream, output: The stream of sound that is read, and the container that is written.
    """

    def __init__(self, stream, output):
        self.stream, self.output, self.failures = stream, output, []
        self.codec = stream.codec_context.name.removesuffix("float").removeprefix("lib")
        self.codec = {"mp3float": "mp3"}.get(stream.codec_context.name, self.codec)
        self.is_copied = self.codec in COPIED
        if self.is_copied:
            self.copy = output.add_stream_from_template(stream)
        else:
            self._open_encoder()

    def _open_encoder(self):
        context = self.stream.codec_context
        known = sorted(av.Codec("aac", "w").audio_rates)
        rate_hz = next((hz for hz in known if hz >= context.sample_rate), known[-1])
        layout = "mono" if context.layout.nb_channels == 1 else "stereo"
        self.copy = self.output.add_stream("aac", rate=rate_hz, layout=layout)
        self.copy.bit_rate = 96000 * self.copy.codec_context.layout.nb_channels
        self.copy.codec_context.open()
        size = self.copy.codec_context.frame_size
        self.resampler = av.AudioResampler("fltp", layout, rate_hz, size)

    def add(self, packet, origin_s):
        """Hand on a packet, its time since ``origin_s``."""
        origin = round(origin_s / packet.time_base)
        if not self.is_copied:
            for frame in decode_packets([packet], self.stream, self.failures):
                if frame.pts is not None:
                    frame.pts -= round(origin_s / frame.time_base)
                self._encode(frame)
            return
        packet.pts = None if packet.pts is None else packet.pts - origin
        packet.dts = None if packet.dts is None else packet.dts - origin
        packet.stream = self.copy
        self.output.mux(packet)

    def _encode(self, frame):
        try:
            for piece in self.resampler.resample(frame):
                self.output.mux(self.copy.encode(piece))
        except DECODER_ERRORS as error:
            self.failures.append(error)

    def finish(self):
        """Return in words what became of the sound."""
        if self.is_copied:
            return f"copied: {self.codec}"
        for frame in decode_packets([None], self.stream, self.failures):
            self._encode(frame)
        self._encode(None)
        self.output.mux(self.copy.encode(None))
        return f"encoded as AAC: players of MP4 know no {self.codec}"
