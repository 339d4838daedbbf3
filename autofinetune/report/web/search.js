// What the surrogate says: importance, slices, contours.

/** Places of the hyperparameters, the most important first. */
function byImportance(run) {
  const places = run.params.map((_, place) => place);
  const found = run.surrogate.importance;
  return found ? places.sort((a, b) => found.total[b] - found.total[a] || a - b) : places;
}

function surrogateNote(run) {
  const { used, known, noise } = run.surrogate;
  return `The surrogate is a Gaussian process of ${used < known ? `${countText(used)} of ${plural(known, 'trial')} with a score (the best, and others at random)` : `all ${plural(known, 'trial')} with a score`}; `
    + `it takes ${percent(noise)} of the variance for noise. Failed trials do not count; very bad scores count as three times as far below the median as the best is above it.`
    + (run.lineage ? ' Scores of this run also depend on the models that trials continued, of which the surrogate knows nothing.' : '');
}

function addImportance(parent, run) {
  const { importance, confidence, draws } = run.surrogate, order = byImportance(run).reverse();
  const note = `Functional analysis of variance of the surrogate over the whole search space: by how much of the variance of the score a hyperparameter explains alone (dark), and in interaction with others (light, so that parts of an interaction appear at each of them). Bars are means over ${draws} functions drawn from the surrogate, lines their ${percent(confidence)} intervals. ${surrogateNote(run)}`;
  addPlot(parent, { label: 'importance of hyperparameters', note, height: 110 + 26 * order.length, build: () => {
    const names = order.map((place) => plain(clip(run.params[place].name)));
    const pick = (column) => order.map((place) => importance[column][place]);
    const main = pick('main'), total = pick('total'), low = pick('low'), high = pick('high');
    const places = order.map((_, at) => at);
    const hovertext = order.map((place, at) => `${plain(run.params[place].name)}<br>alone ${percent(main[at])} (${percent(low[at])} to ${percent(high[at])})<br>with interactions ${percent(total[at])} (${percent(importance.total_low[place])} to ${percent(importance.total_high[place])})`);
    const bar = { type: 'bar', orientation: 'h', y: places, hovertext, hoverinfo: 'text', textposition: 'none' };
    return { data: [
      { ...bar, name: 'alone', x: main, marker: { color: colour('done') }, error_x: { type: 'data', symmetric: false, array: high.map((v, i) => Math.max(v - main[i], 0)), arrayminus: low.map((v, i) => Math.max(main[i] - v, 0)), color: colour('text'), thickness: 1.2, width: 3 } },
      { ...bar, name: 'in interactions', x: total.map((v, i) => Math.max(v - main[i], 0)), marker: { color: faded(colour('done'), 0.35) } },
    ], layout: { barmode: 'stack', showlegend: true, xaxis: { ...titled('share of the variance'), tickformat: '.0%', rangemode: 'tozero' }, yaxis: { automargin: true, tickvals: places, ticktext: names, range: [-0.6, places.length - 0.4] } } };
  } });
}

function addCorrelation(parent, run) {
  const { correlation } = run.surrogate;
  const order = byImportance(run).reverse().filter((place) => isNumber(correlation[place]));
  if (!order.length) return;
  const left = run.params.length - order.length;
  const note = `Spearman's rank correlation of each hyperparameter with the score, over all trials with a score: to the right, larger values came with larger scores${run.direction === 'minimize' ? ', which are worse here' : ''}. A hyperparameter with its best value in the middle can matter and have no correlation; and the search tried some regions more often than others.`
    + (left ? ` Not shown: ${plural(left, 'hyperparameter')} without an order, of one value, or in fewer than 4 trials.` : '');
  addPlot(parent, { label: 'correlation of hyperparameters with the score', note, height: 90 + 26 * order.length, build: () => {
    const x = order.map((place) => correlation[place]), places = order.map((_, at) => at);
    const names = order.map((place) => plain(clip(run.params[place].name)));
    const hovertext = order.map((place, at) => `${plain(run.params[place].name)}<br>${numberText(x[at], 3)}`);
    return { data: [{ type: 'bar', orientation: 'h', x, y: places, hovertext, hoverinfo: 'text', text: x.map((v) => `${v > 0 ? '+' : '\u2212'}${Math.abs(v).toFixed(2)}`), textposition: 'auto', marker: { color: x.map((v) => colour(v > 0 ? 'done' : 'stopped')) } }],
      layout: { xaxis: { ...titled('rank correlation with the score'), range: [-1, 1], zeroline: true }, yaxis: { automargin: true, tickvals: places, ticktext: names, range: [-0.6, places.length - 0.4] } } };
  } });
}

function sliceOf(run, place, range) {
  const axis = run.params[place], slice = run.surrogate.slices?.[place], values = run.trials.values[place];
  const shown = sample(run, 300, (index) => isNumber(values[index]));
  const jitter = (index) => (axis.labels ? (((index * 0.618034) % 1) - 0.5) * 0.5 : 0);
  const data = [{ type: 'scatter', mode: 'markers', x: shown.map((i) => values[i] + jitter(i)), y: shown.map((i) => run.trials.score[i]), hovertext: shown.map((i) => trialText(run, i)), hoverinfo: 'text',
    marker: { size: 5, opacity: 0.5, color: colour('queued') } }];
  if (slice && axis.labels) {
    data.push({ type: 'scatter', mode: 'markers', name: 'surrogate', x: slice.at, y: slice.mean, marker: { size: 10, symbol: 'line-ew-open', line: { width: 3 }, color: colour('accent') },
      error_y: { type: 'data', symmetric: false, array: slice.high.map((v, i) => v - slice.mean[i]), arrayminus: slice.low.map((v, i) => slice.mean[i] - v), color: colour('accent') }, hovertemplate: 'surrogate %{y:.5g}<extra></extra>' });
    data.push({ type: 'scatter', mode: 'markers', name: 'average', x: slice.average_at, y: slice.average, marker: { size: 9, symbol: 'diamond-open', color: colour('stopped'), line: { width: 2 } }, hovertemplate: 'average %{y:.5g}<extra></extra>' });
  } else if (slice) {
    data.push({ type: 'scatter', mode: 'lines', x: slice.at, y: slice.high, line: { width: 0 }, hoverinfo: 'skip' });
    data.push({ type: 'scatter', mode: 'lines', x: slice.at, y: slice.low, line: { width: 0 }, fill: 'tonexty', fillcolor: faded(colour('accent'), 0.2), hoverinfo: 'skip' });
    data.push({ type: 'scatter', mode: 'lines', x: slice.at, y: slice.mean, line: { width: 2, color: colour('accent') }, hovertemplate: 'surrogate %{y:.5g}<extra></extra>' });
    data.push({ type: 'scatter', mode: 'lines', x: slice.average_at, y: slice.average, line: { width: 1.5, dash: 'dot', color: colour('stopped') }, hovertemplate: 'average %{y:.5g}<extra></extra>' });
  }
  const best = ranked(run).find((index) => isNumber(values[index]));
  if (best !== undefined) data.push({ type: 'scatter', mode: 'markers', x: [values[best]], y: [run.trials.score[best]], hovertext: [trialText(run, best)], hoverinfo: 'text', marker: { symbol: 'star', size: 12, color: colour('failed'), line: { width: 1, color: colour('page') } } });
  return { data, layout: { height: 250, margin: { l: 50, r: 8, t: 6, b: 42 }, xaxis: paramAxis(axis), yaxis: { range } } };
}

function addSlices(parent, run) {
  const range = scoreRange(run, run.trials.score);
  const text = 'Points are trials; the star is the best one. '
    + (run.surrogate.why ? '' : 'The line and its band are the surrogate with its 90 % interval on the way through the best trial, where only this hyperparameter changes (of a conditional one: the best trial in which it is active). Dotted lines and diamonds are its mean over all other hyperparameters.') + rangeNote(range);
  parent.append(make('p', { class: 'note' }, text));
  const grid = make('div', { class: 'grid' });
  parent.append(grid);
  for (const place of byImportance(run)) {
    const axis = run.params[place];
    addPlot(grid, { title: axis.only_if ? `${axis.name} (if ${axis.only_if})` : axis.name, height: 250, isSmall: true, build: () => sliceOf(run, place, range) });
  }
}

function addContours(parent, run) {
  const { contours } = run.surrogate;
  parent.append(make('p', { class: 'note' }, 'The mean of the surrogate over all other hyperparameters, for the pairs of the most important ones, the strongest interaction first; points are trials. Nothing is drawn where one of the two is not active.'));
  const grid = make('div', { class: 'grid' });
  parent.append(grid);
  for (const one of contours) {
    const [x, y] = [run.params[one.x], run.params[one.y]], [xs, ys] = [run.trials.values[one.x], run.trials.values[one.y]];
    const note = `Interaction: ${percent(one.share)} of the variance (${percent(one.share_low)} to ${percent(one.share_high)}).`;
    addPlot(grid, { title: `${x.name} × ${y.name}`, height: 320, note, isSmall: true, build: () => {
      const isCells = x.labels || y.labels;
      const colours = palette().map((hex, place, all) => [place / (all.length - 1), hex]);
      const scale = run.direction === 'minimize' ? colours.map(([at], place) => [at, colours[colours.length - 1 - place][1]]) : colours;
      const shown = sample(run, 150, (index) => isNumber(xs[index]) && isNumber(ys[index]));
      return { data: [
        { type: isCells ? 'heatmap' : 'contour', x: one.x_at, y: one.y_at, z: one.z, colorscale: scale, colorbar: { thickness: 10, len: 0.95, tickfont: { size: 10 } }, line: { width: 0.5 }, ncontours: 14, hoverongaps: false, hovertemplate: '%{z:.5g}<extra></extra>' },
        { type: 'scatter', mode: 'markers', x: shown.map((i) => xs[i]), y: shown.map((i) => ys[i]), hovertext: shown.map((i) => trialText(run, i)), hoverinfo: 'text', marker: { size: 4.5, color: colour('page'), line: { width: 1, color: colour('text') } } },
      ], layout: { height: 320, margin: { l: 55, r: 6, t: 6, b: 45 }, xaxis: paramAxis(x), yaxis: { ...paramAxis(y), automargin: true } } };
    } });
  }
}
