"""What ``--metronome-target`` may be."""

from __future__ import annotations

import pytest

from metronome_sandbox.toolkit.target_option import TargetKind, TargetOption, WrongTarget, parse_target


def test_a_sandbox_of_our_own_is_a_word():
    assert parse_target("sandbox") == TargetOption(TargetKind.SANDBOX)


def test_a_url_loses_the_slash_at_its_end():
    assert parse_target("http://127.0.0.1:4010/") == TargetOption(TargetKind.URL, "http://127.0.0.1:4010")


def test_a_recording_is_a_file_that_is_there(tmp_path):
    file = tmp_path / "calls.har"
    file.write_text("{}")

    assert parse_target(str(file)) == TargetOption(TargetKind.RECORDING, str(file))
    with pytest.raises(WrongTarget, match=r"there is no file '.*other\.har'"):
        parse_target(str(tmp_path / "other.har"))


@pytest.mark.parametrize("text", ["", "sandbx", "ftp://host", "http://", "https://host:99999", "host:4010", "http://["])
def test_anything_else_is_refused_with_what_would_be_right(text):
    with pytest.raises(WrongTarget, match=r"expected 'sandbox', a URL such as https://host, or a file FILE.har"):
        parse_target(text)


@pytest.mark.parametrize("text", ["https://me:secret@host", "https://host/?token=secret", "https://host/#x"])
def test_a_url_carries_no_secret(text):
    with pytest.raises(WrongTarget, match="a token goes into the environment") as refused:
        parse_target(text)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "is_vendor"),
    [
        ("https://api.metronome.com", True),
        ("https://API.Metronome.COM/v1", True),
        ("https://api.staging.metronome.com", True),
        ("https://metronome.com:444", True),
        ("https://api.metronome.com.example.org", False),
        ("https://notmetronome.com", False),
        ("http://127.0.0.1:4010", False),
    ],
)
def test_every_host_of_the_vendor_is_known(url, is_vendor):
    assert parse_target(url).is_vendor is is_vendor


def test_the_words_that_allow_writes_name_the_host():
    assert parse_target("https://api.metronome.com").words == "yes, write to api.metronome.com"
