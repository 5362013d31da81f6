"""Story 3 to its end: a page in a bucket, in a real browser, asks a model through the
gateway, from another origin and with a key."""

import shutil

import pytest

from deploy_cli import Folder

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not (CHROMIUM and shutil.which("Rscript")), reason="needs Chromium and R")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # The machine's user may be root, for whom Chromium has no sandbox.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def story(fresh_engine, tmp_path):
    """The template, with keys asked for, on an engine of its own."""
    folder = Folder(tmp_path / "mine", fresh_engine)
    folder.run("init", "--template", "r-model", "--name", "mine", "--yes", fails=0)
    folder.edit("squall.toml", "# key = true", "key = true")
    folder.edit("squall.toml", 'function = "admission"\n', 'function = "admission"\nkey = true\n')
    folder.deploy()
    return folder


def squall(folder, *words):
    return folder.run(*words, "--json", fails=0).json


class Page:
    def __init__(self, page):
        self.page = page
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, site, api, key=None):
        self.page.goto("about:blank")
        self.page.goto(f"{site}#api={api}" + (f"&key={key}" if key is not None else ""))
        return self

    def ask(self, route="/admission", **fields):
        for name, value in {"gre": "800", "gpa": "4", **fields}.items():
            if name == "rank":
                self.page.select_option("#rank", value)
            else:
                self.page.fill(f"#{name}", value)
        self.page.select_option("#route", route)
        with self.page.expect_response(lambda response: response.request.method == "POST") as answered:
            self.page.click("button")
        self.page.wait_for_selector("button:enabled")
        return answered.value.status, self.page.inner_text("#answer")


def test_the_page_asks_the_model_with_a_key(story, browser):
    status = squall(story, "status")
    (site,) = status["sites"].values()
    api = status["url"].rstrip("/")
    key = squall(story, "keys", "create", "--name", "page")["key"]
    page = Page(browser.new_page())

    page.open(site, api, "")
    assert page.ask() == (403, "No entry\nThe API asks for a key that is good.")
    page.open(site, api, key)
    answers = set()
    for route in ["/admission", "/admission-r"]:
        status, admitted = page.ask(route, rank="1")
        assert status == 200 and admitted.startswith("Admitted\n"), admitted
        status, refused = page.ask(route, rank="4")
        assert status == 200 and refused.startswith("Not admitted\n"), refused
        answers.add((admitted, refused))
    assert len(answers) == 1, "R and the model alone say the same"

    status, text = page.ask("/admission-r", gre="820")
    assert (status, text) == (400, "BadRequest\nfield gre: a number from 200 to 800 is wanted")
    assert "key=" not in page.page.url

    made = squall(story, "plans", "create", "--name", "free", "--api", api.rsplit("/", 1)[-1].split(".")[0], "--quota", "1/day")
    squall(story, "plans", "add", made["id"], "page")
    assert page.ask()[0] == 200
    assert page.ask() == (429, "Too often\nThe key has no calls left for now.")
    assert page.errors == []
    usage = squall(story, "usage")["usage"]
    assert sum(line["requests"] for line in usage) == 6
    page.page.screenshot(path=str(story.path / "page.png"))
