"""The page of the plugins' settings."""

from pathlib import Path

from devops_agent.app.docs import PAGE, plugins_page
from devops_agent.config.load import load

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_the_plugins_is_the_one_that_the_code_makes() -> None:
    assert (ROOT / PAGE).read_text() == plugins_page(), f"{PAGE} is old; run `python -m devops_agent.app.docs`"


def test_the_example_is_a_configuration_in_order(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(plugins_page().partition("```yaml")[2].partition("```")[0])
    shop, mailer = load(file, environ={}).targets
    assert (shop.via, mailer.via) == ("process", "process")
