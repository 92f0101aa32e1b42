"""One service a live store: the lock that `rollcast serve` holds for as long as it runs.

With SQLite it is a lock file beside the database; with PostgreSQL an advisory lock of a session that is kept open for
it, so that services of two homes on one database exclude each other too. Both end with the process that holds them,
however it ends. A lease by time would keep a killed service from starting again.
"""

import logging
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine

from data.errors import AlreadyRunning, StoreUnavailable
from data.files import file_lock
from data.store import database

log = logging.getLogger(__name__)

SERVICE_LOCK = 7_305_024
PATIENCE_S = 5.0  # that a start waits for the lock: the session of a killed client may outlive it for a moment
PAUSE_S = 0.1


def is_served(engine: Engine) -> bool:
    """Does a service run on this store now? A store that does not answer counts as served."""
    lock = ServiceLock(engine)
    try:
        lock.take()
    except (AlreadyRunning, StoreUnavailable):
        return True
    finally:
        lock.release()
    return False


class ServiceLock:
    """The lock of one store. Not shared between threads that call at the same time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file = ExitStack()
        self._session: Connection | None = None
        self.held = False
        self.elsewhere = False  # another service held it when we last looked

    def take(self, patience_s: float = 0.0) -> None:
        """Take the lock, or find that we still hold it. With patience, try again until so many seconds have passed.

        With PostgreSQL it is lost when the server restarts: call this now and then.

        Raises:
            AlreadyRunning: another service holds it.
            StoreUnavailable: the store does not answer.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self._take()
            except AlreadyRunning:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(PAUSE_S)

    def release(self) -> None:
        """Let another service have it."""
        self.held = False
        self._file.close()
        self._drop_session()

    def _take(self) -> None:
        running = AlreadyRunning(f"a service of {self._engine.url.render_as_string(hide_password=True)}")
        try:
            if self._engine.dialect.name == "sqlite":
                self._take_file(running)
            else:
                self._take_session(running)
        except AlreadyRunning:
            self.held, self.elsewhere = False, True
            raise
        except StoreUnavailable:
            self.held = False  # whether another has it cannot be known
            raise
        self.held, self.elsewhere = True, False

    def _take_file(self, running: AlreadyRunning) -> None:
        if self.held:
            return
        path = Path(str(self._engine.url.database)).resolve()
        try:
            self._file.enter_context(file_lock(path.with_name(path.name + ".service.lock"), running))
        except OSError as error:
            raise StoreUnavailable(f"{path.parent} cannot be written ({error.strerror})") from None

    def _take_session(self, running: AlreadyRunning) -> None:
        if self._session is not None:
            try:
                database.ask(self._session, "SELECT 1")
                return
            except StoreUnavailable:
                log.warning("the session that holds the lock of the service has ended; it is opened again")
                self._drop_session()
        session = database.open_session(self._engine)
        try:
            if not database.ask(session, "SELECT pg_try_advisory_lock(:lock)", lock=SERVICE_LOCK):
                raise running
        except BaseException:
            _close(session)
            raise
        self._session = session

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            _close(session)


def _close(session: Connection) -> None:
    with suppress(Exception):  # it may be broken already
        session.close()
    session.engine.dispose()
