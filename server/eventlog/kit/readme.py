"""The kit's README: what each file is for, how it is installed, and what nobody has tried."""

from __future__ import annotations

from typing import Final

_TEXT: Final = r"""
# bindpost's event kit

Made by `bindpost events kit` from bindpost {version}'s catalogue of events. The same version makes the same bytes.

| file | for | does |
|---|---|---|
| `bindpost.dll` | Windows Event Viewer, libevt's `evtexport` | has the sentences and the categories, no code |
| `bindpost.reg` | the same | tells where the DLL is, for the sources `MSExchangeIMC` and `bindpost` |
| `bindpost.catalog` | systemd's journal | `journalctl -x` explains each event |
| `sigma/*.yml` | SIEMs | find the failed start (4007, 4020) and a lost bind path (103) |

## Windows

**On a machine with a real Exchange 5.5 do not install ours**: it would take the place of Exchange's own registration of `MSExchangeIMC`.

1. Copy `bindpost.dll` to `{dll_path}`.
2. As an administrator, `regedit bindpost.reg`. To take it away again, delete the two keys that are named in it.

A saved log (`.evt`, `.evtx`) is shown with the registration of the machine that opens it, not of the one that wrote it.

What is not known of Exchange's own `imcmsg.dll`: we never saw it. The numbers and many of the sentences are from Microsoft's articles,
each named in the catalogue (docs/events.md); the *upper* 16 bits of the identifiers, the numbers of the categories, and every sentence that is not
attested there are our choice. So a log of a real Exchange may find no text in ours, and ours none in Exchange's.

The DLL and the registration were read by wrestool and by libevt's `evtexport`. Nobody has tried them on Windows.

## The journal

    install -m 644 bindpost.catalog /usr/lib/systemd/catalog/
    journalctl --update-catalog
    journalctl -x SYSLOG_IDENTIFIER=MSExchangeIMC

It needs `journald = "system"` in `[event_log]`: only there are events sent with their MESSAGE_ID.

## Sigma

The rules are for `product: windows`, `service: application`. Converted by pySigma to SQL as they are, with its Windows pipeline and with
`ecs_windows`, each finds its own event and no other in the log of a start that failed (`bindpost serve --log json`, its objects flattened to dotted columns).

## winlogbeat and Elastic

The JSON log has winlogbeat's names (`winlog.*`, `event.code`) and ECS's beside them, so searches for Windows events find it once it is indexed.
winlogbeat itself reads Windows event logs, not JSON; for the JSON log use whatever ships lines of JSON, with the keys put at the top of the document.
Nobody has tried that.

## OpenTelemetry

As OpenTelemetry's log data model maps Windows events: `@timestamp` is Timestamp, `message` is Body, `log.level` is SeverityText (error is SeverityNumber 17,
warning 13, info 9), `host.hostname` and `service.name` are Resource, all else is Attributes. No configuration is shipped: none was tried.
"""


def readme(version: str, dll_path: str) -> bytes:
    """Give the page, in Markdown."""
    return _TEXT.lstrip().format(version=version, dll_path=dll_path).encode("ascii")
