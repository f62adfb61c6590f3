"""
Privileges: gives root up for another user before anything is opened.

So every file is that user's from the beginning, and so is the process that makes the search index.
On Linux the right to ports below 1024 stays: listeners are bound again after a loss or a reload.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bindpost
from bindpost.config.data import IN_MEMORY, data_location
from bindpost.config.model import Settings
from bindpost.errors import ConfigError

if TYPE_CHECKING:
    from pwd import struct_passwd

_PRIVATE: Final = 0o700
_USABLE: Final = os.R_OK | os.W_OK
_OPENABLE: Final = _USABLE | os.X_OK


def settle_user(settings: Settings, folder: Path) -> bool:
    """
    Become the user that the settings name; says whether root was given up for it.

    Has to be called while there is one thread. `folder` is what relative names are relative to.
    Raises `ConfigError`; the process may then be that user already.
    """
    if not settings.user:
        if settings.refuse_root and _is_root():
            raise ConfigError(
                "refuse_root", "the service is started as root", hint="set user, or start it as one"
            )
        return False
    account = _account(settings.user)
    if not _is_root():
        if os.geteuid() == account.pw_uid:
            return False
        raise ConfigError(
            "user",
            f"only root can become {settings.user}",
            hint=f"start it as root or as {settings.user}, or set no user",
        )
    os.environ["HOME"] = account.pw_dir
    data = data_location(settings, folder)
    _make_data_folder(data, account)
    _become(account)
    _check_installed(settings.user)
    _check_data(data, settings.user)
    return True


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _account(user: str) -> struct_passwd:
    """Look a user up. Raises `ConfigError`."""
    if sys.platform == "win32":
        raise ConfigError("user", "this system has no users to become", hint="set no user")
    import pwd

    try:
        account = pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise ConfigError(
            "user", f"there is no user {user!r}", hint="useradd --system makes one; or take nobody"
        ) from None
    if account.pw_uid == 0:
        raise ConfigError("user", f"{user} is root itself", hint="name another one, or none")
    return account


def _make_data_folder(data: str | Path, account: struct_passwd) -> None:
    """Make a data folder that doesn't exist yet for its user, who may not be able to."""
    if isinstance(data, Path) and data.parent.is_dir() and not os.path.lexists(data):
        try:
            data.mkdir(_PRIVATE)
            os.chown(data, account.pw_uid, account.pw_gid, follow_symlinks=False)
        except OSError as error:
            raise ConfigError("data", f"{data} cannot be made: {error.strerror}") from error


def _become(account: struct_passwd) -> None:
    """Become another user, with its groups, for good."""
    try:
        if sys.platform == "linux":
            _become_on_linux(account)
        else:
            _change_ids(account)
    except OSError as error:
        raise ConfigError(
            "user",
            f"root cannot become {account.pw_name} here: {error}",
            hint="a container needs the capabilities SETUID and SETGID; or start it as that user",
        ) from error


def _become_on_linux(account: struct_passwd) -> None:
    from .capabilities import NET_BIND_SERVICE, keep_only, keep_when_user_changes

    keep_when_user_changes()
    _change_ids(account)
    try:
        keep_only(NET_BIND_SERVICE)
    except PermissionError:  # root hadn't got it either, as in some containers
        keep_only()


def _change_ids(account: struct_passwd) -> None:
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _check_installed(user: str) -> None:
    """Raise `ConfigError` if a user cannot read bindpost, of which not all is loaded yet."""
    for path, mode in ((bindpost.__file__, os.R_OK), (sys.executable, os.R_OK | os.X_OK)):
        if not os.access(path, mode):
            raise ConfigError(
                "user",
                f"{user} cannot read {path}",
                hint="install bindpost where everybody can, under /opt for instance",
            )


def _check_data(data: str | Path, user: str) -> None:
    """Raise `ConfigError` if a user cannot use the data folder, or what is in it."""
    if data == IN_MEMORY:
        return
    folder = Path(data)
    try:
        folder.mkdir(_PRIVATE, parents=True, exist_ok=True)
        unusable = next(_unusable(folder), None)
    except OSError as error:
        raise ConfigError(
            "data",
            f"{user} cannot have the data folder {folder}: {error.strerror}",
            hint="name one with --data, in /var/lib for instance; it is made if its parent exists",
        ) from error
    if unusable is not None:
        raise ConfigError(
            "data", f"{user} may not read and write {unusable}", hint=f"chown -R {user}: {folder}"
        )


def _unusable(folder: Path) -> Iterator[Path]:
    """Give what of a folder this process may not use; raises `OSError`."""
    if not os.access(folder, _OPENABLE):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _unusable(path)
        elif not os.access(path, _USABLE):
            yield path
