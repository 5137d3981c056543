"""How contracts state a rule: they run where assertions may be switched off, and without pytest."""


def must(holds: bool, rule: str) -> None:  # noqa: FBT001 — it reads as a sentence
    """Raise AssertionError with the rule when it does not hold."""
    if not holds:
        raise AssertionError(rule)
