"""What compression does to models that people have.

    python benchmarks/compression.py bridge [--names NAME ...]

`bridge` rebuilds all Keras Applications and KerasTuner's hypermodels in tf_keras, every weight
random: whether each crosses, in native tf_keras layers alone, with as many trainable parameters;
the largest difference of an output and that between outputs for different inputs, both as a share
of the largest output; seconds, the comparison included that the rebuild itself makes.
"""

import argparse
import importlib

# A part is a file compression_<part>.py, whose `main` yields rows of words, heads first.
PARTS = ("bridge",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--names", nargs="*", default=[], help="only these models")
    options = parser.parse_args()
    # Not at the top: Python 3.14 has a module of this file's name, which jax tries to import, and
    # finds this file.
    part = importlib.import_module(f"compression_{options.part}")
    for first, *rest in part.main(options):
        print(first.ljust(20), *(cell.ljust(14) for cell in rest), flush=True)


if __name__ == "__main__":
    main()
