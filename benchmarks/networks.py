"""Made-up networks: spaces of choices, conditions and integers, with scores that saturate."""

import itertools

import keras_tuner
import numpy as np
import race


class Cells:
    """Six edges of five operations, each worth something, and each pair of edges something more.

    Args:
        number: Another number is another one.
        noise: Standard deviation of one training, in points of accuracy.
    """

    def __init__(self, number: int, noise: float = 0.1):
        rng = np.random.default_rng([number, 6])
        self.noise = noise
        self.worth = (
            rng.normal(size=(6, 1)) * 0.3 + rng.normal(size=(1, 5)) + 0.5 * rng.normal(size=(6, 5))
        )
        self.pairs = 0.35 * rng.normal(size=(6, 6, 5, 5))
        # An edge without a signal is what breaks a network.
        self.needed = rng.choice(6, 2, replace=False)
        every = np.array(list(itertools.product(range(5), repeat=6)))
        total = sum(self.worth[edge, every[:, edge]] for edge in range(6))
        for first, second in itertools.combinations(range(6), 2):
            total = total + self.pairs[first, second, every[:, first], every[:, second]]
        score = 94 - 8 / (1 + np.exp(total / 1.5))
        score[(every[:, self.needed] == 0).all(axis=1)] = 10.0
        self.score = dict(zip(map(tuple, every.tolist()), score.tolist(), strict=True))
        self.optimum = float(score.max())

    def space(self) -> keras_tuner.HyperParameters:
        """Six choices."""
        hp = keras_tuner.HyperParameters()
        for edge in range(6):
            hp.Choice(f"edge_{edge}", ["none", "skip", "conv1", "conv3", "pool"])
        return hp

    def truth(self, values: race.Values) -> float:
        """Accuracy in points."""
        names = ["none", "skip", "conv1", "conv3", "pool"]
        return self.score[tuple(names.index(values[f"edge_{edge}"]) for edge in range(6))]

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """Accuracy of one training."""
        return self.truth(values) + self.noise * float(rng.normal())


class Layers:
    """One to five dense layers, their units logarithmic, an optimizer and a learning rate.

    Args:
        fails: Whether networks of too many weights, or a rate too high for the optimizer, fail.
    """

    optimum = 0.0

    def __init__(self, fails: bool = False):
        self.fails = fails
        self.best_units = np.array([9.2, 7.6, 8.3, 6.1, 5.0])
        self.weight = np.array([0.06, 0.05, 0.04, 0.04, 0.04])
        self.depth = np.array([-0.5, -0.12, 0.0, -0.08, -0.25])
        self.optimizers = {"adam": (-6.9, 0.0), "sgd": (-3.2, -0.06), "rmsprop": (-7.6, -0.03)}

    def space(self) -> keras_tuner.HyperParameters:
        """Depth, units, optimizer, learning rate."""
        hp = keras_tuner.HyperParameters()
        hp.Int("depth", 1, 5)
        for place in range(5):
            with hp.conditional_scope("depth", list(range(place + 1, 6))):
                hp.Int(f"units_{place}", 4, 4096, sampling="log")
        hp.Choice("optimizer", list(self.optimizers))
        hp.Float("learning_rate", 1e-5, 1.0, sampling="log")
        return hp

    def truth(self, values: race.Values) -> float:
        """The score; -3 where the training fails."""
        if self.fails and self._breaks(values):
            return -3.0
        total = self.depth[values["depth"] - 1]
        before = 0.0
        for place in range(values["depth"]):
            off = np.log2(values[f"units_{place}"]) - self.best_units[place]
            # A narrow layer before is made up for by a wide one.
            total -= self.weight[place] * (off**2 + 0.5 * off * before)
            before = off
        rate, worth = self.optimizers[values["optimizer"]]
        return float(total + worth - 0.05 * (np.log(values["learning_rate"]) - rate) ** 2)

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """The score of one training, or NaN for one that fails."""
        if self.fails and self._breaks(values):
            return float("nan")
        return self.truth(values) + 0.01 * float(rng.normal())

    def _breaks(self, values: race.Values) -> bool:
        units = [values[f"units_{place}"] for place in range(values["depth"])]
        weights = sum(first * second for first, second in itertools.pairwise([64, *units]))
        high = {"adam": 0.02, "sgd": 0.3, "rmsprop": 0.01}[values["optimizer"]]
        return bool(weights > 3e5 or values["learning_rate"] > high)


class Optimizers:
    """A choice of three methods, each with numbers of its own, one of them of another prior."""

    optimum = 1.0

    def space(self) -> keras_tuner.HyperParameters:
        """The method, and what hangs on it."""
        hp = keras_tuner.HyperParameters()
        hp.Choice("method", ["forest", "boosting", "network"])
        with hp.conditional_scope("method", ["forest"]):
            hp.Int("trees", 10, 2000, sampling="log")
            hp.Float("features", 0.05, 1.0)
        with hp.conditional_scope("method", ["boosting"]):
            hp.Float("rate", 1e-4, 1.0, sampling="log")
            hp.Int("leaves", 2, 512, sampling="log")
            hp.Float("sample", 0.2, 1.0)
        with hp.conditional_scope("method", ["network"]):
            hp.Float("momentum", 0.001, 1.0, sampling="reverse_log")
            hp.Choice("activation", ["relu", "tanh", "gelu", "selu"])
            hp.Int("width", 16, 1024, step=16)
            hp.Float("dropout", 0.0, 0.6)
        hp.Boolean("scale")
        return hp

    def truth(self, values: race.Values) -> float:
        """The score; 1 at most."""
        method = values["method"]
        if method == "forest":
            off = 0.1 + 0.01 * (np.log(2000 / values["trees"])) + (values["features"] - 0.35) ** 2
        elif method == "boosting":
            rate = np.log(values["rate"] / 0.03)
            off = 0.02 * (rate + 0.5 * np.log(values["leaves"] / 40)) ** 2 + 0.01 * rate**2
            off += 0.3 * (values["sample"] - 0.8) ** 2
        else:
            off = {"relu": 0.06, "tanh": 0.15, "gelu": 0.05, "selu": 0.1}[values["activation"]]
            off += 0.02 * np.log((1.001 - values["momentum"]) / 0.05) ** 2
            off += 2 * (values["dropout"] - 0.2) ** 2 + (values["width"] / 1024 - 0.5) ** 2
        return float(1 - off - (0.04 if values["scale"] == (method == "forest") else 0.0))

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """The score of one training."""
        return self.truth(values) + 0.005 * float(rng.normal())


class Stages:
    """Three stages of a depth, with a width, a kernel and an operation each; random forms.

    Args:
        number: Another number is another one.
        fails: Whether wide networks do not fit into memory, and fail.
    """

    def __init__(self, number: int, fails: bool = False):
        rng = np.random.default_rng([number, 3])
        self.fails = fails
        self.widths = rng.uniform(4.0, 7.0, size=3)
        self.depths = rng.integers(1, 5, size=3)
        self.operations = 0.15 * rng.random((3, 4))
        self.kernels = 0.1 * rng.random((3, 3))
        self.rate = rng.uniform(-8, -5)
        self.optimum = -float((self.operations.min(axis=1) + self.kernels.min(axis=1)).sum())

    def space(self) -> keras_tuner.HyperParameters:
        """Three stages, the last of which need not be there, and a learning rate."""
        hp = keras_tuner.HyperParameters()
        hp.Int("stages", 2, 3)
        for place in range(3):
            with hp.conditional_scope("stages", [2, 3] if place < 2 else [3]):
                hp.Int(f"s{place}/depth", 1, 4)
                hp.Int(f"s{place}/width", 8, 256, sampling="log")
                hp.Choice(f"s{place}/operation", ["conv", "sep", "mb3", "mb6"])
                hp.Choice(f"s{place}/kernel", [3, 5, 7])
        hp.Float("learning_rate", 1e-5, 1e-1, sampling="log")
        return hp

    def truth(self, values: race.Values) -> float:
        """The score; -3 where the training fails."""
        if self.fails and self._breaks(values):
            return -3.0
        total = 0.4 if values["stages"] == 2 else 0.0
        for place in range(values["stages"]):
            name = f"s{place}/"
            total += 0.05 * (np.log2(values[name + "width"]) - self.widths[place]) ** 2
            total += 0.05 * abs(values[name + "depth"] - self.depths[place])
            code = ["conv", "sep", "mb3", "mb6"].index(values[name + "operation"])
            total += self.operations[place, code]
            total += self.kernels[place, [3, 5, 7].index(values[name + "kernel"])]
        return float(-total - 0.03 * (np.log(values["learning_rate"]) - self.rate) ** 2)

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """The score of one training, or NaN for one that fails."""
        if self.fails and self._breaks(values):
            return float("nan")
        return self.truth(values) + 0.01 * float(rng.normal())

    def _breaks(self, values: race.Values) -> bool:
        names = [f"s{place}/" for place in range(values["stages"])]
        return sum(values[n + "width"] * values[n + "depth"] for n in names) > 420
