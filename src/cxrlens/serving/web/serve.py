"""What ``cxrlens serve`` does: load the model, take the port, answer until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cxrlens import RESEARCH_ONLY
from cxrlens.errors import OptionError
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.options import ServerOptions

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

_BACKLOG = 1024
_KEEP_ALIVE_S = 15

TOKEN = "CXRLENS_TOKEN"  # noqa: S105  # the variable's name
"""Variable of the environment that may hold the token."""


def serve(predictor: Predictor, options: ServerOptions) -> None:
    """Run until SIGTERM or an interrupt; what was let in by then is answered first.

    Args:
        predictor: of an exported model.
        options: see :class:`ServerOptions`.

    Raises:
        OptionError: the port is taken, the address is not this machine's, or the web framework is not installed.
    """
    try:
        from cxrlens.serving.web.app import create_app
    except ImportError as error:
        raise OptionError("serve", f"needs the web framework ({error})", "pip install 'cxrlens[serve]'") from error
    listener = listen(options)
    port = listener.getsockname()[1]
    quiet_logs()
    server = make_server(create_app(predictor, replace(options, port=port)), options)
    what = f"{predictor.network.name} ({predictor.network.hash[:12]})"
    shown = f"[{options.host}]" if ":" in options.host else options.host
    sys.stdout.write(f"cxrlens serves {what} at http://{shown}:{port} - {RESEARCH_ONLY}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, _asked_to_stop)  # uvicorn sends the signal again when it has finished
    server.run(sockets=[listener])


def make_server(app: FastAPI, options: ServerOptions) -> uvicorn.Server:
    """What speaks HTTP for the application: one process, for there is one model, and it has threads of its own."""
    import uvicorn

    from cxrlens.serving.web.protocol import TimedProtocol

    class Protocol(TimedProtocol):
        headers_s = options.limits.idle_s
        reading_s = options.limits.upload_s

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,  # it would write paths and query strings
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(options.deadline_s) + 5,
    )
    return uvicorn.Server(config)


def listen(options: ServerOptions) -> socket.socket:
    """A socket that listens; :class:`OptionError` where it cannot be had."""
    where = f"{options.host}:{options.port}"
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OptionError(f"--host {options.host}", f"is no address ({error.strerror})", "give another") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        remedy = "stop what listens there, or give another --port (0: any free one)"
        raise OptionError(where, f"cannot be listened on ({error.strerror})", remedy) from error
    return listener


def quiet_logs() -> None:
    """One line a request on standard error, and nothing that other libraries say: it may hold a patient's data."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    own = logging.getLogger("cxrlens.web")
    own.handlers, own.propagate = [handler], False
    own.setLevel(logging.INFO)
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [logging.NullHandler()]
    for name in ("py.warnings", "pydicom", "PIL", "python_multipart", "uvicorn", "uvicorn.error", "asyncio"):
        other = logging.getLogger(name)
        other.handlers, other.propagate = [logging.NullHandler()], False
    server = logging.getLogger("uvicorn.error")
    server.handlers = [handler]
    server.setLevel(logging.ERROR)


def read_token(file: Path | None) -> str:
    """The token of a file, else of :data:`TOKEN`; blank where there is neither.

    Raises:
        OptionError: the file cannot be read, or is empty.
    """
    if file is None:
        return os.environ.get(TOKEN, "").strip()
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(file, "cannot be read as a token", "give a text file with one line") from error
    if not token:
        raise OptionError(file, "holds no token", "write one line into it")
    return token


def _asked_to_stop(_signal: int, _frame: object) -> None:
    """Left to uvicorn while it runs; afterwards there is nothing more to do."""
