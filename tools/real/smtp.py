"""An SMTP server on the loopback address that takes every mail and keeps it."""

import email
import email.policy
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from tools.real.processes import free_port


@dataclass(frozen=True)
class Mail:
    """One mail as it arrived: the envelope's addresses and the parsed message."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def html(self) -> str:
        """The HTML part's text, "" if there is none."""
        part = self.message.get_body(("html",))
        return part.get_content() if part else ""


@dataclass
class Sink:
    """What has arrived so far; aiosmtpd's thread adds, tests read."""

    port: int
    host: str = "127.0.0.1"
    _mails: list[Mail] = field(default_factory=list[Mail])
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def mails(self) -> tuple[Mail, ...]:
        with self._arrived:
            return tuple(self._mails)

    def wait_for(self, count: int, timeout_s: float = 30.0) -> tuple[Mail, ...]:
        """Returns all mails once there are at least `count`. Raises TimeoutError with the number that did arrive."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._mails) >= count, timeout_s):
                raise TimeoutError(f"{len(self._mails)} of {count} mails arrived within {timeout_s:.0f} s")
            return tuple(self._mails)

    def clear(self) -> None:
        with self._arrived:
            self._mails.clear()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        with self._arrived:
            self._mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message))
            self._arrived.notify_all()
        return "250 OK"


@contextmanager
def smtp_sink() -> Generator[Sink]:
    """A running sink on a free port."""
    sink = Sink(free_port())
    controller = Controller(sink, hostname=sink.host, port=sink.port)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()
