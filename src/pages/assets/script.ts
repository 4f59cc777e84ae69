import { liveScript } from './live-script.js';
import { overlayScript } from './overlay-script.js';
import { slidesScript } from './slides-script.js';
import { sortScript } from './sort-script.js';

/**
 * The read-out of a curve below the pointer, a finger or the arrow keys.
 * A range input over each drawing takes the keys and says the values to screen readers.
 */
const chartScript = `
const share = (value, [low, high], of = (x) => x) => (of(value) - of(low)) / (of(high) - of(low));

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
`;

/**
 * Script of the page. Plain script of the browser, kept as text: without it everything is still there to be read.
 * `setUp` is called again for parts that a live page puts in place.
 */
export const script = `
'use strict';
${chartScript}${overlayScript}${slidesScript}${sortScript}
function setUp(root) {
  for (const [selector, prepare] of [['[data-chart]', setUpChart], ['[data-overlay]', setUpOverlay], ['[data-slides]', setUpSlides], ['table.sortable', setUpSort]])
    for (const element of root.querySelectorAll(selector)) prepare(element);
}
setUp(document);
${liveScript}`;
