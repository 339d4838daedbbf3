// The course of a run: best so far, learning curves, timeline, lineage.

const SPENT = { trials: ['order', 'finished trials'], seconds: ['at', 'seconds'], steps: ['steps', 'reported steps'] };

function spentButtons(parent, hasSteps, change) {
  let current = 'trials';
  const names = { trials: 'by trials', seconds: 'by time', steps: 'by epochs' };
  const buttons = Object.entries(names).map(([key, text]) => make('button', {
    type: 'button', 'aria-pressed': key === current, 'data-axis': key,
    disabled: key === 'steps' && !hasSteps ? '' : null,
    title: key === 'steps' ? 'steps or epochs that all trials have reported together' : null,
    onclick: () => { current = key; buttons.forEach((one) => one.setAttribute('aria-pressed', one.dataset.axis === key)); change(); },
  }, text));
  parent.append(make('div', { class: 'buttons' }, buttons));
  return () => current;
}

/** The axis of what was spent, and a function that turns a column into its unit. */
function spentAxis(kind, most) {
  if (kind !== 'seconds') return [titled(SPENT[kind][1]), (values) => values];
  const [unit, length] = timeUnit(most);
  return [titled(`time with a tuner (${unit})`), (values) => values.map((value) => value / length)];
}

function addProgress(parent, run) {
  const { progress, trials } = run;
  const shown = sample(run, 1000), range = scoreRange(run, trials.score);
  let draw = () => {};
  const kind = spentButtons(parent, run.steps > 0, () => draw());
  const note = (run.repeats > 1 ? `The line is the best mean of ${run.repeats} trials of a configuration; points are single trials.` : 'The line is the best score so far; points are trials.')
    + ' Times without a tuner do not count.' + shownNote(shown.length, ranked(run).length) + rangeNote(range);
  draw = addPlot(parent, { label: 'best score so far', note, build: () => {
    const column = progress[kind()], [axis, scaled] = spentAxis(kind(), column[column.length - 1] ?? 0);
    const own = trials[SPENT[kind()][0]];
    const data = ['COMPLETED', 'STOPPED'].map((state) => {
      const some = shown.filter((index) => trials.state[index] === state);
      return { type: 'scatter', mode: 'markers', name: state.toLowerCase(), x: scaled(some.map((i) => own[i])), y: some.map((i) => trials.score[i]),
        hovertext: some.map((i) => trialText(run, i)), hoverinfo: 'text', marker: { size: 5, opacity: 0.55, color: stateColour(state) } };
    }).filter((trace) => trace.x.length);
    data.push({ type: 'scatter', mode: column.length > 2 ? 'lines' : 'lines+markers', name: 'best so far', x: scaled(column), y: progress.best, line: { shape: 'hv', width: 2.5, color: colour('accent') }, hovertemplate: '%{y}<extra>best so far</extra>' });
    return { data, layout: { showlegend: true, xaxis: axis, yaxis: { ...titled('score'), range } } };
  } });
}

const BINS = 12;

/** Curves of one colour are one trace, with gaps between them. */
function addCurves(parent, run) {
  const { curves, trials } = run, many = curves.trials.length;
  const index = new Map(trials.id.map((id, place) => [id, place]));
  const range = scoreRange(run, curves.scores);
  const note = `${plural(many, 'curve')} of ${plural(trials.id.length, 'trial')}, coloured by the rank of the score: the better, the more they stand out from the page; grey ones have no score yet, red ones failed. The best trial is thick.`
    + (curves.steps.length < curves.reports ? ` ${countText(curves.steps.length)} of ${plural(curves.reports, 'report')} are drawn.` : '') + rangeNote(range);
  addPlot(parent, { label: 'learning curves', note, height: 400, build: () => {
    const bins = Array.from({ length: BINS + 3 }, () => ({ x: [], y: [], customdata: [] }));
    curves.trials.forEach((id, place) => {
      const at = index.get(id), quality = qualities(run)[at];
      let bin = Number.isNaN(quality) ? (trials.state[at] === 'FAILED' ? BINS + 1 : BINS) : Math.min(Math.floor(quality * BINS), BINS - 1);
      if (run.best && id === run.best.trial) bin = BINS + 2;
      const { x, y, customdata } = bins[bin];
      const end = curves.starts[place + 1] ?? curves.steps.length;
      for (let i = curves.starts[place]; i < end; i += 1) { x.push(curves.steps[i]); y.push(curves.scores[i]); customdata.push(id); }
      x.push(null); y.push(null); customdata.push(id);
    });
    const isThin = many > 60, isDense = many > 3000;
    const data = bins.map((bin, place) => {
      const special = { [BINS]: colour('queued'), [BINS + 1]: colour('failed') }[place];
      const isBest = place === BINS + 2, hasOnePoint = bin.x.length === 2 * many;
      return { type: 'scatter', mode: many > 200 && !isBest && !hasOnePoint ? 'lines' : 'lines+markers', ...bin, connectgaps: false, opacity: isBest ? 1 : isThin ? 0.55 : 0.8,
        marker: { size: isBest ? 5 : 3 }, line: { width: isBest ? 3.5 : isDense ? 0.5 : isThin ? 0.9 : 1.5, color: special ?? qualityColour(isBest ? 1 : (place + 0.5) / BINS) },
        hovertemplate: 'trial %{customdata}<br>step %{x}<br>score %{y}<extra></extra>' };
    }).filter((trace) => trace.x.length);
    return { data, layout: { xaxis: titled('step or epoch, from 1'), yaxis: { ...titled('reported score'), range } } };
  } });
}

function addTimeline(parent, run) {
  const { timeline } = run, [unit, length] = timeUnit(timeline.span);
  const merged = timeline.bars.filter((bar) => bar.count > 1).length;
  const note = 'Each bar is an attempt on a slot; gaps are idle slots. The percentages are the share of the time with a tuner that a slot was in use. '
    + (timeline.idle.length ? 'In the shaded times no tuner was running. ' : '') + (merged ? 'Successive attempts that are too short to tell apart share a bar. ' : '')
    + (run.lost.length ? `Attempts that did not count and were retried: ${run.lost.map(([reason, count]) => `${count} × ${reason}`).join(', ')}.` : '');
  const height = Math.min(Math.max(130 + 26 * timeline.slots.length, 200), 1400);
  addPlot(parent, { label: 'timeline of slots', note, height, build: () => {
    const data = Object.keys(STATES).map((outcome) => {
      const bars = timeline.bars.filter((bar) => bar.outcome === outcome);
      return { type: 'bar', orientation: 'h', name: { LOST: 'lost, retried' }[outcome] ?? outcome.toLowerCase(), y: bars.map((bar) => bar.slot),
        base: bars.map((bar) => bar.start / length), x: bars.map((bar) => (bar.end - bar.start) / length), width: 0.72,
        marker: { color: stateColour(outcome), line: { width: bars.length > 1500 ? 0 : 0.7, color: colour('page') } }, hoverinfo: 'text', textposition: 'none',
        hovertext: bars.map((bar) => plain(bar.count > 1 ? `${bar.count} attempts from trial ${bar.trial} on` : `trial ${bar.trial}, attempt ${bar.attempt}: ${durationText(bar.end - bar.start)}${bar.reason ? `, ${bar.reason}` : ''}`)) };
    }).filter((trace) => trace.x.length);
    if (timeline.marks.length) data.push({ type: 'scatter', mode: 'markers', name: 'slot quarantined', x: timeline.marks.map((mark) => mark.at / length), y: timeline.marks.map((mark) => mark.slot), marker: { symbol: 'x', size: 11, color: colour('failed') }, hovertext: timeline.marks.map((mark) => plain(mark.reason)), hoverinfo: 'text' });
    const shapes = timeline.idle.map(([from, to]) => ({ type: 'rect', yref: 'paper', y0: 0, y1: 1, x0: from / length, x1: to / length, fillcolor: faded(colour('queued'), 0.25), line: { width: 0 }, layer: 'below' }));
    const step = Math.ceil(timeline.slots.length / 50), shown = timeline.slots.map((_, place) => place).filter((place) => place % step === 0);
    return { data, layout: { barmode: 'overlay', showlegend: true, shapes, xaxis: { ...titled(`time since the run began (${unit})`), range: [0, timeline.span / length] },
      yaxis: { automargin: true, tickvals: shown, ticktext: shown.map((place) => plain(`${clip(timeline.slots[place], 16)}  ${percent(timeline.busy[place])}`)), range: [timeline.slots.length - 0.4, -0.6] } } };
  } });
}

function addLineage(parent, run) {
  const { lineage, trials } = run, index = new Map(trials.id.map((id, place) => [id, place]));
  const largest = Object.entries(lineage.roots).sort((a, b) => b[1] - a[1]).map(([id]) => Number(id)).slice(0, SERIES.length);
  const range = scoreRange(run, trials.score);
  const note = `A line leads from a trial to one that continued its model; its colour is the trial from scratch from which both descend, grey if no member of the newest models does. The thick line leads to the best model. Effective number of ancestors: ${numberText(lineage.effective, 3)}.${rangeNote(range)}`;
  addPlot(parent, { label: 'lineage of models', note, height: 400, build: () => {
    const groups = new Map([...largest, -1].map((id) => [id, { x: [], y: [], text: [] }]));
    trials.id.forEach((id, place) => {
      if (!isNumber(trials.score[place])) return;
      const group = groups.get(lineage.of[place]) ?? groups.get(-1), parentPlace = index.get(trials.parent[place]);
      for (const at of parentPlace === undefined ? [place] : [parentPlace, place]) { group.x.push(trials.round[at]); group.y.push(trials.score[at]); group.text.push(trialText(run, at)); }
      group.x.push(null); group.y.push(null); group.text.push('');
    });
    const data = [...groups].filter(([, group]) => group.x.length).reverse().map(([id, group]) => ({ type: 'scatter', mode: trials.id.length > 1500 ? 'lines' : 'lines+markers', x: group.x, y: group.y, hovertext: group.text, hoverinfo: 'text', name: id < 0 ? 'others' : `from trial ${id}`,
      marker: { size: 5 }, line: { width: 1.2, color: id < 0 ? colour('queued') : SERIES[largest.indexOf(id)] } }));
    const chain = lineage.chain.filter((one) => isNumber(one.score));
    data.push({ type: 'scatter', mode: 'lines+markers', name: 'to the best model', x: chain.map((one) => one.round), y: chain.map((one) => one.score), line: { width: 4, color: colour('text') }, marker: { size: 7 }, hovertext: chain.map((one) => trialText(run, index.get(one.trial))), hoverinfo: 'text' });
    return { data, layout: { showlegend: true, xaxis: titled('round'), yaxis: { ...titled('score'), range } } };
  } });
  const rows = lineage.chain.map((one) => make('tr', {}, make('td', { class: 'number' }, String(one.round)), make('td', { class: 'number' }, String(one.trial)), make('td', { class: 'number' }, numberText(one.score, 7)), make('td', {}, one.changes.map(([name, value]) => `${name}=${value}`).join(', ') || '–')));
  if (rows.length > 1) parent.append(make('h3', {}, 'The trials that trained the best model'), make('div', { class: 'wide' }, make('table', {}, make('thead', {}, make('tr', {}, ['round', 'trial', 'score', 'hyperparameters that changed'].map((text) => make('th', {}, text)))), make('tbody', {}, rows))));
}
