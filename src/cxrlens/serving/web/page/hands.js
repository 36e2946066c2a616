// Mouse, touch, pen and wheel on the film.

const WHEEL = 0.0016;

/** Joins the hands to a viewer; `mode()` says what dragging does: "pan" or "window". */
export function joinHands(viewer, mode) {
  const canvas = viewer.canvas;
  const fingers = new Map();

  const fromMiddle = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  };

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.film || event.button === 1) return;
    canvas.setPointerCapture(event.pointerId);
    const windows = event.button === 2 || mode() === "window";
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, windows });
  });

  canvas.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger || !viewer.film) return;
    const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
    if (fingers.size === 2) {
      pinch(event);
    } else if (finger.windows) {
      // As on a workstation: across changes contrast, up and down brightness; the whole box is the whole range.
      const { width, level } = viewer.look;
      viewer.set({ width: width + (dx / viewer.wide) * 100, level: level + (dy / viewer.high) * 100 });
    } else {
      viewer.panBy(dx, dy);
    }
    Object.assign(finger, { x: event.clientX, y: event.clientY });
  });

  function pinch(event) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, finger]) => finger);
    const mine = fingers.get(event.pointerId);
    const before = Math.hypot(mine.x - other.x, mine.y - other.y);
    const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    const middle = { clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 };
    if (before > 0) viewer.zoomBy(after / before, ...fromMiddle(middle));
    viewer.panBy((event.clientX - mine.x) / 2, (event.clientY - mine.y) / 2);
  }

  const lift = (event) => fingers.delete(event.pointerId);
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);

  canvas.addEventListener("dblclick", (event) => viewer.film && viewer.toggleWhole(...fromMiddle(event)));

  canvas.addEventListener("wheel", (event) => {
    if (!viewer.film) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1; // Firefox counts a mouse's wheel in lines
    viewer.zoomBy(Math.exp(-event.deltaY * lines * WHEEL), ...fromMiddle(event));
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (!step || !viewer.film || event.ctrlKey || event.metaKey || event.altKey) return;
    if (viewer.place.zoom <= 1.001) return; // nothing to pan: the keys go through the list, as elsewhere
    event.preventDefault();
    event.stopPropagation();
    viewer.panBy(...step);
  });
}
