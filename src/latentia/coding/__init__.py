"""Files of a trained model: exact networks, an entropy coder, bits-back coding, and what a file holds.

By codes: models whose latents are codes. With loss: rounded latents, of pictures and of any model. Everything
that becomes a probability is computed in whole numbers, so that a file decodes on any machine.
"""

from latentia.coding.coder import Compressor
from latentia.coding.codes import CodeCoder
from latentia.coding.compressor import BitsBackCompressor, symbols_of
from latentia.coding.descent import chain_of
from latentia.coding.latents import LatentCoder
from latentia.coding.pictures import PictureCoder, lossy
from latentia.coding.symbols import check_unconditional

__all__ = [
    "BitsBackCompressor",
    "CodeCoder",
    "Compressor",
    "LatentCoder",
    "PictureCoder",
    "chain_of",
    "check_unconditional",
    "lossy",
    "symbols_of",
]
