// Parallel coordinates on a canvas, with ranges that are chosen by dragging along an axis.

const LANE = 26; // below the axes, for hyperparameters that are not active

class Parallel {
  constructor(parent, run) {
    this.run = run;
    this.canvas = make('canvas', { role: 'img', 'aria-label': 'parallel coordinates', class: 'parallel' });
    this.box = make('div', { class: 'wide' }, this.canvas);
    this.said = make('p', { class: 'note' });
    parent.append(this.box, this.said);
    this.order = [...ranked(run)].reverse();
    this.axes = [...byImportance(run).map((place) => ({ ...run.params[place], values: run.trials.values[place] })), { name: 'score', scale: 'linear', values: run.trials.score }];
    this.axes.forEach((axis) => this.scale(axis));
    this.hasLane = this.axes.some((axis) => this.order.some((index) => !isNumber(axis.values[index])));
    this.ranges = new Map();
    this.canvas.addEventListener('pointerdown', (event) => this.press(event));
    this.canvas.addEventListener('pointermove', (event) => this.move(event));
    this.canvas.addEventListener('pointerup', () => this.release());
    this.canvas.addEventListener('pointercancel', () => this.release());
    new ResizeObserver(() => { if (this.width !== this.wanted() && this.isDrawn) this.draw(); }).observe(this.box);
  }

  /** Give an axis its `share`: the height of a value, from 0 to 1. */
  scale(axis) {
    const present = this.order.map((index) => axis.values[index]).filter(isNumber);
    if (axis.labels) {
      const count = axis.labels.length;
      axis.share = (value) => (value + 0.5) / count;
      return;
    }
    const of = axis.scale === 'log' ? Math.log : (value) => value;
    let [low, high] = present.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    if (axis.name === 'score' && axis.values === this.run.trials.score) [low, high] = scoreRange(this.run, axis.values) ?? [low, high];
    axis.ends = [low, high];
    axis.share = (value) => (high > low ? Math.min(Math.max((of(value) - of(low)) / (of(high) - of(low)), 0), 1) : 0.5);
  }

  wanted() { return Math.max(this.box.clientWidth, 84 * this.axes.length); }

  x(place) { return 50 + (place * (this.width - 100)) / Math.max(this.axes.length - 1, 1); }

  y(share) { return this.top + (1 - share) * this.length; }

  /** The height of a trial on an axis; below it if the hyperparameter is not active. */
  at(axis, index) {
    const value = axis.values[index];
    return isNumber(value) ? this.y(axis.share(value)) : this.top + this.length + LANE;
  }

  isChosen(index) {
    for (const [place, [low, high]] of this.ranges) {
      const height = this.at(this.axes[place], index);
      if (height < low || height > high) return false;
    }
    return true;
  }

  draw() {
    this.isDrawn = true;
    this.width = this.wanted();
    [this.top, this.length] = [46, 270];
    const height = this.top + this.length + (this.hasLane ? LANE + 16 : 22), ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: this.width * ratio, height: height * ratio });
    Object.assign(this.canvas.style, { width: `${this.width}px`, height: `${height}px` });
    const pen = this.canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const chosen = this.order.filter((index) => this.isChosen(index));
    if (chosen.length < this.order.length) this.lines(pen, this.order.filter((index) => !this.isChosen(index)), () => colour('line'), 0.5);
    const quality = qualities(this.run), bins = Array.from({ length: BINS }, () => []);
    chosen.forEach((index) => bins[Math.min(Math.floor(quality[index] * BINS), BINS - 1)].push(index));
    const alpha = Math.min(Math.max(60 / Math.sqrt(chosen.length + 1) / 4, 0.12), 0.85);
    bins.forEach((bin, place) => this.lines(pen, bin, () => qualityColour((place + 0.5) / BINS), place === BINS - 1 ? Math.min(1, 2.5 * alpha) : alpha));
    this.scales(pen);
    this.said.textContent = `${chosen.length < this.order.length ? `${countText(chosen.length)} of ` : ''}${plural(this.order.length, 'trial')} with a score; drag along an axis to choose a range of it, click there to remove the range.`
      + (this.hasLane ? ' Lines go below an axis where the hyperparameter is not active.' : '');
  }

  lines(pen, indices, style, alpha) {
    if (!indices.length) return;
    Object.assign(pen, { strokeStyle: style(), globalAlpha: alpha, lineWidth: 1.2 });
    pen.beginPath();
    for (const index of indices) {
      this.axes.forEach((axis, place) => {
        if (place) pen.lineTo(this.x(place), this.at(axis, index)); else pen.moveTo(this.x(0), this.at(axis, index));
      });
      if (this.axes.length === 1) pen.lineTo(this.x(0) + 20, this.at(this.axes[0], index));
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  scales(pen) {
    pen.font = '11px system-ui, sans-serif';
    this.axes.forEach((axis, place) => {
      const x = this.x(place);
      Object.assign(pen, { strokeStyle: colour('muted'), fillStyle: colour('text'), lineWidth: 1, textAlign: 'center' });
      pen.beginPath(); pen.moveTo(x, this.top); pen.lineTo(x, this.top + this.length); pen.stroke();
      pen.font = '600 11px system-ui, sans-serif';
      this.text(pen, clip(axis.name, 14), x, 16 + 13 * (place % 2));
      pen.font = '11px system-ui, sans-serif';
      if (axis.labels) {
        const step = Math.ceil(axis.labels.length / 14);
        axis.labels.forEach((label, index) => { if (index % step === 0) this.text(pen, clip(label, 12), x, this.y(axis.share(index)) + 4); });
      } else if (isNumber(axis.ends[0])) {
        this.text(pen, numberText(axis.ends[1], 4), x, this.top - 4);
        this.text(pen, numberText(axis.ends[0], 4), x, this.top + this.length + 14);
      }
      const range = this.ranges.get(place);
      if (range) {
        Object.assign(pen, { fillStyle: faded(colour('accent'), 0.35), strokeStyle: colour('accent') });
        pen.fillRect(x - 7, range[0], 14, range[1] - range[0]);
        pen.strokeRect(x - 7, range[0], 14, range[1] - range[0]);
      }
    });
  }

  /** Text with the colour of the page around it, so that it can be read above lines. */
  text(pen, text, x, y) {
    Object.assign(pen, { strokeStyle: colour('page'), lineWidth: 3, lineJoin: 'round' });
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    const [x, y] = this.place(event);
    const near = this.axes.findIndex((_, place) => Math.abs(this.x(place) - x) < 22);
    if (near < 0) return;
    this.held = { near, from: y };
    this.ranges.delete(near);
    this.canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.draw();
  }

  move(event) {
    if (!this.held) return;
    const [, y] = this.place(event), { near, from } = this.held;
    if (Math.abs(y - from) > 3) this.ranges.set(near, [Math.min(from, y), Math.max(from, y)]);
    if (!this.isDue) { this.isDue = true; requestAnimationFrame(() => { this.isDue = false; this.draw(); }); }
  }

  release() { this.held = null; }
}

function addParallel(parent, run) {
  const parallel = new Parallel(parent, run), draw = () => parallel.draw();
  parallel.canvas.style.height = '340px';
  drawings.push({ node: parallel.canvas, draw });
  later(parallel.canvas, draw);
}
