"""What every implementation of Blobs promises."""

from __future__ import annotations

import pytest

from shared.store.stores import Blobs

C = "documents"


@pytest.mark.parametrize("content", [b"", b"\0\xff", b"x" * 5_000_000], ids=["empty", "binary", "large"])
def test_a_blob_is_read_as_it_was_written(blobs: Blobs, content: bytes) -> None:
    """Any bytes, of any length."""
    blobs.put(C, "name", content)

    assert blobs.get(C, "name") == content


@pytest.mark.parametrize("name", ["a/b/c.json", "it's 100%", "é🙂", "a" * 1024, "a+b&c=d#e?f"])
def test_a_name_may_hold_nearly_anything(blobs: Blobs, name: str) -> None:
    """Up to 1024 characters."""
    blobs.put(C, name, b"content")

    assert blobs.get(C, name) == b"content"


def test_put_replaces_what_was_there(blobs: Blobs) -> None:
    """The last one wins."""
    blobs.put(C, "name", b"old and longer")
    blobs.put(C, "name", b"new")

    assert blobs.get(C, "name") == b"new"


def test_a_deleted_blob_is_gone(blobs: Blobs) -> None:
    """Deleting it again is fine."""
    blobs.put(C, "name", b"content")

    blobs.delete(C, "name")
    blobs.delete(C, "name")

    assert blobs.get(C, "name") is None


def test_a_missing_container_is_empty(blobs: Blobs) -> None:
    """Nobody has to make containers before the product runs."""
    assert blobs.get(C, "name") is None
    blobs.delete(C, "name")


def test_containers_are_apart(blobs: Blobs) -> None:
    """The same name in another container is another blob."""
    blobs.put(C, "name", b"content")

    assert blobs.get("quarantine", "name") is None


@pytest.mark.parametrize("name", ["", "a" * 1025, "ends.", "ends/"])
def test_a_name_that_the_service_bends_is_refused(blobs: Blobs, name: str) -> None:
    """Azure strips dots and slashes at the end of a name."""
    with pytest.raises(ValueError, match="name"):
        blobs.put(C, name, b"")
