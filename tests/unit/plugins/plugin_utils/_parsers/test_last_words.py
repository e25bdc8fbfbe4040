# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a program said last is told as each runtime prints it: the head of a trace and its last cause, and what stands above a usage."""

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.last_words import clean, last_words

GO = """\
flag provided but not defined: -lisen-addr
Usage of /app:
  -config string
    \tpath of the configuration (default "app.yaml")
  -listen-addr string
    \taddress to listen at (default ":8080")
  -timeout duration
    \thow long a request may take (default 10s)
"""
COBRA = """\
Error: unknown flag: --lisen-addr
Usage:
  shop serve [flags]

Flags:
  -h, --help                 help for serve
      --listen-addr string   address to listen at
      --max-retries int      before it gives up

Global Flags:
      --config string   path of the configuration
"""
BUSYBOX = """\
nc: unrecognized option: z
BusyBox v1.37.0 (2025-01-17 18:12:01 UTC) multi-call binary.

Usage: nc [OPTIONS] HOST PORT  - connect

\t-e PROG\tRun PROG after connect (must be last)
\t-l\tListen mode, for inbound connects
\t-p PORT\tLocal port
\t-w SEC\tTimeout for connects and final net reads
"""
ARGPARSE = """\
usage: app.py [-h] [--listen LISTEN]
              [--max-retries N] [--config CONFIG]
              [--timeout SECONDS] [--verbose]
              [--log-format FORMAT]
app.py: error: unrecognized arguments: --lisen=:8080
"""
COUNTED = """\
started
usage: 12 % of the cache
request 1 done
request 2 done
request 3 done
cannot write the checkpoint
"""


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (GO, "flag provided but not defined: -lisen-addr"),
        (COBRA, "Error: unknown flag: --lisen-addr"),
        (BUSYBOX, "nc: unrecognized option: z"),
        (ARGPARSE, "unrecognized arguments: --lisen=:8080"),
        (COUNTED, "cannot write the checkpoint"),
    ],
)
def test_what_is_wrong_with_a_call_is_told_and_not_how_to_call(log: str, told: str) -> None:
    lines = last_words([clean(line) for line in log.splitlines()]).lines
    assert told in " / ".join(lines)
    assert not [line for line in lines if line.startswith(("--max-retries", "-p PORT", "how long"))]


def test_what_it_said_long_before_its_usage_is_not_told() -> None:
    lines = last_words([f"INFO step {number}" for number in range(50)] + GO.splitlines()).lines
    assert lines == ("INFO step 49", "flag provided but not defined: -lisen-addr")


def test_who_calls_it_again_and_again_is_told_as_well() -> None:
    """An init container that waits for a service, by a call that its image does not know."""
    waits = [*BUSYBOX.splitlines(), "waiting for ledger:5432"] * 9
    lines = last_words([clean(line) for line in waits]).lines
    assert lines[0] == "nc: unrecognized option: z"
    assert lines[-1] == "waiting for ledger:5432"


RUBY = """\
/app/config/environment.rb:5:in `<main>': could not boot (RuntimeError)
\tfrom /app/a.rb:2:in `x'
/app/db.rb:9:in `connect': connection to server at "10.0.0.7", port 5432 failed (PG::ConnectionBad)
{frames}
"""
DOTNET = """\
Unhandled exception. System.TypeInitializationException: The type initializer for 'Shop.Db' threw an exception.
 ---> System.Net.Http.HttpRequestException: Name does not resolve (vault:8200)
 ---> System.Net.Sockets.SocketException (0xFFFDFFFF): Name does not resolve
   at System.Net.Sockets.Socket.ThrowException(SocketError error)
   --- End of inner exception stack trace ---
   at Shop.Program.Main(String[] args) in /src/Program.cs:line 9
"""
PHP = """\
PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /srv/src/Db.php:17
Stack trace:
#0 /srv/src/Db.php(17): PDO->__construct('mysql:host=db;d...', 'shop', Object(SensitiveParameterValue))
#1 /srv/src/Kernel.php(33): Db->connect()
#2 [internal function]: Kernel->boot()
#3 /srv/public/index.php(8): Kernel->run()
#4 {main}
  thrown in /srv/src/Db.php on line 17
"""
ELIXIR = """\
ERROR! Config provider Config.Reader failed with:
** (RuntimeError) environment variable DATABASE_URL is missing.
    /app/releases/0.1.0/runtime.exs:28: (file)
    (elixir 1.17.2) src/elixir.erl:386: :elixir.eval_external_handler/3
    (stdlib 5.2.3) erl_eval.erl:904: :erl_eval.do_apply/7
    (elixir 1.17.2) lib/enum.ex:2531: Enum."-reduce/3-lists^foldl/2-0-"/3

Crash dump is being written to: erl_crash.dump...done
"""
DENO = """\
error: Uncaught (in promise) NotCapable: Requires net access to "0.0.0.0:8000", run again with the --allow-net flag
  listener = listen({ port: 8000 });
             ^
    at Object.listen (ext:deno_net/01_net.js:543:35)
    at file:///app/main.ts:3:18
"""
KOTLIN = """\
Exception in thread "main" java.lang.RuntimeException: boot failed
\tat Main.main(Main.kt:3)
\tSuppressed: java.io.IOException: close failed
\t\tat Main.close(Main.kt:9)
\tat Main.x(Main.kt:3)
Caused by: java.net.ConnectException: Connection refused: orders-db:5432
\tat Db.open(Db.kt:8)
\t... 1 more
"""
RUST = """\
thread 'main' panicked at src/main.rs:4:5:
called `Option::unwrap()` on a `None` value
stack backtrace:
{backtrace}
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
"""
ANYHOW = """\
Error: could not load configuration

Caused by:
    No such key (listen.port)

Stack backtrace:
{backtrace}
"""
JVM = """\
#
# A fatal error has been detected by the Java Runtime Environment:
#
#  SIGSEGV (0xb) at pc=0x00007f0a, pid=1, tid=22
#
# Problematic frame:
# C  [libnetty_tcnative.so+0x1234]
#
# If you would like to submit a bug report, please visit:
#   https://bugreport.java.com/bugreport/crash.jsp
#
"""
NO_ROOM = """\
#
# There is insufficient memory for the Java Runtime Environment to continue.
# Native memory allocation (mmap) failed to map 268435456 bytes. Error detail: committing reserved memory.
# An error report file with more information is saved as:
# /tmp/hs_err_pid1.log
"""
SPRING = """\
***************************
APPLICATION FAILED TO START
***************************

Description:

Parameter 0 of constructor in com.shop.Orders required a bean of type 'com.shop.Ledger' that could not be found.


Action:

Consider defining a bean of type 'com.shop.Ledger' in your configuration.
"""
KLOG = """\
F1130 04:00:00.100001       1 main.go:71] listen tcp :8443: bind: permission denied
goroutine 1 [running]:
main.main()
\t/src/main.go:71 +0x1d
"""
SUPERVISED = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
{goroutines}
exit status 2
[run.sh] the gateway has ended
"""
PNPM = """\
> shop@1.0.0 start /app
/app/server.js:3
    throw new Error('SESSION_SECRET must be set');
    ^

Error: SESSION_SECRET must be set
    at Object.<anonymous> (/app/server.js:3:11)

Node.js v22.14.0
 ELIFECYCLE  Command failed with exit code 1.
"""
POSTGRES = """\
2026-11-30 04:00:00.001 UTC [1] LOG:  starting PostgreSQL 17.2
2026-11-30 04:00:00.002 UTC [1] LOG:  could not bind IPv4 address "0.0.0.0": Address already in use
2026-11-30 04:00:00.002 UTC [1] HINT:  Is another postmaster already running on port 5432?
2026-11-30 04:00:00.003 UTC [1] WARNING:  could not create listen socket for "*"
2026-11-30 04:00:00.003 UTC [1] FATAL:  could not create any TCP/IP sockets
2026-11-30 04:00:00.004 UTC [1] LOG:  database system is shut down
"""
FILLED = {
    "frames": "\n".join(f"\tfrom /app/lib/step.rb:{n}:in `run'" for n in range(90)),
    "backtrace": "\n".join(f"{n:4}: core::ops::call_once\n             at /rustc/9fc/ops.rs:{n}:5" for n in range(90)),
    "goroutines": "main.step(0x1)\n\t/src/main.go:9 +0x11\n" * 90,
}


def told_of(log: str) -> tuple[str, ...]:
    for name, text in FILLED.items():
        log = log.replace(f"{{{name}}}", text)
    found = last_words([clean(line) for line in log.splitlines()])
    assert not found.begins_in_trace
    return found.lines


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (RUBY, ["port 5432 failed (PG::ConnectionBad)"]),
        (DOTNET, ["initializer for 'Shop.Db' threw", "---> System.Net.Sockets.SocketException"]),
        (PHP, ["Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused"]),
        (ELIXIR, ["** (RuntimeError) environment variable DATABASE_URL is missing."]),
        (DENO, ["NotCapable: Requires net access"]),
        (KOTLIN, ["RuntimeException: boot failed", "Caused by: java.net.ConnectException: Connection refused"]),
        (RUST, ["thread 'main' panicked at src/main.rs:4:5:", "called `Option::unwrap()` on a `None` value"]),
        (ANYHOW, ["Error: could not load configuration", "No such key (listen.port)"]),
        (JVM, ["SIGSEGV (0xb)", "[libnetty_tcnative.so+0x1234]"]),
        (NO_ROOM, ["failed to map 268435456 bytes"]),
        (SPRING, ["required a bean of type 'com.shop.Ledger' that could not be found."]),
        (KLOG, ["listen tcp :8443: bind: permission denied"]),
        (SUPERVISED, ["panic: runtime error: index out of range [5] with length 3"]),
        (PNPM, ["Error: SESSION_SECRET must be set"]),
    ],
)
def test_of_a_trace_its_head_and_its_last_cause_are_told_and_no_frame(log: str, told: list[str]) -> None:
    lines = told_of(log)
    assert len(lines) == len(told)
    assert all(words in line for words, line in zip(told, lines, strict=True)), lines


def test_of_errors_that_follow_from_one_another_the_first_is_told_too() -> None:
    first, *last = told_of(POSTGRES)
    assert first.endswith("Address already in use")
    assert last[-1].endswith("database system is shut down")


@pytest.mark.parametrize("trace", [RUBY, DOTNET, PHP, ELIXIR, RUST, ANYHOW, JVM, SPRING, KLOG, SUPERVISED])
def test_a_trace_that_it_went_on_after_is_not_why_it_ended(trace: str) -> None:
    work = "\n".join(f"order {number} sent" for number in range(60))
    assert told_of(f"{trace}{work}\nthe queue was closed\n")[-1] == "the queue was closed"
    assert len(told_of(f"{trace}{work}\nthe queue was closed\n")) == 3


def test_an_error_that_healed_before_the_last_one_is_not_told_as_its_cause() -> None:
    log = "ERROR open /etc/optional.yaml: no such file\nINFO using defaults\nINFO up\nINFO up\nINFO up\nFATAL the lease was lost\n"
    assert told_of(log) == ("INFO up", "INFO up", "FATAL the lease was lost")
