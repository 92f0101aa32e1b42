"""The OpenAPI document as a file: `python -m service.openapi_file` writes docs/openapi.json, a test compares it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from data.settings import Settings
from service.app import create_app

FILE = Path(__file__).parent.parent / "docs" / "openapi.json"


def openapi_text() -> str:
    """The document of a service without a store; it depends on nothing but the code."""
    with TemporaryDirectory() as folder:
        document = create_app(Settings(home=Path(folder))).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(openapi_text())
