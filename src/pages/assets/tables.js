/* Tables that can be searched, put in order and grouped. */
'use strict';
/* global digits, chooseRuns */
/* exported setUpTable */

/** Comparisons in a search, such as `loss<1.2` or `state=failed`. */
const comparisons = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
};

const textOf = (element) => element.textContent.replaceAll(/\s+/g, ' ').trim();
const sortedBy = (cell) => cell.dataset.value ?? textOf(cell);
const isNumber = (text) => text !== '' && !isNaN(text);

/** Whether a row has all words of a search, each anywhere or, with a comparison, in the column that it begins with. */
function matches(row, names, search) {
  return search.every((word) => {
    const [, name, comparison, wanted] = /^([^<>=!]+)(!=|<=|>=|=|<|>)(.+)$/.exec(word) ?? [];
    const column = name === undefined ? -1 : names.findIndex((own) => own.endsWith(name));
    if (column < 0) return textOf(row).toLowerCase().includes(word);
    const value = sortedBy(row.cells[column]).toLowerCase();
    if (value === '') return comparison === '!=';
    const [one, other] =
      isNumber(value) && isNumber(wanted) ? [Number(value), Number(wanted)] : [value, wanted];
    return comparisons[comparison](one, other);
  });
}

/** Ascending order of two cells' values; those without one come last whatever the direction is. */
function compareValues(one, other, direction) {
  if (one === '' || other === '') return (one === '') - (other === '');
  const order =
    isNumber(one) && isNumber(other) ? one - other : one.localeCompare(other, 'en', { numeric: true });
  return direction * order;
}

/** What was searched for, sorted and grouped by in the tables of each section: a live page puts tables anew. */
const kept = new Map();

/**
 * A search over the rows of a table. A sortable one is put in order by a click on a heading, ascending and then
 * descending, and grouped by the values of a column. Charts and pictures of the page show the runs that are left.
 */
function setUpTable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const names = headings.map((heading) => textOf(heading).toLowerCase());
  const isSortable = table.classList.contains('sortable');
  if (rows.length < 2) return;
  const make = (name, attributes, ...content) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...content);
    return made;
  };
  const judged = headings.findIndex((heading) => heading.classList.contains('headline'));
  const middle = rows.map((row) => (judged < 0 ? '' : sortedBy(row.cells[judged]))).filter(isNumber);
  const example =
    middle.length > 0 ? `, or ${names[judged].replace(/^.* /, '')}<${digits(Number(middle[0]))}` : '';
  const search = make('input', { type: 'search', placeholder: `Words${example}` });
  const count = make('output', { className: 'soft' });
  const option = (text, value) => make('option', { value }, text);
  const grouping = make('select', {}, option('nothing', ''));
  for (const [i, heading] of headings.entries()) {
    const values = new Set(rows.map((row) => sortedBy(row.cells[i])));
    if (heading.classList.contains('groups') && values.size > 1) grouping.append(option(textOf(heading), i));
  }
  const controls = [make('label', {}, 'Search ', search)];
  if (isSortable && grouping.options.length > 1) controls.push(make('label', {}, 'Group by ', grouping));
  const place = table.closest('.frame') ?? table;
  place.before(make('div', { className: 'table-controls' }, ...controls, count));
  const key = (table.closest('section')?.id ?? '') + textOf(table.tHead);
  let sorted = kept.get(key)?.sorted;
  search.value = kept.get(key)?.search ?? '';
  grouping.value = kept.get(key)?.group ?? '';

  function headingOf(own, column) {
    const values = own.flatMap(({ cells }) => {
      const value = judged < 0 ? '' : sortedBy(cells[judged]);
      return isNumber(value) ? Number(value) : [];
    });
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const facts = [
      own.length + (own.length === 1 ? ' row' : ' rows'),
      ...(values.length > 0 ? [`mean of ${textOf(headings[judged]).replace(' ↕', '')} ${digits(mean)}`] : []),
    ];
    const title = `${textOf(headings[column])} ${textOf(own[0].cells[column])} `;
    const cell = make('th', { className: 'group', colSpan: headings.length, scope: 'rowgroup' }, title);
    cell.append(make('small', {}, facts.join(' · ')));
    return make('tr', { className: 'group-row' }, cell);
  }
  function show() {
    kept.set(key, { sorted, search: search.value, group: grouping.value });
    for (const [i, heading] of headings.entries()) {
      const isSorted = i === sorted?.column;
      if (isSorted) heading.setAttribute('aria-sort', sorted.direction === 1 ? 'ascending' : 'descending');
      else heading.removeAttribute('aria-sort');
      for (const row of [table.tHead.rows[0], ...rows]) row.cells[i].classList.toggle('sorted', isSorted);
    }
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const ordered =
      sorted === undefined
        ? rows
        : [...rows].sort((a, b) =>
            compareValues(
              sortedBy(a.cells[sorted.column]),
              sortedBy(b.cells[sorted.column]),
              sorted.direction,
            ),
          );
    for (const row of rows) row.hidden = !matches(row, names, words);
    const left = ordered.filter((row) => !row.hidden);
    const column = grouping.value === '' ? undefined : Number(grouping.value);
    const groups = new Map();
    for (const row of left) {
      const value = column === undefined ? '' : sortedBy(row.cells[column]);
      groups.set(value, [...(groups.get(value) ?? []), row]);
    }
    const entries = [...groups].sort(([a], [b]) => (column === undefined ? 0 : compareValues(a, b, 1)));
    body.replaceChildren(
      ...entries.flatMap(([, own]) => (column === undefined ? own : [headingOf(own, column), ...own])),
      ...ordered.filter((row) => row.hidden),
    );
    count.textContent = words.length === 0 ? '' : `${left.length} of ${rows.length}`;
    if (rows.some((row) => row.dataset.run !== undefined))
      chooseRuns(
        words.length === 0 ? undefined : new Set(left.map(({ dataset }) => Number(dataset.run ?? -1))),
      );
  }
  for (const control of [search, grouping]) control.addEventListener('input', show);
  for (const [column, heading] of isSortable ? headings.entries() : []) {
    const button = make('button', { type: 'button' }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const direction = sorted?.column === column && sorted.direction === 1 ? -1 : 1;
      sorted = { column, direction };
      show();
    });
  }
  if (kept.has(key)) show();
}
