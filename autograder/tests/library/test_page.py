"""The page to step through a backward pass, in a real browser where there is one."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from mytorch import Tensor
from mytorch.tools import animate
from sandbox import example

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Presses keys and buttons, and writes down what the page shows after each.
VISIT = """<script>
const seen = [];
const look = () => seen.push([find("count").textContent, find("say").textContent,
    document.querySelectorAll(".box.now").length, document.querySelectorAll(".edge.now").length,
    find("slider").getAttribute("aria-valuetext"), document.querySelector("[data-grad]")
    .textContent, find("play").textContent, find("picture").scrollLeft]);
find("picture").style.width = "200px";
const press = (key, target) => {
    (target || document.body).dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    look();
};
look();
for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft", "End",
                   "ArrowRight", "Home"]) press(key);
press("ArrowRight", find("slider"));  // which has arrow keys of its own
for (const id of ["last", "back", "first", "forward"]) { find(id).click(); look(); }
find("slider").value = 7;
find("slider").dispatchEvent(new Event("input"));
look();
press(" ");
setTimeout(() => {
    look();
    document.body.innerHTML = "";
    document.body.append(JSON.stringify(seen));
}, 3000);
</script></body>"""


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "steps.html"
    output, names = example()
    animate(output, path, names)
    return path


@pytest.mark.skipif(not BROWSER, reason="there is no Chromium")
def test_keys_buttons_and_slider_lead_through_the_steps(steps):
    visit = steps.with_name("visit.html")
    visit.write_text(steps.read_text("utf-8").replace("</body>", VISIT), "utf-8")
    shown = subprocess.run([BROWSER, *FLAGS, "--virtual-time-budget=20000", "--dump-dom",
                            visit.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           universal_newlines=True, timeout=60, check=True).stdout
    seen = json.loads(re.search(r"<body>(.*?)</body>", shown, re.DOTALL).group(1))
    numbers = [int(re.match(r"step (\d) of 8$", place).group(1)) for place, *_ in seen]
    assert numbers == [1, 2, 3, 2, 1, 1, 8, 8, 1, 1, 8, 7, 1, 2, 7, 7, 8]
    assert all(place == told for place, _, _, _, told, *_ in seen)
    assert seen[0][1:4] == ["backward() starts with the gradient of the output itself: 1", 0, 0]
    assert seen[2][1] == "Add received 1\nhands 1 to d = Add\nhands 1 to c"
    assert [boxes for _, _, boxes, *_ in seen] == [int(number > 1) for number in numbers]
    assert [edges for _, _, _, edges, *_ in seen] == [int(number > 2) for number in numbers]
    scrolled = dict(zip(numbers, [left for *_, left in seen]))
    assert scrolled[1] == max(scrolled.values()) > scrolled[8]  # the output is on the right
    assert [grad for *_, grad, _, _ in seen] == [
        {1: "grad None", 2: "grad None", 3: "grad None", 7: "grad 1", 8: "grad 3"}[number]
        for number in numbers]
    assert [word for *_, word, _ in seen] == ["Play"] * 15 + ["Pause", "Play"]


def test_the_page_is_one_small_file_that_asks_for_nothing(steps):
    text = steps.read_text("utf-8")
    assert len(text) < 100000
    assert not re.search(r"https?:|src=|@import|url\((?!#)", text)
    for label in ('lang="en"', 'name="viewport"', 'aria-live="polite"', 'aria-label="Step"',
                  'role="img"', "<title>"):
        assert label in text


def test_names_cannot_break_the_page(tmp_path):
    x = Tensor(np.ones(2), requires_grad=True)
    evil = "</script><b>&STEPS"
    animate(x * 2, tmp_path / "steps.html", {evil: x})
    text = (tmp_path / "steps.html").read_text("utf-8")
    assert text.count("</script>") == 1
    assert "<b>" not in text.replace(r"<\/script><b>&STEPS", "")  # as the script's text has it
    assert "&lt;/script&gt;&lt;b&gt;&amp;STEPS" in text
