"""A toy model: the same question always gets the same answer."""

import random
from statistics import fmean
from typing import Literal, NamedTuple

Timeframe = Literal["1h", "4h", "1d", "1w"]

_PRICES = 96
_RECENT = 24
_VOLATILITY = {"1h": 0.01, "4h": 0.01, "1d": 0.01, "1w": 0.01}
_models = dict(_VOLATILITY)
"""Timeframe → the model for it: how much prices vary."""


class Prediction(NamedTuple):
    """Where the price goes, and how sure that is (0.5 to 0.95)."""

    direction: Literal["up", "down"]
    confidence: float


class ModelNotLoadedError(LookupError):
    """There is no model for a timeframe."""


def forget_models() -> None:
    """Lose all models: the next prediction fails for real, and finds them again."""
    _models.clear()


def volatility(timeframe: Timeframe) -> float:
    """Return the model for a timeframe.

    Raises:
        ModelNotLoadedError: it was lost; it is loaded again for the next question.

    """
    try:
        return _models[timeframe]
    except KeyError as error:
        _models.update(_VOLATILITY)
        raise ModelNotLoadedError(f"the model for {timeframe} is not loaded") from error


def predict(symbol: str, timeframe: Timeframe) -> Prediction:
    """Compare the recent mean of an invented price history with that of all of it."""
    dice, varies = random.Random(f"{symbol} {timeframe}"), volatility(timeframe)
    prices = [100.0]
    while len(prices) < _PRICES:
        prices.append(prices[-1] * (1 + dice.gauss(0, varies)))
    momentum = fmean(prices[-_RECENT:]) / fmean(prices) - 1
    confidence = min(0.95, 0.5 + 5 * abs(momentum))
    return Prediction("up" if momentum > 0 else "down", round(confidence, 3))
