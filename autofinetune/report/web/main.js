// The page as a whole: one run at a time, and the comparison of several.

const main = document.getElementById('main');
const runs = DATA.runs;
const labels = runs.map((run, place) => (runs.some((other, at) => at !== place && other.name === run.name) ? run.dir : run.name));
let current = 0;

function section(parent, id, title, fill) {
  const part = make('section', { id }, make('h2', {}, title));
  parent.append(part);
  fill(part);
  document.getElementById('contents').append(make('a', { href: `#${id}` }, title));
}

const notice = (text) => make('p', { class: 'notice' }, text);

function summary(parent, run) {
  const { counts } = run, ended = counts.COMPLETED + counts.FAILED + counts.STOPPED;
  const kinds = Object.entries(counts).filter(([state, count]) => count && state !== 'COMPLETED').map(([state, count]) => `${countText(count)} ${state.toLowerCase()}`);
  const card = (value, text) => make('div', { class: 'card' }, make('b', {}, value), make('span', {}, text));
  parent.append(
    make('h1', {}, run.name),
    make('p', { class: 'note' }, `${run.state}${run.why ? `: ${run.why}` : ''}. Begun ${dateText(run.created)}; this page shows the run as of ${dateText(run.read)}. ${run.script}, ${run.strategy}, ${run.evaluator}${run.assessor === 'none' ? '' : `, stopped early by ${run.assessor}`}, seed ${run.seed}, on ${run.slots}. In ${run.dir}.`),
  );
  if (run.state === 'RUNNING') parent.append(notice('The run has not ended: write the report again to see what happened since.'));
  parent.append(make('div', { class: 'cards' },
    card(run.best ? numberText(run.best.score, 7) : '–', run.best ? `best score (${run.direction}d), trial ${run.best.trial}` : 'best score'),
    card(`${countText(ended)}${run.planned === null ? '' : ` of ${countText(run.planned)}`}`, `trials ended${kinds.length ? `: ${kinds.join(', ')}` : ''}${run.saved ? `; ${run.saved}` : ''}`),
    card(durationText(run.active), 'with a tuner running'),
    card(durationText(run.busy), 'of training in all'),
    run.steps ? card(countText(run.steps), 'reported steps') : null));
  const params = run.best ? [...run.best.params, ...run.constants] : [];
  if (params.length) parent.append(make('details', { open: params.length <= 12 ? '' : null }, make('summary', {}, 'Hyperparameters of the best trial'), make('div', { class: 'wide' }, make('table', { id: 'best' }, make('tbody', {}, params.map(([name, value]) => make('tr', {}, make('th', {}, name), make('td', {}, value))))))));
}

function showRun(parent, run) {
  summary(parent, run);
  const scored = ranked(run).length, hasSpace = run.params.length > 0;
  if (!run.trials.id.length) parent.append(notice('No trial has been started yet.'));
  else if (!scored) parent.append(notice('No trial has a score, so there is nothing to plot by score.'));
  if (run.progress.best.length) section(parent, 'progress', 'Best so far', (part) => addProgress(part, run));
  if (run.curves.trials.length) section(parent, 'curves', 'Learning curves', (part) => addCurves(part, run));
  if (scored && hasSpace) {
    section(parent, 'importance', 'Importance', (part) => {
      if (run.surrogate.why) { part.append(notice(run.surrogate.why)); return; }
      addImportance(part, run);
      addCorrelation(part, run);
    });
    section(parent, 'slices', 'Slices', (part) => addSlices(part, run));
    if (run.surrogate.contours?.length) section(parent, 'contours', 'Contours', (part) => addContours(part, run));
    section(parent, 'parallel', 'Parallel coordinates', (part) => addParallel(part, run));
  }
  if (run.timeline.bars.length) section(parent, 'timeline', 'Timeline', (part) => addTimeline(part, run));
  if (run.lineage && scored) section(parent, 'lineage', 'Lineage', (part) => addLineage(part, run));
  if (run.failures.length) section(parent, 'failed', 'Failures', (part) => addFailures(part, run));
  if (run.trials.id.length) section(parent, 'table', 'Trials', (part) => new Table(part, run));
  if (run.commands.length) section(parent, 'again', 'Reproduce', (part) => run.commands.forEach(([purpose, command]) => part.append(make('p', { class: 'note' }, `To ${purpose}:`), make('pre', {}, command))));
}

// --- several runs -------------------------------------------------------------------------------

function addOverlay(parent) {
  let draw = () => {};
  const kind = spentButtons(parent, runs.some((run) => run.steps > 0), () => draw());
  const directions = new Set(runs.map((run) => run.direction));
  const note = directions.size > 1 ? 'Some of these runs maximize their score and others minimize it.' : 'The best score so far of each run.';
  draw = addPlot(parent, { label: 'best score so far of all runs', note, height: 380, build: () => {
    const most = Math.max(...runs.map((run) => run.progress[kind()].at(-1) ?? 0)), [axis, scaled] = spentAxis(kind(), most);
    const data = runs.map((run, place) => ({ type: 'scatter', mode: run.progress.best.length > 2 ? 'lines' : 'lines+markers', name: plain(clip(labels[place], 40)), x: scaled(run.progress[kind()]), y: run.progress.best, line: { shape: 'hv', width: 2.5, color: SERIES[place % SERIES.length], dash: place >= SERIES.length ? 'dash' : 'solid' }, hovertemplate: '%{y}<extra></extra>' }));
    return { data, layout: { showlegend: true, xaxis: axis, yaxis: titled('best score') } };
  } });
}

function addComparison(parent) {
  const params = [...new Set(runs.flatMap((run) => (run.best ? run.best.params.map(([name]) => name) : [])))];
  const rows = [
    ['state', (run) => run.state], ['score', (run) => `${run.direction}d`], ['best score', (run) => (run.best ? numberText(run.best.score, 7) : '–')], ['best trial', (run) => (run.best ? String(run.best.trial) : '–')],
    ['completed', (run) => countText(run.counts.COMPLETED)], ['failed', (run) => countText(run.counts.FAILED)], ['stopped early', (run) => countText(run.counts.STOPPED)],
    ['time with a tuner', (run) => durationText(run.active)], ['training in all', (run) => durationText(run.busy)], ['reported steps', (run) => countText(run.steps)],
    ['strategy', (run) => run.strategy], ['evaluator', (run) => run.evaluator], ['assessor', (run) => run.assessor], ['seed', (run) => String(run.seed)], ['slots', (run) => run.slots],
    ...params.map((name) => [`best ${name}`, (run) => run.best?.params.find(([one]) => one === name)?.[1] ?? '–']),
  ];
  parent.append(make('div', { class: 'wide' }, make('table', { id: 'comparison' },
    make('thead', {}, make('tr', {}, make('th', {}, ''), labels.map((label) => make('th', {}, clip(label, 40))))),
    make('tbody', {}, rows.map(([title, text]) => make('tr', {}, make('th', {}, title), runs.map((run) => make('td', {}, text(run)))))))));
}

function show() {
  queue = [];
  drawings.forEach(({ node }) => { if (node.classList.contains('plot')) Plotly.purge(node); });
  drawings = [];
  main.replaceChildren();
  document.getElementById('contents').replaceChildren();
  document.title = `${runs.map((run) => run.name).join(', ')} – autofinetune report`;
  if (runs.length > 1) {
    section(main, 'compare', 'Runs compared', (part) => { addOverlay(part); addComparison(part); });
    main.append(make('h2', {}, 'One run'), make('div', { class: 'buttons', id: 'runs' }, runs.map((_, place) => make('button', { type: 'button', 'aria-pressed': place === current, onclick: () => { current = place; show(); document.getElementById('runs').scrollIntoView(); } }, clip(labels[place], 40)))));
  }
  showRun(main, runs[current]);
  if (!queue.length) root.dataset.drawn = 'all';
}

function switchTheme() {
  chosenTheme = { automatic: 'dark', dark: 'light', light: 'automatic' }[chosenTheme];
  document.getElementById('theme').textContent = `theme: ${chosenTheme}`;
  repaint();
}

function repaint() {
  applyTheme();
  drawings.forEach(({ node, draw }) => later(node, draw));
}

document.getElementById('footer').append(`Written by autofinetune ${DATA.version}. Everything on this page is in this file; only the links to logs lead out of it.`);
document.getElementById('theme').addEventListener('click', switchTheme);
darkWanted.addEventListener('change', () => { if (chosenTheme === 'automatic') repaint(); });
applyTheme();
show();
