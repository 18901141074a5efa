"""What compression does to models that people have.

    python benchmarks/compression.py bridge [--names NAME ...]
    python benchmarks/compression.py recipes [--data fashion_mnist|har|digits]
        [--network layerwise|cell|sequence] [--seeds 5] [--samples N] [--float-epochs 20]
        [--epochs 20] [--names RECIPE ...]

`bridge` rebuilds all Keras Applications and KerasTuner's hypermodels in tf_keras, every weight
random: whether each crosses, in native tf_keras layers alone, with as many trainable parameters;
the largest difference of an output and that between outputs for different inputs, both as a share
of the largest output; seconds, the comparison included that the rebuild itself makes.

`recipes` trains a small network for each seed and compresses it by each recipe, beside the file
that TensorFlow's converter makes of it. Accuracy is that of the file on test data by the
interpreter, and its difference to the float file's in points; bytes, bytes after zlib and their
share of those of the int8 file, zeros, multiply-accumulates and arena are read from the file. Means
over seeds, with the standard deviation. `har` and `fashion_mnist` need KERASNAS_DATA; `sequence` is
for `har`.
"""

import argparse
import importlib

# A part is a file compression_<part>.py, whose `main` yields rows of words, heads first.
PARTS = ("bridge", "recipes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--names", nargs="*", default=[], help="only these models, or recipes")
    parser.add_argument(
        "--data", default="fashion_mnist", choices=["fashion_mnist", "har", "digits"]
    )
    parser.add_argument("--network", default="layerwise", choices=["layerwise", "cell", "sequence"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=None, help="of training, the first ones")
    parser.add_argument("--float-epochs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=20, help="of a recipe, all steps together")
    options = parser.parse_args()
    # Not at the top: Python 3.14 has a module of this file's name, which jax tries to import, and
    # finds this file.
    part = importlib.import_module(f"compression_{options.part}")
    for first, *rest in part.main(options):
        print(first.ljust(20), *(cell.ljust(14) for cell in rest), flush=True)


if __name__ == "__main__":
    main()
