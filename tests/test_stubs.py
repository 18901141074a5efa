"""The stubs of what is made from the registry: type checkers and editors see what is there.

`python tests/test_stubs.py`, which is `make stubs`, writes them.
"""

import inspect
import pathlib
import re
import types

import pytest

import kerasnas as kn
from kerasnas.oracles.registry import ENTRIES

ROOT = pathlib.Path(kn.__file__).parent
HEADER = "# Written by `make stubs` from kerasnas/oracles/registry.py.\n"


def argument(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    kind = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    kind = kind.replace("typing.", "")
    kind = re.sub(r"keras_tuner\.src[\w.]*\.(\w+)", r"keras_tuner.\1", kind)
    kind = "Any" if annotation is parameter.empty else kind
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {kind}{default}"


def constructor(cls: type) -> list[str]:
    lines, keyword = [], False
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            lines.append("*")
            keyword = True
        lines.append(argument(parameter))
    joined = "".join(f"        {line},\n" for line in lines)
    return [f"    def __init__(\n        self,\n{joined}    ) -> None: ...\n"]


def stub(module: types.ModuleType, base: type) -> str:
    """The text of a module's stub: its classes with their arguments, and its other names."""
    classes, aliases, parts = [], [], []
    for name in module.__all__:
        found = getattr(module, name)
        if not issubclass(found, base):
            parts.append(f"from {found.__module__} import {name} as {name}\n")
        elif found.__name__ != name:
            aliases.append(f"{name} = {found.__name__}\n")
        else:
            classes += [f"\nclass {name}({base.__name__}):\n", *constructor(found)]
    table = "ORACLES" if base is kn.oracles.named.NamedOracle else "TUNERS"
    body = "".join(classes)
    own = inspect.getsource(base)
    fields = re.findall(r"^    (\w+: ClassVar.*)$", own, flags=re.M)
    dotted = set(re.findall(r"\b([a-z_]+(?:\.[a-z_]+)*)\.[A-Z]\w*", body + " ".join(fields)))
    imports = "".join(f"import {name}\n" for name in sorted(dotted))
    lines = [
        HEADER,
        imports,
        "from typing import Any, ClassVar, Literal\n",
        *(
            f"from {where} import {name}\n"
            for where, name in (
                ("kerasnas.oracles.engine.oracle", "Oracle"),
                ("kerasnas.oracles.engine.strategy", "Strategy"),
                ("kerasnas.oracles.named", "NamedOracle"),
                ("kerasnas.oracles.registry", "Entry"),
                ("kerasnas.tuners.base", "Tuner"),
            )
            if name != base.__name__
            and re.search(rf"\b(?<!\.){name}\b", body + own)
            and (name != "Tuner" or base.__name__ == "StrategyTuner")
        ),
        *parts,
        f"\nclass {base.__name__}({base.__base__.__name__}):\n",
        *(f"    {line}\n" for line in fields),
        "" if fields else "    ...\n",
        body,
        "\n",
        *aliases,
        f"{table}: dict[str, type[{base.__name__}]]\n",
        "__all__ = [\n",
        *(f'    "{name}",\n' for name in module.__all__),
        "]\n",
    ]
    return "".join(lines)


STUBS = {
    ROOT / "oracles" / "named.pyi": lambda: stub(kn.oracles.named, kn.oracles.named.NamedOracle),
    ROOT / "tuners" / "named.pyi": lambda: stub(kn.tuners.named, kn.tuners.named.StrategyTuner),
}


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.parent.name)
def test_the_stub_is_of_the_registry(path):
    assert path.read_text() == STUBS[path](), "run `make stubs`"


def test_each_line_of_the_registry_has_an_oracle_and_a_tuner():
    for entry in ENTRIES.values():
        name = entry.part.__name__
        assert getattr(kn.oracles, name) is entry.part
        assert issubclass(getattr(kn.oracles, f"{name}Oracle"), kn.oracles.Oracle)
        assert issubclass(getattr(kn, name), kn.Tuner)
        assert getattr(kn, name) is getattr(kn.tuners, name)


if __name__ == "__main__":
    for where, text in STUBS.items():
        where.write_text(text())
