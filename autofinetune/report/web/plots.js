// What all plots have in common: their frame, their axes, and which trials they show.

let drawings = [];
const CONFIG = { responsive: true, displaylogo: false, modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'resetScale2d']] };

function layoutOf(extra) {
  const axis = { gridcolor: colour('line'), zerolinecolor: colour('line'), linecolor: colour('line') };
  const { xaxis, yaxis, ...others } = extra;
  return {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', hovermode: 'closest', dragmode: 'zoom',
    font: { color: colour('text'), size: 12 }, margin: { l: 55, r: 12, t: 12, b: 45 },
    hoverlabel: { bgcolor: colour('card'), bordercolor: colour('line'), font: { color: colour('text') }, align: 'left' },
    legend: { orientation: 'h', y: 1.02, yanchor: 'bottom', x: 0 }, showlegend: false, modebar: { bgcolor: 'rgba(0,0,0,0)', color: colour('muted'), activecolor: colour('accent') },
    ...others, xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis },
  };
}

const titled = (text) => ({ title: { text: plain(clip(text, 40)), standoff: 8 } });

/** Add a plot to a part of the page; `build` returns its traces and layout and is called again when colours change. */
function addPlot(parent, { title = '', note = '', height = 340, label, isSmall = false, build }) {
  const node = make('div', { class: 'plot', role: 'img', 'aria-label': label || title });
  node.style.height = `${height}px`;
  parent.append(make('figure', {}, title ? make('h3', {}, title) : null, node, note ? make('p', { class: 'note' }, note) : null));
  const draw = () => {
    const { data, layout } = build();
    Plotly.react(node, data, layoutOf({ height, ...layout }), { ...CONFIG, displayModeBar: isSmall ? false : 'hover' });
  };
  drawings.push({ node, draw });
  later(node, draw);
  return draw;
}

/** The axis of a hyperparameter for Plotly. */
function paramAxis(axis) {
  const found = titled(axis.name);
  if (axis.labels) {
    const step = Math.ceil(axis.labels.length / 12);
    const shown = axis.labels.map((_, index) => index).filter((index) => index % step === 0);
    return { ...found, automargin: true, tickvals: shown, ticktext: shown.map((index) => plain(clip(axis.labels[index], 14))), range: [-0.5, axis.labels.length - 0.5] };
  }
  return axis.scale === 'log' ? { ...found, type: 'log', exponentformat: 'power', dtick: undefined, nticks: 6 } : found;
}

const sign = (run) => (run.direction === 'minimize' ? -1 : 1);

/** Indices of the trials with a score, best first. */
function ranked(run) {
  if (!run.ranking) {
    const { score } = run.trials, s = sign(run);
    run.ranking = score.map((_, index) => index).filter((index) => isNumber(score[index]))
      .sort((a, b) => s * (score[b] - score[a]) || a - b);
  }
  return run.ranking;
}

/** The quality of each trial by its rank: 1 for the best, 0 for the worst, null without a score. */
function qualities(run) {
  if (!run.quality) {
    const order = ranked(run), most = Math.max(order.length - 1, 1);
    run.quality = new Float32Array(run.trials.id.length).fill(NaN);
    order.forEach((index, rank) => { run.quality[index] = 1 - rank / most; });
  }
  return run.quality;
}

/** At most `most` trials with a score: the best tenth of that many, and the others evenly spread. */
function sample(run, most, has = () => true) {
  const order = ranked(run).filter(has);
  if (order.length <= most) return order;
  const best = Math.ceil(most / 10), others = order.slice(best).sort((a, b) => a - b), step = others.length / (most - best);
  const chosen = order.slice(0, best);
  for (let at = 0; at < others.length; at += step) chosen.push(others[Math.floor(at)]);
  return chosen;
}

const shownNote = (shown, all) => (shown < all ? ` Shown are ${countText(shown)} of ${plural(all, 'trial')}: the best, and others at equal distances.` : '');

/** A range of scores in which outliers on the bad side do not squeeze all others; undefined without any. */
function scoreRange(run, scores) {
  const merits = scores.filter(isNumber).map((score) => sign(run) * score).sort((a, b) => a - b);
  if (merits.length < 4) return undefined;
  const best = merits[merits.length - 1], median = merits[merits.length >> 1], worst = Math.max(merits[0], median - 3 * (best - median));
  if (worst === merits[0] || best === median) return undefined;
  const pad = 0.06 * (best - worst), ends = [worst - pad, best + pad].map((merit) => sign(run) * merit);
  return ends.sort((a, b) => a - b);
}

const rangeNote = (range) => (range ? ' Bad outliers lie outside; a double click on the plot shows them.' : '');

/** What a pointer on a trial shows. */
function trialText(run, index) {
  const t = run.trials;
  const lines = [`trial ${t.id[index]}: ${numberText(t.score[index], 7)}${t.state[index] === 'COMPLETED' ? '' : ` (${t.state[index].toLowerCase()})`}`];
  run.params.slice(0, 14).forEach((axis, place) => {
    const value = t.values[place][index];
    if (isNumber(value)) lines.push(`${clip(axis.name, 30)} = ${clip(valueText(axis, value), 40)}`);
  });
  if (run.params.length > 14) lines.push('…');
  return lines.map(plain).join('<br>');
}
