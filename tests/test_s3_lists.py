"""Lists: every key once and in the order of its bytes, by pages of any size, with
what shares a prefix folded together."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

import harness
from s3_calls import ODD_KEYS, keys, prefixes, refused

TREE = ["a", "a/b", "a/b/c", "a/c", "b", "c/", "c/d", "d//e", "e-1", "e-2", "e.x", "ä/x", "日/x"]


@pytest.fixture(scope="module")
def tree(s3):
    return filled(s3, TREE)


@pytest.fixture(scope="module")
def odd(s3):
    return filled(s3, ODD_KEYS)


@pytest.fixture(scope="module")
def many(s3):
    return filled(s3, [f"k/{n:04}" for n in range(1234)])


def filled(s3, names) -> str:
    bucket = harness.unique("list")
    s3.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: s3.put_object(Bucket=bucket, Key=name, Body=b"x"), names))
    return bucket


def in_order(names) -> list:
    return sorted(names, key=str.encode)


def all_pages(s3, kind, **query):
    names, folded = [], []
    for page in s3.get_paginator(kind).paginate(**query):
        names += keys(page)
        folded += prefixes(page)
    return names, folded


@pytest.mark.parametrize("kind", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("delimiter", [None, "/", "-", "b"])
@pytest.mark.parametrize("prefix", ["", "a/", "c/", "no such"])
def test_pages_of_any_size_make_the_same_list(s3, tree, kind, size, delimiter, prefix):
    query = {"Prefix": prefix, **({"Delimiter": delimiter} if delimiter else {})}
    expected, folded = [], []
    for name in in_order(name for name in TREE if name.startswith(prefix)):
        rest = name[len(prefix) :]
        if delimiter and delimiter in rest:
            fold = prefix + rest[: rest.index(delimiter) + 1]
            folded += [fold] if fold not in folded else []
        else:
            expected.append(name)
    got = all_pages(s3, kind, Bucket=tree, PaginationConfig={"PageSize": size}, **query)
    assert got == (expected, folded)


def test_a_page_says_what_it_is(s3, tree):
    page = s3.list_objects_v2(Bucket=tree, MaxKeys=3, Delimiter="/", Prefix="", FetchOwner=True)
    assert (page["Name"], page["MaxKeys"], page["KeyCount"], page["Delimiter"]) == (tree, 3, 3, "/")
    # Keys and folded prefixes count together, in one order.
    assert (keys(page), prefixes(page)) == (["a", "b"], ["a/"])
    assert page["IsTruncated"] and page["NextContinuationToken"]
    entry = page["Contents"][0]
    assert (entry["Size"], entry["StorageClass"]) == (1, "STANDARD")
    assert entry["ETag"].startswith('"') and entry["LastModified"] and entry["Owner"]["ID"]
    rest = s3.list_objects_v2(Bucket=tree, Delimiter="/", ContinuationToken=page["NextContinuationToken"])
    assert rest["ContinuationToken"] == page["NextContinuationToken"]
    assert prefixes(rest) == ["c/", "d/", "ä/", "日/"] and keys(rest) == ["e-1", "e-2", "e.x"]
    assert not rest["IsTruncated"] and "NextContinuationToken" not in rest
    first = s3.list_objects(Bucket=tree, MaxKeys=3, Delimiter="/")
    assert first["NextMarker"] == "b" and first["Contents"][0]["Owner"]["ID"]


def test_where_a_list_begins(s3, tree):
    assert keys(s3.list_objects_v2(Bucket=tree, StartAfter="c/")) == in_order(TREE)[6:]
    # It need not be there.
    assert keys(s3.list_objects_v2(Bucket=tree, StartAfter="a/bb")) == in_order(TREE)[3:]
    assert keys(s3.list_objects(Bucket=tree, Marker="c/")) == in_order(TREE)[6:]
    assert keys(s3.list_objects_v2(Bucket=tree, StartAfter="zzz\U0001f642")) == ["ä/x", "日/x"]
    # Inside of what is folded, the rest of it is folded.
    assert prefixes(s3.list_objects_v2(Bucket=tree, StartAfter="a/b", Delimiter="/"))[0] == "a/"
    # After the marker of a folded prefix comes what is not in it.
    assert prefixes(s3.list_objects(Bucket=tree, Marker="a/", Delimiter="/"))[0] == "c/"


def test_limits_and_what_is_refused(s3, tree):
    nothing = s3.list_objects_v2(Bucket=tree, MaxKeys=0)
    assert keys(nothing) == [] and not nothing["IsTruncated"]
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=5000)["MaxKeys"] == 1000
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=tree, MaxKeys=-1)
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=tree, ContinuationToken="made up")
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=tree, ContinuationToken="")


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("kind", ["list_objects", "list_objects_v2"])
def test_odd_keys_in_pages(s3, odd, kind, size):
    # boto3 asks for the encoding `url` by itself, without which XML cannot carry all of them.
    names, _ = all_pages(s3, kind, Bucket=odd, PaginationConfig={"PageSize": size})
    assert names == in_order(ODD_KEYS)


def test_odd_prefixes_and_delimiters(s3, odd):
    for prefix in ("a+", "a%", "über/", "日本", "//", "/", "new\n", "\U0001f642"):
        expected = in_order(name for name in ODD_KEYS if name.startswith(prefix))
        assert keys(s3.list_objects_v2(Bucket=odd, Prefix=prefix)) == expected
    page = s3.list_objects_v2(Bucket=odd, Prefix="日", Delimiter="ファ")
    assert prefixes(page) == ["日本語/ファ"] and page["Delimiter"] == "ファ"


def test_encoding_is_only_done_when_asked_for(engine, s3, odd):
    from s3_calls import s3_call

    plain = s3_call(engine, "GET", f"/{odd}?list-type=2&prefix=a%2Bb").body
    encoded = s3_call(engine, "GET", f"/{odd}?encoding-type=url&list-type=2&prefix=a%2Bb").body
    assert b"<Key>a+b</Key>" in plain and b"EncodingType" not in plain
    assert b"<Key>a%2Bb</Key>" in encoded and b"<EncodingType>url</EncodingType>" in encoded
    wrong = s3_call(engine, "GET", f"/{odd}?encoding-type=rot13&list-type=2")
    assert (wrong.status, wrong.code) == (400, "InvalidArgument")


def test_more_than_a_page(s3, many):
    page = s3.list_objects_v2(Bucket=many)
    assert page["IsTruncated"] and page["KeyCount"] == 1000
    names, _ = all_pages(s3, "list_objects_v2", Bucket=many)
    assert names == [f"k/{n:04}" for n in range(1234)]
    folded = s3.list_objects_v2(Bucket=many, Delimiter="/", MaxKeys=1)
    assert prefixes(folded) == ["k/"] and not folded["IsTruncated"]


def test_a_list_goes_on_where_it_was_whatever_happens_between(s3, bucket):
    for name in "abcdef":
        s3.put_object(Bucket=bucket, Key=name, Body=os.urandom(3))
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=3)
    s3.delete_object(Bucket=bucket, Key="c")
    s3.delete_object(Bucket=bucket, Key="d")
    s3.put_object(Bucket=bucket, Key="aa", Body=b"")
    s3.put_object(Bucket=bucket, Key="dd", Body=b"")
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert keys(rest) == ["dd", "e", "f"]
