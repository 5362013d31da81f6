"""Story 1 to its end: a page in a real browser sends a CSV to the service of another origin,
with a key and without, and until its quota is used up."""

import shutil

import pytest

from deploy_cli import Folder, fetch

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")

TABLE = "id,time,value\n" + "".join(f"{n % 3},{n},{n * 0.5}\n" for n in range(12))
PAGE = """<!doctype html>
<script>
async function send(url, key, table) {
  const headers = { "content-type": "text/csv" };
  if (key) headers["x-api-key"] = key;
  try {
    const answer = await fetch(url, { method: "PUT", headers, body: table });
    const left = answer.headers.get("x-ratelimit-remaining");
    return { status: answer.status, text: await answer.text(), left };
  } catch (error) {
    return { status: 0, text: String(error), left: null };
  }
}
</script>
"""
SITES = """
[buckets.page]
folder = "page"
site = true

[buckets.stranger]
folder = "page"
site = true
"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # The machine's user may be root, for whom Chromium has no sandbox.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def story(fresh_engine, tmp_path):
    """The template, with a page in front. Where the page is, is known once it is there."""
    folder = Folder(tmp_path / "mine", fresh_engine)
    folder.run("init", "--template", "csv-features", "--name", "mine", "--yes", fails=0)
    folder.write(**{"page/index.html": PAGE})
    folder.edit("squall.toml", "# key = true", "key = true")
    settings = (folder.path / "squall.toml").read_text()
    folder.write(**{"squall.toml": settings + SITES})
    sites = folder.deploy("--json").json["sites"]
    origins = {name.split("-")[2]: url.rstrip("/") for name, url in sites.items()}
    folder.edit("squall.toml", '# cors = ["https://example.com"]', f'cors = ["{origins["page"]}"]')
    folder.deploy()
    return folder, origins


def squall(folder, *words):
    return folder.run(*words, "--json", fails=0).json


def test_a_page_of_another_origin_sends_a_table(story, browser):
    folder, origins = story
    url = squall(folder, "status")["url"]
    key = squall(folder, "keys", "create", "--name", "page")["key"]
    page = browser.new_page()
    page.goto(origins["page"] + "/")

    def send(key=None):
        return page.evaluate("([url, key, table]) => send(url, key, table)", [url + "/", key, TABLE])

    refused = send()
    assert refused["status"] == 403 and "Forbidden" in refused["text"], "the page can read why"
    assert send("x" * 40)["status"] == 403
    answer = send(key)
    assert answer["status"] == 200, answer
    rows = answer["text"].strip().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "1", "2"]
    # The same as for a client that is no browser.
    assert fetch("PUT", url, data=TABLE, headers={"x-api-key": key}).text == answer["text"]

    api = url.rstrip("/").rsplit("/", 1)[-1]
    plan = squall(folder, "plans", "create", "--name", "free", "--api", api, "--quota", "1/day")
    squall(folder, "plans", "add", plan["id"], "page")
    last = send(key)
    assert (last["status"], last["left"]) == (200, "0")
    over = send(key)
    assert over["status"] == 429 and "Limit Exceeded" in over["text"], over
    usage = squall(folder, "usage")["usage"]
    used = {name: sum(line[name] for line in usage) for name in ("requests", "rows", "errors")}
    assert used == {"requests": 3, "rows": 36, "errors": 0}, "what was refused used nothing"

    # A page of an origin that nobody named does not even get to see the answer.
    page.goto(origins["stranger"] + "/")
    stranger = send(key)
    assert stranger["status"] == 0 and "Failed to fetch" in stranger["text"], stranger
