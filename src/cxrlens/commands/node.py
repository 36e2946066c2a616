"""A DICOM node, and images fetched from a DICOMweb archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cxrlens.commands.first_export import exported
from cxrlens.commands.options import console, finish

if TYPE_CHECKING:
    from cxrlens.serving.node.pull import Pulled

_QUEUE = "folder of what waits (it holds patient data, and is for its owner alone)"
_SEND = "archive for the results, by C-STORE: AET@HOST:PORT"
_STOW = "archive for the results, by STOW-RS: URL of its DICOMweb service"
_RESULT = "made besides the report: picture, outline or region; repeatable; default: all; 'report' for it alone"
_MIB = "largest image that is taken, in MiB"
_CERT = "certificate (PEM) to be called with over TLS, and to call with"
_KEY = "its private key (PEM, without a passphrase)"
_CA = "authorities (PEM) that peers' certificates must come from; callers must then show one"
_SEND_TLS = "call the archive of --send over TLS"


def node(
    model: Annotated[Optional[Path], typer.Option(help="an exported model, or a run folder")] = None,
    aet: Annotated[str, typer.Option(help="the node's own AE title")] = "CXRLENS",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on", min=0, max=65535)] = 11112,
    queue: Annotated[Path, typer.Option(help=_QUEUE)] = Path("node-queue"),
    send: Annotated[Optional[str], typer.Option(help=_SEND)] = None,
    stow: Annotated[Optional[str], typer.Option(help=_STOW)] = None,
    result: Annotated[Optional[list[str]], typer.Option(help=_RESULT)] = None,
    allow: Annotated[
        Optional[list[str]], typer.Option(help="AE title that may call; repeatable; demanded off loopback")
    ] = None,
    tls_cert: Annotated[Optional[Path], typer.Option(help=_CERT, show_default=False)] = None,
    tls_key: Annotated[Optional[Path], typer.Option(help=_KEY, show_default=False)] = None,
    tls_ca: Annotated[Optional[Path], typer.Option(help=_CA, show_default=False)] = None,
    send_tls: Annotated[bool, typer.Option("--send-tls", help=_SEND_TLS)] = False,
    max_mib: Annotated[int, typer.Option(help=_MIB, min=1)] = 256,
    max_waiting: Annotated[
        int, typer.Option(help="images that may wait; more are refused for the time", min=1)
    ] = 10_000,
    remember: Annotated[int, typer.Option(help="days for which an answered image is not answered again", min=1)] = 365,
    status: Annotated[
        Optional[Path], typer.Option(help="only count what is in this queue folder, and leave", show_default=False)
    ] = None,
) -> None:
    """Run a DICOM node: takes radiographs by C-STORE, answers each once, also after a crash, and stores the results."""
    _check_extra()
    from cxrlens.serving.node.ledger import count_states

    if status is not None:
        for state, count in count_states(status).items():
            console().print(f"{state:<10}{count:>9,}")
        return
    from cxrlens.serving.node.node import NodeOptions, run_node
    from cxrlens.serving.node.receiver import Listening
    from cxrlens.serving.node.states import Room
    from cxrlens.serving.node.tls import Tls

    tls = Tls(tls_cert, tls_key, tls_ca)
    # With --send-tls alone, --tls-ca is about the archive.
    door = tls if tls_cert is not None or (tls_ca is not None and not send_tls) else None
    listening = Listening(aet, host, port, tuple(allow or ()), max_mib << 20, tls=door)
    room = Room(max_waiting, remember_days=float(remember))
    options = NodeOptions(queue, send, stow, tuple(result or ()), room, send_tls=tls if send_tls else None)
    run_node(_exported(model), listening, options)


def pull(
    url: Annotated[str, typer.Argument(help="URL of an archive's DICOMweb service", show_default=False)],
    model: Annotated[Path, typer.Option(help="an exported model, or a run folder", show_default=False)],
    study: Annotated[Optional[list[str]], typer.Option(help="only this Study Instance UID; repeatable")] = None,
    date: Annotated[Optional[str], typer.Option(help="of the study: YYYYMMDD, or YYYYMMDD-YYYYMMDD")] = None,
    modality: Annotated[Optional[list[str]], typer.Option(help="of the series; repeatable; default: CR and DX")] = None,
    queue: Annotated[Path, typer.Option(help=_QUEUE)] = Path("pull-queue"),
    send: Annotated[Optional[str], typer.Option(help=_SEND)] = None,
    stow: Annotated[Optional[str], typer.Option(help=_STOW + "; default: the same archive")] = None,
    result: Annotated[Optional[list[str]], typer.Option(help=_RESULT)] = None,
    tls_cert: Annotated[Optional[Path], typer.Option(help="certificate (PEM) to call with", show_default=False)] = None,
    tls_key: Annotated[Optional[Path], typer.Option(help=_KEY, show_default=False)] = None,
    tls_ca: Annotated[
        Optional[Path], typer.Option(help="authorities (PEM) that its certificate must come from", show_default=False)
    ] = None,
    send_tls: Annotated[bool, typer.Option("--send-tls", help=_SEND_TLS)] = False,
    max_mib: Annotated[int, typer.Option(help=_MIB, min=1)] = 256,
) -> None:
    """Fetch radiographs from a DICOMweb archive, judge those without an answer, and store the results there."""
    _check_extra()
    from cxrlens.serving.node.finding import Search
    from cxrlens.serving.node.node import NodeOptions
    from cxrlens.serving.node.pull import PullRequest
    from cxrlens.serving.node.pull import pull as pull_images
    from cxrlens.serving.node.tls import Tls

    chosen = {} if modality is None else {"modalities": tuple(modality)}
    search = Search(tuple(study or ()), date, **chosen)
    tls = Tls(tls_cert, tls_key, tls_ca)
    options = NodeOptions(queue, send, stow, tuple(result or ()), send_tls=tls if send_tls else None)
    request = PullRequest(url, _exported(model), search, options, max_mib << 20)
    finish(_say(pull_images(request)))


def _say(pulled: Pulled) -> int:
    counts = pulled.counts
    words = ("found", "answered before", "taken in", "passed over", "delivered", "failed")
    console().print(", ".join(f"{word} {counts[word]}" for word in words))
    for reason, count in pulled.reasons.most_common():
        typer.echo(f"passed over: {count} ({reason})", err=True)
    return counts["passed over"] + counts["failed"]


def _exported(given: Optional[Path]) -> Path:
    from cxrlens.errors import OptionError

    if given is None:
        raise OptionError("--model", "is missing", "give an exported model, or a run folder")
    return exported(given)


def _check_extra() -> None:
    from importlib.util import find_spec

    from cxrlens.errors import OptionError

    missing = [
        name for name in ("pynetdicom", "dicomweb_client", "highdicom", "onnxruntime") if find_spec(name) is None
    ]
    if missing:
        raise OptionError(", ".join(missing), "is not installed", "pip install 'cxrlens[dicom,serve]'")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line, in this order."""
    for command in (node, pull):
        app.command()(command)
