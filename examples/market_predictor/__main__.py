"""Start it: `python -m examples.market_predictor`, or `python path/to/market_predictor` wherever the folder lies."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    if __package__:
        from .command_line import main

        sys.exit(main(sys.argv[1:]))
    # Started by its path, Python does not take the folder for the package that it is.
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    runpy.run_module(folder.name, run_name="__main__", alter_sys=True)
