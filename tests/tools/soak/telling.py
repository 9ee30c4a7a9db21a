# Part of txwebsocket. See LICENSE for details.
"""
Soaks in words: for whoever has run one, and for the manual.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_MIB = 2**20
_ROWS = 10
_KEPT = 60  # samples that a file keeps

Facts = Mapping[str, Any]


def asText(facts: Facts) -> str:
    """
    All that was found, to be read.
    """
    return "".join(f"{line}\n" for line in _lines(facts))


def _lines(facts: Facts) -> Iterator[str]:
    yield f"{_title(facts)}, seed {facts['seed']}"
    yield from textwrap.wrap(_deeds(facts["did"]), 80)
    yield from ("", "    time      memory  descriptors")
    for at, memory, descriptors in thinned(facts["samples"], _ROWS):
        yield f"{at:6.0f} s {memory / _MIB:7.1f} MiB {descriptors:12}"
    yield ""
    for when, found in facts["latencies"].items():
        half, most = (1e3 * found[share] for share in ("0.5", "0.99"))
        yield f"echoes at the {when:5}  half {half:6.2f} ms  99 of 100 {most:6.2f} ms"
    yield f"timers of the load    late {1e3 * facts['lateness']:6.2f} ms"
    server, load = (100 * facts["cpu"][name] for name in ("server", "load"))
    yield f"of a processor      server {server:.0f} %, load {load:.0f} %"
    yield ""
    for bar in facts["bars"]:
        yield "{}  {} {}".format(
            "kept  " if bar["kept"] else "BROKEN", bar["name"], _measure(bar)
        )
    for line, number in facts["wrong"].items():
        yield f"{number} x {line}"
    yield from facts["errors"]


def _deeds(did: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {did[name]}" for name in sorted(did))


def _title(facts: Facts) -> str:
    return f"{facts['connections']} connections, {facts['seconds']} s"


def _measure(bar: Facts) -> str:
    if not bar["allowed"]:
        return f"{bar['found']:.0f}"
    form = "{:.2f} {}, and may {:.2f}" if bar["unit"] else "{:.0f}{}, and may {:.0f}"
    return form.format(bar["found"], bar["unit"], bar["allowed"])


def thinned(samples: Sequence[Any], number: int) -> list[Any]:
    """
    At most so many samples, evenly, the first and the last among them.
    """
    if len(samples) <= number:
        return [*samples]
    between = (len(samples) - 1) / (number - 1)
    return [samples[round(step * between)] for step in range(number)]


# For the manual


def writeFigures(folder: Path, facts: Facts) -> None:
    """
    Keep what was found as ``soak-CONNECTIONS.json``, and make the table of all there
    are.
    """
    kept = {**facts, "samples": thinned(facts["samples"], _KEPT)}
    path = folder / f"soak-{facts['connections']}.json"
    path.write_text(asJSON(kept), encoding="utf-8")
    (folder / "soak.rst").write_text(asTable(readFigures(folder)), encoding="utf-8")


def asJSON(facts: Facts) -> str:
    """
    JSON, with a line for each sample.
    """
    head = json.dumps({**facts, "samples": None}, indent=1, ensure_ascii=False)
    rows = ",\n".join(f"  {json.dumps(sample)}" for sample in facts["samples"])
    return head.replace('"samples": null', f'"samples": [\n{rows}\n ]') + "\n"


def readFigures(folder: Path) -> list[Facts]:
    """
    What was found in all the soaks that are kept there, the smallest first.
    """
    files = [path.read_text(encoding="utf-8") for path in folder.glob("soak-*.json")]
    return sorted(map(json.loads, files), key=lambda facts: facts["connections"])


def asTable(soaks: Iterable[Facts]) -> str:
    """
    A table in reStructuredText, with a column for each soak.
    """
    columns = [dict(_cells(facts)) for facts in soaks]
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for name in columns[0]:
        lines.append(f"   * - {name}")
        lines += [f"     - {column[name]}" for column in columns]
    return "\n".join(lines) + "\n"


def _cells(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "\\ ", _title(facts)
    yield "done on", f"{facts['date']}, {facts['with']}"
    yield "messages", f"{sum(map(facts['did'].get, _messages(facts))):,}"
    yield "connections opened", f"{facts['did']['connections']:,}"
    yield "of these by faulty peers", f"{_faults(facts):,}"
    for bar in facts["bars"]:
        if bar["allowed"]:
            yield bar["name"], _measure(bar)
    others = [bar["found"] for bar in facts["bars"] if not bar["allowed"]]
    yield "anything else left behind, or wrong", f"{sum(map(abs, others)):.0f}"
    memory = [sample[1] / _MIB for sample in facts["samples"]]
    yield "memory at most", f"{max(memory):.0f} MiB"


def _messages(facts: Facts) -> list[str]:
    return [name for name in facts["did"] if "echoes" in name or "messages" in name]


def _faults(facts: Facts) -> int:
    did = facts["did"].items()
    return sum(number for name, number in did if name.startswith("fault "))
