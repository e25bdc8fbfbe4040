# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in the formats of the programs that keep them, and what looks like one and is none."""

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor

# each text by what it is; hunter2 with what stands around it is the secret
SECRETS = {
    "SecretList yaml": "apiVersion: v1\nkind: SecretList\nitems:\n- data:\n    db: hunter2-zz\n  metadata:\n    name: x\n",
    "List of secrets": "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    db: hunter2-zz\n  kind: Secret\nkind: List\n",
    "pretty json": '{\n  "kind": "Secret",\n  "data": {\n    "db": "hunter2-zz"\n  }\n}',
    "pretty json list": (
        'log:\n{\n    "kind": "SecretList",\n    "items": [\n        {\n            "data": {\n'
        '                "db": "hunter2-zz"\n            }\n        }\n    ]\n}\nend\n'
    ),
    "json SecretList": '{"kind": "SecretList", "items": [{"data": {"db": "hunter2-zz"}}]}',
    "yaml comments": "kind: Secret # the db\ndata: # all\n  db: hunter2-zz # x\n",
    "yaml quoted keys": '"kind": "Secret"\n"data":\n  "db": "hunter2-zz"\n',
    "yaml flow": "{kind: Secret, data: {db: hunter2-zz, other: hunter2-zy}}\n",
    "yaml flow data": "kind: Secret\ndata: {db: hunter2-zz, other: hunter2-zy}\n",
    "yaml flow data multi": "kind: Secret\ndata: {\n  db: hunter2-zz,\n other: hunter2-zy}\n",
    "yaml list item": "- kind: Secret\n  data:\n    db: hunter2-zz\n",
    "yaml list item nested": "items:\n  - data:\n      db: hunter2-zz\n    kind: Secret\n",
    "yaml stringData first item": "- stringData:\n    db: hunter2-zz\n  kind: Secret\n",
    "yaml anchor": "kind: Secret\ndata: &x\n  db: hunter2-zz\n",
    "yaml block in data": "kind: Secret\nstringData:\n  config: |\n    a: b\n    hunter2-zz\n",
    "yaml plain multi": "kind: Secret\nstringData:\n  config: one\n    hunter2-zz\n",
    "yaml dq multi": 'password: "one\n  hunter2-zz"\n',
    "yaml plain cont": "password: one\n  hunter2-zz\nnext: 1\n",
    "yaml flow inline password": "db: {user: a, password: hunter2-zz, port: 1}\n",
    "yaml flow list": "passwords: [a1b2, hunter2-zz]\n",
    "yaml comment opens": "password: | # c\n  one\n  hunter2-zz\n",
    "yaml quoted key block": '"password": |\n  one\n  hunter2-zz\n',
    "yaml item block": "- password: |\n    one\n    hunter2-zz\n",
    "props continuation": "db.password=one\\\n  hunter2-zz\nnext=1\n",
    "shell dq multi": 'DB_PASSWORD="one\nhunter2-zz"\nexport X=1\n',
    "shell sq multi": "export DB_PASSWORD='one\nhunter2-zz'\n",
    "ini continuation": "password = one\n\thunter2-zz\n[x]\n",
    "header folded": "Authorization: Basic one\n hunter2-zz\n",
    "pgpass": "db.example:5432:shop:app:hunter2-zz\n",
    "pgpass star": "*:*:*:postgres:hunter2-zz\n",
    "pgpass escaped": "localhost:5432:*:app:hun\\:hunter2-zz\n",
    "php define": "define('DB_PASSWORD', 'hunter2-zz');\n",
    "php define dq": 'define( "AUTH_KEY",   "hunter2-zz x" );\n',
    "wp salt": "define('NONCE_SALT',       'hunter2-zz');\n",
    "php array": "$config['password'] = 'hunter2-zz';\n",
    "php putenv": "putenv('DB_PASSWORD=hunter2-zz');",
    "putty": (
        "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 1\n"
        "AAAA\nPrivate-Lines: 2\nhunter2zz\nhunter2zy\nPrivate-MAC: 0123456789ab\n"
    ),
    "putty3": (
        "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: x\r\n"
        "Public-Lines: 1\r\nAAAA\r\nPrivate-Lines: 1\r\nhunter2zz\r\nPrivate-MAC: ab\r\n"
    ),
    "jwk": '{"kty":"RSA","n":"0vx7","e":"AQAB","d":"hunter2zz","p":"hunter2zy","q":"hunter2","dp":"hunter2","dq":"hunter2","qi":"hunter2"}',
    "jwk oct": '{"kty":"oct","k":"hunter2-zz","alg":"HS256"}',
    "jwk ec pretty": (
        '{\n  "keys": [\n    {\n      "kty": "EC",\n      "crv": "P-256",\n      "x": "a",\n'
        '      "y": "b",\n      "d": "hunter2-zz"\n    }\n  ]\n}'
    ),
    "shadow": "root:$6$saltsalt$hunter2zz/abcdefghijklmnop:19000:0:99999:7:::\n",
    "shadow y": "app:$y$j9T$hunter2/abc$hunter2zz:19000:0:99999:7:::\n",
    "htpasswd apr1": "bob:$apr1$hunter2$hunter2abcdefghijklm\n",
    "htpasswd bcrypt": "bob:$2y$05$hunter2hunter2hunter2huuO4hunter2hunter2hunter2hunte\n",
    "htpasswd sha": "bob:{SHA}hunter2hunter2hunter2hunter=\n",
    "ldap ssha": "userPassword: {SSHA}hunter2hunter20123456789ab\n",
    "ssha alone": "x {SSHA}hunter2hunter2hunter2 y",
    "argon2": "hash $argon2id$v=19$m=65536,t=3,p=4$hunter2hunter2$hunter2hunter2hunter2",
    "telegram": "GET https://api.telegram.org/bot123456789:AAhunter2hunter2hunter2hunter2hunt1/sendMessage",
    "telegram odd": "POST /bot110201543:hunter2-zz_hunter2abcdefghijklmnopq/getMe",
    "telegram short": "/bot123:hunter2-zz/getMe",
    "sssd": "ldap_default_authtok = hunter2-zz with hunter2 spaces\n",
    "sssd type stays": "ldap_default_authtok_type = obfuscated\nldap_default_authtok = hunter2-zz 0123456789ab\n",
    "rabbit": '{default_pass, <<"hunter2-zz">>}',
    "rabbit user": '{default_user, <<"app">>},\n {default_pass,\n  <<"hunter2-zz">>}',
    "erl": '{password, "hunter2-zz"}',
    "requirepass": 'requirepass "hunter2 hunter2-zz"\n',
    "requirepass sq": "requirepass 'hunter2 hunter2-zz'\n",
    "masterauth": 'masterauth "a hunter2-zz"\n',
    "sentinel": "sentinel auth-pass mymaster hunter2-zz\n",
    "sentinel q": 'sentinel auth-pass mymaster "a hunter2-zz"\n',
    "acl": "user app on >hunter2-zz ~* +@all\n",
    "acl setuser": "ACL SETUSER app on >hunter2-zz ~*\n",
    "acl hash": "user app on #ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12 ~* &* +@all\n",
    "scram": "SCRAM-SHA-256$4096:hunter2hunter2hunter2==$hunter2hunter2hunter2hunter2=:hunter2hunter2=\n",
    "scram alter": "ALTER ROLE app WITH ENCRYPTED PASSWORD 'SCRAM-SHA-256$4096:hunter2==$hunter2=:hunter2='",
    "md5 pg": "ALTER ROLE app PASSWORD 'md5hunter2hunter2'",
    "_KEY": "FERNET_KEY=hunter2-zz\n",
    "_KEY2": "AIRFLOW__CORE__FERNET_KEY: hunter2-zz\n",
    "_KEY3": '{"env":[{"name":"MY_KEY","value":"hunter2-zz"}]}',
    "_KEY4": "with MAPBOX_KEY=hunter2-zz X=1",
    "_KEY5": "- name: STRIPE_KEY\n  value: hunter2-zz\n",
    "_KEY lower": "mailgun_key: hunter2-zz\n",
    "KEY flag": "--fernet-key hunter2-zz",
    "SALT": "SECRET_SALT=hunter2-zz\n",
    "DSN": "SENTRY_DSN=https://hunter2zz@o1.ingest.sentry.io/1\n",
}
# what a shell is told in one word of a command line
SCRIPTS = [
    "echo db.example:5432:shop:app:hunter2-zz > ~/.pgpass; exec psql",
    'echo "*:*:*:postgres:hunter2-zz" >> /root/.pgpass',
    "printf 'db:5432:*:app:hunter2-zz\\n' > $PGPASSFILE",
    "cat > ~/.pgpass <<EOF\ndb:5432:shop:app:hunter2-zz\nEOF\nexec psql",
    "echo 'app:abJnhunter2/yWI:19000:0:99999:7:::' >> /etc/shadow",
    "echo app:hunter2-zz | chpasswd && exec sshd -D",
    "echo 'root:hunter2:zz' | sudo /usr/sbin/chpasswd -e",
    "chpasswd <<< 'app:hunter2-zz'",
    "chpasswd <<EOF\napp:hunter2-zz\nroot:hunter2-zy\nEOF",
    "echo hunter2-zz | passwd --stdin app",
    'echo "hunter2 zz" | sudo -S true',
    "printf %s hunter2-zz | docker login -u bob --password-stdin r.example",
    "usermod -p hunter2-zz app",
    "htpasswd -bc /etc/x bob hunter2-zz; exec nginx",
    "openssl enc -d -k hunter2-zz -in x",
]
STAYS = [
    "authorization: none",
    "authorization: none\n",
    "pass: 5",
    "pass: 5\n",
    "passed: 5, pass: 5",
    "version 1.2.3.4",
    "v1.2.3.4",
    "lib 1.2.3.4-r0",
    "Chrome/120.0.6099.109 Safari",
    "java.version=11.0.2.9",
    "a::b",
    "x a::b y",
    "10.0.0.0/8",
    "allow 192.168.0.0/16 and 172.16.0.0/12",
    "fd00::/8",
    "PRIMARY_KEY: id",
    "foreign_key=1",
    "kind: Key",
    "key=1",
    "SORT_KEY=created_at",
    "sed -i",
    "cache_key: user:17",
    "partition_key=abc",
    "PUBLIC_KEY=abc",
    '{"kty":"RSA","n":"0vx7","e":"AQAB"}',
    "user app on",
    "user app on the >list",
    "kind: SecretList\nitems: []\n",
    "$6 dollars",
    "requirepass\n",
    "define('WP_DEBUG', false);",
    "public_key: AAAA",
    "::1/128",
    "fe80::/10",
    "a:b:c:d:e",
    "12:30:00:app:started",
    "2026-11-25T02:00:00Z INFO a:1:b:c:d",
    "db:5432:shop up",
    "authorization=none",
    "Authorization: none",
    "key: 5",
    "requirepass is not set",
    "sentinel auth-pass must be set",
    "password: ''",
    "pass 5 fail 0",
    "tests pass: 5 fail: 0",
    "monkey=1",
    "key_file=/etc/x.key",
    "TLS_KEY=/etc/tls/tls.key",
    "SSL_KEY: /etc/x/tls.key",
    "kind: Secret # x\nmetadata:\n  name: x\n",
    "0.0.0.0/0",
    "255.255.255.0",
    "mask 255.255.255.255",
    "warning at main.c:1234:5:error:unused of 3",
    "allow printer:*:query:lp7200:print to all",
    "passfile=/root/.pgpass host=db:5432 tries 1:2",
    "level:info unit:chpasswd.service started",
    "echo done | sudo tee /etc/x",
    'echo "$PASSWORD_FILE" | docker login --password-stdin',
    "usermod -aG wheel app",
    "openssl x509 -noout -in /etc/tls/tls.crt",
    "htpasswd -c /etc/x bob",
]


def redacted(text: str) -> str:
    return Redactor(b"salt").text(text.encode()).decode()


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_replaced_in_the_format_of_the_program_that_keeps_it(text: str) -> None:
    shown = redacted(text)
    assert "unter2" not in shown
    assert "ab12ab12" not in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_replaced_where_the_kubelet_writes_the_time_before_each_line(text: str) -> None:
    assert "unter2" not in redacted("".join(f"2026-11-25T02:00:00.000000000Z {line}\n" for line in text.split("\n")))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_secret_within_one_word_of_a_command_line_is_replaced_in_each_form_that_a_case_has_of_it(script: str) -> None:
    words = ["sh", "-c", script, "--", "/srv"]
    line = "\0".join(words) + "\0"
    told = Redactor(b"salt").value({"argv": words, "command": " ".join(words)})
    digits = redacted(f"17 _{line.encode().hex()} _")
    shown = [
        *told["argv"],
        told["command"],
        redacted(line),
        bytes.fromhex(digits.split("_")[1]).decode(),
        redacted(script),
    ]
    assert not [text for text in shown if "hunter2" in text]
    # and of the words around it all is left
    assert told["argv"][:2] + told["argv"][3:] == words[:2] + words[3:]


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("password: one\n  two\nnext: 1\n", "\nnext: 1\n"),
        ('DB_PASSWORD="one\ntwo"\nexport X=1\n', "\nexport X=1\n"),
        ('password: "not closed\nname: x\n', "\nname: x\n"),
        ("password: wrong\n\tat com.shop.Login(Login.java:12)\n", "\n\tat com.shop.Login(Login.java:12)\n"),
        ("kind: Secret\ndata:\n  db: aGk=\nmetadata:\n  name: shop\n", "\nmetadata:\n  name: shop\n"),
        ("{kind: Secret, data: {db: aGk=}, metadata: {name: shop}}", "}, metadata: {name: shop}}"),
    ],
)
def test_a_value_in_several_lines_ends_where_it_ends(text: str, kept: str) -> None:
    assert redacted(text).endswith(kept)


def test_a_number_in_a_secret_of_kubernetes_stays_json() -> None:
    assert '"db": "[secret-' in redacted('{\n "kind": "Secret",\n "stringData": {\n  "db": 12345678\n }\n}\n')


def test_who_looks_into_a_pod_sees_addresses_and_no_secret() -> None:
    shown = Redactor(b"salt", hides_addresses=False).text(
        b"postgres://app:hunter2@10.9.8.7/x for jane@shop.example.com"
    )
    assert shown.endswith(b"@10.9.8.7/x for jane@shop.example.com")
    assert b"hunter2" not in shown
