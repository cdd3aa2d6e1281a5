"""A camera and a reader of codes for browsers that have neither, and photos as a phone takes them.

`with_camera(context)` before the first page; then `show_code(page, "PA…VN")` holds a code before the camera.
"""

from io import BytesIO

from PIL import Image
from playwright.sync_api import BrowserContext, Page

_SCRIPT = """
window.shownCodes = [];
window.cameras = [];
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code", "code_128"]; }
  async detect() { return window.shownCodes.map((rawValue) => ({ rawValue })); }
};
// Only where a camera may be asked for at all.
if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {
  if (window.cameraDenied) throw new DOMException("no", "NotAllowedError");
  const sheet = document.createElement("canvas");
  const brush = sheet.getContext("2d");
  const paint = () => { brush.fillRect(0, 0, 300, 150); requestAnimationFrame(paint); };
  paint();
  const stream = sheet.captureStream();
  window.cameras.push(stream);
  return stream;
};
"""


def with_camera(context: BrowserContext) -> BrowserContext:
    """The same context, whose pages have a camera."""
    context.add_init_script(_SCRIPT)
    return context


def show_code(page: Page, *texts: str) -> None:
    """Hold these codes before the camera; none takes them away."""
    page.evaluate("(texts) => { window.shownCodes = texts; }", list(texts))


def deny_camera(page: Page) -> None:
    """The bearer says no."""
    page.evaluate("window.cameraDenied = true")


def a_photo(width: int, height: int) -> bytes:
    """A JPEG as a camera writes it, with a note on who took it."""
    picture = Image.effect_noise((width, height), 60).convert("RGB")
    note = picture.getexif()
    note[0x010F] = "Camera of Nguyen"
    file = BytesIO()
    picture.save(file, "jpeg", exif=note, quality=90)
    return file.getvalue()
