"""Run with: pip install -r requirements.txt pytest && pytest"""

import io

import pytest

from app import app


@pytest.fixture
def client():
    return app.test_client()


def send(client, path, text):
    return client.post(path, data={"table": (io.BytesIO(text.encode()), "table.csv")})


TABLE = "name,height,weight\na,1.7,60\nb,1.8,\nc,1.9,80\n"


def test_summary(client):
    answer = send(client, "/summary", TABLE)
    assert answer.status_code == 200
    assert answer.json["rows"] == 3
    assert set(answer.json["columns"]) == {"height", "weight"}
    assert answer.json["columns"]["weight"] == {"count": 2, "mean": 70, "min": 60, "max": 80}


def test_chart(client):
    answer = send(client, "/chart.png", TABLE)
    assert answer.mimetype == "image/png"
    assert answer.data.startswith(b"\x89PNG\r\n\x1a\n")


def test_page(client):
    assert "What is in a CSV" in client.get("/").text


@pytest.mark.parametrize("text", ["", "name\na\nb\n"])
def test_what_is_no_table_of_numbers(client, text):
    answer = send(client, "/summary", text)
    assert answer.status_code == 400
    assert answer.json["error"]


def test_no_file(client):
    assert client.post("/summary").status_code == 400
