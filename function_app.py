"""Every trigger of the product, and nothing else. Each hands its input to a part (shared/bootstrap.py) and
returns.

The only importer of azure.functions. Importing this file opens nothing and reads no setting: a fault while
it is imported would make every function vanish.
"""

from __future__ import annotations

import logging

import azure.functions as func

from shared.bootstrap import build

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_log = logging.getLogger("pocketsoc")


@app.timer_trigger("timer", schedule="0 * * * * *", run_on_startup=False, use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    """Every minute: queue a poll for each configuration that is due."""
    _log.info("tick: %d due", build().timers.tick())
    if line := build().pulse.line():
        _log.info("%s", line)


@app.timer_trigger("timer", schedule="30 */5 * * * *", run_on_startup=False, use_monitor=True)
def watch(timer: func.TimerRequest) -> None:
    """Every five minutes: look for what keeps us from seeing, and tell the admins."""
    build().timers.watch()


@app.queue_trigger("message", queue_name="polls", connection="AzureWebJobsStorage")
def poll_vendor(message: func.QueueMessage) -> None:
    """Read one configuration and queue what is new."""
    from shared.pipeline.messages import PollDue

    build().poller.poll(PollDue.model_validate_json(message.get_body()))


@app.queue_trigger("message", queue_name="raw-alerts", connection="AzureWebJobsStorage")
def ingest(message: func.QueueMessage) -> None:
    """Map, record, and queue what is to be said."""
    build().ingester.ingest(_text(message), redelivered=_redelivered(message))


@app.queue_trigger("message", queue_name="raw-alerts-backlog", connection="AzureWebJobsStorage")
def ingest_backlog(message: func.QueueMessage) -> None:
    """The same for what one configuration has too much of, so that the others need not wait."""
    body, again = _text(message), _redelivered(message)
    build().ingester.ingest(body, redelivered=again, queue="raw-alerts-backlog")


@app.queue_trigger("message", queue_name="notifications", connection="AzureWebJobsStorage")
def notify(message: func.QueueMessage) -> None:
    """Push to the installations."""
    build().notifier.notify(_text(message), redelivered=_redelivered(message))


@app.queue_trigger("message", queue_name="notifications-backlog", connection="AzureWebJobsStorage")
def notify_backlog(message: func.QueueMessage) -> None:
    """Push what a backlog has to say."""
    body, again = _text(message), _redelivered(message)
    build().notifier.notify(body, redelivered=again, queue="notifications-backlog")


@app.timer_trigger("timer", schedule="30 */10 * * * *", run_on_startup=False, use_monitor=True)
def tick_inventory(timer: func.TimerRequest) -> None:
    """Every ten minutes: queue a reading for each kind of inventory that is due."""
    parts = build()
    _log.info("inventory: %d due", parts.timers.run("tick_inventory", parts.inventory_ticker.tick))


@app.timer_trigger("timer", schedule="45 23 * * * *", run_on_startup=False, use_monitor=True)
def daily_checks(timer: func.TimerRequest) -> None:
    """Every hour: check the credentials of each configuration whose last check is a day old."""
    parts = build()
    _log.info("checks: %d done", parts.timers.run("daily_checks", parts.doctor.daily))


@app.queue_trigger("message", queue_name="inventory", connection="AzureWebJobsStorage")
def read_inventory(message: func.QueueMessage) -> None:
    """Read one kind of inventory of one configuration."""
    from shared.pipeline.messages import InventoryDue

    build().inventory_reader.read(InventoryDue.model_validate_json(message.get_body()))


@app.timer_trigger("timer", schedule="40 */5 * * * *", run_on_startup=False, use_monitor=True)
def serve_collector(timer: func.TimerRequest) -> None:
    """Every five minutes: hand new risks and assets to the collector, where there is one."""
    parts = build()
    if sent := parts.timers.run("serve_collector", parts.collector.emit):
        _log.info("collector: %d records", sent)


@app.timer_trigger("timer", schedule="0 7 * * * *", run_on_startup=False, use_monitor=True)
def sweep(timer: func.TimerRequest) -> None:
    """Every hour: queue a sweep of each configuration, to prove that nothing is missed."""
    parts = build()
    _log.info("sweep: %d queued", parts.timers.run("sweep", parts.sweeper.queue))


@app.queue_trigger("message", queue_name="sweeps", connection="AzureWebJobsStorage")
def sweep_vendor(message: func.QueueMessage) -> None:
    """Compare one configuration with what its vendor has, and recover what is missing."""
    build().sweeper.sweep(_text(message))


@app.queue_trigger("message", queue_name="polls-poison", connection="AzureWebJobsStorage")
def quarantine_polls(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("polls", _text(message))


@app.queue_trigger("message", queue_name="inventory-poison", connection="AzureWebJobsStorage")
def quarantine_inventory(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("inventory", _text(message))


@app.queue_trigger("message", queue_name="sweeps-poison", connection="AzureWebJobsStorage")
def quarantine_sweeps(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("sweeps", _text(message))


@app.queue_trigger("message", queue_name="raw-alerts-poison", connection="AzureWebJobsStorage")
def quarantine_raw_alerts(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("raw-alerts", _text(message))


@app.queue_trigger("message", queue_name="raw-alerts-backlog-poison", connection="AzureWebJobsStorage")
def quarantine_raw_alerts_backlog(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("raw-alerts-backlog", _text(message))


@app.queue_trigger("message", queue_name="notifications-poison", connection="AzureWebJobsStorage")
def quarantine_notifications(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("notifications", _text(message))


@app.queue_trigger("message", queue_name="notifications-backlog-poison", connection="AzureWebJobsStorage")
def quarantine_notifications_backlog(message: func.QueueMessage) -> None:
    """Keep what kept failing."""
    build().quarantiner.take("notifications-backlog", _text(message))


@app.route(
    "api/webhooks/defender-for-cloud/{configuration}",
    trigger_arg_name="request",
    methods=["POST"],
    auth_level=func.AuthLevel.FUNCTION,
)
def webhook_defender_for_cloud(request: func.HttpRequest) -> func.HttpResponse:
    """Take a Defender for Cloud event from a Logic App. Callers: whoever has the function key."""
    from shared.pipeline.receive import correlation_id

    answer = build().receiver.receive(
        request.route_params["configuration"], "defender_for_cloud", request.get_body()
    )
    correlation = correlation_id()
    if answer.status >= 400:
        _log.warning("webhook answered %d (%s), correlation id %s", answer.status, answer.title, correlation)
    headers = {"X-Correlation-Id": correlation}
    if answer.retry_after:
        headers["Retry-After"] = str(answer.retry_after)
    kind = "application/problem+json" if answer.status >= 400 else "text/plain"
    return func.HttpResponse(
        answer.body(correlation), status_code=answer.status, headers=headers, mimetype=kind
    )


@app.route(
    "api/v1/{*path}",
    trigger_arg_name="request",
    methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
async def api(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The HTTP API. Anonymous to the host; every route of it names who may call it (shared/api/caller.py)."""
    bridge = func.AsgiMiddleware(build().api)  # type: ignore[no-untyped-call]
    answer: func.HttpResponse = await bridge.handle_async(request, context)
    return answer


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode()


def _redelivered(message: func.QueueMessage) -> bool:
    return (message.dequeue_count or 1) > 1
