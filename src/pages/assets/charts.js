/* Read-outs of curves. */
'use strict';
/* exported setUpChart, setUpOverlay */

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
