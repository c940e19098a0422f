"""`python -m latentia`, which torchrun starts."""

import os

# DistributedDataParallel warns at each start that it looks for unused weights, which some objectives have.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

from latentia.cli import main

if __name__ == "__main__":
    main()
