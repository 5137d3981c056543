"""A small language model on a free port of the loopback; `scripts/local-model.sh` installs it."""

from pathlib import Path

from tests.real.parts import Missing, Program

FOLDER = Path(__file__).parents[2] / "build" / "model"


def start_model(folder: Path) -> tuple[Program, str]:
    """Serve the model; return its program and the base URL for OpenAI's interface.

    Raises:
        Missing: it is not installed, or does not start.

    """
    python, weights = FOLDER / "venv" / "bin" / "python", next(FOLDER.glob("*.gguf"), None)
    if weights is None or not python.exists():
        raise Missing("no language model is installed; `make real-parts` installs one")
    ready = folder / "ready"
    script = str(Path(__file__).with_name("model_server.py"))
    program = Program.start("model", [str(python), script, str(weights), str(ready)], folder=folder)
    program.wait_until(ready.exists)
    return program, f"{ready.read_text()}/v1"
