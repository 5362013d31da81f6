"""The programs that people have: the aws CLI, pandas, s3fs, pyarrow, DuckDB, rclone.
None of them is told anything but endpoint and keys."""

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
import urllib.request

import duckdb
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest
import s3fs

from harness import unique
from s3_calls import body_of, keys
from test_aws_cli import AWS, Aws

MB = 1 << 20


@pytest.fixture
def aws(engine, tmp_path):
    return Aws(engine, tmp_path)


@pytest.fixture
def options(engine) -> dict:
    """What s3fs is told, by pandas or directly."""
    return {
        "key": engine.access_key,
        "secret": engine.secret_key,
        "endpoint_url": engine.api,
        "client_kwargs": {"region_name": engine.region},
    }


@pytest.fixture
def arrow(engine):
    return pyarrow.fs.S3FileSystem(
        access_key=engine.access_key,
        secret_key=engine.secret_key,
        endpoint_override=engine.api,
        region=engine.region,
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )


def text(done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def tree(folder) -> dict:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# aws CLI


def test_aws_cp_of_200_mb(aws, s3, bucket, tmp_path):
    """In parts, as it does by itself from 8 MB on; and back."""
    seed, digest = os.urandom(MB), hashlib.sha256()
    with open(tmp_path / "large", "wb") as file:
        for n in range(200):
            piece = n.to_bytes(4) + seed[4:]
            digest.update(piece)
            file.write(piece)
    text(aws.run("s3", "cp", "large", f"s3://{bucket}/large", "--no-progress"))
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["ContentLength"] == 200 * MB and head["ETag"].endswith('-25"')
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    os.remove(tmp_path / "large")
    text(aws.run("s3", "cp", f"s3://{bucket}/large", "back", "--no-progress"))
    with open(tmp_path / "back", "rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == digest.digest()
    # A copy of what is large is made in parts, too.
    text(aws.run("s3", "cp", f"s3://{bucket}/large", f"s3://{bucket}/copy", "--no-progress"))
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == 200 * MB


def test_aws_sync_both_ways(aws, s3, bucket, tmp_path):
    source = tmp_path / "source"
    for name in ("a.txt", "b/c d.txt", "b/ü.txt", "e+f%.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    sync = ("s3", "sync", "--no-progress")
    text(aws.run(*sync, "source", f"s3://{bucket}/here"))
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted((f"here/{name}" for name in tree(source)), key=str.encode)
    # What is there already is not sent again.
    assert text(aws.run(*sync, "source", f"s3://{bucket}/here")) == ""
    (source / "a.txt").write_text("changed!")
    (source / "b" / "c d.txt").unlink()
    seen = text(aws.run(*sync, "source", f"s3://{bucket}/here", "--delete"))
    assert seen.count("upload:") == 1 and seen.count("delete:") == 1
    text(aws.run(*sync, f"s3://{bucket}/here", "back"))
    assert tree(tmp_path / "back") == tree(source)
    listed = text(aws.run("s3", "ls", f"s3://{bucket}/here/"))
    assert "PRE b/" in listed and "a.txt" in listed
    text(aws.run("s3", "mv", f"s3://{bucket}/here/a.txt", f"s3://{bucket}/moved", "--no-progress"))
    text(aws.run("s3", "rm", f"s3://{bucket}/here", "--recursive"))
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["moved"]
    text(aws.run("s3", "rb", f"s3://{bucket}", "--force"))


def test_aws_presign(aws, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    link = text(aws.run("s3", "presign", f"s3://{bucket}/a b", "--expires-in", "60")).strip()
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"hello"


def test_aws_mb_and_streams(aws, s3):
    bucket = unique("made")
    text(aws.run("s3", "mb", f"s3://{bucket}"))
    assert aws.run("s3", "ls").stdout.count(bucket) == 1
    piped = subprocess.run(
        [AWS, "s3", "cp", "-", f"s3://{bucket}/piped"], input=b"x" * 100, env=aws.environment, capture_output=True
    )
    assert piped.returncode == 0, piped.stderr
    assert text(aws.run("s3", "cp", f"s3://{bucket}/piped", "-")) == "x" * 100
    missing = aws.run("s3", "cp", f"s3://{bucket}/missing", "-")
    assert missing.returncode == 1 and "404" in missing.stderr


# pandas, s3fs


def frame(rows=1000) -> pandas.DataFrame:
    return pandas.DataFrame(
        {"id": range(rows), "name": [f"n{n % 7}" for n in range(rows)], "value": [n / 3 for n in range(rows)]}
    )


def test_pandas_csv(s3, bucket, options):
    s3.put_object(Bucket=bucket, Key="in/a b.csv", Body=b"id,value\na,1\nb,2\n")
    read = pandas.read_csv(f"s3://{bucket}/in/a b.csv", storage_options=options)
    assert read.value.sum() == 3
    frame().to_csv(f"s3://{bucket}/out.csv.gz", index=False, storage_options=options)
    back = pandas.read_csv(f"s3://{bucket}/out.csv.gz", storage_options=options)
    pandas.testing.assert_frame_equal(back, frame())


def test_pandas_without_a_word_about_where(engine, s3, bucket):
    """By the environment alone, as after `eval "$(squall env)"`."""
    s3.put_object(Bucket=bucket, Key="k.csv", Body=b"a\n1\n2\n")
    script = f"import pandas; print(pandas.read_csv('s3://{bucket}/k.csv').a.sum())"
    done = subprocess.run(
        [sys.executable, "-c", script], env=engine.client_environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "3", done.stderr


def test_pandas_parquet(s3, bucket, options):
    where = f"s3://{bucket}/table"
    frame().to_parquet(where, partition_cols=["name"], storage_options=options)
    assert len(keys(s3.list_objects_v2(Bucket=bucket, Prefix="table/name=n3/"))) == 1
    back = pandas.read_parquet(where, storage_options=options, filters=[("name", "=", "n3")], columns=["id"])
    assert sorted(back.id) == [n for n in range(1000) if n % 7 == 3]


def test_s3fs_as_a_file_system(bucket, options):
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem(**options)
    body = os.urandom(11 * MB)
    with files.open(f"{bucket}/folder/large", "wb", block_size=5 * MB) as file:
        file.write(body)
    with files.open(f"{bucket}/folder/large", "rb") as file:
        file.seek(6 * MB)
        assert file.read(10) == body[6 * MB : 6 * MB + 10]
    files.pipe(f"{bucket}/folder/small", b"x")
    assert sorted(files.ls(f"{bucket}/folder")) == [f"{bucket}/folder/large", f"{bucket}/folder/small"]
    assert files.glob(f"{bucket}/**/sm*") == [f"{bucket}/folder/small"]
    files.copy(f"{bucket}/folder/large", f"{bucket}/copy")
    files.mv(f"{bucket}/folder/small", f"{bucket}/moved/small")
    assert files.exists(f"{bucket}/moved/small") and not files.exists(f"{bucket}/folder/small")
    assert files.cat(f"{bucket}/copy") == body
    with pytest.raises(FileNotFoundError):
        files.open(f"{bucket}/missing").read()
    files.rm(bucket, recursive=True)
    assert not files.exists(bucket)


# pyarrow


def test_pyarrow_datasets(s3, bucket, arrow):
    table = pyarrow.Table.from_pandas(frame(), preserve_index=False)
    pyarrow.dataset.write_dataset(
        table, f"{bucket}/set", filesystem=arrow, format="parquet", partitioning=["name"], partitioning_flavor="hive"
    )
    dataset = pyarrow.dataset.dataset(f"{bucket}/set", filesystem=arrow, format="parquet", partitioning="hive")
    assert dataset.count_rows() == 1000
    picked = dataset.to_table(filter=pyarrow.dataset.field("name") == "n2", columns=["id"])
    assert sorted(picked["id"].to_pylist()) == [n for n in range(1000) if n % 7 == 2]
    large = os.urandom(12 * MB)
    with arrow.open_output_stream(f"{bucket}/stream") as stream:
        stream.write(large)
    assert body_of(s3, bucket, "stream") == large
    with arrow.open_input_file(f"{bucket}/stream") as file:
        assert file.read_at(100, 7 * MB) == large[7 * MB : 7 * MB + 100]
    info = arrow.get_file_info([f"{bucket}/stream", f"{bucket}/set", f"{bucket}/missing"])
    assert [entry.type.name for entry in info] == ["File", "Directory", "NotFound"]
    arrow.move(f"{bucket}/stream", f"{bucket}/moved")
    arrow.delete_dir(f"{bucket}/set")
    assert keys(s3.list_objects_v2(Bucket=bucket, Prefix="set/")) == []
    assert arrow.get_file_info(f"{bucket}/moved").size == 12 * MB


# DuckDB


def test_duckdb_reads_parquet(bucket, options):
    """Its own S3 client is an extension that it downloads; through fsspec it needs none."""
    files = s3fs.S3FileSystem(**options)
    for part in range(3):
        with files.open(f"{bucket}/events/part-{part}.parquet", "wb") as file:
            frame(500 * (part + 1)).to_parquet(file)
    database = duckdb.connect()
    database.register_filesystem(files)
    query = f"SELECT name, count(*), max(id) FROM 's3://{bucket}/events/*.parquet' GROUP BY name ORDER BY name"
    rows = database.sql(query).fetchall()
    assert len(rows) == 7 and sum(row[1] for row in rows) == 3000 and rows[-1][2] == 1497
    database.sql(f"COPY (SELECT 42 AS answer) TO 's3://{bucket}/out.parquet' (FORMAT parquet)")
    with files.open(f"{bucket}/out.parquet", "rb") as file:
        assert pyarrow.parquet.read_table(file).to_pydict() == {"answer": [42]}


# rclone


@pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed: apt-get install rclone")
def test_rclone(engine, s3, bucket, tmp_path):
    config = tmp_path / "rclone.conf"
    config.write_text(
        textwrap.dedent(
            f"""
            [here]
            type = s3
            provider = Other
            endpoint = {engine.api}
            region = {engine.region}
            access_key_id = {engine.access_key}
            secret_access_key = {engine.secret_key}
            """
        )
    )

    def rclone(*words):
        return text(
            subprocess.run(
                ["rclone", "--config", config, "--retries", "1", *words],
                capture_output=True,
                text=True,
                timeout=120,
                env=engine.client_environment(),
            )
        )

    source = tmp_path / "source"
    for name, body in (("a.txt", b"a"), ("b/c d.txt", b""), ("b/ü+%.txt", b"x"), ("large", os.urandom(12 * MB))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(body)
    where = f"here:{bucket}/in"
    rclone("sync", source, where, "--s3-chunk-size", "5M", "--s3-upload-cutoff", "6M")
    rclone("check", source, where)
    assert rclone("check", "--download", source, where) == ""
    (source / "a.txt").write_text("more")
    (source / "large").unlink()
    rclone("sync", source, where)
    assert sorted(rclone("lsf", "-R", "--files-only", where).split("\n")[:-1]) == sorted(tree(source))
    rclone("copy", where, tmp_path / "back")
    assert tree(tmp_path / "back") == tree(source)
    # The time of a file travels as metadata.
    assert "mtime" in s3.head_object(Bucket=bucket, Key="in/a.txt")["Metadata"]
    rclone("purge", where)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []
