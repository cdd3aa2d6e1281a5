"""What an installation decides: one frozen dataclass read from the environment and the installation's own secrets file."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class Misconfigured(Exception):
    """A setting is missing or makes no sense; the sentence names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Keys of one installation, 32 bytes each, made once and kept in `secrets.json` (mode 0600)."""

    id_number_key: bytes
    blind_index_key: bytes
    link_key: bytes
    form_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """Where transfers by VietQR go: the bank's number (BIN), the account and the name on it."""

    bin: str
    account: str
    name: str


# A transfer to it fails at the bank: nobody can lose money in a demo.
DEMO_ACCOUNT = BankAccount(bin="970449", account="000DEMO0000", name="BUU TA DEMO")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between installations."""

    database_url: str
    var_dir: Path
    data_dir: Path
    base_url: str
    demo: bool
    secure_cookies: bool
    trusted_proxies: int
    solve_seconds: float
    secrets: Secrets
    bank: BankAccount | None = None
    one_time_codes: bool | None = None
    """Whether a citizen needs a code beside the digits; None: wherever a message really goes out."""
    loopback_webhooks: bool = False
    """Webhooks may go to this machine itself, also without TLS: for trying things out, never where others enter addresses."""
    channels: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read `COURIER_*` variables; defaults serve a single machine from its own folder.

        Raises:
            Misconfigured: a value cannot be understood.
        """
        var_dir = Path(os.environ.get("COURIER_VAR_DIR", ROOT / "var")).resolve()
        base_url = os.environ.get("COURIER_BASE_URL", f"http://127.0.0.1:{os.environ.get('PORT', '8000')}")
        if not base_url.startswith(("http://", "https://")):
            raise Misconfigured(f"COURIER_BASE_URL must start with http:// or https://, found {base_url!r}")
        return cls(
            database_url=os.environ.get("COURIER_DATABASE_URL", f"sqlite:///{var_dir / 'courier.db'}"),
            var_dir=var_dir,
            data_dir=Path(os.environ.get("COURIER_DATA_DIR", ROOT / "data")).resolve(),
            base_url=base_url.rstrip("/"),
            demo=_flag("COURIER_DEMO"),
            secure_cookies=base_url.startswith("https://"),
            trusted_proxies=_whole_number("COURIER_TRUSTED_PROXIES", default=0),
            solve_seconds=_seconds("COURIER_SOLVE_SECONDS", default=8.0),
            secrets=load_secrets(var_dir),
            one_time_codes=_flag("COURIER_ONE_TIME_CODES") if "COURIER_ONE_TIME_CODES" in os.environ else None,
            channels=load_channels(Path(os.environ.get("COURIER_CHANNELS", var_dir / "channels.json"))),
            bank=_bank_account() or (DEMO_ACCOUNT if _flag("COURIER_DEMO") else None),
            loopback_webhooks=_flag("COURIER_WEBHOOKS_TO_LOOPBACK"),
        )


def load_secrets(var_dir: Path) -> Secrets:
    """Read the installation's keys, making them at the first start.

    Raises:
        Misconfigured: the file is there but is not what this program wrote.
    """
    path = var_dir / "secrets.json"
    names = ("id_number_key", "blind_index_key", "link_key", "form_key")
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        made = {name: secrets.token_hex(32) for name in names}
        scratch = path.with_name(f".secrets.{os.getpid()}")
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A hard link fails where two first starts meet: whoever comes second reads the first one's keys.
            os.link(scratch, path)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    try:
        read = json.loads(path.read_text())
        return Secrets(**{name: bytes.fromhex(read[name]) for name in names})
    except (ValueError, KeyError, TypeError) as fault:
        raise Misconfigured(f"{path.name} is damaged ({fault}): restore it from your backup") from fault


def load_channels(path: Path) -> Mapping[str, Any]:
    """What connects the channels of messages to citizens, by name; nothing where there is no such file: a dry run.

    Raises:
        Misconfigured: it is no JSON object of objects, or others than its owner may read the keys in it.
    """
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"{path.name} holds keys and must be readable by its owner alone: chmod 600")
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise Misconfigured(f"{path.name} is no JSON ({fault})") from fault
    if not isinstance(read, dict) or not all(isinstance(entry, dict) for entry in read.values()):
        raise Misconfigured(f"{path.name} is an object with an object for each channel: docs/messages.md")
    return read


def _bank_account() -> BankAccount | None:
    """The post's collecting account; all three parts or none."""
    names = ("COURIER_BANK_BIN", "COURIER_BANK_ACCOUNT", "COURIER_BANK_NAME")
    number, account, name = (os.environ.get(variable, "").strip() for variable in names)
    if not (number or account or name):
        return None
    if not (number and account and name):
        missing = next(v for v, value in zip(names, (number, account, name), strict=True) if not value)
        raise Misconfigured(f"{missing} is missing: {', '.join(names)} are set together or not at all")
    if not (len(number) == 6 and number.isascii() and number.isdecimal()):
        raise Misconfigured(f"COURIER_BANK_BIN is a bank's number of 6 digits, found {number!r}")
    if not (account.isascii() and account.isalnum() and len(account) <= 19):
        raise Misconfigured(f"COURIER_BANK_ACCOUNT is at most 19 letters and digits, found {account!r}")
    return BankAccount(bin=number, account=account, name=name)


def _flag(name: str) -> bool:
    value = os.environ.get(name, "0")
    if value not in ("0", "1"):
        raise Misconfigured(f"{name} is 0 or 1, found {value!r}")
    return value == "1"


def _whole_number(name: str, *, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise Misconfigured(f"{name} is a whole number, found {value!r}")
    return int(value)


def _seconds(name: str, *, default: float) -> float:
    value = os.environ.get(name, str(default))
    try:
        seconds = float(value)
    except ValueError as fault:
        raise Misconfigured(f"{name} is a number of seconds, found {value!r}") from fault
    if not 0.5 <= seconds <= 600:
        raise Misconfigured(f"{name} lies between 0.5 and 600 seconds, found {value!r}")
    return seconds
