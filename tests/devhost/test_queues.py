"""Queue triggers and outputs against Azurite."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

pytestmark = [pytest.mark.azurite, pytest.mark.peer]
Run = Callable[..., Any]
Eventually = Callable[..., Any]
_QUICK = {"maxPollingInterval": "00:00:00.2000000", "batchSize": 8, "newBatchThreshold": 4}


def _on_message(body: str, *, queue: str = "work", annotation: str = "func.QueueMessage") -> str:
    return f"""
import threading, time
seen = []

@app.queue_trigger(arg_name="message", queue_name="{queue}", connection="AzureWebJobsStorage")
def work(message: {annotation}) -> None:
    {body}
"""


def _start(run: Run, storage: str, source: str, **queues: Any) -> Any:
    return run(source, {"AzureWebJobsStorage": storage, "PREFIX": "test"}, queues=_QUICK | queues)


def _seen(host: Any) -> list[Any]:
    seen: list[Any] = host.host.functions[0].call.__globals__["seen"]
    return seen


def _queue(storage: str, name: str = "work", *, create: bool = True) -> QueueClient:
    client = QueueClient.from_connection_string(storage, name)
    if create:
        client.create_queue()
    return client


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _texts(queue: QueueClient) -> list[str]:
    try:
        return [message.content for message in queue.peek_messages(max_messages=32)]
    except ResourceNotFoundError:
        return []


def _count(queue: QueueClient) -> int:
    return queue.get_queue_properties().approximate_message_count or 0


def test_a_message_reaches_the_function_with_its_metadata_and_is_deleted(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """Body, id, times, receipt; once only."""
    sent = _queue(storage).send_message(_base64("hällo"))
    host = _start(run, storage, _on_message("seen.append(message)"))

    eventually(lambda: _seen(host))
    eventually(lambda: _count(_queue(storage, create=False)) == 0)

    (message,) = _seen(host)
    assert (message.get_body().decode(), message.id, message.dequeue_count) == ("hällo", sent.id, 1)
    assert message.pop_receipt
    assert message.insertion_time < message.time_next_visible < message.expiration_time


@pytest.mark.parametrize(("annotation", "body"), [("str", "text"), ("bytes", b"text")])
def test_a_message_may_be_taken_as_text_or_bytes(
    run: Run, storage: str, eventually: Eventually, annotation: str, body: str | bytes
) -> None:
    """As the parameter is annotated."""
    _queue(storage).send_message(_base64("text"))

    host = _start(run, storage, _on_message("seen.append(message)", annotation=annotation))

    assert eventually(lambda: _seen(host)) == [body]


def test_a_failing_message_is_tried_again_then_poisoned_as_it_came(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """maxDequeueCount deliveries; then it is in the poison queue, on the wire the same text, and nowhere
    else.
    """
    _queue(storage).send_message(_base64("bad"))
    host = _start(run, storage, _on_message("seen.append(message.dequeue_count); 1 / 0"), maxDequeueCount=3)

    poison = _queue(storage, "work-poison", create=False)
    eventually(lambda: _texts(poison) == [_base64("bad")])
    eventually(lambda: _count(_queue(storage, create=False)) == 0)

    assert _seen(host) == [1, 2, 3]


def test_a_failed_message_comes_back_after_the_visibility_timeout(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """Not at once, not after ten minutes."""
    _queue(storage).send_message(_base64("bad"))
    host = _start(run, storage, _on_message("seen.append(time.time()); 1 / 0"), visibilityTimeout="00:00:02")

    eventually(lambda: len(_seen(host)) >= 2)

    first, second = _seen(host)[:2]
    assert 1.5 < second - first < 4


def test_the_last_failure_poisons_at_once(run: Run, storage: str, eventually: Eventually) -> None:
    """Not after the time that a retry would wait. A value that nothing takes is a failure, too."""
    _queue(storage).send_message(_base64("bad"))
    _start(run, storage, _on_message("return 5"), maxDequeueCount=1, visibilityTimeout="00:01:00")

    assert eventually(lambda: _texts(_queue(storage, "work-poison", create=False))) == [_base64("bad")]


def test_a_message_that_is_not_base64_is_poisoned_unseen(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """The function is never called with it; the poison queue has it as it came."""
    _queue(storage).send_message("{plain}")
    host = _start(run, storage, _on_message("seen.append(message)"))

    eventually(lambda: _texts(_queue(storage, "work-poison", create=False)) == ["{plain}"])

    assert _seen(host) == []


def test_plain_messages_are_read_when_host_json_says_so(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """messageEncoding none."""
    _queue(storage).send_message("{plain}")

    host = _start(run, storage, _on_message("seen.append(message.get_body())"), messageEncoding="none")

    assert eventually(lambda: _seen(host)) == [b"{plain}"]


def test_a_failed_message_of_a_poison_queue_stays_hidden(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """A poison queue has no poison queue; released at once, the message would come back for ever."""
    queue = _queue(storage, "work-poison")
    queue.send_message(_base64("bad"))
    host = _start(run, storage, _on_message("seen.append(1); 1 / 0", queue="work-poison"))

    eventually(lambda: _seen(host))
    time.sleep(0.5)
    host.stop()

    assert (_seen(host), _texts(queue), _count(queue)) == ([1], [], 1)
    assert _texts(_queue(storage, "work-poison-poison", create=False)) == []


def test_a_queue_that_is_not_there_is_waited_for(run: Run, storage: str, eventually: Eventually) -> None:
    """Its first message is found once somebody makes it. The name comes from a setting."""
    host = _start(run, storage, _on_message("seen.append(1)", queue="%PREFIX%-late"))
    host.call("/")

    _queue(storage, "test-late").send_message(_base64("x"))

    assert eventually(lambda: _seen(host)) == [1]


def test_no_more_messages_run_at_once_than_batch_and_threshold_allow(
    run: Run, storage: str, eventually: Eventually
) -> None:
    """A second batch is fetched while the threshold's number is under way, and no third."""
    queue = _queue(storage)
    for number in range(12):
        queue.send_message(_base64(str(number)))
    source = "seen.append(1); time.sleep(0.2 + int(message.get_body()) % 3 * 0.3); seen.append(-1)"

    host = _start(run, storage, _on_message(source), batchSize=3, newBatchThreshold=2)
    eventually(lambda: len(_seen(host)) == 24, 20)

    levels = [sum(_seen(host)[: place + 1]) for place in range(24)]
    assert 3 < max(levels) <= 5


def test_a_message_is_kept_hidden_while_its_function_runs(
    run: Run, storage: str, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewed at half time, the message is not delivered a second time, and is deleted with its newest
    receipt.
    """
    monkeypatch.setattr("devhost.host.HIDDEN_SECONDS", 2.0)
    queue = _queue(storage)
    queue.send_message(_base64("long"))

    host = _start(run, storage, _on_message("seen.append(1); time.sleep(4.5); seen.append(2)"))
    eventually(lambda: len(_seen(host)) == 2)
    eventually(lambda: _count(queue) == 0)

    assert _seen(host) == [1, 2]


def test_stopping_waits_for_the_messages_under_way(run: Run, storage: str, eventually: Eventually) -> None:
    """The running one is finished and deleted, no other is begun."""
    queue = _queue(storage)
    queue.send_message(_base64("x"))
    host = _start(run, storage, _on_message("seen.append(1); time.sleep(0.6); seen.append(2)"))
    eventually(lambda: _seen(host))

    host.stop()

    assert (_seen(host), _count(queue)) == ([1, 2], 0)


OUTPUTS = """
import typing
seen = []

@app.queue_trigger(arg_name="message", queue_name="next", connection="AzureWebJobsStorage")
def second(message: str) -> None:
    seen.append(message)

@app.route(route="put", auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="out", queue_name="next", connection="AzureWebJobsStorage")
def put(req: func.HttpRequest, out: func.Out[typing.List[str]]) -> str:
    out.set(["a", "b"])
    if req.params.get("fail"):
        raise ValueError
    return "put"
"""


def test_outputs_are_written_after_success_and_wake_their_listener(
    run: Run, storage: str, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message for each item, in a queue made for it, read long before the next poll; none of a failed
    run.
    """
    monkeypatch.setattr("devhost.queue_trigger._SHORTEST_POLL", 60.0)
    _queue(storage, "next")
    host = _start(run, storage, OUTPUTS, maxPollingInterval="00:01:00")
    host.call("/put?fail=1")

    assert host.call("/put").body == b"put"

    eventually(lambda: len(_seen(host)) >= 2)
    assert sorted(_seen(host)) == ["a", "b"]


def test_a_dict_is_no_queue_output(run: Run, storage: str) -> None:
    """The real worker would send its keys; here the invocation fails."""
    host = _start(run, storage, OUTPUTS.replace('["a", "b"]', '{"a": 1}'))

    assert host.call("/put").status == 500


def test_a_connection_without_setting_is_refused(run: Run) -> None:
    """The function could not be started in Azure either."""
    from devhost.refused import Refused

    with pytest.raises(Refused, match="AzureWebJobsStorage"):
        run(_on_message("pass"))


def test_a_wrong_connection_string_is_refused_without_showing_it(run: Run) -> None:
    """It may hold an account's key."""
    from devhost.refused import Refused

    with pytest.raises(Refused, match="not a storage account") as refused:
        run(_on_message("pass"), {"AzureWebJobsStorage": "AccountKey=topsecret"})

    assert "topsecret" not in str(refused.value)
