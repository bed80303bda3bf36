# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.h against the tables that stand for it in Python."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

from fdmetrics import _constants, _library, _prototypes, _rare_prototypes, errors, exposition

HEADER = Path(__file__).resolve().parents[2] / "Include" / "fdmetrics.h"
TEXT = re.sub(r"//[^\n]*", "", HEADER.read_text())

SCALARS = {
    "void": None,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "int": ctypes.c_int,
    "ptrdiff_t": ctypes.c_ssize_t,
    "double": ctypes.c_double,
    "fdm_status": ctypes.c_int32,
}
STRUCTURES = {
    "fdm_options": _prototypes.Options,
    "fdm_descriptor": _prototypes.Descriptor,
    "fdm_string": _prototypes.String,
    "fdm_statistics": _rare_prototypes.StatisticsNumbers,
    "fdm_scrape": _rare_prototypes.Scrape,
}


def ctype(declaration: str) -> Any:
    """The ctypes type of a C type: opaque handles are c_void_p, strings are c_char_p."""
    stars = declaration.count("*")
    base = declaration.replace("*", " ").replace("const", " ").strip()
    if base == "char":
        result: Any = ctypes.c_char_p if stars else None
        stars -= 1
    elif base in STRUCTURES:
        result = STRUCTURES[base]
    elif base in SCALARS and not (base == "void" and stars):
        result = SCALARS[base]
    else:
        result = ctypes.c_void_p
        stars -= 1
    if result is ctypes.c_char_p and base == "char" and declaration.startswith("char **"):
        result = ctypes.c_void_p  # Text that the caller must release: its address counts.
    for _ in range(stars):
        result = ctypes.POINTER(result)
    return result


def split_name(parameter: str) -> Tuple[str, str]:
    match = re.fullmatch(r"(.*?)(\w+)", parameter.strip(), re.DOTALL)
    assert match is not None, parameter
    return match.group(1).strip(), match.group(2)


def header_functions() -> Dict[str, Tuple[Any, Tuple[Any, ...]]]:
    functions = {}
    for result, name, parameters in re.findall(r"^([a-z][\w \*]*?)\b(fdm_\w+)\(([^)]*)\);", TEXT, re.MULTILINE):
        arguments = [] if parameters.strip() == "void" else [split_name(p)[0] for p in parameters.split(",")]
        functions[name] = (ctype(result), tuple(map(ctype, arguments)))
    return functions


def header_constants() -> Dict[str, int]:
    constants: Dict[str, int] = {}
    for name, value in re.findall(r"^#define (FDM_\w+) (\d+)", TEXT, re.MULTILINE):
        constants[name] = int(value)
    for block in re.findall(r"\benum \{(.*?)\};", TEXT, re.DOTALL):
        for name, value in re.findall(r"(FDM_\w+) = (\S+?)\s*(?:,|$)", block.strip(), re.MULTILINE):
            constants[name] = constants[value] if value in constants else int(value)
    return constants


def test_every_function_has_the_header_s_prototype() -> None:
    functions = header_functions()
    assert len(functions) == len(set(re.findall(r"\b(fdm_\w+)\(", TEXT)))
    assert not _prototypes.PROTOTYPES.keys() & _rare_prototypes.PROTOTYPES.keys()
    prototypes = {**_prototypes.PROTOTYPES, **_rare_prototypes.PROTOTYPES}
    assert functions.keys() == prototypes.keys()
    for name, (result, arguments) in functions.items():
        prototype = prototypes[name]
        assert (prototype.result, prototype.arguments) == (result, arguments), name


def test_every_structure_has_the_header_s_fields() -> None:
    structures = dict(
        re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", TEXT, re.DOTALL)
        and [(name, body) for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", TEXT, re.DOTALL)]
    )
    assert structures.keys() == STRUCTURES.keys()
    for name, body in structures.items():
        fields: List[Tuple[str, Any]] = []
        for field in filter(None, (part.strip() for part in body.split(";"))):
            declaration, field_name = split_name(field)
            fields.append((field_name, ctype(declaration)))
        assert STRUCTURES[name]._fields_ == fields, name


def test_every_constant_has_the_header_s_value() -> None:
    ours = {name: value for name, value in vars(_constants).items() if name.startswith("FDM_")}
    assert ours == header_constants()


def test_every_status_has_an_exception() -> None:
    statuses = {value for name, value in header_constants().items() if name.startswith("FDM_ERR_")}
    assert errors.BY_STATUS.keys() == statuses


def test_the_content_type_is_the_library_s(library: _library.Library) -> None:
    assert library.fdm_content_type(_constants.FDM_FORMAT_TEXT).decode() == exposition.CONTENT_TYPE_LATEST
