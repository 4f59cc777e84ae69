/*
 * The page beyond showing itself: without this script everything is still there to be read. All of it stands in the page as
 * one inline script.
 */
'use strict';

/** Where a value lies between two others, from 0 to 1. */
const share = (value, [low, high], of = (x) => x) => (of(value) - of(low)) / (of(high) - of(low));

/**
 * The read-out of a curve below the pointer, a finger or the arrow keys.
 * A range input over each drawing takes the keys and says the values to screen readers.
 */
function setUpChart(figure) {
  const data = JSON.parse(figure.dataset.chart);
  const canvas = figure.querySelector('.canvas');
  const input = figure.querySelector('.scrub');
  const readout = figure.querySelector('.readout');
  const atRest = readout.textContent;
  const cursor = document.createElement('span');
  cursor.className = 'cursor';
  cursor.hidden = true;
  canvas.append(cursor);
  input.hidden = false;

  const isLog = () => data.log && figure.closest('.curves').querySelector('.log-scale').checked;
  const text = (i) => data.text[i] + ' at step ' + data.steps[i].toLocaleString('en-US');

  function show(i) {
    const value = data.values[i];
    const height = isLog() ? share(value, data.log, Math.log) : share(value, data.linear);
    cursor.style.left = 100 * share(data.steps[i], data.x) + '%';
    cursor.style.setProperty('--at', 100 * height + '%');
    cursor.hidden = false;
    input.value = i;
    input.setAttribute('aria-valuetext', text(i));
    readout.textContent = text(i);
  }
  function rest() {
    cursor.hidden = true;
    readout.textContent = atRest;
  }
  function nearest(event) {
    const { left, width } = canvas.getBoundingClientRect();
    const step = data.x[0] + ((event.clientX - left) / width) * (data.x[1] - data.x[0]);
    let low = 0;
    let high = data.steps.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (data.steps[middle] < step) low = middle;
      else high = middle;
    }
    return step - data.steps[low] < data.steps[high] - step ? low : high;
  }

  input.setAttribute('aria-valuetext', text(data.steps.length - 1));
  input.addEventListener('input', () => show(Number(input.value)));
  input.addEventListener('focus', () => show(Number(input.value)));
  input.addEventListener('blur', rest);
  for (const type of ['pointerdown', 'pointermove'])
    canvas.addEventListener(type, (event) => show(nearest(event)));
  canvas.addEventListener('pointerleave', () => {
    if (document.activeElement !== input) rest();
  });
  figure.closest('.curves').addEventListener('change', (event) => {
    if (event.target.type === 'radio' && !cursor.hidden) show(Number(input.value));
  });
}

/** The read-out of curves over each other: at a step, the value of each. */
function setUpOverlay(figure) {
  const data = JSON.parse(figure.dataset.overlay);
  const canvas = figure.querySelector('.canvas');
  const input = figure.querySelector('.scrub');
  const readout = figure.querySelector('.readout');
  const outputs = [...figure.querySelectorAll('[data-curve]')];
  const atRest = outputs.map((output) => output.textContent);
  const longest = data.curves.reduce((a, b) => (b.steps.length > a.steps.length ? b : a));
  const cursors = data.curves.map((curve, i) => {
    const cursor = document.createElement('span');
    cursor.className = 'cursor line-' + figure.querySelectorAll('.legend path')[i].classList[1].slice(5);
    cursor.hidden = true;
    canvas.append(cursor);
    return cursor;
  });
  const isLog = () => data.curves[0].at.log && figure.closest('.curves').querySelector('.log-scale').checked;
  input.hidden = false;

  function nearestIn(steps, step) {
    let best = 0;
    for (let i = 1; i < steps.length; i++)
      if (Math.abs(steps[i] - step) < Math.abs(steps[best] - step)) best = i;
    return best;
  }
  function show(step) {
    const texts = data.curves.map((curve, c) => {
      const isPast = step > curve.steps[curve.steps.length - 1];
      const i = nearestIn(curve.steps, step);
      cursors[c].hidden = isPast;
      cursors[c].style.left = 100 * share(curve.steps[i], data.x) + '%';
      cursors[c].style.setProperty('--at', curve.at[isLog() ? 'log' : 'linear'][i] + '%');
      return (outputs[c].textContent = isPast ? '–' : curve.text[i]);
    });
    readout.textContent = 'Step ' + step.toLocaleString('en-US');
    const names = [...figure.querySelectorAll('.legend bdi')].map((name) => name.textContent);
    input.setAttribute(
      'aria-valuetext',
      readout.textContent + ': ' + texts.map((text, c) => names[c] + ' ' + text).join(', '),
    );
  }
  function rest() {
    for (const cursor of cursors) cursor.hidden = true;
    outputs.forEach((output, i) => (output.textContent = atRest[i]));
    readout.textContent = '';
  }
  const chosen = () => longest.steps[Math.min(Number(input.value), longest.steps.length - 1)];
  input.addEventListener('input', () => show(chosen()));
  input.addEventListener('focus', () => show(chosen()));
  input.addEventListener('blur', rest);
  for (const type of ['pointerdown', 'pointermove'])
    canvas.addEventListener(type, (event) => {
      const { left, width } = canvas.getBoundingClientRect();
      const i = nearestIn(
        longest.steps,
        data.x[0] + ((event.clientX - left) / width) * (data.x[1] - data.x[0]),
      );
      input.value = i;
      show(longest.steps[i]);
    });
  canvas.addEventListener('pointerleave', () => {
    if (document.activeElement !== input) rest();
  });
  figure.closest('.curves').addEventListener('change', (event) => {
    if (event.target.type === 'radio' && !cursors[0].hidden) show(chosen());
  });
}

/** One picture at a time, with a slider over the steps; without it all are there side by side. */
function setUpSlides(slides) {
  const control = slides.querySelector('.slide-control');
  const input = control.querySelector('input');
  const output = control.querySelector('output');
  const figures = [...slides.querySelectorAll('figure')];
  slides.classList.add('one-at-a-time');
  slides.querySelector('.slide-strip').removeAttribute('tabindex');
  control.hidden = false;
  input.addEventListener('input', () => {
    figures.forEach((figure, i) => figure.classList.toggle('current', i === Number(input.value)));
    const step = figures[Number(input.value)].dataset.step;
    output.textContent = step;
    input.setAttribute('aria-valuetext', 'step ' + step);
  });
}

/**
 * Tables whose rows a click on a heading puts in order, ascending and then descending, by the values of its cells; those
 * without one come last. Headings become buttons, so that keys do it too.
 */
function setUpSort(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (a === '' || b === '') return undefined;
    return isNaN(a) || isNaN(b) ? a.localeCompare(b, 'en', { numeric: true }) : a - b;
  };
  for (const [column, heading] of headings.entries()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const direction = heading.ariaSort === 'ascending' ? -1 : 1;
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', direction === 1 ? 'ascending' : 'descending');
      const rows = [...body.rows].sort((a, b) => {
        const [one, other] = [valueOf(a, column), valueOf(b, column)];
        const order = compare(one, other);
        return order === undefined ? (one === '') - (other === '') : direction * order;
      });
      body.append(...rows);
    });
  }
}

/** Prepares a part of the page: all of it at first, later what a live page puts in place. */
function setUp(root) {
  for (const [selector, prepare] of [
    ['[data-chart]', setUpChart],
    ['[data-overlay]', setUpOverlay],
    ['[data-slides]', setUpSlides],
    ['table.sortable', setUpSort],
  ])
    for (const element of root.querySelectorAll(selector)) prepare(element);
}

/**
 * Keeps a page of the server up to date: parts that changed are put in place, but for one whose slider is being used,
 * whose turn comes when it changes again. What was opened, chosen or focused in a part stays so.
 */
function keepUpToDate() {
  const note = document.querySelector('.live-note');
  const page = location.pathname + location.search;
  const source = new EventSource('/events?page=' + encodeURIComponent(page));
  source.addEventListener('open', () => (note.textContent = 'Live'));
  source.addEventListener(
    'error',
    () => (note.textContent = 'Not connected: the server has ended or is busy'),
  );
  source.addEventListener('reload', () => location.reload());
  source.addEventListener('part', (event) => {
    const { id, markup } = JSON.parse(event.data);
    const old = document.getElementById(id);
    const active = old && old.contains(document.activeElement) ? document.activeElement : null;
    if (!old || (active && active.type === 'range')) return;
    const template = document.createElement('template');
    template.innerHTML = markup;
    const fresh = template.content.firstElementChild;
    const chosen = (root) => [...root.querySelectorAll('input[type=checkbox], input[type=radio]')];
    const before = new Map(chosen(old).map((input) => [input.name + input.value, input.checked]));
    for (const input of chosen(fresh)) input.checked = before.get(input.name + input.value) ?? input.checked;
    const open = [...old.querySelectorAll('details')].map((details) => details.open);
    [...fresh.querySelectorAll('details')].forEach((details, i) => (details.open = open[i] ?? details.open));
    const keyOf = (element) =>
      ['href', 'name', 'value', 'aria-label', 'class'].map((name) => element.getAttribute(name)).join();
    old.replaceWith(fresh);
    setUp(fresh);
    if (active) {
      const same = [...fresh.querySelectorAll(active.tagName)].find(
        (element) => keyOf(element) === keyOf(active),
      );
      if (same) same.focus({ preventScroll: true });
    }
  });
}

setUp(document);
if (document.documentElement.dataset.live !== undefined) keepUpToDate();
