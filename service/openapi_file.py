"""`python -m service.openapi_file` writes the OpenAPI document to docs/openapi.json; a test compares the two."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from data.settings import Settings
from service.app import create_app

FILE = Path(__file__).parent.parent / "docs" / "openapi.json"


def openapi_text() -> str:
    """The document as JSON. It depends on the code alone: the service it is made with has an empty store."""
    with TemporaryDirectory() as folder:
        document = create_app(Settings(home=Path(folder))).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(openapi_text())
