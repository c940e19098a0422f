"""Files of a trained model: exact networks, an entropy coder, bits-back coding, and what a file holds.

Everything that becomes a probability is computed in whole numbers, so that a file decodes on any machine.
"""

from latentia.coding.compressor import Compressor, symbols_of

__all__ = ["Compressor", "symbols_of"]
