"""Your own clip: what its faces and voices display, over time. See the README beside this file."""

from modeling.predict.prediction import predict_clip
from modeling.predict.timeline import Timeline
