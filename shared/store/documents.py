"""The document of a row: compressed, in the row itself or, over 60 KiB, in a blob under a name made of its
content."""

from __future__ import annotations

import hashlib
import zlib
from typing import TypeVar

from pydantic import BaseModel

from shared.errors import Unreadable
from shared.store.stores import Blobs, Container, Row, Value

INLINE = 60 * 1024
M = TypeVar("M", bound=BaseModel)


def document_columns(text: str, blobs: Blobs, place: str) -> dict[str, Value]:
    """The columns that hold a document. Its blob, if it needs one, is written now, below `place`."""
    document = zlib.compress(text.encode(), 1)
    if len(document) <= INLINE:
        return {"document": document}
    name = f"{place}/{hashlib.sha256(document).hexdigest()[:16]}"
    blobs.put(Container.documents, name, document)
    return {"document_blob": name}


def document_blob(row: Row) -> str | None:
    """The name of the blob that holds the row's document, if it is in one."""
    name = row.values.get("document_blob")
    return str(name) if name else None


def read_document(kind: type[M], row: Row, blobs: Blobs, what: str) -> M:
    """What the row's document holds. Raises Unreadable when it is missing or damaged; `what` says whose it
    is."""
    name = document_blob(row)
    document = blobs.get(Container.documents, name) if name else row.values.get("document")
    if not isinstance(document, bytes):
        raise Unreadable(f"The document of {what} is missing from storage.")
    try:
        return kind.model_validate_json(zlib.decompress(document))
    except (zlib.error, ValueError) as error:
        raise Unreadable(f"The document of {what} cannot be read; was it damaged?") from error
