#!/usr/bin/python3
"""Opens reports in headless Chromium and says what is wrong with them.

  tools/bazel run //tools/report:check -- runs/a/report.html [more ...] [--out FOLDER]

Each report is opened light and dark on a wide screen, light and dark on a phone of 360 pixels, and
printed. Found are: more than 6 MB; more than 3 seconds until the first plots stand; messages and
exceptions in the console; requests of any kind; plots that are not drawn; a page wider than the
window; texts of plots that are cut or overlap; text of too little contrast (WCAG 2.2,
level AA). Screenshots and the PDF go to --out (default:
runs/report_check/<name> here), to be looked at by eye. Exit code 1 if anything was found.

Needs Chromium (the program chromium, or what CHROMIUM names); nothing else.
"""

import argparse
import base64
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time

MAX_BYTES = 6000000
MAX_SECONDS = 3
TIMEOUT_SECONDS = 120

# name, width, dark
VIEWS = (("light", 1280, False), ("dark", 1280, True), ("phone", 360, False),
         ("phone_dark", 360, True))

# Opens what is folded, brings every plot into view once, and waits until each is drawn.
DRAW_ALL = r"""
(async () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const frame = () => new Promise((done) => setTimeout(done, 30));
  for (const plot of document.querySelectorAll(".plot")) {
    plot.scrollIntoView({ behavior: "instant", block: "center" });
    for (let i = 0; i < 100 && !plot.querySelector(".main-svg"); ++i) await frame();
  }
  window.scrollTo(0, 0);
  await frame();
  await frame();
})()
"""

FIRST_PLOTS = r"""
new Promise((done) => {
  const begun = performance.now();
  const look = () => {
    const seen = Array.from(document.querySelectorAll(".plot")).filter((plot) => {
      const box = plot.getBoundingClientRect();
      return box.width > 0 && box.top < window.innerHeight && box.bottom > 0;
    });
    if (seen.every((plot) => plot.querySelector(".main-svg")) || performance.now() > 30000) {
      done(performance.now() / 1000);
    } else {
      setTimeout(look, 20);
    }
  };
  look();
})
"""

FINDINGS = r"""
(() => {
  const found = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    const wide = Array.from(document.querySelectorAll("body *")).filter((one) =>
      one.getBoundingClientRect().right > page.clientWidth + 1 && !one.closest(".scroll, pre"));
    found.push(`the page is ${page.scrollWidth} wide in a window of ${page.clientWidth}: ` +
      wide.slice(0, 3).map((one) => `${one.tagName}.${one.getAttribute("class")}`).join(", "));
  }

  const meets = (a, b) => a.width > 0 && b.width > 0 && a.left < b.right - 1 &&
    b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  for (const plot of document.querySelectorAll(".plot")) {
    const title = plot.getAttribute("aria-label");
    if (!plot.querySelector(".main-svg")) {
      found.push(`"${title}" is not drawn`);
      continue;
    }
    const frame = plot.getBoundingClientRect();
    const texts = plot.querySelectorAll(
      ".xtick text, .ytick text, .xtitle, .ytitle, .cbaxis text, .colorbar text");
    for (const text of texts) {
      const box = text.getBoundingClientRect();
      if (box.width > 0 && (box.left < frame.left - 2 || box.right > frame.right + 2 ||
                            box.top < frame.top - 2 || box.bottom > frame.bottom + 2)) {
        found.push(`"${title}": "${text.textContent}" is cut`);
        break;
      }
    }
    const ticks = (name) => Array.from(plot.querySelectorAll(name))
      .map((one) => one.getBoundingClientRect());
    for (const name of [".xtick text", ".ytick text"]) {
      const boxes = ticks(name);
      if (boxes.some((box, i) => i > 0 && meets(box, boxes[i - 1]) && box.width < 90)) {
        found.push(`"${title}": labels of an axis overlap`);
      }
    }
  }

  const parse = (color) => {
    const parts = (color.match(/[\d.]+/g) || []).map(Number);
    return parts.length < 3 ? null : { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map(
      (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color && color.alpha > 0.99) return color.rgb;
    }
    return [255, 255, 255];
  };
  const weak = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    // The numbers in the cells of a matrix stand on the cell's colour, not on the page's.
    if (!node.textContent.trim() ||
        element.closest("script, style, noscript, .textpoint, .hoverlayer, .modebar")) continue;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (style.visibility === "hidden" || box.width === 0) continue;
    const color = parse(element.closest("svg") ? style.fill : style.color);
    if (!color) continue;
    const back = behind(element.closest("svg") ? element.closest(".plot") || element : element);
    const mixed = color.rgb.map((v, i) => v * color.alpha + back[i] * (1 - color.alpha));
    const [a, b] = [luminance(mixed), luminance(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      const what = `${element.tagName.toLowerCase()}.${element.getAttribute("class") || ""}`;
      if (!weak.has(what)) weak.set(what, `${ratio.toFixed(2)}: "${node.textContent.trim().slice(0, 40)}"`);
    }
  }
  for (const [what, text] of weak) found.push(`the contrast of ${what} is ${text}`);
  return found;
})()
"""


class Browser:
    """Chromium by its debugging protocol, over a pipe."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory()
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()
        program = os.environ.get("CHROMIUM", "chromium")

        def descriptors():
            # The protocol's numbers. By copies beyond them, lest one overwrites the other.
            a, b = os.dup(to_browser), os.dup(from_browser)
            os.dup2(a, 3)
            os.dup2(b, 4)

        try:
            self.process = subprocess.Popen(
                [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 "--remote-debugging-pipe", "--no-first-run", "--disable-background-networking",
                 "--user-data-dir=" + self.profile.name, "about:blank"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                close_fds=False, preexec_fn=descriptors)
        except OSError as error:
            sys.exit("cannot start %s: %s; CHROMIUM names another program" % (program, error))
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.last_id = 0
        self.events = []

    def receive(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_end], [], [], max(0, deadline - time.time()))
            part = os.read(self.read_end, 1 << 20) if ready else b""
            if not part:
                sys.exit("Chromium does not answer")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        deadline = time.time() + TIMEOUT_SECONDS
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    sys.exit("%s: %s" % (method, answer["error"]["message"]))
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        deadline = time.time() + TIMEOUT_SECONDS
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive(deadline))

    def close(self):
        self.call("Browser.close")
        self.process.wait(timeout=30)
        self.profile.cleanup()


class Page:
    """A report in a window."""

    def __init__(self, browser, path, width, dark):
        self.browser = browser
        self.url = "file://" + os.path.abspath(path)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.events = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.width = width
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=self.url)
        browser.wait_for("Page.loadEventFired")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in answer:
            sys.exit("in the page: %s" % json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def messages(self):
        """What the console says, and what was asked for."""
        found = []
        for event in self.browser.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                found.append("exception: " + details.get("exception", {}).get(
                    "description", details["text"])[:300])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
                found.append("console: " + " ".join(
                    str(one.get("value", one.get("description"))) for one in parameters["args"])[:300])
            elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append("log: " + parameters["entry"]["text"][:300])
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if url.split("#")[0] != self.url and not url.startswith(("data:", "blob:")):
                    found.append("request: " + url[:200])
        return found

    def screenshot(self, path):
        height = self.evaluate("document.documentElement.scrollHeight")
        # Higher pictures than this fail.
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                          clip={"x": 0, "y": 0, "width": self.width, "height": min(height, 15000),
                                "scale": 1})
        with open(path, "wb") as out:
            out.write(base64.b64decode(image["data"]))

    def print(self, path):
        pdf = base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])
        with open(path, "wb") as out:
            out.write(pdf)
        return len(re.findall(rb"/Type\s*/Page\b", pdf))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)


def check(browser, path, out):
    os.makedirs(out, exist_ok=True)
    found = []
    size = os.path.getsize(path)
    if size >= MAX_BYTES:
        found.append("%d bytes" % size)
    for name, width, dark in VIEWS:
        page = Page(browser, path, width, dark)
        seconds = page.evaluate(FIRST_PLOTS)
        if seconds > MAX_SECONDS:
            found.append("%s: the first plots stand after %.1f seconds" % (name, seconds))
        page.screenshot(os.path.join(out, name + "_first.png"))
        page.evaluate(DRAW_ALL)
        found += ["%s: %s" % (name, one) for one in page.evaluate(FINDINGS) + page.messages()]
        page.screenshot(os.path.join(out, name + ".png"))
        print("  %-10s first plots after %.2f s, %d plots" % (
            name, seconds, page.evaluate('document.querySelectorAll(".plot .main-svg").length && '
                                         'document.querySelectorAll(".plot").length')))
        page.close()
    page = Page(browser, path, 1280, True)
    pages = page.print(os.path.join(out, "print.pdf"))
    if pages == 0:
        found.append("print: the PDF has no pages")
    found += ["print: " + one for one in page.messages()]
    print("  %-10s %d pages" % ("print", pages))
    page.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reports", nargs="+", metavar="REPORT")
    parser.add_argument("--out", help="folder of the screenshots")
    arguments = parser.parse_args()
    # `bazel run` starts programs elsewhere.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    browser = Browser()
    failed = False
    for number, path in enumerate(arguments.reports):
        if not os.path.isfile(path):
            sys.exit("%s: no such file" % path)
        name = os.path.basename(os.path.dirname(os.path.abspath(path))) or str(number)
        out = os.path.join(arguments.out or "runs/report_check",
                           name if len(arguments.reports) > 1 or not arguments.out else "")
        print("%s: %.2f MB, pictures in %s" % (path, os.path.getsize(path) / 1e6, out))
        for one in check(browser, path, out):
            print("  FOUND " + one)
            failed = True
    browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
