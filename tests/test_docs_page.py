"""The page on which calls are tried, in a real browser."""

import csv
import io
import os
import shutil
import subprocess
import sys

import pytest
import requests

import documents
from documents import FEATURES, LINE, own
from http_apis import apis, arn_of, gateway, let_in  # noqa: F401 (fixtures)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
HOSTILE = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 1'> \" '"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # The machine's user may be root, for whom Chromium has no sandbox.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """The page of an API; nothing on it may go wrong unseen."""

    def __init__(self, browser, base, **settings):
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.wrong = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda line: self.wrong.append(line.text) if "Content Security" in line.text else None)
        self.base = base
        self.page.goto(base + documents.PAGE)
        self.page.wait_for_selector("#routes a")

    def open(self, operation):
        self.page.evaluate("id => { location.hash = id }", operation)
        self.page.wait_for_function("id => document.querySelector('#routes a[aria-current]')?.hash === '#' + id", arg=operation)

    def send(self, button="button.main"):
        with self.page.expect_response(lambda response: documents.DOCUMENT not in response.url) as answered:
            self.page.click(button)
        self.page.wait_for_selector("#answer .status")
        self.page.wait_for_selector("button.main:enabled")
        return answered.value.status, self.page.inner_text("#answer")

    def code(self, language) -> str:
        self.page.click(f".tabs button:text-is('{language}')")
        return self.page.inner_text("pre[aria-label='The call as code']")


@pytest.fixture
def open_page(browser):
    opened = []

    def open_one(base, **settings):
        opened.append(Page(browser, base, **settings))
        return opened[-1]

    yield open_one
    for page in opened:
        assert page.wrong == []
        page.context.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return documents.model_file(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shop(apis, gateway, awslambda, functions, s3, bucket, model):
    s3.put_object(Bucket=bucket, Key="admission.json", Body=model.read_bytes())
    line = functions.make(LINE)
    let_in(awslambda, line)
    api = apis(Description=HOSTILE)
    api.map(functions.make(FEATURES), "ANY /features", "ANY /features/{proxy+}", chunksize="5")
    integration = own(api, "Squall-Model", model=f"s3://{bucket}/admission.json", threshold="0.5", summary="Chances")
    gateway.create_route(
        ApiId=api.id, RouteKey="ANY /admission", Target=f"integrations/{integration}", ApiKeyRequired=True
    )
    own(api, "Squall-Redirect", "GET /old", location="https://elsewhere.example/")
    line = api.integrate(arn_of(awslambda, line), RequestParameters={"squall:summary": HOSTILE})
    api.route("GET /line/{id}/{rest+}", line)
    api.route("ANY /any", line)
    return api


@pytest.fixture
def key(engine, shop):
    keys = engine.client("apigateway")
    stages = [{"restApiId": shop.id, "stageName": "$default"}]
    made = keys.create_api_key(name="page", enabled=True, stageKeys=stages)
    yield made["value"]
    keys.delete_api_key(apiKey=made["id"])


def test_a_model_is_asked_with_and_without_a_key(shop, key, open_page):
    page = open_page(shop.by_path)
    page.open("get_admission")
    levels = page.page.locator("label:text('rank') ~ select option").all_inner_texts()
    assert levels == ["a", "b", "c", "d"], "levels are chosen, not written"
    page.page.get_by_label("gre").fill("780")
    page.page.get_by_label("rank").select_option("b")
    status, text = page.send()
    assert status == 403 and "Forbidden" in text
    page.page.fill("input[data-scheme=ApiKey]", key)
    status, text = page.send()
    assert status == 200 and '"fit"' in text and '"decision"' in text
    sent = {"gre": 780, "gpa": 1, "rank": "b"}
    fit = requests.get(f"{shop.by_path}/admission", params=sent, headers={"x-api-key": key}).json()["fit"]
    assert str(fit) in text
    # The key is nowhere but in its field.
    assert key not in page.page.url and key not in page.page.content()
    assert page.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    # Another call of the same API has it, too: here the fields write the JSON of the body.
    page.open("post_admission")
    page.page.get_by_label("gre").fill("640")
    assert '"gre": 640' in page.page.get_by_label("JSON").input_value()
    assert page.send()[0] == 200
    page.page.locator("select.method").select_option("put")
    assert page.send()[0] == 200
    page.page.reload()
    page.open("get_admission")
    assert page.page.input_value("input[data-scheme=ApiKey]") == "", "it is gone with the page"


def test_the_page_asks_for_what_the_document_wants(gateway, shop, key, browser):
    arn = f"arn:aws:apigateway:us-east-1::/apis/{shop.id}"
    gateway.tag_resource(ResourceArn=arn, Tags={"squall:docs": "key"})
    context = browser.new_context()
    page = context.new_page()
    page.goto(shop.by_path + documents.PAGE)
    field = "input[data-scheme=ApiKey]"
    page.wait_for_selector(field)
    assert "/admission" not in page.content()
    for wrong in ["nobody's", "é", ""]:
        page.fill(field, wrong)
        page.click("button.main")
        # Each answer puts a new form there, whose button can be pressed.
        page.wait_for_selector("form:has(.trouble) button.main:enabled")
        assert page.inner_text("h1") == "API"
    page.fill(field, key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#routes a")
    assert "/admission" in page.inner_text("#routes")
    # It is there for the calls, too, and nowhere else.
    page.evaluate("location.hash = 'get_admission'")
    page.wait_for_selector("#answer", state="attached")
    assert page.input_value("input[data-scheme=ApiKey]") == key
    assert key not in page.url and key not in page.content()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    context.close()


def test_what_is_copied_does_the_same(shop, key, open_page):
    page = open_page(shop.by_path)
    page.open("post_admission")
    page.page.fill("input[data-scheme=ApiKey]", key)
    page.page.get_by_label("JSON").fill('{"gre": 700, "gpa": 3.5, "rank": "a", "odd": "\'$(touch x)` \\" é"}')
    status, shown = page.send()
    assert status == 200
    environment = {**os.environ, "API_KEY": key}
    for language, command in (("curl", ["bash", "-c"]), ("Python", [sys.executable, "-c"])):
        code = page.code(language)
        assert key not in code and "API_KEY" in code
        done = subprocess.run([*command, code], env=environment, capture_output=True, text=True, check=True)
        assert '"fit"' in done.stdout, done.stderr


def test_a_table_is_sent_and_shown(shop, open_page, tmp_path):
    page = open_page(shop.by_path)
    page.open("put_features")
    status, text = page.send()
    assert status == 200 and page.page.locator(".table td").all_inner_texts()[:2] == ["a", "2"], text
    page.page.locator("summary:text('Options')").click()
    page.page.get_by_label("on_error").select_option("collect")
    page.page.get_by_label("Answer as").select_option("application/json")
    status, text = page.send()
    assert status == 200 and '"failures"' in text
    page.page.get_by_label("Answer as").select_option("")
    rows = io.StringIO()
    csv.writer(rows).writerows([("id", "value"), *((f"i{at}", at) for at in range(300))])
    (tmp_path / "data.csv").write_text(rows.getvalue())
    page.page.get_by_label("From a file").set_input_files(tmp_path / "data.csv")
    assert "@data.csv" in page.code("curl")
    status, text = page.send()
    assert status == 200 and page.page.locator(".table tbody tr").count() == 200
    assert "first 200 rows" in text
    with page.page.expect_download() as saved:
        page.page.click("#answer button:text('Save')")
    assert saved.value.suggested_filename == "answer.csv"
    assert len(saved.value.path().read_text().splitlines()) == 301


def test_what_a_project_says_is_text(shop, open_page):
    page = open_page(shop.by_path)
    page.open("get_line_id_rest")
    assert page.page.inner_text("main h2") == HOSTILE.strip()
    assert page.page.inner_text("#about") == HOSTILE.strip()
    page.page.get_by_label("id").fill("a/b?<b>")
    page.page.get_by_label("rest").fill("c/d e")
    status, text = page.send()
    assert status == 200 and "/line/a/b?<b>/c/d e" in text
    assert "/line/a%2Fb%3F%3Cb%3E/c/d%20e" in page.code("curl")
    page.page.get_by_label("id").fill("")
    page.page.click("button.main")
    assert "needs a value for id" in page.page.inner_text("#answer")
    assert page.page.evaluate("window.ran") is None
    assert page.page.locator("main img, main script, header img").count() == 0


def test_its_policy_lets_nothing_else_run(shop, open_page):
    answer = requests.get(shop.by_path + documents.PAGE)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in answer.text.replace("http://www.w3.org", "") and "https://" not in answer.text
    page = open_page(shop.by_path)
    said = page.page.evaluate(
        """() => { const element = document.createElement('script'); try { element.textContent = 'window.ran = 1';
        document.body.append(element) } catch (error) { return error.name } return 'taken' }"""
    )
    assert said == "TypeError"
    assert page.page.evaluate("window.ran") is None
    page.wrong.clear()


def test_any_method_and_a_redirect(shop, open_page):
    page = open_page(shop.by_path)
    page.open("get_any")
    assert page.page.locator("input[type=file]:visible").count() == 0
    page.page.get_by_label("Method").select_option("post")
    page.page.locator("textarea:visible").fill('{"a": [1, {}]}')
    status, text = page.send()
    assert status == 200 and '{\\"a\\": [1, {}]}' in text
    page.open("get_old")
    with page.page.expect_response("**/old"):
        page.page.click("button.main")
    page.page.wait_for_selector("#answer .status")
    assert "leads to another address" in page.page.inner_text("#answer")


def test_it_is_used_by_keys_alone_and_on_a_phone(shop, open_page):
    page = open_page(shop.by_path, viewport={"width": 390, "height": 800}, color_scheme="dark")
    assert page.page.locator("main").is_hidden(), "first there is the list"
    page.page.focus("#filter")
    page.page.keyboard.type("any")
    assert page.page.locator("#routes li:visible").count() == 1
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("main form")
    assert page.page.locator(".list").is_hidden()
    page.page.focus("button.main")
    with page.page.expect_response("**/any"):
        page.page.keyboard.press("Control+Enter")
    page.page.wait_for_selector("#answer .status.good")
    assert page.page.evaluate("document.documentElement.scrollWidth") == 390, "nothing is wider than the screen"
    page.page.go_back()
    page.page.wait_for_selector("#routes a:visible")
