"""Serves a language model on the loopback: `python model_server.py WEIGHTS READY`, in a virtual environment of its own.

It writes its URL to the file READY, and serves until it is killed.
"""

import signal
import sys
from pathlib import Path

import xllamacpp  # type: ignore[import-not-found]  # lives in that environment only


def main(weights: str, ready: str) -> None:
    """Load the weights and serve them."""
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 8_192
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 2
    params.sampling.temp = 0.0
    params.sampling.seed = 17
    server = xllamacpp.Server(params)
    part = Path(f"{ready}.part")
    part.write_text(server.listening_address)
    part.rename(ready)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
