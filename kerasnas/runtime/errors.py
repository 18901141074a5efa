"""Finds the line of an error message that says what is wrong."""

import re

# Lines that Keras 3.15 and TensorFlow 2.21 put around the reason.
_AROUND = re.compile(
    r"\s*(Exception encountered when calling|Could not automatically infer the output shape|"
    r"Graph execution error|Detected at node|File \"|<stack traces unavailable>|"
    r"Stack trace for op definition|\[\[|Arguments received by|•|$)"
)
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def describe(error: BaseException) -> str:
    """Returns the type of an error and the line that says why.

    Args:
        error: An error, of Keras, TensorFlow or anybody else.

    Returns:
        One line of text.

    Example:

    >>> from kerasnas.runtime.errors import describe
    >>> describe(ValueError("Exception encountered when calling A.call().\\n\\nIt is too wide."))
    'ValueError: It is too wide.'
    """
    # A KeyError shows its message as Python writes a string, with its line feeds escaped.
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    lines = _STYLES.sub("", str(text)).strip().splitlines()
    reason = next((line.strip() for line in lines if not _AROUND.match(line)), "".join(lines[:1]))
    kind = type(error).__name__
    return f"{kind}: {reason}" if reason else kind
