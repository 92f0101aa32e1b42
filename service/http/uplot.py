"""uPlot, the chart library of the page: its two files, out of the package `youplot`, which is never imported."""

from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files

PACKAGE = "youplot"
SCRIPT, STYLE = "youplot/vendor/uplot.iife.min.js", "youplot/vendor/uplot.min.css"
SHA256 = {  # the script is that of uPlot 1.6.31 as its authors publish it
    SCRIPT: "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    STYLE: "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


class DamagedUplot(RuntimeError):
    """A file of uPlot is missing or is not the one that was tested."""


@cache
def read(name: str) -> bytes:
    """The content of SCRIPT or STYLE. Raises DamagedUplot."""
    advice = f"install Rollcast again, with the {PACKAGE} that constraints.txt names"
    try:
        found = next((file for file in files(PACKAGE) or () if file.as_posix() == name), None)
    except PackageNotFoundError:
        found = None
    if found is None:
        raise DamagedUplot(f"{name} is not installed: {advice}")
    content = found.read_binary()
    if sha256(content).hexdigest() != SHA256[name]:
        raise DamagedUplot(f"{name} is another file than the one that was tested: {advice}")
    return content
