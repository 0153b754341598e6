"""A picture to paint a hole on with mouse, pen, finger or keyboard (lesson 14), for `paint_hole`.

The browser's part is the JavaScript below; it loads nothing from anywhere. What is painted comes
back to Python as a text of zeros and ones, row by row, 1 for missing.
"""

from __future__ import annotations

import anywidget
import torch
import traitlets
from torch import Tensor

SIDE = 256  # CSS pixels of the longer side, at most

# A stroke is drawn in the browser at once; Python hears of it when the pointer is lifted, so that
# no network waits in the middle of a stroke. JupyterLab would take arrow keys for itself without
# lm-suppress-shortcuts.
SCRIPT = """
function render({ model, el }) {
  const rows = model.get("rows"), columns = model.get("columns"), zoom = model.get("zoom");
  const canvas = document.createElement("canvas");
  canvas.width = columns * zoom;
  canvas.height = rows * zoom;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Image to paint a hole on. Arrow keys move the brush, the " +
    "space bar paints, Delete clears.");
  canvas.setAttribute("data-lm-suppress-shortcuts", "true");
  canvas.style.cssText = "touch-action:none;cursor:crosshair;border:1px solid #888;" +
    "width:" + canvas.width + "px;height:" + canvas.height + "px;image-rendering:pixelated";
  el.appendChild(canvas);
  const pen = canvas.getContext("2d");
  let hole = [], brush = [Math.floor(columns / 2), Math.floor(rows / 2)], last = null;

  function draw() {
    const view = model.get("pixels");
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    for (let i = 0; i < rows * columns; i++) {
      const left = (i % columns) * zoom, top = Math.floor(i / columns) * zoom;
      pen.fillStyle = hole[i] ? "#e69f00"
        : "rgb(" + bytes[3 * i] + "," + bytes[3 * i + 1] + "," + bytes[3 * i + 2] + ")";
      pen.fillRect(left, top, zoom, zoom);
    }
    if (document.activeElement === canvas) {
      pen.strokeStyle = "#56b4e9";
      pen.lineWidth = 2;
      const radius = (model.get("radius") + 0.5) * zoom;
      pen.beginPath();
      pen.arc((brush[0] + 0.5) * zoom, (brush[1] + 0.5) * zoom, radius, 0, 7);
      pen.stroke();
    }
  }
  function take() {
    hole = Array.from(model.get("hole"), (one) => one === "1");
    draw();
  }
  function dab(x, y) {
    // At least half a diagonal: the smallest brush must reach the pixel under it from its corner.
    const radius = Math.max(0.71, model.get("radius") + 0.5), value = !model.get("erasing");
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        if ((column - x) ** 2 + (row - y) ** 2 <= radius * radius)
          hole[row * columns + column] = value;
  }
  function stroke(to) {
    const from = last || to, far = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const steps = Math.max(1, Math.ceil(2 * far));
    for (let i = 0; i <= steps; i++)
      dab(from[0] + (to[0] - from[0]) * i / steps, from[1] + (to[1] - from[1]) * i / steps);
    last = brush = to;
    draw();
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * columns - 0.5,
            (event.clientY - box.top) / box.height * rows - 0.5];
  }
  function send() {
    model.set("hole", hole.map((one) => one ? "1" : "0").join(""));
    model.save_changes();
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;  // no menu button, no second finger
    event.preventDefault();
    canvas.focus();
    try { canvas.setPointerCapture(event.pointerId); } catch (error) { /* a made-up event */ }
    last = null;
    stroke(place(event));
    canvas.dataset.painting = "1";
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.dataset.painting && event.isPrimary) stroke(place(event));
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      if (!canvas.dataset.painting) return;
      delete canvas.dataset.painting;
      send();
    });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) {
      brush = [Math.min(columns - 1, Math.max(0, Math.round(brush[0]) + move[0])),
               Math.min(rows - 1, Math.max(0, Math.round(brush[1]) + move[1]))];
    } else if (event.key === " ") {
      dab(brush[0], brush[1]);
      send();
    } else if (event.key === "Delete" || event.key === "Backspace") {  // a Mac's Delete key
      hole.fill(false);
      send();
    } else return;
    event.preventDefault();
    event.stopPropagation();
    draw();
  });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  model.on("change:hole", take);
  model.on("change:pixels", draw);
  model.on("change:radius", draw);
  take();
}
export default { render };
"""


class HoleCanvas(anywidget.AnyWidget):
    """The canvas. `hole` is the mask as text; set it or `pixels` and the browser follows."""

    _esm = SCRIPT
    rows = traitlets.Int(32).tag(sync=True)
    columns = traitlets.Int(32).tag(sync=True)
    zoom = traitlets.Int(8).tag(sync=True)
    pixels = traitlets.Bytes(b"").tag(sync=True)  # red, green, blue of each pixel, row by row
    hole = traitlets.Unicode("").tag(sync=True)
    radius = traitlets.Int(3).tag(sync=True)  # of the brush, in pixels of the image
    erasing = traitlets.Bool(False).tag(sync=True)


def canvas_for(pixels: Tensor, mask: Tensor) -> HoleCanvas:
    """A canvas that shows an image and a hole.

    Args:
        pixels: (H, W, 3), uint8.
        mask: (H, W), 1 for missing.
    """
    rows, columns = mask.shape
    return HoleCanvas(
        rows=rows,
        columns=columns,
        zoom=max(1, SIDE // max(rows, columns)),
        pixels=pixels.numpy().tobytes(),
        hole=text_of(mask),
    )


def text_of(mask: Tensor) -> str:
    """A mask (H, W) as a text of zeros and ones, row by row."""
    return "".join("1" if one else "0" for one in mask.flatten().tolist())


def mask_of(text: str, rows: int, columns: int) -> Tensor:
    """The mask that a text stands for: (1, 1, rows, columns), float32, 1 for missing.

    Raises:
        ValueError: if the text does not hold so many zeros and ones.
    """
    if len(text) != rows * columns or set(text) - {"0", "1"}:
        raise ValueError(
            f"expected {rows * columns} zeros and ones, got {len(text)} of {sorted(set(text))[:5]}"
        )
    return torch.tensor([float(one) for one in text]).view(1, 1, rows, columns)
