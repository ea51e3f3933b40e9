"""examples/sensors in a real browser: the plot, and the page that a phone opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import geventws
from tests.chromium import chromium
from tests.examples.programs import running
from tests.examples.test_sensors import certificate, heard
from tests.servers import trusting

PNG = b"\x89PNG\r\n"
NAMES = "--host-resolver-rules=MAP phone.test 127.0.0.1"
STRANGERS = "--ignore-certificate-errors"
# how many pixels of the plot have the colour of each curve
INKED = """
const canvas = document.getElementById("plot");
const pen = new OffscreenCanvas(canvas.width, canvas.height + 1)
  .getContext("2d", { willReadFrequently: true });
const pixels = (y, height) =>
  new Uint32Array(pen.getImageData(0, y, canvas.width, height).data.buffer);
pen.drawImage(canvas, 0, 0);
return ["--x", "--y", "--z"].map((name) => {
  pen.fillStyle = getComputedStyle(canvas).getPropertyValue(name);
  pen.fillRect(0, canvas.height, 1, 1);
  const [color] = pixels(canvas.height, 1);
  return pixels(0, canvas.height).reduce((count, pixel) => count + (pixel === color), 0);
});
"""


class Page:
    """What a person sees of a page and does with it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def texts(self, selector: str) -> list[str]:
        return [found.text for found in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def until(self, condition: Callable[[], object]) -> None:
        # the page may put a new element in the place of one that is just being looked at
        wait = WebDriverWait(self.driver, 20, 0.05, [StaleElementReferenceException])
        wait.until(lambda _: condition())

    def until_status(self, status: str) -> None:
        self.until(lambda: self.text("#status") == status)

    def inked(self) -> list[int]:
        """Return how many pixels each curve has."""
        pixels: list[int] = self.driver.execute_script(INKED)
        return pixels

    def until_plotted(self) -> None:
        """Wait until about two seconds of each curve are drawn."""
        self.until(lambda: min(self.inked()) > 200)

    def until_blank(self) -> None:
        """Wait until no curve is drawn: the words around the plot change a frame before it."""
        self.until(lambda: max(self.inked()) == 0)

    def numbers(self) -> list[str]:
        """Return the numbers above the plot."""
        return [text.replace("\N{MINUS SIGN}", "-") for text in self.texts("#axes b")]

    def resize(self, width: int, height: int) -> None:
        """Show the page as a phone of so many CSS pixels would."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def darken(self) -> None:
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)

    def move(self, x: float, y: float, z: float) -> None:
        """Have the machine's sensors say that it is held so."""
        force = {"xyz": {"x": x, "y": y, "z": z}}
        for kind in ("accelerometer", "linear-acceleration", "gyroscope"):
            for command, settings in (
                ("setSensorOverrideEnabled", {"enabled": True, "metadata": {"available": True}}),
                ("setSensorOverrideReadings", {"reading": force}),
            ):
                self.driver.execute_cdp_cmd(f"Emulation.{command}", {"type": kind, **settings})

    def sideways(self) -> int:
        """Return how many pixels one could scroll to the side."""
        width = "document.documentElement.scrollWidth"
        return int(self.driver.execute_script(f"return {width} - innerWidth"))

    def screenshot(self, path: Path) -> bytes:
        self.driver.save_screenshot(str(path))
        return path.read_bytes()

    def complaints(self) -> list[object]:
        """Return what the browser's console says."""
        log: list[object] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return log


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile"), NAMES, STRANGERS) as driver:
        yield driver


@pytest.fixture
def page(driver: webdriver.Chrome) -> Iterator[Page]:
    """A tab of its own, in front."""
    (first,) = driver.window_handles
    driver.switch_to.new_window("tab")
    page = Page(driver)
    page.complaints()  # those of other tests
    yield page
    driver.close()
    driver.switch_to.window(first)


@pytest.fixture
def programs() -> Iterator[ExitStack]:
    """What ends the programs that a test runs."""
    with ExitStack() as programs:
        yield programs


@pytest.fixture
def port(programs: ExitStack) -> int:
    return programs.enter_context(running("sensors", "--port", 0)).port


def test_page_plots_what_a_device_sends(
    page: Page, port: int, programs: ExitStack, tmp_path: Path
) -> None:
    page.open(f"http://127.0.0.1:{port}")
    page.until_status("Waiting for a device")
    assert page.text("#waiting code").endswith(f"device.py ws://127.0.0.1:{port}/send")
    page.until_blank()
    device = running("sensors/device.py", f"ws://127.0.0.1:{port}/send")
    with device:
        page.until_status("Live from walker")
        page.until_plotted()
        page.until(lambda: page.text("#rate").endswith("readings a second"))
        assert page.text("#waiting") == ""
        before = page.numbers()
        page.until(lambda: page.numbers() != before)
        assert page.screenshot(tmp_path / "desk.png").startswith(PNG)
    page.until_status("Waiting for a device")
    page.until_blank()
    assert page.complaints() == []


def test_page_stands_still_while_paused(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}")
    with running("sensors/device.py", f"ws://127.0.0.1:{port}/send"):
        page.until_plotted()
        page.click("#pause")
        assert page.text("#pause") == "Go on"
        picture = "return document.getElementById('plot').toDataURL()"
        page.until(
            lambda: page.driver.execute_script(picture) == page.driver.execute_script(picture)
        )
        numbers, paused = page.numbers(), page.driver.execute_script(picture)
        later = "const done = arguments[0]; setTimeout(done, 600)"
        page.driver.execute_async_script(later)
        assert (page.numbers(), page.driver.execute_script(picture)) == (numbers, paused)
        page.click("#pause")
        page.until(lambda: page.numbers() != numbers)


def test_page_shows_the_device_that_is_chosen(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}")
    uri = f"ws://127.0.0.1:{port}/send?name="
    with geventws.connect(f"{uri}<b>left</b>") as left, geventws.connect(f"{uri}right") as right:
        page.until(lambda: page.texts("#devices label") == ["<b>left</b>", "right"])
        left.send("[0, 1, 2, 3]")
        right.send("[0, -4, -5, -6]")
        page.until(lambda: page.numbers() == ["1.0", "2.0", "3.0"])
        page.click("#devices label:last-of-type")
        page.until(lambda: page.numbers() == ["-4.0", "-5.0", "-6.0"])
        assert page.text("#status") == "Live from right"
        right.close()
        page.until_status("Live from <b>left</b>")
    assert page.complaints() == []


def test_page_reconnects_after_the_server_restarts(page: Page) -> None:
    with running("sensors", "--port", 0) as server:
        port = server.port
        page.open(f"http://127.0.0.1:{port}")
        page.until_status("Waiting for a device")
    page.until_status("Reconnecting")
    with running("sensors", "--port", port) as server:
        assert server.port == port
        page.until_status("Waiting for a device")


@pytest.mark.parametrize("width", [360, 390])
def test_page_fits_a_phone(page: Page, port: int, tmp_path: Path, width: int) -> None:
    page.open(f"http://127.0.0.1:{port}")
    page.resize(width, 740)
    page.darken()
    page.until_status("Waiting for a device")
    assert page.sideways() == 0
    uri = f"ws://127.0.0.1:{port}/send"
    long = "w" * 24
    with running("sensors/device.py", uri, long), running("sensors/device.py", uri, long):
        page.until(lambda: page.texts("#devices label") == [long, f"{long} 2"])
        page.until_plotted()
        assert page.sideways() == 0
        assert page.screenshot(tmp_path / "phone.png").startswith(PNG)
    page.open(f"http://127.0.0.1:{port}/device")
    assert page.sideways() == 0


def test_phone_sends_its_motion_over_tls(page: Page, programs: ExitStack, tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path)
    files = ["--certfile", certfile, "--keyfile", keyfile]
    port = programs.enter_context(running("sensors", "--port", 0, *files)).port
    page.open(f"https://phone.test:{port}/device")
    page.move(1.5, 9, -2)
    with geventws.connect(f"wss://localhost:{port}/watch", ssl=trusting()) as ws:
        page.click("#start")
        page.until_status("Sending as phone")
        page.until(lambda: page.numbers() == ["1.5", "9.0", "-2.0"])
        page.until_plotted()
        readings = heard(ws, "phone", 20)
        assert [force for _, *force in readings] == [[1.5, 9, -2]] * len(readings)
        times = [t for t, *_ in readings]
        assert times == sorted(set(times))
        page.click("#start")
        page.until_status("Stopped")
        while ws.receive(timeout=20) != "{}":
            pass
    assert page.screenshot(tmp_path / "device.png").startswith(PNG)
    assert page.complaints() == []


def test_phone_says_that_it_needs_https(page: Page, port: int) -> None:
    page.open(f"http://phone.test:{port}/device")
    page.click("#start")
    page.until(lambda: "https pages only" in page.text("#problem"))
    assert page.text("#status") == "Stopped"


def test_phone_asks_its_user_where_it_must(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}/device")
    page.driver.execute_script("DeviceMotionEvent.requestPermission = async () => 'denied'")
    page.click("#start")
    page.until(lambda: "permission" in page.text("#problem"))
    page.driver.execute_script("DeviceMotionEvent.requestPermission = async () => 'granted'")
    page.move(0, 0, 9.8)
    page.click("#start")
    page.until(lambda: page.numbers() == ["0.0", "0.0", "9.8"])
    assert page.text("#problem") == ""


def test_phone_without_sensors_says_so(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}/device")
    page.click("#start")
    page.until(lambda: page.text("#problem") == "This device gives no readings.")
