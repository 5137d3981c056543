"""A toy model: the same question always gets the same answer."""

import random
from statistics import fmean
from typing import Literal, NamedTuple

Timeframe = Literal["1h", "4h", "1d", "1w"]

_PRICES = 96
_RECENT = 24


class Prediction(NamedTuple):
    """Where the price goes, and how sure that is (0.5 to 0.95)."""

    direction: Literal["up", "down"]
    confidence: float


def predict(symbol: str, timeframe: Timeframe) -> Prediction:
    """Compare the recent mean of an invented price history with that of all of it."""
    dice = random.Random(f"{symbol} {timeframe}")
    prices = [100.0]
    while len(prices) < _PRICES:
        prices.append(prices[-1] * (1 + dice.gauss(0, 0.01)))
    momentum = fmean(prices[-_RECENT:]) / fmean(prices) - 1
    confidence = min(0.95, 0.5 + 5 * abs(momentum))
    return Prediction("up" if momentum > 0 else "down", round(confidence, 3))
