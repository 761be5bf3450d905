"""The page: what it says, and that nothing in a passage, a name or a run record can act in it."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

from cabletag import Tagger
from cabletag.errors import DocumentError, OptionError, OutputError
from cabletag.report.overview import Share
from cabletag.report.page import write_report

ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></li></ol>\"'><svg onload=alert(1)> {{ 7*7 }}"
HOSTILE = [
    {
        "document": f"{ATTACK}{number}", "text": f"{ATTACK} passage {number}", "labels": ["crime_framing", "sovereignty"][: 1 + number % 2],
        "voice": ["own", "attributed"][number % 2], "year": str(2019 + number % 3), "source": f"{ATTACK} {number % 3}", "paragraph": ATTACK,
        "evidence": [{"label": "crime_framing", "start": 3, "end": 20}, {"label": "sovereignty", "start": 10, "end": 30}][: 1 + number % 2],
    }
    for number in range(40)
]  # fmt: skip


@pytest.fixture(scope="module")
def page(write_output, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(write_output(HOSTILE), path, by="source", time="year", title=ATTACK, strongest=4)
    return path


def test_texts_are_escaped_everywhere(page):
    text = page.read_text()
    assert text.count("<script>") == 1
    assert text.count("<img") == 0
    assert "onload=alert" in text  # it is shown
    assert not re.search(r"<svg[^>]*onload", text)
    assert "49" not in re.findall(r"alert\(1\)&gt; (\S+)", text)


def test_page_names_no_address_to_load_from(page):
    text = page.read_text()
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\"'\s<]+", text)) == {"http://www.w3.org/2000/svg"}
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(text)
    assert len(tags) > 500
    assert not {tag for tag, _ in tags} & {"img", "iframe", "object", "embed", "link", "audio", "video", "form", "base"}
    assert not {
        name for _, found in tags for name in found if name in ("src", "srcset", "style") or name.startswith("on")
    }
    assert all(found["href"].startswith("#") for _, found in tags if "href" in found)


def test_every_chart_is_one_named_image(page):
    charts = re.findall(r"<svg .*?</svg>", page.read_text(), re.DOTALL)
    assert len(charts) == 2 + 2 + 2 + 1  # wide and narrow, two labels over time and by source, together
    keys = set()
    for chart in charts:
        root = ET.fromstring(chart)
        title, description = root.attrib["aria-labelledby"].split()
        found = {element.get("id"): element.text for element in root if element.get("id")}
        assert root.attrib["role"] == "img"
        assert found[title]
        assert "%" in found[description]
        keys.add(title)
    assert len(keys) == len(charts)


def test_shares_stand_with_interval_and_base(page):
    row = re.search(r'rowheader">National sovereignty.*?</tr>', page.read_text(), re.DOTALL).group()
    assert "50.0%" in row
    assert "35.2–64.8%" in row
    assert "20 of 40" in row


def test_selection_says_that_it_is_one(page):
    assert re.search(r"A selection, not all.</strong> \d+ of 40 passages", page.read_text())


def test_evidence_is_marked_with_its_labels(write_output, tmp_path):
    rows = [{"text": "0123456789", "labels": ["crime_framing", "sovereignty"],
             "evidence": [{"label": "crime_framing", "start": 2, "end": 5}, {"label": "sovereignty", "start": 4, "end": 99}]}]  # fmt: skip
    write_report(write_output(rows), tmp_path / "r.html")
    marks = re.search(r"<blockquote>(.*?)</blockquote>", (tmp_path / "r.html").read_text()).group(1)
    assert marks == (
        '01<mark data-labels="crime_framing">23</mark><mark data-labels="crime_framing sovereignty">4</mark>'
        '<mark data-labels="sovereignty">56789</mark>'
    )


def test_very_long_text_is_cut_and_says_so(write_output, tmp_path):
    rows = [
        {
            "text": "x" * 6_000,
            "labels": ["sovereignty"],
            "evidence": [{"label": "sovereignty", "start": 4_990, "end": 5_900}],
        }
    ]
    write_report(write_output(rows), tmp_path / "r.html")
    assert (
        f'<mark data-labels="sovereignty">{"x" * 10}</mark> … (cut here; 1,000 more characters'
        in (tmp_path / "r.html").read_text()
    )


def test_training_is_told_of_the_shipped_model_only(page):
    assert "How its training passages were coded stands with the model" in page.read_text()


def test_output_without_texts_or_labels_gives_a_page(write_output, tmp_path):
    write_report(write_output([{}, {}], drop=("text",)), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "No passage carries two labels." in text
    assert "written without texts" in text


def test_output_of_rejected_rows_only_gives_a_page(write_output, tmp_path):
    write_report(write_output([{"status": "error", "passage": 0}]), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "No passage was scored" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_file_that_is_no_evaluation_is_told(write_output, tmp_path):
    (tmp_path / "e.json").write_text("[]")
    with pytest.raises(DocumentError, match="expected the JSON of `cabletag evaluate`"):
        write_report(write_output([{}]), tmp_path / "r.html", evaluation=tmp_path / "e.json")


def test_page_of_the_shipped_model_shows_its_labels_and_what_it_learned_from(write_output, tmp_path):
    tagger = Tagger.from_pretrained()
    texts = ["Posts should report by Friday.", "The minister discussed migration and security."]
    rows = [
        {
            "text": text,
            "labels": list(found.labels),
            "voice": found.voice,
            **{f"p_{key}": round(p, 4) for key, p in found.scores.items()},
        }
        for text, found in zip(texts, tagger.tag(texts), strict=True)
    ]
    output = write_output(rows)
    record = Path(f"{output}.run.json")
    record.write_text(record.read_text().replace('"fake"', f'"{tagger.manifest.name}"'))
    assert write_report(output, tmp_path / "r.html").passages("reporting_directive") == Share(1, 2)
    text = (tmp_path / "r.html").read_text()
    assert "Posts should report by Friday." in text
    assert "in part composed, and all coded, by a language model" in text


def test_page_that_cannot_be_written_is_told(write_output, tmp_path):
    with pytest.raises(OutputError, match="expected a file that can be written"):
        write_report(write_output([{}]), tmp_path / "none" / "r.html")


def test_page_does_not_overwrite_its_output(run, write_output):
    path = write_output([{}])
    before = path.read_bytes()
    code, _, err = run("report", path, "-o", path)
    assert code == 2
    assert "found an input; choose another name" in err
    assert path.read_bytes() == before


def test_too_many_strongest_are_refused(write_output, tmp_path):
    with pytest.raises(OptionError, match="between 0 and 100, found 101"):
        write_report(write_output([{}]), tmp_path / "r.html", strongest=101)


def test_command_writes_the_page_and_says_what_is_in_it(run, write_output, tmp_path):
    code, out, err = run("report", write_output([{"labels": ["sovereignty"]}, {}]), "-o", tmp_path / "r.html")
    assert (code, out) == (0, "")
    assert "passages: 2, documents: 1, rejected rows left out: 0" in err


def test_unknown_column_is_one_line_and_code_two(run, write_output, tmp_path):
    code, _, err = run("report", write_output([{"year": "2020"}]), "-o", tmp_path / "r.html", "--by", "yaer")
    assert code == 2
    assert err.count("\n") == 1
    assert "did you mean 'year'?" in err


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def trouble(browser):
    return [
        event
        for event in browser.events
        if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
    ]


def test_hostile_passages_are_shown_and_not_run(browser, page):
    browser.open(page)
    assert trouble(browser) == []
    assert browser.js("document.title") == ATTACK
    assert browser.js("document.querySelectorAll('script, img, [onload], [onerror]').length") == 1
    assert ATTACK in browser.js("document.querySelector('.passage blockquote').textContent")
    requested = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert requested == [page.as_uri()]


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_nothing_is_wider_than_the_screen(browser, page, width):
    browser.open(page, width)
    browser.js("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert browser.js("document.documentElement.scrollWidth") == width


def test_filter_and_search_work(browser, page):
    browser.open(page)

    def set_field(key, value):
        browser.js(
            f"{{const f = document.getElementById({key!r}); f.value = {value!r}; f.dispatchEvent(new Event('input'))}}"
        )
        return browser.js(
            "[...document.querySelectorAll('.passage')].filter((p) => !p.hidden).map((p) => p.dataset.voice)"
        )

    every = set_field("f-label", "")
    voices = set_field("f-voice", "attributed")
    assert set(voices) == {"attributed"}
    assert 0 < len(voices) < len(every)
    assert set_field("f-text", "no such words") == []
    assert "0 of the" in browser.js("document.getElementById('f-count').textContent")
    set_field("f-text", "")
    set_field("f-label", "sovereignty")
    off = browser.js(
        "[...document.querySelectorAll('.passage:not([hidden]) mark')].map((m) => [m.dataset.labels, m.classList.contains('off')])"
    )
    assert off
    assert all(hidden != ("sovereignty" in labels.split()) for labels, hidden in off)


def test_keyboard_comes_first_to_the_skip_link_and_sees_it(browser, page):
    browser.open(page)
    browser.press("Tab", 9)
    assert browser.js("document.activeElement.className") == "skip"
    assert browser.js("document.activeElement.getBoundingClientRect().left") >= 0
    browser.press("Tab", 9)
    assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_inputs_have_labels_and_the_page_has_landmarks(browser, page):
    browser.open(page)
    assert browser.js("[...document.querySelectorAll('select, input')].every((field) => field.labels.length === 1)")
    assert browser.js(
        "['main', 'header', 'nav', 'footer', '[role=search]'].every((part) => document.querySelectorAll(part).length === 1)"
    )
    assert browser.js("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser, page, dark):
    browser.open(page, dark=dark)
    contrast = """
    (() => { const rgb = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      const light = (c) => { const [r, g, b] = rgb(c); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      return Math.min(...[...document.querySelectorAll('p, a:not(.skip), th, td, dt, dd, .tags li, figcaption, .fine')].map((e) => {
        const own = light(getComputedStyle(e).color); return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05) })) })()"""
    assert browser.js(contrast) >= 4.5  # WCAG 2.2, level AA


def test_screenshot_and_print_are_drawn(browser, page):
    browser.open(page, 375)
    assert len(browser.png()) > 20_000
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert browser.js("document.querySelector('details[data-print]').open")
