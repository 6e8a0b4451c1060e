import pathlib

import pytest

from raspine.serving import address, client, errors
from raspine.serving.options import Options

FORMS = {
    "grpc://archive:8500/films": ("archive:8500", "films", None, "", False),
    "grpc://archive/films": ("archive:8500", "films", None, "", False),
    "grpcs://archive:443/films/versions/12": ("archive:443", "films", 12, "", True),
    "grpc://[::1]:8500/films/labels/canary": ("[::1]:8500", "films", None, "canary", False),
    "grpcs://[fe80::1%eth0]:9443/films": ("[fe80::1%eth0]:9443", "films", None, "", True),
    "http://archive:8501/v1/models/films": ("archive:8501", "films", None, "", False),
    "https://archive/v1/models/films/versions/3": ("archive:443", "films", 3, "", True),
    "https://archive/raspine/v1/models/films/labels/stable": ("archive:443", "films", None, "stable", True),
}


@pytest.mark.parametrize("text", FORMS)
def test_the_forms_of_an_address(text: str) -> None:
    found = address.parse(text)
    assert (found.target, found.model, found.version, found.label, found.is_encrypted) == FORMS[text]
    assert address.parse(str(found)) == found
    assert str(found.at_version(7)).endswith(f"{found.model}/versions/7")


@pytest.mark.parametrize(
    "text",
    [
        "", "archive:8500", "ftp://archive/films", "grpc:///films", "grpc://archive:8500", "grpc://archive:8500/",
        "grpc://archive:99999/films", "grpc://archive:0/films", "grpc://archive/v1/models/films",
        "http://archive/films", "http://archive/v1/models/", "http://archive/v1/models/films:predict",
        "http://archive/v1/models/films/versions/latest", "http://archive/v1/models/films?x=1", "grpc://archive/a b",
        "http://archive/v1/models/../films", "grpc://archive/films/versions/-1",
        "grpc://the archive/films", "grpc://one,two:8500/films", "http://a%00b/v1/models/films",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(errors.SettingsError, match="an endpoint is grpc://HOST:PORT/NAME"):
        address.parse(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    for text in ("https://me:hush@archive/v1/models/films", "me:hush@archive"):
        with pytest.raises(errors.SettingsError) as caught:
            address.parse(text)
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("[::1]", True), ("localhost", True), ("10.0.0.7", False), ("localhost.example", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert address.parse(f"grpc://{host}:1/films").is_loopback is expected


def test_a_token_does_not_leave_the_machine_unencrypted(tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    token.write_text("hush\n")
    options = Options(token_file=str(token))
    assert options.token() == "hush"
    for text in ("grpc://archive:8500/films", "http://archive/v1/models/films"):
        with pytest.raises(errors.SettingsError, match="a token is not sent unencrypted to another machine") as caught:
            client.connect(text, options)
        assert "hush" not in str(caught.value)
    for text in ("grpc://localhost/films", "https://archive/v1/models/films"):
        options.check(address.parse(text))


WRONG = {
    "deadline is a number of seconds above 0": {"deadline": 0.0},
    "connect_timeout is a number of seconds": {"connect_timeout": float("nan")},
    "retries is at least 0": {"retries": -1},
    "concurrency is at least 1": {"concurrency": 0},
    "max_response is at least 1": {"max_response": 0},
    "certificate and its key go together": {"key_file": "{here}/token"},
    "ca_file: '{here}/none' cannot be read: No such file": {"ca_file": "{here}/none"},
}


def test_wrong_options_are_refused_by_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text("two words")
    for message, given in WRONG.items():
        values = {key: value.format(here=tmp_path) if isinstance(value, str) else value for key, value in given.items()}
        with pytest.raises(errors.SettingsError) as caught:
            Options(**values)
        assert message.format(here=tmp_path) in str(caught.value)
    with pytest.raises(errors.SettingsError, match="holds no token: one line without spaces"):
        Options(token_file=str(tmp_path / "token")).token()
    with pytest.raises(errors.SettingsError, match="certificates are for grpcs:// and https://"):
        client.connect("grpc://localhost/films", Options(ca_file=str(tmp_path / "token")))


def test_a_server_s_message_becomes_one_readable_line() -> None:
    told = "assertion failed: [raspine: 'png' holds at least one item. Received:] [0]\n\t [[{{node Assert/Assert}}]]"
    assert errors.readable(told) == "'png' holds at least one item. Received: 0"
    assert errors.readable("a\x1b[31m\nb\u202e") == "a [31m b"
    assert len(errors.readable("x" * 10_000)) < 410
    error = errors.of_code("NOT_FOUND", "no such model", "grpc://archive:8500/films for 'describe'", "12ab")
    error.attempts = 3
    assert str(error) == (
        "NOT_FOUND: no such model. Asked after 3 attempts: grpc://archive:8500/films for 'describe', request 12ab. "
        "Compare model, version and label with what the server serves."
    )
    assert str(errors.of_code("INVALID_ARGUMENT", "wrong")) == "INVALID_ARGUMENT: wrong."
