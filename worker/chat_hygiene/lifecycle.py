"""How a worker or a beat starts, works and ends: what hangs on Celery's signals. Importing it connects them."""

import logging
import mmap
import signal
import sys
import threading
import warnings
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog
from celery import beat, current_app, signals
from celery.apps.worker import Worker
from celery.exceptions import CPendingDeprecationWarning
from celery.utils.log import get_multiprocessing_logger
from celery.worker import consumer

from chat_hygiene.core.errors import Exit, HygieneError
from chat_hygiene.settings import Settings
from chat_hygiene.wiring import serving
from chat_hygiene.wiring.telling import configure_logs

NEVER = datetime.fromtimestamp(0, UTC)
"""When a schedule's entry ran last that has yet to run for the first time."""

_log = structlog.get_logger(__name__)

# One byte that a worker shares with the children it forks: what only the parent is told, they read.
_ending = mmap.mmap(-1, 1)
_interrupted = threading.Event()
_forked = threading.Event()
_handlers: list[Any] = []
_told = threading.Event()
"""A child was told itself. For the task at hand only: a time limit tells it so, too, and then its siblings work on."""


def ending() -> bool:
    """Whether this process, or the worker that forked it, was told to end."""
    return _ending[0] != 0 or _told.is_set()


def end() -> None:
    """Tells whatever takes long, in this process and its children, to finish what is out and end."""
    _ending[0] = 1


def refuse(*problems: str) -> NoReturn:
    """Ends a process that cannot work as it is set up: a line a problem, no traceback."""
    for problem in problems:
        sys.stderr.write(f"✘ {problem}\n")
    sys.exit(Exit.INVALID)


def _settings() -> Settings:
    service: serving.Service = current_app.service
    return service.settings


def _log_our_way(**_: object) -> None:
    configure_logs(_settings(), level=logging.INFO)
    logging.captureWarnings(capture=True)
    # Of a default that is to change in Celery 6, at every reconnection, although the setting is made.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    pool = get_multiprocessing_logger()
    pool.propagate = True  # or a child that was killed is told in a line that is no JSON
    pool.addFilter(_is_news)


def _is_news(_record: logging.LogRecord) -> bool:
    # The children of a group that is told to end end, too; whether the pool takes notice of it is a matter of luck.
    return not ending()


def _size(conf: Any, options: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - Celery's settings
    _log_our_way()  # now, so that what Celery warns of while it starts is one line, too
    # A drain is one loop over all numbers, so more processes of one machine would only share its budget.
    conf.worker_concurrency = 1 if list(options.get("queues") or ()) == ["delete"] else 4


class Consumer(consumer.Consumer):  # type: ignore[misc]  # the library is not typed
    """Celery's consumer, without what workers tell each other over the broker: nobody here listens."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        off = dict.fromkeys(("without_gossip", "without_mingle", "without_heartbeat"), True)
        super().__init__(*args, worker_options={**(worker_options or {}), **off}, **kwargs)


class Scheduler(beat.Scheduler):  # type: ignore[misc]  # the library is not typed
    """Celery's scheduler in memory, which starts over when the clock was set back instead of waiting for it to catch up."""

    _looked_at = NEVER

    def tick(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the library's signature
        """Sends at most one message; returns the seconds until the next one."""
        now = self.app.now()
        if now < self._looked_at:
            _log.warning(
                "the clock was set back; beat starts over",
                seconds=round((self._looked_at - now).total_seconds()),
            )
            for entry in self.schedule.values():
                entry.last_run_at = NEVER
            self.populate_heap()
        self._looked_at = now
        return super().tick(*args, **kwargs)


def _check_worker(sender: Worker, **_: object) -> None:
    if sender.pool_cls != "threads":
        _need_a_broker("worker")
    try:
        serving.check(_settings())
    except HygieneError as error:
        refuse(f"{error}\n  → {error.fix}")


def _say_ready(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's consumer
    queues = sorted(current_app.amqp.queues.consume_from)
    _log.info("the worker is ready", queues=queues, at_once=sender.controller.concurrency)


def _begin_to_end(sig: str, **_: object) -> None:
    end()
    if sig == "SIGINT":
        _interrupted.set()


def _end_well(sender: Worker, **_: object) -> None:
    # Celery takes an interrupted worker for a failed one, although it ended as warmly as by SIGTERM.
    if _interrupted.is_set() and ending():
        sender.exitcode = Exit.DONE
    service: serving.Service = current_app.service
    try:
        service.close()
    except HygieneError as error:
        _log.warning(f"what was done last is sealed by the next worker: {error}")


def _begin_as_child(**_: object) -> None:
    _forked.set()


def _begin_task(task: Any, task_id: str, **_: object) -> None:  # noqa: ANN401 - Celery's task
    structlog.contextvars.bind_contextvars(task=task.name.removeprefix("chat_hygiene."), task_id=task_id)
    if _forked.is_set():
        # A service manager that ends a whole group tells the children, too: what is at work finishes what is out. Set for
        # each task anew, because the pool sets its own handler after the child has begun, and an idle child needs none.
        _told.clear()
        _handlers.append(signal.signal(signal.SIGTERM, lambda _signal, _frame: _told.set()))


def _leave_task(**_: object) -> None:
    if _handlers:
        signal.signal(signal.SIGTERM, _handlers.pop())
    structlog.contextvars.clear_contextvars()
    _touch()


def _start_beat(**_: object) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # beside a worker, whose tasks are the sign of life
    _need_a_broker("beat")
    signals.after_task_publish.connect(_touch_published)
    _log.info("beat is ready")


def _touch_published(**_: object) -> None:
    _touch()


def _touch() -> None:
    if (file := _settings().heartbeat_file) is not None:
        file.touch()


def _need_a_broker(who: str) -> None:
    if _settings().broker_url.get_secret_value().startswith("memory:"):
        refuse(
            f"a {who} of its own shares nothing with others through CHAT_HYGIENE_BROKER_URL=memory://\n"
            "  → run `chat-hygiene up`, which is all of them in one process, or set a redis:// URL"
        )


for which, receiver in (
    (signals.setup_logging, _log_our_way),
    (signals.celeryd_init, _size),
    (signals.worker_init, _check_worker),
    (signals.worker_ready, _say_ready),
    (signals.worker_process_init, _begin_as_child),
    (signals.worker_shutting_down, _begin_to_end),
    (signals.worker_shutdown, _end_well),
    (signals.task_prerun, _begin_task),
    (signals.task_postrun, _leave_task),
    (signals.beat_init, _start_beat),
):
    which.connect(receiver)
