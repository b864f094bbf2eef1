"""The HTTP front, over a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.peer
Run = Callable[..., Any]

ECHO = """
@app.route(route="echo/{name?}", auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    import json
    said = {"method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
            "headers": dict(req.headers), "body": req.get_body().hex(), "name": context.function_name}
    return func.HttpResponse(json.dumps(said), status_code=201, mimetype="application/json",
                             headers={"X-Own": "yes", "Set-Cookie": "a=1; Path=/"})
"""


def test_a_request_reaches_the_function_whole(run: Run) -> None:
    """Method, address, query, route values, headers and the body's bytes."""
    host = run(ECHO)

    answer = host.call("/Echo/J%C3%BC?a=1&a=2&b=", "PUT", b"\x00\xff", X_Mine="here")

    said = json.loads(answer.body)
    assert (said["method"], said["body"], said["name"]) == ("PUT", "00ff", "echo")
    assert said["route"] == {"name": "Jü"}
    assert said["params"] == {"a": "1,2", "b": ""}
    assert said["headers"]["x-mine"] == "here"
    assert said["url"] == f"http://127.0.0.1:{host.host.port}/Echo/J%C3%BC?a=1&a=2&b="


def test_an_answer_comes_back_whole(run: Run) -> None:
    """Status, headers, media type and cookies of the HttpResponse."""
    answer = run(ECHO).call("/echo")

    assert answer.status == 201
    assert answer.all("content-type") == ["application/json"]
    assert answer.all("x-own") == ["yes"]
    assert answer.all("set-cookie") == ["a=1; Path=/"]


def test_text_is_an_answer(run: Run) -> None:
    """A str is 200 and plain text; the route of a function without one is its name, under the prefix."""
    host = run(
        """
        @app.route(auth_level=func.AuthLevel.ANONYMOUS)
        async def hello(req: func.HttpRequest) -> str:
            return "grüß dich"
        """,
        http={"routePrefix": "api"},
    )

    answer = host.call("/api/hello")

    assert (answer.status, answer.body.decode()) == (200, "grüß dich")
    assert answer.all("content-type") == ["text/plain; charset=utf-8"]


@pytest.mark.parametrize(
    "outcome", ["raise ValueError('secret')", "return None", "return {'a': 1}", "return 5"]
)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_failed_invocation_is_500_without_a_body(run: Run, outcome: str, kind: str) -> None:
    """An exception, and everything that is neither HttpResponse nor str."""
    host = run(f"""
        @app.route(route="x", auth_level=func.AuthLevel.ANONYMOUS)
        {kind} x(req: func.HttpRequest):
            {outcome}
    """)

    answer = host.call("/x")

    assert (answer.status, answer.body) == (500, b"")


def test_no_route_and_a_wrong_method_are_404(run: Run) -> None:
    """A method is part of the route; HEAD does not come with GET."""
    host = run("""
        @app.route(route="x", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
        def x(req: func.HttpRequest) -> str:
            return "x"
    """)

    assert [host.call("/y").status, host.call("/x", "POST").status, host.call("/x", "HEAD").status] == [
        404
    ] * 3
    assert host.call("/x").status == 200


def test_the_more_literal_route_is_taken(run: Run) -> None:
    """Whatever the order in function_app.py."""
    host = run("""
        @app.route(route="{*rest}", auth_level=func.AuthLevel.ANONYMOUS)
        def everything(req: func.HttpRequest) -> str:
            return "everything"

        @app.route(route="x/y", auth_level=func.AuthLevel.ANONYMOUS)
        def one(req: func.HttpRequest) -> str:
            return "one"
    """)

    assert [host.call(path).body for path in ("/x/y", "/x/z")] == [b"one", b"everything"]


GUARDED = """
@app.route(route="f", auth_level=func.AuthLevel.FUNCTION)
def f(req: func.HttpRequest) -> str:
    return "in"

@app.route(route="a", auth_level=func.AuthLevel.ADMIN)
def a(req: func.HttpRequest) -> str:
    return "in"
"""


def test_a_function_key_opens_functions_and_the_master_key_everything(run: Run) -> None:
    """By header or by query."""
    host = run(GUARDED)
    default, master = host.host.keys.default, host.host.keys.master

    statuses = [
        host.call(f"/{path}?code={key}").status for path in "fa" for key in (default, master, "x", "")
    ]

    assert statuses == [200, 200, 401, 401, 401, 200, 401, 401]
    assert host.call("/f", x_functions_key=default).status == 200


def test_the_header_is_looked_at_before_the_query(run: Run) -> None:
    """A wrong header is not made good by a right query."""
    host = run(GUARDED)

    assert host.call(f"/f?code={host.host.keys.default}", x_functions_key="wrong").status == 401


def test_without_auth_no_key_is_asked_for(run: Run) -> None:
    """As Core Tools do it."""
    assert run(GUARDED, auth=False).call("/a").status == 200


def test_keys_are_kept_for_their_owner_only(run: Run, tmp_path: Path) -> None:
    """The file survives a restart and nobody else may read it."""
    first = run(GUARDED).host.keys
    path = tmp_path / "state" / "keys.json"

    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"_master": first.master, "default": first.default}


def test_no_log_line_holds_a_key(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a right nor a wrong one, wherever it came from."""
    caplog.set_level("DEBUG")
    host = run(GUARDED)

    host.call(f"/f?code={host.host.keys.default}")
    host.call("/f?code=wrong-key-4711", x_functions_key="wrong-key-4712")

    assert "Executed 'f' (Succeeded" in caplog.text
    assert not any(key in caplog.text for key in (host.host.keys.default, "wrong-key"))


def test_an_asgi_application_answers_through_the_bridge(run: Run) -> None:
    """func.AsgiMiddleware gets a request and a context that it can work with."""
    host = run("""
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        async def show(request):
            name = request.scope["azure_functions.function_name"]
            return JSONResponse([request.url.path, (await request.body()).decode(), name])

        inner = Starlette(routes=[Route("/api/v1/{x:path}", show, methods=["POST"])])

        @app.route(route="api/v1/{*path}", auth_level=func.AuthLevel.ANONYMOUS)
        async def api(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
            return await func.AsgiMiddleware(inner).handle_async(req, context)
    """)

    answer = host.call("/api/v1/a%20b/c", "POST", b"body")

    assert json.loads(answer.body) == ["/api/v1/a b/c", "body", "api"]


def test_sync_functions_run_side_by_side(run: Run) -> None:
    """As many as PYTHON_THREADPOOL_THREAD_COUNT says: two that wait for each other both come back."""
    host = run(
        """
        import threading
        together = threading.Barrier(2)

        @app.route(route="x", auth_level=func.AuthLevel.ANONYMOUS)
        def x(req: func.HttpRequest) -> str:
            together.wait(timeout=5)
            return threading.current_thread().name
        """,
        {"PYTHON_THREADPOOL_THREAD_COUNT": "2"},
    )
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: host.call("/x"), range(2)))

    assert {answer.body for answer in answers} == {b"function_0", b"function_1"}


def test_stopping_waits_for_a_running_function(run: Run, eventually: Callable[..., Any]) -> None:
    """The request that is under way is answered, then the host ends."""
    host = run("""
        import threading, time
        running = threading.Event()

        @app.route(route="slow", auth_level=func.AuthLevel.ANONYMOUS)
        def slow(req: func.HttpRequest) -> str:
            running.set()
            time.sleep(0.6)
            return "done"
    """)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.call, "/slow")
        function = next(one for one in host.host.functions if one.name == "slow")
        assert function.call.__globals__["running"].wait(5)
        host.stop()

    assert answer.result().body == b"done"
