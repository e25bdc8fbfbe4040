# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to take what ran in the debugger without its end. Each line must be an error for mypy: an ignore that is not needed is one
too, so that `make types` fails as soon as one of them would do."""

from __future__ import annotations

from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session


def take_bytes_without_their_end(session: Session) -> None:
    """Never run."""
    job = session.run(b"find .")
    print(job.stdout)  # type: ignore[attr-defined]
    print(job.stderr)  # type: ignore[attr-defined]
    print(job.rc)  # type: ignore[attr-defined]
    job.line()  # type: ignore[attr-defined]
    job.rest()  # type: ignore[attr-defined]
    job.exactly(10)  # type: ignore[attr-defined]
    job.events()  # type: ignore[attr-defined]
    job.piece()  # type: ignore[attr-defined]
    bytes(job)  # type: ignore[call-overload]
    b"".join(job)  # type: ignore[arg-type]
    list(job)  # type: ignore[call-overload]
    session.ask(b"ls").line()  # type: ignore[attr-defined]
    session.run(b"cat x").output()  # type: ignore[call-arg]
