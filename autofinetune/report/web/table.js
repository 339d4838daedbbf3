// The table of trials: filter, sort, pages.

const PAGE = 50;
const COMPARISON = /^(.+?)(<=|>=|!=|=|<|>)(.*)$/;
const COMPARE = { '<': (a, b) => a < b, '>': (a, b) => a > b, '<=': (a, b) => a <= b, '>=': (a, b) => a >= b };

/** The columns: a name, a function from a row to what is sorted, and one to its text. */
function columnsOf(run) {
  const t = run.trials;
  const own = (name, title, text = (value) => (value === null ? '–' : String(value)), isWord = false) => ({ name, title, isWord, value: (row) => t[name][row], text: (row) => text(t[name][row]) });
  return [
    own('id', 'trial'), own('state', 'state', undefined, true), own('score', 'score', (value) => numberText(value, 7)),
    ...run.params.map((axis, place) => ({ name: axis.name, title: axis.name, isWord: Boolean(axis.labels), value: (row) => (axis.labels ? axis.labels[t.values[place][row]] ?? null : t.values[place][row]), text: (row) => valueText(axis, t.values[place][row]) })),
    own('seconds', 'seconds', (value) => numberText(value, 4)), own('round', 'round'), own('member', 'member'), own('slot', 'slot', undefined, true),
    own('attempts', 'attempts'), own('parent', 'parent'), own('reason', 'reason', (value) => value || '–', true),
  ];
}

class Table {
  constructor(parent, run) {
    this.run = run;
    this.columns = columnsOf(run);
    this.rows = run.trials.id.map((_, row) => row);
    [this.sorted, this.isDown, this.first] = [null, false, 0];
    this.filter = make('input', { type: 'search', placeholder: 'filter: words, or score>0.9 state=failed', 'aria-label': 'filter of trials', oninput: () => this.choose() });
    this.said = make('span', { class: 'note', role: 'status' });
    this.back = make('button', { type: 'button', onclick: () => this.turn(-1) }, 'previous');
    this.next = make('button', { type: 'button', onclick: () => this.turn(1) }, 'next');
    this.head = make('tr');
    this.body = make('tbody');
    parent.append(
      make('div', { class: 'buttons' }, this.filter, this.back, this.next, this.said),
      make('div', { class: 'wide' }, make('table', { id: 'trials' }, make('thead', {}, this.head), this.body)),
    );
    this.heads();
    this.choose();
  }

  heads() {
    const cells = this.columns.map((column) => {
      const isHere = this.sorted === column, arrow = isHere ? (this.isDown ? ' ▼' : ' ▲') : '';
      return make('th', { 'aria-sort': isHere ? (this.isDown ? 'descending' : 'ascending') : null }, make('button', { type: 'button', title: `sort by ${column.title}`, onclick: () => this.sort(column) }, clip(column.title) + arrow));
    });
    this.head.replaceChildren(...cells.slice(0, 3), make('th', {}, 'log'), ...cells.slice(3));
  }

  sort(column) {
    this.isDown = this.sorted === column ? !this.isDown : column.name === 'score' && this.run.direction === 'maximize';
    this.sorted = column;
    this.heads();
    this.choose();
  }

  /** A test of rows from the text of the filter: every word must be found or every comparison be true. */
  test() {
    const tests = this.filter.value.trim().split(/\s+/).filter(Boolean).map((word) => this.testOf(word.toLowerCase()));
    return (row) => tests.every((test) => test(row));
  }

  testOf(word) {
    const [, name, operator, wanted] = word.match(COMPARISON) ?? [];
    const column = name && this.columns.find((one) => one.title.toLowerCase() === name);
    if (!column) return (row) => this.words(row).includes(word);
    const number = Number(wanted);
    if (operator in COMPARE) return (row) => { const value = column.value(row); return isNumber(value) && wanted !== '' && COMPARE[operator](value, number); };
    const isSame = (row) => { const value = column.value(row); return isNumber(value) && wanted !== '' && !Number.isNaN(number) ? value === number : column.text(row).toLowerCase() === wanted; };
    return operator === '=' ? isSame : (row) => !isSame(row);
  }

  words(row) {
    this.texts ??= [];
    return (this.texts[row] ??= this.columns.map((column) => column.text(row)).join('\n').toLowerCase());
  }

  choose() {
    const all = this.run.trials.id.map((_, row) => row);
    this.rows = all.filter(this.test());
    if (this.sorted) {
      const { value } = this.sorted, down = this.isDown ? -1 : 1, isMissing = (v) => v === null || v === undefined || v === '';
      const keys = new Map(this.rows.map((row) => [row, value(row)]));
      this.rows.sort((a, b) => {
        const [one, other] = [keys.get(a), keys.get(b)];
        if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other) || a - b;
        return (one < other ? -down : one > other ? down : 0) || a - b;
      });
    }
    this.first = 0;
    this.show();
  }

  turn(direction) { this.first += direction * PAGE; this.show(); }

  show() {
    const shown = this.rows.slice(this.first, this.first + PAGE);
    this.body.replaceChildren(...shown.map((row) => this.row(row)));
    this.back.disabled = this.first === 0;
    this.next.disabled = this.first + PAGE >= this.rows.length;
    const last = this.first + shown.length;
    this.said.textContent = shown.length ? `${countText(this.first + 1)} to ${countText(last)} of ${plural(this.rows.length, 'trial')}` : 'no trial fits the filter';
  }

  row(row) {
    const cells = this.columns.map((column) => {
      const text = column.text(row);
      return make('td', { class: column.name === 'state' ? `state ${STATES[text]}` : column.isWord ? null : 'number', title: text.length > 30 ? text : null }, text);
    });
    return make('tr', {}, ...cells.slice(0, 3), make('td', {}, logLink(this.run, row, 'log') ?? '–'), ...cells.slice(3));
  }
}

/** A link to the log of a trial, null if it has none. */
function logLink(run, row, text) {
  const t = run.trials;
  return t.log[row] ? make('a', { href: `${run.logs}/${t.log[row]}`, target: '_blank', rel: 'noopener noreferrer' }, text) : null;
}

function addFailures(parent, run) {
  const places = new Map(run.trials.id.map((id, row) => [id, row]));
  const rows = run.failures.map((group) => make('tr', {}, make('td', { class: 'number' }, countText(group.count)), make('td', {}, group.reason), make('td', {}, make('code', {}, group.line || '–')),
    make('td', {}, group.trials.flatMap((id) => [logLink(run, places.get(id), String(id)) ?? String(id), ' ']), group.count > group.trials.length ? '…' : '')));
  if (rows.length) parent.append(make('div', { class: 'wide' }, make('table', { id: 'failures' }, make('thead', {}, make('tr', {}, ['trials', 'reason', 'last line of the log', 'logs'].map((text) => make('th', {}, text)))), make('tbody', {}, rows))));
}
