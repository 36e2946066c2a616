"""Images that were accepted and are not answered yet, on disk, so that a kill at any moment loses none of them.

The order of writing makes it so: a file is flushed before the row that names it is committed, and deleted only after
the row that no longer names it. Whatever a kill leaves in between is a file without a row, which is swept away when
the folder is opened again; its sender was told nothing yet, or its work is done once more.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock

from cxrlens.serving.node.errors import NodeError
from cxrlens.serving.node.files import Store
from cxrlens.serving.node.ledger import DATABASE, Ledger
from cxrlens.serving.node.states import DEFAULT_ROOM, Accepted, Outcome, Parcel, Room, Waiting

_DAY = 86400.0


class Queue:
    """A folder that one process holds. Threads may share it.

    Args:
        folder: made where it is missing, for its owner alone.
        model: identity of the model (``Predictor.identity``). An image that another model answered is a new one.
        room: how much may wait.

    Raises:
        NodeError: held by another process, no queue, or not to be written.
    """

    def __init__(self, folder: Path, model: str, room: Room = DEFAULT_ROOM) -> None:
        self.folder, self._room, self._model = folder, room, bytes.fromhex(model)
        self._lock, self._busy = Lock(), set[int]()
        self._held: int | None = None
        self.arrived, self.ready = Event(), Event()
        self._incoming, self._results = Store(folder / "incoming"), Store(folder / "results")
        try:
            self._hold()
            for store in (self._incoming, self._results):
                store.prepare()
            self._ledger = Ledger(folder)
            self._salt: bytes = self._ledger.about("salt")
            self._recover()
        except BaseException as error:
            self._let_go()
            if not isinstance(error, OSError):
                raise
            fault = f"cannot be used as a queue ({error.strerror or type(error).__name__})"
            raise NodeError(folder, fault, "choose another --queue") from error

    def accept(self, uid: str, data: bytes) -> Accepted:
        """Take an image in; when this returns ``NEW`` the image and its row are on the disk.

        Args:
            uid: its SOP Instance UID; only a keyed hash of it is kept.
            data: the whole file.
        """
        key = hmac.digest(self._salt, uid.encode(), "sha256")
        digest = hashlib.sha256(data).digest()
        known = self._known(key, digest)
        if known is not None:
            return known
        if not self._has_room(len(data)):
            return Accepted.FULL
        name = self._incoming.new_name()
        try:
            self._incoming.write(name, data)
            self._incoming.flush()
            with self._ledger.transaction() as do:
                known = self._known(key, digest)  # another association may have brought it meanwhile
                if known is None:
                    do.execute("DELETE FROM images WHERE key = ?", (key,))  # failed, or answered by another model
                    values = (key, digest, name, len(data), time.time())
                    do.execute(
                        "INSERT INTO images (key, digest, state, file, bytes, since)"
                        " VALUES (?, ?, 'received', ?, ?, ?)",
                        values,
                    )
        except (OSError, sqlite3.OperationalError):  # a disk that is full all the same, or gone
            self._incoming.remove([name])
            return Accepted.FULL
        if known is not None:
            self._incoming.remove([name])
            return known
        self.arrived.set()
        return Accepted.NEW

    def take(self, count: int, most_bytes: int = 128 << 20) -> list[Waiting]:
        """Images to judge, oldest first, each handed to one caller; that it was begun is on the disk.

        Args:
            count: at most so many.
            most_bytes: and no more of their files together, unless it is one alone.
        """
        with self._lock:
            self.arrived.clear()
            rows = self._ledger.read(
                "SELECT number, file, attempts, bytes FROM images WHERE state = 'received' ORDER BY number LIMIT ?",
                count + len(self._busy) + 1,
            )
            chosen: list[Waiting] = []
            total = 0
            for number, file, attempts, size in rows:
                if number in self._busy:
                    continue
                image = Waiting(int(number), str(file), int(attempts))
                total += int(size)
                # One that was begun and never ended may be what ended the process: it is judged alone.
                if chosen and (len(chosen) == count or total > most_bytes or image.attempts > 1):
                    break
                chosen.append(image)
                if image.attempts > 1:
                    break
            if chosen:
                with self._ledger.transaction() as do:
                    numbers = [(image.number,) for image in chosen]
                    do.executemany("UPDATE images SET attempts = attempts + 1 WHERE number = ?", numbers)
            free = sum(row[0] not in self._busy for row in rows)
            self._busy.update(image.number for image in chosen)
            if free > len(chosen):
                self.arrived.set()  # for the next worker
        return chosen

    def source(self, image: Waiting) -> bytes:
        """The file as it was accepted."""
        return self._incoming.path(image.file).read_bytes()

    def judged(self, answers: Mapping[Waiting, Sequence[bytes]]) -> None:
        """Keep the results of images that were taken, the report first, and delete the images."""
        names = {image: self._results.new_name() for image in answers}
        written = [f"{names[i]}.{part}" for i, results in answers.items() for part in range(len(results))]
        try:
            for image, results in answers.items():
                for part, data in enumerate(results):
                    self._results.write(f"{names[image]}.{part}", data)
            self._results.flush()
            with self._ledger.transaction() as do:
                for image, results in answers.items():
                    do.execute(
                        "UPDATE images SET state = 'judged', file = ?, model = ?, since = ? WHERE number = ?",
                        (names[image], self._model, time.time(), image.number),
                    )
                    do.executemany(
                        "INSERT INTO results VALUES (?, ?)", [(image.number, p) for p in range(len(results))]
                    )
        except BaseException:
            self._results.remove(written)
            raise
        self._incoming.remove(image.file for image in answers)
        self._release(list(answers))
        self.ready.set()

    def failed(self, image: Waiting, note: str) -> None:
        """An image that cannot be answered: the row says why (in words that hold nothing of it), the image goes."""
        with self._ledger.transaction() as do:
            do.execute(
                "UPDATE images SET state = 'failed', file = NULL, note = ?, since = ? WHERE number = ?",
                (note, time.time(), image.number),
            )
        self._incoming.remove([image.file])
        self._release([image])

    def give_back(self, images: Sequence[Waiting]) -> None:
        """Images that were taken and could not be judged now, through no fault of theirs."""
        with contextlib.suppress(sqlite3.OperationalError), self._ledger.transaction() as do:
            numbers = [(image.number,) for image in images]
            do.executemany("UPDATE images SET attempts = attempts - 1 WHERE number = ? AND state = 'received'", numbers)
        self._release(images)

    def judge_again(self, images: Sequence[Waiting]) -> None:
        """Images over which a process ended: that they were begun counts, and may be held against them."""
        self._release(images)
        if images:
            self.arrived.set()

    def _release(self, images: Sequence[Waiting]) -> None:
        with self._lock:
            self._busy.difference_update(image.number for image in images)

    def outgoing(self, count: int, now: float | None = None) -> list[Parcel]:
        """Results to deliver, oldest image first, of those whose time has come."""
        self.ready.clear()
        moment = time.time() if now is None else now
        rows = self._ledger.read(
            "SELECT number, file, part FROM images JOIN results ON image = number WHERE number IN "
            "(SELECT number FROM images WHERE state = 'judged' AND due <= ? ORDER BY number LIMIT ?) ORDER BY 1, 3",
            moment,
            count,
        )
        parcels: dict[int, dict[int, Path]] = {}
        for number, file, part in rows:
            parcels.setdefault(int(number), {})[int(part)] = self._results.path(f"{file}.{part}")
        return [Parcel(number, parts) for number, parts in parcels.items()]

    def settle(self, parcel: Parcel, outcomes: Mapping[int, Outcome], note: str = "", later_s: float = 60.0) -> str:
        """Write down what the archive said, and delete what need not wait.

        Args:
            parcel: as :meth:`outgoing` gave it.
            outcomes: by part; a part without one waits.
            note: why parts were refused, or wait.
            later_s: how long those that wait do.

        Returns:
            The image's state.
        """
        over = [part for part, outcome in outcomes.items() if outcome is not Outcome.LATER]
        waits = len(over) < len(parcel.parts)
        taken = sum(outcome is Outcome.TAKEN for outcome in outcomes.values())
        lost = outcomes.get(0) is Outcome.REFUSED  # without its report an image is not answered
        with self._ledger.transaction() as do:
            do.executemany("DELETE FROM results WHERE image = ? AND part = ?", [(parcel.number, part) for part in over])
            do.execute(
                "UPDATE images SET taken = taken + ?, lost = lost OR ?, due = ?,"
                " note = CASE ? WHEN '' THEN note ELSE ? END WHERE number = ?",
                (taken, lost, time.time() + later_s if waits else 0, note, note, parcel.number),
            )
            if not waits:
                do.execute(
                    "UPDATE images SET state = CASE WHEN lost THEN 'failed' ELSE 'delivered' END,"
                    " file = NULL, since = ? WHERE number = ?",
                    (time.time(), parcel.number),
                )
            state = do.execute("SELECT state FROM images WHERE number = ?", (parcel.number,)).fetchone()[0]
        self._results.remove(parcel.parts[part].name for part in over)
        return str(state)

    def waiting(self) -> int:
        """Images that are not delivered yet."""
        return int(self._ledger.read("SELECT COUNT(*) FROM images WHERE state IN ('received', 'judged')")[0][0])

    def answered(self, uid: str) -> bool:
        """Whether this model answered the image of that SOP Instance UID, or has it here."""
        key = hmac.digest(self._salt, uid.encode(), "sha256")
        rows = self._ledger.read("SELECT state, model FROM images WHERE key = ?", key)
        return bool(rows) and (rows[0][0] == "received" or (rows[0][0] != "failed" and rows[0][1] == self._model))

    def forget(self) -> int:
        """Drop rows of images that were answered longer ago than is remembered; how many."""
        before = time.time() - self._room.remember_days * _DAY
        with self._ledger.transaction() as do:
            gone = do.execute("DELETE FROM images WHERE state IN ('delivered', 'failed') AND since < ?", (before,))
        return int(gone.rowcount)

    def close(self) -> None:
        """Let go of the folder."""
        self._ledger.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _hold(self) -> None:
        if self.folder.exists() and not (self.folder / DATABASE).exists() and any(self.folder.iterdir()):
            names = {entry.name for entry in self.folder.iterdir()}
            if not names <= {"lock", "incoming", "results"}:
                raise NodeError(self.folder, "is no queue, and not empty", "choose another --queue")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._held = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it however a process ends
        except BlockingIOError as error:
            raise NodeError(
                self.folder, "is used by another node", "stop that one, or choose another --queue"
            ) from error

    def _recover(self) -> None:
        held = self._ledger.read("SELECT file FROM images WHERE state = 'received'")
        self._incoming.sweep({str(file) for (file,) in held})
        parts = self._ledger.read("SELECT file, part FROM images JOIN results ON image = number")
        self._results.sweep({f"{file}.{part}" for file, part in parts})
        self.forget()

    def _known(self, key: bytes, digest: bytes) -> Accepted | None:
        rows = self._ledger.read("SELECT state, digest, model FROM images WHERE key = ?", key)
        if not rows:
            return None
        state, known, model = rows[0]
        if state == "failed" or (state == "delivered" and model != self._model):
            return None
        return Accepted.AGAIN if known == digest else Accepted.OTHER

    def _has_room(self, size: int) -> bool:
        free = shutil.disk_usage(self.folder).free
        return free - 4 * size > self._room.keep_free and self.waiting() < self._room.images
