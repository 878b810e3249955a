// The map on a canvas: pan, zoom, look at a point, open its task, select a rectangle or draw a line around. What the server drew stays for
// those without scripts; points come as plain numbers (src/dashboard/map/points.rs).
"use strict";
(() => {
  const SIDE = 1000; // of the map, in its own units
  const CELLS = 128; // of the index, along each side
  const REACH = 14; // a point is hit from so far, in CSS pixels
  const CLICK = 4; // a pointer that moves less is a click
  const ZOOM = [0.02, 400]; // CSS pixels of a unit
  const STRETCH = 2; // one axis is drawn wider than the other at most, to use the room there is
  const MARGIN = 12; // around all points, in CSS pixels
  const LEAST_SPAN = 50; // of what is shown as a whole, in the map's units
  const CORNERS = 200; // of a line that is sent, at most (src/dashboard/map/shape.rs takes 256)
  const STEP = 2; // CSS pixels between two corners of a line that is drawn
  const THUMB_DELAY = 80; // milliseconds a point is looked at before its image is asked for

  const form = document.getElementById("map-tag");
  const told = document.getElementById("map-told"); // of the selection
  const said = document.createElement("output"); // of the point that is looked at by keys
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  const tip = document.createElement("div");
  const thumb = document.createElement("img");
  const words = document.createElement("div");
  const tools = document.createElement("div");
  let section = null;
  let points = null;
  let loaded = ""; // what the points were made from
  let pointer = null; // where the mouse is on the canvas
  let view = null; // x and y of the middle in the map's units, and CSS pixels of a unit of y
  let stretch = 1; // a unit of x has so many times as many
  let moved = false; // whether somebody chose what is seen
  let hovered = -1;
  let rectangle = null;
  let line = null; // corners of the one that is drawn around images
  let selecting = ""; // what the next drag selects: "rectangle", "line", or nothing
  let waiting = 0;
  let frame = 0;
  let image = null; // all points, drawn
  let fresh = false; // whether they still are where they should be
  let colours = null;

  // ---- points

  const read = (buffer) => {
    const head = new DataView(buffer);
    if (head.getUint32(0) !== 0x77766d31) throw new Error("these are no points");
    const n = head.getUint32(4, true);
    const ids = new Float64Array(buffer, 8, n);
    const x = new Float32Array(buffer, 8 + 8 * n, n);
    const y = new Float32Array(buffer, 8 + 12 * n, n);
    const colour = new Uint8Array(buffer, 8 + 16 * n, n);
    const size = new Uint8Array(buffer, 8 + 17 * n, n);
    return { n, ids, x, y, colour, size, ...order(n, colour, size), ...index(n, x, y), box: around(n, x, y) };
  };

  // The grey first and what has a colour last, so that it lies on top; of each the large last.
  const order = (n, colour, size) => {
    const none = Number(section.dataset.none);
    const starts = new Uint32Array(513);
    const key = (i) => (colour[i] === none ? 0 : 256) + size[i];
    for (let i = 0; i < n; i++) starts[key(i) + 1]++;
    for (let k = 1; k < starts.length; k++) starts[k] += starts[k - 1];
    const greys = starts[256];
    const sorted = new Uint32Array(n);
    for (let i = 0; i < n; i++) sorted[starts[key(i)]++] = i;
    return { order: sorted, greys };
  };

  // The room the points take; at least a small one.
  const around = (n, x, y) => {
    const span = (values) => {
      let [low, high] = n ? [Infinity, -Infinity] : [0, SIDE];
      for (let i = 0; i < n; i++) [low, high] = [Math.min(low, values[i]), Math.max(high, values[i])];
      return { middle: (low + high) / 2, span: Math.max(LEAST_SPAN, high - low) };
    };
    return { x: span(x), y: span(y) };
  };

  const cell = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor((value / SIDE) * CELLS)));

  // Points by cells of a grid: those of cell c are `inside[starts[c] .. starts[c + 1]]`.
  const index = (n, x, y) => {
    const starts = new Uint32Array(CELLS * CELLS + 1);
    const of = (i) => cell(y[i]) * CELLS + cell(x[i]);
    for (let i = 0; i < n; i++) starts[of(i) + 1]++;
    for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
    const next = starts.slice();
    const inside = new Uint32Array(n);
    for (let i = 0; i < n; i++) inside[next[of(i)]++] = i;
    return { starts, inside };
  };

  // Calls `see` for each point in a rectangle of the map.
  const within = (box, see) => {
    for (let row = cell(box.bottom); row <= cell(box.top); row++) {
      const from = points.starts[row * CELLS + cell(box.left)];
      const to = points.starts[row * CELLS + cell(box.right) + 1];
      for (let k = from; k < to; k++) {
        const i = points.inside[k];
        const [x, y] = [points.x[i], points.y[i]];
        if (x >= box.left && x <= box.right && y >= box.bottom && y <= box.top) see(i, x, y);
      }
    }
  };

  // The nearest on the screen, up to so many CSS pixels away.
  const nearest = (x, y, reach) => {
    const [up, across] = [reach / view.scale, reach / view.scale / stretch];
    let [best, distance] = [-1, up * up];
    within({ left: x - across, right: x + across, bottom: y - up, top: y + up }, (i, px, py) => {
      const square = ((px - x) * stretch) ** 2 + (py - y) ** 2;
      if (square <= distance) [best, distance] = [i, square];
    });
    return best;
  };

  // ---- drawing

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const channels = (text) => {
    const hex = /^#([0-9a-f]{6})$/i.exec(text);
    const n = hex ? parseInt(hex[1], 16) : 0x808080;
    return [n >> 16, (n >> 8) & 255, n & 255];
  };

  const palette = () => {
    const ramp = section.dataset.ramp !== undefined;
    const names = Array.from({ length: 256 }, () => "--map-none");
    for (let k = 0; k < (ramp ? Number(section.dataset.steps) : 10); k++) names[k] = `--map-${ramp ? "r" : "c"}${k}`;
    const known = new Map();
    const of = (name) => known.get(name) ?? known.set(name, channels(style(name))).get(name);
    colours = { points: names.map(of), ground: channels(style("--card")), behind: style("--card"), text: style("--text") };
  };

  // A disc with a soft edge: steps from its middle, and how much of each pixel it covers, of 256.
  const disc = (radius, width) => {
    const steps = [];
    const cover = [];
    for (let dy = -Math.ceil(radius); dy <= Math.ceil(radius); dy++) {
      for (let dx = -Math.ceil(radius); dx <= Math.ceil(radius); dx++) {
        const share = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
        if (share > 0.04) {
          steps.push(dy * width + dx);
          cover.push(Math.round(share * 256));
        }
      }
    }
    return { steps: Int32Array.from(steps), cover: Int32Array.from(cover), margin: Math.ceil(radius) + 1 };
  };

  const pixel = ([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;

  const drawPoints = (ratio) => {
    const { width, height } = canvas;
    const bytes = new Uint32Array(image.data.buffer);
    bytes.fill(pixel(colours.ground));
    const nearer = Math.max(1, view.scale / fitting()) ** 0.3;
    // On a large screen letters are larger, too.
    const letters = parseFloat(getComputedStyle(canvas).fontSize) / 16;
    const small = Math.min(5, (points.n > 20000 ? 1.4 : points.n > 5000 ? 2 : 2.8) * nearer) * letters;
    const discs = Array.from({ length: 9 }, (_, k) => disc((small + k * 0.45) * ratio, width));
    // Among grey points those with a colour are larger and have an edge, so that a few of them are seen among many.
    const stands = points.greys > 0 && points.greys < points.n;
    const edges = stands ? Array.from({ length: 9 }, (_, k) => disc((small + 1 + k * 0.45 + 1.2) * ratio, width)) : [];
    const above = stands ? Array.from({ length: 9 }, (_, k) => disc((small + 1 + k * 0.45) * ratio, width)) : discs;
    const [scaleX, scaleY] = [view.scale * stretch * ratio, view.scale * ratio];
    const [left, top] = [width / 2 - view.x * scaleX, height / 2 + view.y * scaleY];
    const { x, y, colour, size, order: sorted, greys } = points;
    for (let k = 0; k < sorted.length; k++) {
      const i = sorted[k];
      const [px, py] = [Math.round(left + x[i] * scaleX), Math.round(top - y[i] * scaleY)];
      const kind = (size[i] + 31) >> 5;
      const point = k < greys ? discs[kind] : above[kind];
      const edge = stands && k >= greys ? edges[kind] : null;
      const margin = (edge || point).margin;
      if (px < margin || py < margin || px >= width - margin || py >= height - margin) continue;
      if (edge) put(bytes, py * width + px, edge, colours.ground);
      put(bytes, py * width + px, point, colours.points[colour[i]]);
    }
  };

  // Mixes a disc of a colour into the pixels.
  const put = (bytes, middle, { steps, cover }, rgb) => {
    const [r, g, b] = rgb;
    const whole = pixel(rgb);
    for (let s = 0; s < steps.length; s++) {
      const at = middle + steps[s];
      const share = cover[s];
      if (share === 256) {
        bytes[at] = whole;
      } else {
        const under = bytes[at];
        const mix = (above, below) => (above * share + below * (256 - share)) >> 8;
        bytes[at] =
          (0xff000000 | (mix(b, (under >> 16) & 255) << 16) | (mix(g, (under >> 8) & 255) << 8) | mix(r, under & 255)) >>> 0;
      }
    }
  };

  const draw = () => {
    frame = 0;
    if (!points || !view || canvas.width === 0) return;
    const began = performance.now();
    const ratio = canvas.width / canvas.clientWidth;
    if (!image || image.width !== canvas.width || image.height !== canvas.height) {
      image = context.createImageData(canvas.width, canvas.height);
      fresh = false;
    }
    if (!fresh) drawPoints(ratio);
    fresh = true;
    context.putImageData(image, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const corners = line || (rectangle ? cornersOf(rectangle) : []);
    if (corners.length > 1) {
      context.beginPath();
      for (const corner of corners) context.lineTo(...toScreen(...corner));
      context.closePath();
      for (const [colour, width] of [[colours.behind, 5], [colours.text, 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.stroke();
      }
    }
    if (hovered >= 0) {
      const [x, y] = toScreen(points.x[hovered], points.y[hovered]);
      context.strokeStyle = colours.text;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 8, 0, 2 * Math.PI);
      context.stroke();
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    // For those who measure.
    canvas.dataset.frame = (performance.now() - began).toFixed(2);
    canvas.dataset.view = JSON.stringify({ ...view, stretch });
  };

  // What lies above the points is drawn anew.
  const redraw = () => {
    if (!frame) frame = requestAnimationFrame(draw);
  };

  // The points are.
  const repaint = () => {
    fresh = false;
    redraw();
  };

  // ---- view

  const toScreen = (x, y) => [
    canvas.clientWidth / 2 + (x - view.x) * view.scale * stretch,
    canvas.clientHeight / 2 - (y - view.y) * view.scale,
  ];

  const toMap = (x, y) => [
    view.x + (x - canvas.clientWidth / 2) / view.scale / stretch,
    view.y - (y - canvas.clientHeight / 2) / view.scale,
  ];

  // CSS pixels of a unit of x and of y when all points are seen and fill the canvas.
  const filling = () => {
    const side = (pixels, { span }) => Math.max(1, pixels - 2 * MARGIN) / span;
    return [side(canvas.clientWidth, points.box.x), side(canvas.clientHeight, points.box.y)];
  };

  // CSS pixels of a unit when all is seen.
  const fitting = () => {
    const [x, y] = filling();
    return Math.max(ZOOM[0], Math.min(x / stretch, y));
  };

  const whole = () => {
    if (!points) return;
    const [x, y] = filling();
    stretch = Math.min(STRETCH, Math.max(1 / STRETCH, x / y));
    view = { x: points.box.x.middle, y: points.box.y.middle, scale: fitting() };
    repaint();
  };

  // Zooms so that what lies at this place of the canvas stays there.
  const zoom = (factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) => {
    if (!view) return;
    moved = true;
    const [mx, my] = toMap(x, y);
    view.scale = Math.min(ZOOM[1], Math.max(ZOOM[0], view.scale * factor));
    const [nx, ny] = toMap(x, y);
    view.x += mx - nx;
    view.y += my - ny;
    repaint();
  };

  const pan = (dx, dy) => {
    if (!view) return;
    moved = true;
    view.x = Math.min(SIDE, Math.max(0, view.x - dx / view.scale / stretch));
    view.y = Math.min(SIDE, Math.max(0, view.y + dy / view.scale));
    repaint();
  };

  const resize = () => {
    const ratio = window.devicePixelRatio || 1;
    const size = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (canvas.width === size[0] && canvas.height === size[1] && view) return;
    [canvas.width, canvas.height] = size;
    // Who has not moved yet sees all of it.
    if (canvas.width > 0 && (!view || !moved)) whole();
    fresh = false;
    // A new size empties the canvas: what comes with the next frame comes too late.
    draw();
  };

  // ---- looking at a point

  const nameOf = (colour) => {
    const entry = document.querySelector(`#map [data-colour="${colour}"] span`);
    return entry ? entry.textContent : "";
  };

  const look = (i) => {
    if (i === hovered) return;
    hovered = i;
    clearTimeout(waiting);
    tip.hidden = i < 0;
    redraw();
    if (i < 0) return;
    const id = points.ids[i];
    const name = section.dataset.ramp === undefined ? nameOf(points.colour[i]) : "";
    words.textContent = `Task ${id}${name ? `: ${name}` : ""}`;
    thumb.hidden = true;
    thumb.removeAttribute("src");
    waiting = setTimeout(() => {
      thumb.alt = `Image of task ${id}`;
      thumb.src = section.dataset.thumbnails + id;
    }, THUMB_DELAY);
    const [x, y] = toScreen(points.x[i], points.y[i]);
    const right = x > canvas.clientWidth / 2;
    tip.style.left = `${right ? Math.max(0, x - tip.offsetWidth - 14) : x + 14}px`;
    tip.style.top = `${canvas.offsetTop + Math.min(Math.max(0, canvas.clientHeight - 190), Math.max(0, y - 40))}px`;
  };

  const lookAt = (x, y) => {
    if (points && view) look(nearest(...toMap(x, y), REACH));
  };

  const open = () => {
    if (hovered >= 0 && section.dataset.task) window.open(section.dataset.task + points.ids[hovered], "_blank", "noopener,noreferrer");
  };

  // ---- selecting

  const EDGES = ["left", "right", "bottom", "top"];

  const cornersOf = ({ left, right, bottom, top }) => [[left, bottom], [right, bottom], [right, top], [left, top]];

  const onMap = (value) => Math.min(SIDE, Math.max(0, value));

  const tell = (count, where) => {
    told.textContent = `${count} ${count === 1 ? "image" : "images"} ${where}`;
  };

  const clear = () => {
    [rectangle, line] = [null, null];
    // Nothing is tagged by an oversight: the form wants all four edges.
    for (const name of [...EDGES, "polygon"]) form.elements[name].value = "";
    told.textContent = "";
    redraw();
  };

  const select = (box) => {
    clear();
    rectangle = box;
    // What is on an edge stays inside when rounded.
    for (const [place, name] of EDGES.entries()) {
      const round = place % 2 === 0 ? Math.floor : Math.ceil;
      box[name] = onMap(round(box[name] * 100) / 100);
      form.elements[name].value = box[name];
    }
    let count = 0;
    within(box, () => count++);
    tell(count, "in the rectangle");
  };

  // Leaves corners out that lie within `tolerance` of the line without them (Douglas & Peucker 1973).
  const simplified = (corners, tolerance) => {
    const kept = new Uint8Array(corners.length);
    kept[0] = kept[corners.length - 1] = 1;
    const open = [[0, corners.length - 1]];
    while (open.length > 0) {
      const [from, to] = open.pop();
      const [[ax, ay], [bx, by]] = [corners[from], corners[to]];
      const length = Math.hypot(bx - ax, by - ay);
      let [farthest, most] = [-1, tolerance];
      for (let i = from + 1; i < to; i++) {
        const [x, y] = corners[i];
        const away = length > 0 ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length : Math.hypot(x - ax, y - ay);
        if (away > most) [farthest, most] = [i, away];
      }
      if (farthest < 0) continue;
      kept[farthest] = 1;
      open.push([from, farthest], [farthest, to]);
    }
    return corners.filter((_, i) => kept[i]);
  };

  // Whether a ray to the right crosses the line an odd number of times: as src/dashboard/map/shape.rs counts.
  const isInside = (corners, x, y) => {
    let inside = false;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
      const [[ax, ay], [bx, by]] = [corners[i], corners[j]];
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
    }
    return inside;
  };

  const selectAround = (drawn) => {
    clear();
    let corners = drawn.map((corner) => corner.map((value) => Math.round(onMap(value) * 100) / 100));
    for (let tolerance = 0.5 / view.scale; corners.length > CORNERS; tolerance *= 2) corners = simplified(corners, tolerance);
    if (corners.length < 3) return;
    line = corners;
    const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
    const box = { left: Math.min(...xs), right: Math.max(...xs), bottom: Math.min(...ys), top: Math.max(...ys) };
    for (const name of EDGES) form.elements[name].value = box[name];
    form.elements.polygon.value = corners.map((corner) => corner.join(",")).join(" ");
    let count = 0;
    within(box, (_, x, y) => { count += isInside(corners, x, y); });
    tell(count, "inside the line");
  };

  const typed = () => {
    const box = {};
    for (const name of EDGES) box[name] = form.elements[name].valueAsNumber;
    form.elements.polygon.value = "";
    line = null;
    const good = Object.values(box).every(Number.isFinite) && box.left <= box.right && box.bottom <= box.top;
    rectangle = good ? box : null;
    let count = 0;
    if (good && points) within(box, () => count++);
    if (good && points) tell(count, "in the rectangle");
    else told.textContent = "";
    redraw();
  };

  const visible = () => {
    const [left, top] = toMap(0, 0);
    const [right, bottom] = toMap(canvas.clientWidth, canvas.clientHeight);
    select({ left, right, bottom, top });
    form.elements.tag.focus();
  };

  const choose = (what) => {
    selecting = what;
    for (const one of tools.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", String(one.dataset.selects === what));
  };

  // ---- hands

  const hands = new Map(); // pointers that are down
  let grip = null; // where one went down, and whether it selects

  const place = (event) => {
    const frameOf = canvas.getBoundingClientRect();
    return [event.clientX - frameOf.left - canvas.clientLeft, event.clientY - frameOf.top - canvas.clientTop];
  };

  const spread = () => {
    const [a, b] = [...hands.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, distance: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1 };
  };

  const box = (from, to) => {
    const [a, b] = [toMap(...from), toMap(...to)];
    return {
      left: Math.min(a[0], b[0]), right: Math.max(a[0], b[0]), bottom: Math.min(a[1], b[1]), top: Math.max(a[1], b[1]),
    };
  };

  // However it ended: a canvas that leaves the page for a moment is not told.
  const letGo = (event) => {
    if (hands.delete(event.pointerId)) grip = null;
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!view || !points || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    hands.set(event.pointerId, at);
    // A second finger moves the map: what the first one began to draw is not meant.
    if (hands.size > 1 && grip && grip.selects) clear();
    grip = hands.size === 1 ? { from: at, moved: false, selects: event.shiftKey ? "rectangle" : selecting, path: [toMap(...at)] } : null;
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!view || !points) return;
    const at = place(event);
    pointer = event.pointerType === "mouse" ? at : null;
    if (event.buttons === 0) letGo(event);
    const before = hands.get(event.pointerId);
    if (!before) {
      lookAt(...at);
      return;
    }
    if (hands.size === 2) {
      const was = spread();
      hands.set(event.pointerId, at);
      const is = spread();
      pan(is.x - was.x, is.y - was.y);
      zoom(is.distance / was.distance, is.x, is.y);
      return;
    }
    hands.set(event.pointerId, at);
    if (!grip) return;
    if (!grip.moved && Math.hypot(at[0] - grip.from[0], at[1] - grip.from[1]) < CLICK) return;
    look(-1);
    if (grip.selects === "rectangle") {
      [rectangle, line] = [box(grip.from, at), null];
      redraw();
    } else if (grip.selects) {
      const last = toScreen(...grip.path[grip.path.length - 1]);
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) >= STEP) grip.path.push(toMap(...at));
      [rectangle, line] = [null, grip.path];
      redraw();
    } else {
      const last = grip.moved ? before : grip.from;
      pan(at[0] - last[0], at[1] - last[1]);
    }
    grip.moved = true;
  });

  const release = (event) => {
    const at = hands.get(event.pointerId);
    if (!at) return;
    hands.delete(event.pointerId);
    if (grip) {
      if (grip.moved && grip.selects) {
        if (grip.selects === "rectangle") select(box(grip.from, at));
        else selectAround(grip.path);
        choose("");
      } else if (!grip.moved && !grip.selects) {
        // A finger looks first, and opens what it looks at.
        const seen = hovered;
        lookAt(...at);
        if (event.pointerType === "mouse" || (seen >= 0 && seen === hovered)) open();
      }
    }
    grip = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", (event) => {
    // What was selected before stays, unless something else was being drawn over it.
    if (grip && grip.selects) clear();
    letGo(event);
  });
  canvas.addEventListener("lostpointercapture", letGo);
  canvas.addEventListener("pointerleave", (event) => {
    pointer = null;
    if (event.pointerType === "mouse" && hands.size === 0) look(-1);
  });

  canvas.addEventListener("wheel", (event) => {
    if (!view) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    zoom(Math.exp(-event.deltaY * lines * 0.0015), ...place(event));
    lookAt(...place(event));
  }, { passive: false });

  const KEYS = {
    ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => { moved = false; whole(); },
    Enter: open, Escape: () => { choose(""); clear(); look(-1); },
  };

  canvas.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || !view || !points || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
    if (event.key === "Enter" || event.key === "Escape") return;
    // By keys one looks at what is nearest to the middle.
    look(-1);
    look(nearest(view.x, view.y, Math.max(canvas.clientWidth, canvas.clientHeight)));
    said.textContent = hovered >= 0 ? words.textContent : "";
  });

  // ---- putting it together

  const button = (text, act, selects) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "quiet";
    made.textContent = text;
    if (selects) {
      made.setAttribute("aria-pressed", "false");
      made.dataset.selects = selects;
    }
    made.addEventListener("click", act);
    tools.append(made);
  };

  const load = async () => {
    const wanted = section.dataset.points;
    const of = section;
    const answer = await fetch(wanted, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`the points are unavailable: ${answer.status}`);
    const buffer = await answer.arrayBuffer();
    if (of !== section) return;
    const { projection, stamp } = section.dataset;
    const projected = form.elements.projection.value;
    points = read(buffer);
    // Another map: a rectangle of the old one means other images.
    if (loaded && loaded !== `${projection} ${stamp}`) {
      const selected = rectangle !== null || line !== null;
      clear();
      if (selected) told.textContent = "The map has changed: select again.";
      if (view && projected !== projection) {
        moved = false;
        whole();
      }
    }
    loaded = `${projection} ${stamp}`;
    form.elements.map.value = stamp;
    form.elements.projection.value = projection;
    look(-1);
    palette();
    resize();
    repaint();
    if (pointer) lookAt(...pointer);
    canvas.dataset.points = String(points.n);
  };

  const attach = () => {
    section = document.getElementById("map");
    const figure = document.getElementById("map-figure");
    if (!figure) return;
    canvas.setAttribute("aria-label", `${figure.dataset.says}. Arrow keys move, plus and minus zoom, 0 shows all, Enter opens the task in the middle.`);
    hands.clear();
    grip = null;
    const show = () => {
      if (!figure.isConnected) return;
      figure.replaceChildren(tools, canvas, tip, said);
      resize();
    };
    if (points) show();
    const fail = (error) => {
      if (figure.isConnected) said.textContent = told.textContent = error.message;
    };
    load().then(show).catch(fail);
  };

  canvas.className = "map-canvas";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  tip.className = "map-tip";
  tip.hidden = true;
  thumb.className = "thumb";
  tip.append(thumb, words);
  tools.className = "map-tools";
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Map");
  button("Zoom in", () => zoom(1.5));
  button("Zoom out", () => zoom(1 / 1.5));
  button("Show all", () => { moved = false; whole(); });
  button("Select a rectangle", () => choose(selecting === "rectangle" ? "" : "rectangle"), "rectangle");
  button("Draw a line around", () => choose(selecting === "line" ? "" : "line"), "line");
  button("Select what is visible", visible);

  new ResizeObserver(resize).observe(canvas);
  const recolour = () => {
    if (!section || !points) return;
    palette();
    repaint();
  };
  thumb.addEventListener("load", () => { thumb.hidden = false; });
  // Also when a window moves to a screen with other pixels.
  window.addEventListener("resize", resize);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.body.addEventListener("htmx:afterSettle", () => {
    if (section && !section.isConnected) attach();
  });
  form.addEventListener("input", (event) => {
    if (event.target.type === "number") typed();
  });
  clear();
  attach();
})();
