"""What Azure's storage refuses, checked before anything is sent: memory and emulators refuse the same.

Every check raises ValueError: breaking a limit is a defect in our code. Texts name a column, never a value.
Sources: "Understanding the Table service data model", "Performing entity group transactions", "Scalability
targets for Queue storage", "About keys, secrets and certificates".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from shared.store.stores import Change, Delete, Row, Value, size_of

_KEY = re.compile(r"[^/\\#?\x00-\x1f\x7f-\x9f]{0,512}")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_SECRET = re.compile(r"[0-9a-zA-Z-]{1,127}")
_RESERVED = frozenset({"PartitionKey", "RowKey", "Timestamp"})
_ROW_BYTES, _ROW_VALUES, _VALUE_BYTES = 1 << 20, 252, 64 << 10
_TRANSACTION_ROWS, _TRANSACTION_BYTES = 100, 4 << 20
_MESSAGE_BYTES, _SECRET_BYTES, _WEEK = 48 << 10, 25 << 10, timedelta(days=7)


def check_changes(changes: Sequence[Change]) -> str:
    """Refuse what one transaction cannot hold; give back the partition that all changes share."""
    if not 1 <= len(changes) <= _TRANSACTION_ROWS:
        raise ValueError(f"a write takes 1 to {_TRANSACTION_ROWS} changes, not {len(changes)}")
    keys: set[str] = set()
    partitions: set[str] = set()
    weight = 0
    for change in changes:
        if isinstance(change, Delete):
            partition, key, size = change.partition, change.key, 400
        else:
            check_row(change.row)
            partition, key, size = change.row.partition, change.row.key, size_of(change.row)
        check_key(key)
        keys.add(key)
        partitions.add(partition)
        weight += size
    if len(partitions) != 1:
        raise ValueError("the changes of one write must share one partition")
    if len(keys) != len(changes):
        raise ValueError("a write may change each row only once")
    if weight > _TRANSACTION_BYTES:
        raise ValueError(f"a write takes at most {_TRANSACTION_BYTES} bytes, not {weight}")
    partition = partitions.pop()
    check_key(partition)
    return partition


def check_key(key: str) -> None:
    """Refuse a partition or row key that Azure refuses. `stores.key_safe` makes any text a good one."""
    if not _KEY.fullmatch(key):
        raise ValueError("a key holds a forbidden character or more than 512 of them: use key_safe")


def check_row(row: Row) -> None:
    """Refuse a row with too many, too large, wrongly named or wrongly typed values."""
    if len(row.values) > _ROW_VALUES:
        raise ValueError(f"a row holds at most {_ROW_VALUES} values, not {len(row.values)}")
    weight = 4 + 2 * (len(row.partition) + len(row.key))
    for column, value in row.values.items():
        check_column(column)
        weight += 8 + 2 * len(column) + _weight(column, value)
    if weight > _ROW_BYTES:
        raise ValueError(f"a row holds at most {_ROW_BYTES} bytes, not {weight}")


def check_column(column: str) -> None:
    """Refuse a column name that is not a plain identifier, or that the service keeps for itself."""
    if column in _RESERVED or not _COLUMN.fullmatch(column):
        raise ValueError(f"{column!r} cannot be the name of a column")


def _weight(column: str, value: Value) -> int:
    """Bytes a value takes at rest (strings: UTF-16). Refuses what the service cannot hold unchanged."""
    if isinstance(value, str):
        size = 2 * len(value) if value.isascii() else len(_utf16(column, value))
    elif isinstance(value, bytes):
        size = len(value)
    elif isinstance(value, bool):
        return 1
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"column {column!r} holds a number beyond 64 bits")
        return 8
    elif isinstance(value, float):
        return 8
    else:
        raise ValueError(f"column {column!r} holds a {type(value).__name__}, which has no column type")
    if size > _VALUE_BYTES:
        raise ValueError(f"column {column!r} holds {size} bytes; {_VALUE_BYTES} is the most")
    return size + 4


def _utf16(column: str, value: str) -> bytes:
    try:
        return value.encode("utf-16-le")
    except UnicodeEncodeError:
        raise ValueError(f"column {column!r} holds half a surrogate pair") from None


def check_page(limit: int, select: Sequence[str] | None) -> None:
    """Refuse a page size outside 1-1000, and columns that cannot be."""
    if not 1 <= limit <= 1000:
        raise ValueError(f"a page holds 1 to 1000 rows, not {limit}")
    for column in select or ():
        check_column(column)


def check_message(body: str, delay: timedelta) -> int:
    """Refuse a queue message that is too long or too late; give back the delay in seconds, rounded up."""
    size = len(body.encode())
    if size > _MESSAGE_BYTES:
        raise ValueError(f"a queue message takes at most {_MESSAGE_BYTES} bytes, not {size}: use a mailbox")
    if not timedelta() <= delay < _WEEK:
        raise ValueError("a queue message may be delayed by less than 7 days")
    return math.ceil(delay.total_seconds())


def check_receive(count: int, visibility: timedelta) -> int:
    """Refuse a receive that the service refuses; give back the visibility timeout in seconds, rounded up."""
    if not 1 <= count <= 32:
        raise ValueError(f"1 to 32 messages are received at once, not {count}")
    if not timedelta(seconds=1) <= visibility <= _WEEK:
        raise ValueError("a message is taken for 1 second to 7 days")
    return math.ceil(visibility.total_seconds())


def check_blob(name: str) -> None:
    """Refuse a blob name that is empty, too long or ends in what the service strips."""
    if not 1 <= len(name) <= 1024 or name.endswith((".", "/")):
        raise ValueError("a blob's name has 1 to 1024 characters and ends in neither '.' nor '/'")


def check_secret(name: str, value: str = "") -> str:
    """Refuse a name that Key Vault refuses, or a value over its 25 KiB; give back the name as it is compared:
    without regard to case."""
    if not _SECRET.fullmatch(name):
        raise ValueError("a secret's name has 1 to 127 letters, digits and hyphens")
    if len(value.encode()) > _SECRET_BYTES:
        raise ValueError(f"the value of a secret takes at most {_SECRET_BYTES} bytes")
    return name.lower()


def plain(value: Value) -> Value:
    """The value without its enumeration: `Severity.high` becomes "high"."""
    if type(value) in (str, bool, int, float, bytes):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    return int(value) if isinstance(value, int) else value


def columns_of(values: Mapping[str, Value], select: Sequence[str] | None) -> dict[str, Value]:
    """A copy of the values, or of those selected."""
    return dict(values) if select is None else {c: values[c] for c in select if c in values}
