"""What is indexed, and what is refused because the real host or worker would refuse it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devhost.app_index import index_app
from devhost.refused import Refused

AppFolder = Callable[..., Path]


def test_functions_of_the_app_and_its_blueprints_are_found(app_folder: AppFolder) -> None:
    """With their triggers, and whether they are coroutines."""
    folder = app_folder("""
        part = func.Blueprint()

        @part.timer_trigger(schedule="0 * * * * *", arg_name="timer")
        async def tick(timer: func.TimerRequest) -> None: ...

        @app.queue_trigger(arg_name="message", queue_name="polls", connection="AzureWebJobsStorage")
        def poll(message: func.QueueMessage) -> None: ...

        app.register_functions(part)
    """)

    found = {one.name: (one.trigger["type"], one.is_async) for one in index_app(folder)}

    assert found == {"tick": ("timerTrigger", True), "poll": ("queueTrigger", False)}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("app = None", "one FunctionApp"),
        ("other = func.FunctionApp()", "one FunctionApp"),
        (
            '@app.blob_trigger(arg_name="b", path="p", connection="c")\ndef f(b: func.InputStream): ...',
            "blobTrigger",
        ),
        ('@app.route(route="x")\ndef f(request: func.HttpRequest): ...', "req"),
        ('@app.route(route="x")\ndef f(req: func.HttpRequest, extra: int): ...', "extra"),
        ('@app.route(route="x")\ndef f(req: func.TimerRequest): ...', "annotation"),
        ('@app.route(route="admin/x")\ndef f(req: func.HttpRequest): ...', "host's own"),
        ('@app.function_name("host")\n@app.route(route="x")\ndef f(req): ...', "function name"),
        ('@app.function_name("a b")\n@app.route(route="x")\ndef f(req): ...', "function name"),
        (
            '@app.queue_trigger(arg_name="m", queue_name="q", connection="")\n'
            '@app.queue_output(arg_name="o", queue_name="p", connection="")\n'
            "def f(m: func.QueueMessage, o: str): ...",
            "func.Out",
        ),
        (
            '@app.function_name("f")\n@app.route(route="x")\ndef a(req): ...\n'
            '@app.function_name("f")\n@app.route(route="y")\ndef b(req): ...',
            "unique",
        ),
    ],
)
def test_what_cannot_run_in_azure_is_refused(app_folder: AppFolder, source: str, words: str) -> None:
    """With the function's name and the reason."""
    folder = app_folder("")
    path = folder / "function_app.py"
    path.write_text(path.read_text() + source)

    with pytest.raises(Refused, match=words):
        index_app(folder)


def test_an_error_while_importing_is_not_hidden(app_folder: AppFolder) -> None:
    """In Azure all functions would silently be gone."""
    with pytest.raises(ZeroDivisionError):
        index_app(app_folder("1 / 0"))
