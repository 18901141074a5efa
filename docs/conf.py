"""Settings of the documentation site. `make docs` builds it; nothing is read from a network."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "_ext"))

from kerasnas import __version__

project = "kerasnas"
author = "the authors of kerasnas"
project_copyright = "the authors of kerasnas"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "run_blocks",
    "public_names",
]
exclude_patterns = ["_build", "_figures"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Docstrings write code between single backticks, as Keras's do.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Source", "Call arguments"]

html_theme = "furo"
html_title = f"kerasnas {release}"
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
