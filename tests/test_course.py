"""The course's page shows the figures that its readers may check, each with where it comes from."""

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from app.course import Course
from app.main import create_app
from app.places import COURSE
from app.worked import Slide, Stack, pooled, same_padding, spans
from tests.conftest import MODELS, MakeSettings, serving

VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """A page's text by section and its tables, row by row; SVG titles, and what a policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.captions: dict[str, str] = {}
        self.untitled: list[str] = []
        self.titles: list[str] = []
        self.refused: list[str] = []
        self.links: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if "style" in known or any(name.startswith("on") for name in known) or tag == "style":
            self.refused.append(self.get_starttag_text() or tag)
        if tag == "script" and "src" not in known:
            self.refused.append("script")
        self.links |= {known["href"] or ""} if tag == "a" and "href" in known else set()
        self.ids |= {str(known["id"])} if "id" in known else set()
        if tag == "svg":
            self.untitled.append("")
        if tag not in VOID:
            self.open.append((tag, known))
        table = self.inside("table")
        if table is not None and tag == "tr":
            self.tables.setdefault(self.name_of(table), []).append([])
        if table is not None and tag in ("td", "th"):
            self.tables[self.name_of(table)][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass
        if tag == "svg":
            assert self.untitled.pop(), "an SVG without a title"

    def handle_data(self, data: str) -> None:
        section = self.inside("section")
        if section is not None:
            self.texts.setdefault(str(section["id"]), []).append(data)
        if self.untitled and self.open[-1][0] == "title":
            self.untitled[-1] += data.strip()
            self.titles.append(data.strip())
        table = self.inside("table")
        if table is not None and self.inside("caption") is not None:
            name = self.name_of(table)
            self.captions[name] = self.captions.get(name, "") + data
        elif table is not None and any(tag in ("td", "th") for tag, _ in self.open):
            self.tables[self.name_of(table)][-1][-1] += data

    def inside(self, tag: str) -> dict[str, str | None] | None:
        return next((known for name, known in reversed(self.open) if name == tag), None)

    def name_of(self, table: dict[str, str | None]) -> str:
        section = (self.inside("section") or {}).get("id")
        folded = self.inside("details") is not None
        return str(table.get("data-published") or f"{'layers' if folded else 'counts'} of {section}")

    def text(self, section: str) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts[section]))

    def rows(self, table: str) -> list[list[str]]:
        return [[re.sub(r"\s+", " ", cell).strip() for cell in row] for row in self.tables[table]]

    def layer(self, section: str, name: str) -> list[str]:
        return next(row for row in self.rows(f"layers of {section}") if row[0] == name)


@pytest.fixture(scope="module")
def page(api: httpx.Client) -> Page:
    answer = api.get("/course")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    read = Page()
    read.feed(answer.text)
    assert "Undefined" not in answer.text
    return read


@cache
def published() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((COURSE / "published.json").read_text(encoding="utf-8"))
    return document


# --- what is shown where --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "figures"),
    [
        (
            "arithmetic",
            [
                *("(N − F + 2P)/S + 1", "(7 - 3 + 2*0)/1 + 1 = 5", "(7 - 3 + 2*0)/2 + 1 = 3"),
                *("(7 − 3)/3 + 1 = 2.33: does not fit", "(7 - 3 + 2*1)/1 + 1 = 7"),
                *("floor((224 - 7 + 2*3)/2) + 1 = 112", "ceil((112 - 3 + 2*0)/2) + 1 = 56"),
                *("F = 3 → 1, F = 5 → 2, F = 7 → 3.", "6 × 28 × 28", "28 × 28 × 6", "one map of 28 × 28"),
                *("10 × 32 × 32", "5·5·3 + 1 = 76 parameters", "all ten 760."),
                *("(W1 − F)/S + 1", "D2 = D1", "0 parameters", "F = 2, S = 2", "F = 3, S = 2"),
                "[[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]] gives [[6, 8], [3, 4]]",
                *("two stacked 3 × 3 sees 5 × 5", "behind three 7 × 7"),
                *("49 C² weights", "27 C² weights", "49 HWC² multiply-adds", "27 HWC² multiply-adds"),
                *("3.25 C² weights", "9 C² weights", "6 C² weights"),
            ],
        ),
        (
            "lenet5",
            [
                *("1.7159 tanh(2x/3)", "25·3·6 + 25·4·9 + 25·6·1 + 16 = 1,516", "2,416 numbers: 900 of a dense"),
                *("151,600 connections", "340,908 connections: weights are shared"),
                *("840 fixed numbers, 0 trained", "pictures of 7 × 12"),
                *("0 to 0 4 5 6 9 10 11 12 14 15;", "1 to 0 1 5 6 7 10 11 12 13 15;"),
                *("2 to 0 1 2 6 7 8 11 13 14 15;", "3 to 1 2 3 6 7 8 9 12 14 15;"),
                *("4 to 2 3 4 7 8 9 10 12 13 15;", "5 to 3 4 5 8 9 10 11 13 14 15"),
            ],
        ),
        (
            "alexnet",
            [
                *("60,000,000 parameters and 650,000 units", "60,965,224 parameters (with the 10 classes"),
                "56,909,194) and 659,272 units",
                *("(227 - 11 + 2*0)/4 + 1 = 55", "(11·11·3)·96 = 34,848 weights (“35K”), 34,944 parameters"),
                *("the 96 biases", "POOL1: 96 × 27 × 27, 0 parameters", "ReLU", "0.5", "128 images", "momentum 0.9"),
                *("0.01, divided by 10 by hand", "0.0005", "18.2 % → 15.4 % top-5"),
            ],
        ),
        (
            "vgg",
            [
                *("3 × 224 × 224 in", "3 × 3 convolutions (stride 1, padding 1)", "2 × 2 max pools (stride 2)"),
                *("138,357,544", "134,301,514", "A: 11, A-LRN: 11, B: 13, C: 16, D: 16, E: 19 weight layers"),
            ],
        ),
        (
            "googlenet",
            [
                *("9 inception modules (3a, 3b, 4a, 4b, 4c, 4d, 4e, 5a, 5b)", "6,998,552 parameters"),
                "Naive inception module 3a: 192 maps in, 416 maps out",
                *("Full inception module 3a: 192 maps in, 256 maps out", "22 layers with weights"),
            ],
        ),
        (
            "resnet",
            [
                *("33 convolutions", "36 convolutions", "49 convolutions", "zeros for the new channels"),
                *("a 1 × 1 projection where the dimensions grow", "a 1 × 1 projection at every block"),
                *(f"10 crops (table 3) {errors} %" for errors in ("25.03 / 7.76", "24.52 / 7.46", "24.19 / 7.40")),
            ],
        ),
        ("speedup", ["calibrate", "optimise", "serialised plan"]),
        (
            "transfer",
            [
                *("Train on ImageNet", "freeze all but the last layer", "fine-tune more"),
                "Feature extraction: shared layers unchanged; last layers of old tasks unchanged; last layers of new "
                "task random",
                "Fine-tuning: shared layers fine-tuned; last layers of old tasks unchanged; last layers of new task "
                "random",
                "Joint training: shared layers fine-tuned; last layers of old tasks fine-tuned, towards their truth; "
                "last layers of new task random",
                "Knowledge distillation: the small network random; last layers of the task random, towards teacher's "
                "output and its truth; an ensemble, or a deeper network unchanged",
                "Learning without forgetting: shared layers fine-tuned; last layers of old tasks fine-tuned, towards "
                "its old answers; last layers of new task random",
            ],
        ),
        (
            "slips",
            [
                *("S2: there is no “S1”", "Nair and Hinton used it in 2010", "7.3 % top-5 error, in 2014"),
                *("512 stays 512", "60,965,224 / 6,998,552 is 8.7 times", "10.07 − 6.67 = 3.40 points, not 3.45"),
                *("75.18 − 74.56 = 0.62 points lost, not 0.61", "H × W × C"),
            ],
        ),
    ],
)
def test_the_figures_are_shown(page: Page, section: str, figures: list[str]) -> None:
    text = page.text(section)
    assert [figure for figure in figures if figure not in text] == []


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "connections"),
    [
        ("C1", "6 × 28 × 28", "156", "122,304"),
        ("S2", "6 × 14 × 14", "12", "5,880"),
        ("C3", "16 × 10 × 10", "1,516", "151,600"),
        ("S4", "16 × 5 × 5", "32", "2,000"),
        ("C5", "120 × 1 × 1", "48,120", "48,120"),
        ("F6", "84", "10,164", "10,164"),
        ("OUTPUT", "10", "0 (840 fixed)", "840"),
    ],
)
def test_lenet5s_layers(page: Page, name: str, shape: str, parameters: str, connections: str) -> None:
    assert page.layer("lenet5", name)[:4] == [name, shape, parameters, connections]


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("lenet5", "lenet5"),
        ("alexnet", "alexnet"),
        ("vgg", "vgg16"),
        ("googlenet", "googlenet"),
        ("resnet", "resnet34"),
    ],
)
def test_layer_tables_are_those_of_the_graph(page: Page, catalog: Catalog, section: str, model: str) -> None:
    graph = catalog.network(model, "structure").graph
    shown = [layer for layer in graph.layers if layer.op not in ("relu", "softmax")]
    rows = page.rows(f"layers of {section}")[1:]
    assert [row[0] for row in rows] == [layer.name for layer in shown]
    assert [row[1] for row in rows] == [" × ".join(map(str, layer.shape)) for layer in shown]
    assert [row[-1] for row in rows] == [layer.formula for layer in shown]


# --- what papers state ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (
            "alexnet_errors",
            "1 CNN 40.7 18.2 – | 5 CNNs 38.1 16.4 16.4 | 1 CNN* 39.0 16.6 – | 7 CNNs* 36.7 15.4 15.3 | "
            "SIFT+FVs – – 26.2",
        ),
        (
            "vgg_parameters",
            "A 133 11 0 132,863,336 7.6 | A-LRN 133 11 0 132,863,336 7.6 | B 133 13 0 133,047,848 11.3 | "
            "C 134 16 3 133,638,952 11.8 | D 138 16 0 138,357,544 15.5 | E 144 19 0 143,667,240 19.6",
        ),
        (
            "googlenet_crops",
            "1 1 1 10.07 – – | 1 10 10 9.15 −0.92 −0.92 | 1 144 144 7.89 −2.18 −2.18 | 7 1 7 8.09 −1.98 −1.98 | "
            "7 10 70 7.62 −2.45 −2.45 | 7 144 1,008 6.67 −3.45 −3.40",
        ),
        (
            "resnet_crops",
            "VGG-16 28.07 9.33 | GoogLeNet – 9.15 | PReLU-net 24.27 7.38 | plain-34 28.54 10.02 | "
            "ResNet-34 A 25.03 7.76 | ResNet-34 B 24.52 7.46 | ResNet-34 C 24.19 7.40 | ResNet-50 22.85 6.71 | "
            "ResNet-101 21.75 6.05 | ResNet-152 21.43 5.71",
        ),
        (
            "resnet_single",
            "VGG (ILSVRC'14)† – 8.43 | GoogLeNet (ILSVRC'14) – 7.89 | VGG (v5) 24.4 7.1 | PReLU-net 21.59 5.71 | "
            "BN-inception 21.99 5.81 | ResNet-34 B 21.84 5.71 | ResNet-34 C 21.53 5.60 | ResNet-50 20.74 5.25 | "
            "ResNet-101 19.87 4.60 | ResNet-152 19.38 4.49",
        ),
        (
            "resnet_ensembles",
            "VGG (ILSVRC'14) 7.32 | GoogLeNet (ILSVRC'14) 6.66 | VGG (v5) 6.8 | PReLU-net 4.94 | BN-inception 4.82 | "
            "ResNet (ILSVRC'15) 3.57",
        ),
        (
            "int8",
            "AlexNet 57.22 56.96 0.26 3.70 0.26 | GoogLeNet 68.87 68.49 0.38 3.01 0.38 | "
            "VGG 68.56 68.45 0.11 3.23 0.11 | ResNet-152 75.18 74.56 0.61 3.42 0.62",
        ),
        (
            "transfer_choice",
            "very little linear classifier on the top layer in trouble | "
            "quite a lot fine-tune a few layers fine-tune a larger number of layers",
        ),
        (
            "transfer_comparison",
            "new-task performance good good medium best best | original-task performance bad good good good good | "
            "training fast fast fast slow fast | testing fast slow fast fast fast | "
            "storage medium large medium large medium | needs the old data no no no yes no",
        ),
    ],
)
def test_published_tables(page: Page, table: str, rows: str) -> None:
    assert [" ".join(row) for row in page.rows(table)[1:]] == rows.split(" | ")


def test_counted_tables(page: Page) -> None:
    family = {row[0]: row[1:] for row in page.rows("counts of resnet")}
    assert family["plain-34"] == ["34", "33", "21,616,232", "3.64", "–"]
    assert family["ResNet-34 B"] == ["34", "36", "21,789,160", "3.66", "3.6"]
    assert family["ResNet-152"] == ["152", "155", "60,117,096", "11.28", "11.3"]
    modules = {row[0]: row[1:] for row in page.rows("counts of googlenet")}
    assert modules["3a"] == ["192", "163,696", "192", "387,296"]
    assert len(modules) == 1 + 9


def test_vggs_table_7(page: Page) -> None:
    rows = {row[0]: row[1:] for row in page.rows("vgg_comparison")}
    assert len(rows) == 1 + 15
    assert rows["VGG (ILSVRC submission, 7 nets, dense evaluation)"] == ["24.7", "7.5", "7.3"]
    assert rows["VGG (2 nets, multi-crop and dense evaluation)"] == ["23.7", "6.8", "6.8"]
    assert rows["Krizhevsky et al. (1 net)"] == ["40.7", "18.2", "–"]


def test_every_published_table_names_its_source(page: Page) -> None:
    for name, table in published()["tables"].items():
        source = table["source"]
        assert source["text"] and source["place"]
        if name in page.captions:
            assert f"{source['text']}, {source['place']}" in re.sub(r"\s+", " ", page.captions[name])
    kept_in_words = {"alexnet_size", "googlenet_ratio", "resnet_flops"}
    assert set(published()["tables"]) - kept_in_words == set(page.tables) & set(published()["tables"])


def test_what_is_measured_here_stands_beside(page: Page, catalog: Catalog) -> None:
    rows = {row[0]: row for row in page.rows("counts of speedup")}
    measured = [
        (manifest, weights)
        for manifest in catalog.models
        for weights in manifest.weights
        if weights.accuracy and weights.accuracy_int8
    ]
    assert {manifest.id for manifest, _ in measured} == set(MODELS)
    for manifest, weights in measured:
        assert weights.accuracy is not None and weights.accuracy_int8 is not None
        whole, short = 100 * weights.accuracy.top1, 100 * weights.accuracy_int8.top1
        lost = f"{whole - short:.2f}".replace("-", "−")
        of = f"{weights.accuracy.images:,} of {weights.accuracy.dataset}"
        assert rows[manifest.title][1:5] == [of, f"{whole:.2f}", f"{short:.2f}", lost]


# --- the page -------------------------------------------------------------------------------------------


def test_every_drawing_has_a_title_and_nothing_is_inline(page: Page) -> None:
    assert len(page.titles) > 40 and all(page.titles)  # an SVG without one fails while the page is read
    assert page.refused == []


def test_sections_are_listed_and_lead_to_the_networks(page: Page) -> None:
    sections = set(page.texts)
    assert {link[1:] for link in page.links if link.startswith("#")} == sections
    assert sections <= page.ids
    assert {f"/#model={model}" for model in MODELS} <= page.links


def test_the_other_pages_lead_there(api: httpx.Client) -> None:
    for other in ("/", "/about", "/docs"):
        assert 'href="/course"' in api.get(other).text
    assert 'href="/course#slips"' in api.get("/about").text


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("counted.json", None, "cannot be read"),
        ("published.json", "{", "is not JSON"),
        ("published.json", '{"format": 2}', "is wrong at"),
    ],
)
def test_a_damaged_file_leaves_its_parts_out(
    make_settings: MakeSettings, catalog: Catalog, tmp_path: Path, file: str, change: str | None, said: str
) -> None:
    for path in COURSE.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if change is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(change, encoding="utf-8")
    app = create_app(make_settings(), catalog)
    app.state.service.course = Course.open(tmp_path)
    with serving(app) as url:
        answer = httpx.get(f"{url}/course")
        assert httpx.get(f"{url}/readyz").status_code == 200
    assert answer.status_code == 200
    assert f"{file}" in answer.text and said in answer.text
    read = Page()
    read.feed(answer.text)
    assert "all ten 760." in read.text("arithmetic")
    assert "= 1,516" in read.text("lenet5")
    assert "left out" in read.text("vgg")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["x", 1.0], "2 cells for 3 columns"),
        (["x", "1.0", 2.0], "'1.0' in the column"),
        ([3.0, 1.0, 2.0], "3.0 in the"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, row: list[Any], said: str) -> None:
    document = json.loads((COURSE / "published.json").read_text(encoding="utf-8"))
    document["tables"]["resnet_crops"]["rows"].append(row)
    (tmp_path / "published.json").write_text(json.dumps(document), encoding="utf-8")
    (problem, _) = Course.open(tmp_path).problems
    assert said in problem.detail


def test_a_network_that_is_not_served_leaves_its_part_out(make_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    settings = make_settings()
    alone = Catalog.open(settings, bundled=tmp_path / "none", pullable=tmp_path / "none")
    with serving(create_app(settings, alone)) as url:
        answer = httpx.get(f"{url}/course")
    assert answer.status_code == 200
    read = Page()
    read.feed(answer.text)
    assert "has no network “alexnet”" in read.text("alexnet")
    assert "8.7 times" in read.text("slips")


# --- worked examples ------------------------------------------------------------------------------------


def test_stacks() -> None:
    seven, threes = Stack([(7, 7, 1, 1)]), Stack([(3, 3, 1, 1)] * 3)
    assert seven.coefficient == seven.compute == 49
    assert threes.coefficient == threes.compute == 27
    assert seven.reach == threes.reach == (7, 7)
    assert Stack([(1, 1, 1, 0.5), (3, 3, 0.5, 0.5), (1, 1, 0.5, 1)]).coefficient == 3.25
    assert Stack([(1, 3, 1, 1), (3, 1, 1, 1)]).coefficient == 6
    assert Stack([(3, 3, 1, 1)], channels=64, size=(7, 7)).coefficient == Stack([(3, 3, 1, 1)]).coefficient == 9


def test_windows() -> None:
    assert spans(3, 3) == [1, 3, 5, 7]
    assert [same_padding(kernel) for kernel in (3, 5, 7)] == [1, 2, 3]
    assert pooled([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], Slide(2, 2)) == [[6, 8], [3, 4]]
