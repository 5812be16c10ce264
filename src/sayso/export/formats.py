"""The formats by the suffixes of their files, and writing a model in one of them."""

from pathlib import Path

import numpy as np

from sayso.errors import ExportError, StorageError
from sayso.export import c_header, html_page, json_file, onnx_graph
from sayso.export.exported import Exported
from sayso.model import model_file, shipped
from sayso.system.atomic_files import check_writable, write_atomically

WRITERS = {".onnx": onnx_graph.write, ".h": c_header.write, ".json": json_file.write, ".html": html_page.write}
# Those of a header are for small memories, and those of a page travel with every visit.
ALWAYS_INT8 = {".h", ".html"}


def export(model: Path, output: Path, int8: bool = False, licence: str | None = None) -> list[Path]:
    """Write a model in the format that the suffix of a file names.

    Parameters
    ----------
    model : Path
        File of the model.
    output : Path
        The file to write: .onnx, .h, .json or .html. The JavaScript library is put beside JSON.
    int8 : bool
        Whether to store the weights as 8-bit integers.
    licence : str, optional
        What to write into the file as the licence of the model. By default that of the models that come with sayso, and
        that it is not stated for any other.

    Returns
    -------
    files : list of Path
        The files that were written.

    Raises
    ------
    ModelError
        If the model cannot be read.
    ExportError
        If the format is unknown, cannot hold the model, or needs a package that is not installed.
    StorageError
        If a file cannot be written.
    """
    suffix = output.suffix.lower()
    if suffix not in WRITERS:
        raise ExportError(
            f"{output} does not say which format to write; give a file that ends in .onnx, .h, .json or .html"
        )
    loaded = model_file.load(model)
    int8 = int8 or suffix in ALWAYS_INT8
    with np.errstate(over="ignore", invalid="ignore"):
        exported = Exported.of(loaded, model.stem, licence or _licence(model), int8)
        content = WRITERS[suffix](exported)
    library = output.with_name(json_file.LIBRARY)
    if suffix != ".json":
        write_atomically(output, content)
        return [output]
    if library.exists() and not json_file.is_library(library):
        raise StorageError(f"{library} is not the library of sayso, which belongs there; export into another folder")
    check_writable(output)
    write_atomically(library, json_file.library())
    write_atomically(output, content)
    return [output, library]


def _licence(model: Path) -> str:
    if model.resolve() in {path.resolve() for path in shipped.models().values()}:
        return f"MIT; the model card of {model.stem} names the sources of the training data"
    return "not stated"
