"""TensorFlow and Keras, imported for the first time by one thread, whoever asks.

Each imports the other. Of two threads that begin with one of them each, Python gives one a module that is half there: both
fail, and no later import in that process mends it. Importing this file instead takes one lock, that of its own import, and
the others wait for it. Import it where it is used: it takes seconds and 500 MB.
"""

from __future__ import annotations

# isort: off
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
import keras  # after TensorFlow, on which it runs
from keras import layers, ops
# isort: on

__all__ = ["GraphDef", "convert_variables_to_constants_v2", "keras", "layers", "ops", "tf"]
