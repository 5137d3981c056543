import pytest

from tests.config.samples import problems, settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web:\n\tlisten: x", "agent.yaml:2: a tab indents this line; YAML wants spaces"),
        ("a: 1\nweb: [", "agent.yaml:2: cannot be read as YAML: "),
        ("state_dir: x\nstate_dir: y", "agent.yaml:2: 'state_dir' is there twice; it is in line 1 already"),
        ("store: *none", "agent.yaml:1: *none is used before &none is complete"),
        ("a: &a [*a]", "agent.yaml:1: *a is used before &a is complete"),
        ("store: !!python/object:os.system x", "agent.yaml:1: the tag tag:yaml.org,2002:python/object:os.system is"),
        ("--- {}\n--- {}", "agent.yaml:2: a second document begins here; a file holds one"),
        ("? [a]\n: b", "agent.yaml:1: a key is a word, not a list or a table"),
        ("web:\n  <<: 5", "agent.yaml:2: << takes a table, or a list of tables"),
        ('store: "a\\0b"', "agent.yaml:1: the character U+0000 may not stand in a value"),
        ("store: a\x07b", "agent.yaml:1: the character U+0007 may not stand in YAML"),
    ],
)
def test_broken_yaml_is_told_with_its_line(text: str, told: str) -> None:
    assert problems(text)[0].startswith(told)


def test_a_small_file_cannot_stand_for_a_huge_one() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert problems(bomb)[-1] == "agent.yaml:5: stands for more than 100,000 values; use fewer aliases"


def test_depth_and_size_have_limits() -> None:
    assert problems("a: " + "[" * 60 + "]" * 60) == ["agent.yaml:1: is nested deeper than 40 levels"]
    assert problems("#" * 2_000_001) == ["agent.yaml: is larger than 2,000,000 bytes"]


def test_anchors_and_merges_save_repetition() -> None:
    loaded = settings(
        "targets:\n  - &shop {name: shop, url: 'http://127.0.0.1:1', start_period: 5s}\n  - {<<: *shop, name: shop-2}\n"
    )
    first, second = loaded.targets
    assert second.name == "shop-2"
    assert (second.start_period, second.checks) == (first.start_period, first.checks)
