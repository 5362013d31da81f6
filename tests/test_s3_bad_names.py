"""Names that are none, XML that is a trap, odd requests: S3's error goes out, and
nothing is half written."""

import base64
import hashlib
import urllib.parse
import xml.etree.ElementTree

import pytest

import harness
from s3_calls import KEYS_THAT_CLIMB, path, s3_call
from s3_kept import check, make_kept, state, unchanged

BODY = bytes(200_000)


@pytest.fixture(scope="module")
def kept(s3) -> str:
    return make_kept(s3)


@pytest.fixture(autouse=True)
def nothing_changes(engine, s3, kept):
    with unchanged(engine, s3, kept):
        yield


# Names


@pytest.mark.parametrize("key", KEYS_THAT_CLIMB)
def test_keys_that_climb_out_of_the_bucket(engine, kept, key):
    for method, body in (("PUT", BODY), ("GET", b""), ("DELETE", b"")):
        answer = s3_call(engine, method, f"/{kept}/{key}", body)
        assert answer.status == 400, (method, answer)
        # Dots in disguise are dots.
        answer = s3_call(engine, method, f"/{kept}/{key.replace('.', '%2e')}", body)
        assert answer.status == 400, (method, answer)
    copy = s3_call(engine, "PUT", f"/{kept}/{key}", b"", {"x-amz-copy-source": f"/{kept}/k"})
    assert copy.status == 400


def test_keys_that_are_none(engine, kept):
    check(s3_call(engine, "PUT", f"/{kept}/" + "k" * 1025, BODY), 400, "KeyTooLongError")
    check(s3_call(engine, "PUT", f"/{kept}/" + "%C3%A9" * 513, BODY), 400, "KeyTooLongError")
    for nul in ("a%00b", "%00"):
        check(s3_call(engine, "PUT", f"/{kept}/{nul}", BODY), 400, "InvalidURI")
    for broken in ("a%", "a%2", "a%zz", "a%ff", "%C3%28", "%ED%A0%80"):
        answer = s3_call(engine, "PUT", f"/{kept}/{broken}", BODY)
        assert (answer.status, answer.code) in ((400, "InvalidURI"), (403, "SignatureDoesNotMatch")), (broken, answer)


@pytest.mark.parametrize(
    "name", ["ab", "UPPER", "under_score", "..", "a..b", ".a", "a" * 64, "%00%00%00", "a%2Fb", "ü"]
)
def test_buckets_that_are_none(engine, kept, name):
    quoted = name.replace("ü", "%C3%BC")
    for method in ("GET", "PUT", "DELETE"):
        answer = s3_call(engine, method, f"/{quoted}")
        assert 400 <= answer.status < 500 and answer.status != 403, (method, answer)
    answer = s3_call(engine, "PUT", f"/{quoted}/k", BODY)
    assert 400 <= answer.status < 500, answer


def test_versions_that_are_none(engine, kept):
    for version in ("nonsense", "x" * 2000, "%00", ""):
        answer = s3_call(engine, "GET", f"{path(kept, 'k')}?versionId={version}")
        assert (answer.status, answer.code) in ((400, "InvalidArgument"), (404, "NoSuchVersion")), (version, answer)
    answer = s3_call(engine, "DELETE", f"{path(kept, 'k')}?versionId=nonsense")
    assert answer.status in (204, 400, 404), answer


# XML


BOMB = (
    '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi"))
    + "]>"
)
FILE = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def bodies(kept) -> dict:
    """(target, how a right body begins, what goes wrong in it, how it ends)"""
    return {
        f"/{kept}?delete": ("<Delete><Object><Key>", "</Key></Object></Delete>"),
        f"/{kept}?versioning": ("<VersioningConfiguration><Status>", "</Status></VersioningConfiguration>"),
        f"/{kept}?tagging": ("<Tagging><TagSet><Tag><Key>", "</Key><Value/></Tag></TagSet></Tagging>"),
        f"/{kept}?cors": ("<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>", "</AllowedOrigin></CORSRule></CORSConfiguration>"),
        f"{path(kept, 'up')}?uploadId=UPLOAD": ("<CompleteMultipartUpload><Part><ETag>", "</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"),
    }  # fmt: skip


def send_xml(engine, s3, kept, target, text) -> harness.Answer:
    text = text.encode() if isinstance(text, str) else text
    method = "POST" if "delete" in target or "uploadId" in target else "PUT"
    headers = {"content-md5": base64.b64encode(hashlib.md5(text).digest()).decode()}
    return s3_call(engine, method, target.replace("UPLOAD", state(s3, kept)["upload"]), text, headers)


@pytest.mark.parametrize("at", range(5))
def test_xml(engine, s3, kept, at):
    target, (begin, end) = list(bodies(kept).items())[at]
    nonsense = [
        "",
        "not xml",
        "<",
        begin,
        begin + "x" + end[:-1],
        "<Other/>",
        begin + "\0" + end,
        begin.encode() + b"\xff\xfe" + end.encode(),
        BOMB + begin + "&i;" + end,
        FILE + begin + "&a;" + end,
        "<a>" * 100_000,
    ]
    # A text that XML does not know may also be refused for what it is meant to be.
    codes = {"MalformedXML", "MissingRequestBodyError", "InvalidRequest", "InvalidTag", "InvalidPart"}
    for text in nonsense:
        answer = send_xml(engine, s3, kept, target, text)
        assert answer.status == 400, (text[:60], answer)
        assert answer.code in codes, (text[:60], answer)
    huge = send_xml(engine, s3, kept, target, begin + "x" * 3_000_000 + end)
    assert huge.status == 400, huge
    assert b"root:" not in huge.body


def test_a_message_is_xml_whatever_it_quotes(engine, kept):
    for key in ("%3Cb%3E%26%22'", "new%0Aline", "%F0%9F%99%82", "a%01b"):
        answer = s3_call(engine, "GET", f"/{kept}/{key}")
        check(answer, 404, "NoSuchKey")
        if key != "a%01b":  # XML has no way to write it
            said = xml.etree.ElementTree.fromstring(answer.body).findtext("Key")
            assert said == urllib.parse.unquote(key)


# Odd requests


def test_methods_and_queries_that_there_are_not(engine, kept):
    for method, target in (
        ("PATCH", path(kept, "k")),
        ("POST", path(kept, "k")),
        ("PUT", "/"),
        ("DELETE", "/"),
        ("POST", f"{path(kept, 'k')}?nonsense"),
        ("PUT", f"/{kept}?accelerate"),
    ):
        answer = s3_call(engine, method, target)
        assert answer.status in (400, 403, 404, 405, 501), (method, target, answer)
        assert answer.code, (method, target, answer)


def test_numbers_that_are_none(engine, s3, kept):
    upload = state(s3, kept)["upload"]
    for target in (
        f"/{kept}?list-type=2&max-keys=x",
        f"/{kept}?list-type=2&max-keys=99999999999999999999",
        f"/{kept}?uploads&max-uploads=-1",
        f"{path(kept, 'up')}?uploadId={upload}&max-parts=x",
        f"{path(kept, 'up')}?uploadId={upload}&part-number-marker=-5",
        f"{path(kept, 'k')}?partNumber=x",
        f"{path(kept, 'k')}?partNumber=0",
    ):
        answer = s3_call(engine, "GET", target)
        assert (answer.status, answer.code) == (400, "InvalidArgument"), (target, answer)
    answer = s3_call(engine, "PUT", f"{path(kept, 'up')}?uploadId={upload}&partNumber=x", BODY)
    check(answer, 400, "InvalidArgument")


def test_copy_sources_that_are_none(engine, kept):
    for source, expected in (
        ("", {"InvalidArgument", "InvalidRequest"}),
        ("nonsense", {"InvalidArgument"}),
        (f"{kept}/", {"InvalidArgument", "NoSuchKey"}),
        (f"{kept}/../../etc/passwd", {"InvalidArgument", "NoSuchKey", "NoSuchBucket", "InvalidRequest"}),
        (f"{kept}/missing%00", {"InvalidArgument", "NoSuchKey", "InvalidRequest"}),
        (f"{kept}/k?versionId=nonsense", {"InvalidArgument", "NoSuchVersion"}),
    ):
        answer = s3_call(engine, "PUT", path(kept, "copy"), b"", {"x-amz-copy-source": source})
        assert 400 <= answer.status < 500 and answer.code in expected, (source, answer)


def test_headers_that_are_too_much(engine, kept):
    many = {f"x-amz-meta-{n}": "x" for n in range(2000)}
    answer = s3_call(engine, "PUT", path(kept, "k"), BODY, many)
    assert 400 <= answer.status < 500, answer
    tags = {"x-amz-tagging": "&".join(f"k{n}=v" for n in range(11))}
    check(s3_call(engine, "PUT", path(kept, "k"), BODY, tags), 400, "BadRequest")
    answer = s3_call(engine, "PUT", path(kept, "k"), BODY, {"x-amz-tagging": "%zz=%00&&&=="})
    assert answer.status == 400, answer


def test_a_part_that_is_too_large_for_a_copy(engine, s3, kept):
    upload = state(s3, kept)["upload"]
    headers = {"x-amz-copy-source": f"{kept}/k", "x-amz-copy-source-range": "bytes=0-99999"}
    check(
        s3_call(engine, "PUT", f"{path(kept, 'up')}?uploadId={upload}&partNumber=2", b"", headers),
        400,
        "InvalidArgument",
    )
