/* Curves, drawn as is chosen, and their read-outs. `smoothed`, `spread` and `valueAt` are those of `chart/smooth.js`. */
'use strict';
/* global smoothed, spread, valueAt */
/* exported setUpCurves, chooseRuns */

/** Units of a drawing's own coordinates along each side. */
const drawingSide = 1000;

/** Where a value lies between two others, from 0 to 1. */
const share = (value, [low, high], of = (x) => x) => (of(value) - of(low)) / (of(high) - of(low));

/** A time in few characters. */
function clock(seconds) {
  if (seconds < 60) return seconds.toFixed(1) + ' s';
  const minutes = Math.floor(seconds / 60);
  const two = (part) => String(Math.floor(part)).padStart(2, '0');
  return minutes < 60
    ? minutes + ' min ' + two(seconds % 60) + ' s'
    : Math.floor(minutes / 60) + ' h ' + two(minutes % 60) + ' min';
}

/** A number with four significant digits, very small and large ones by powers of ten. */
function digits(value) {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e6)) return String(Number(value.toPrecision(4)));
  const [mantissa, exponent] = value.toExponential(3).split('e');
  return `${Number(mantissa)} × 10${exponent.replace('+', '').replace(/./g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]))}`;
}

/** Numbers of the runs that a search left; undefined where all are shown. */
let chosenRuns;

/** Shows only some runs in charts, and beside each other in pictures. */
function chooseRuns(chosen) {
  chosenRuns = chosen;
  document.dispatchEvent(new Event('runs-chosen'));
  for (const heading of document.querySelectorAll('.cells thead [data-run]')) {
    const { cellIndex } = heading;
    const isLeft = chosen?.has(Number(heading.dataset.run)) ?? true;
    for (const row of heading.closest('table').rows) row.cells[cellIndex].hidden = !isLeft;
  }
}

/** Names of the curves that someone has hidden, in all charts of the page. The page's entry in the history keeps them. */
const hiddenCurves = new Set(history.state?.hiddenCurves);

/** Hides a curve, or shows it again. */
function toggleCurve(name) {
  if (!hiddenCurves.delete(name)) hiddenCurves.add(name);
  history.replaceState({ ...history.state, hiddenCurves: [...hiddenCurves] }, '');
  document.dispatchEvent(new Event('runs-chosen'));
}

/** The charts of a stage, with what can be chosen of them. */
function setUpCurves(frame) {
  const { across, runs, groups } = JSON.parse(frame.dataset.curves);
  const smoothing = frame.querySelector('.smoothing');
  for (const control of frame.querySelectorAll('.choice, .smoothing')) control.hidden = false;
  const chosen = (kind, otherwise) =>
    frame.querySelector('.choice.' + kind + ' :checked')?.value ?? otherwise;
  const range = across.step[1] - across.step[0];

  /** Where a step of a run is on the axis that is chosen. */
  function place(run, step, kind) {
    const { steps, seconds, images } = runs[run];
    if (kind === 'images') return step * images;
    if (kind !== 'time') return step;
    return valueAt(steps, seconds, step) ?? seconds[step < steps[0] ? 0 : seconds.length - 1];
  }
  const charts = [...frame.querySelectorAll('[data-chart]')].map((figure) =>
    setUpChart(figure, {
      ...{ across, runs, groups, place, range },
      choices: () => ({
        scale: chosen('scale', 'linear'),
        kind: chosen('across', 'step'),
        isMean: groups.length > 0 && chosen('seeds', 'mean') === 'mean',
        weight: Number(smoothing.querySelector('input').value),
        most: Number(chosen('many', Infinity)),
      }),
    }),
  );
  const many = frame.querySelector('.choice.many');
  const draw = () => {
    // Of no more settings than are told apart there is nothing to choose.
    if (many && groups.length > 0)
      many.hidden = chosen('seeds') === 'mean' && groups.length <= Number(many.querySelector('input').value);
    charts.forEach((each) => each());
  };
  frame.addEventListener('change', (event) => {
    if (event.target.type === 'radio') draw();
  });
  smoothing.addEventListener('input', ({ target }) => {
    smoothing.querySelector('output').textContent = target.value;
    draw();
  });
  smoothing.querySelector('output').textContent = smoothing.querySelector('input').value;
  document.addEventListener('runs-chosen', draw);
  draw();
}

/** Prepares a chart, and gives what draws it anew. */
function setUpChart(figure, { across, runs, groups, place, range, choices }) {
  const data = JSON.parse(figure.dataset.chart);
  const canvas = figure.querySelector('.canvas');
  const input = figure.querySelector('.scrub');
  const readout = figure.querySelector('.readout');
  const atRest = readout.textContent;
  const texts = (list) => [...figure.querySelectorAll(list)];
  const [legend, seedLegend] = [
    figure.querySelector('.legend:not(.by-seeds)'),
    figure.querySelector('.by-seeds'),
  ];
  const outputs = texts('[data-curve]').map((output) => ({ output, rest: output.textContent }));
  /** The lines that are drawn, and the cursor of each. */
  let lines = [];
  let shown = choices();
  /** Where points of the lines are, from the last drawing on. */
  let placed;
  input.hidden = false;

  for (const item of texts('.legend li')) {
    const [swatch, name] = item.children;
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', name: figure.id, value: name.textContent });
    button.title = 'Shows or hides this curve';
    button.addEventListener('click', () => toggleCurve(button.value));
    swatch.replaceWith(button);
    button.append(swatch, ' ', name);
  }
  const nameIn = (list, i) => list?.children[i].querySelector('bdi').textContent;

  /** The lines of single runs. */
  function eachLine({ weight }) {
    return data.curves.map((curve, c) => {
      const { steps, values } = curve.means ?? curve;
      return {
        ...{ curve, line: curve.line, run: curve.run, name: nameIn(legend, c) },
        output: outputs[c]?.output,
        rest: outputs[c]?.rest,
        drawn: { steps, values: smoothed(steps, values, weight, range) },
        steps: curve.steps,
        text: (i) => curve.text[i],
      };
    });
  }

  /** One line for all runs that differ in their seed alone: their mean, and the band that they lie in. */
  function meanLine(own, group) {
    const { steps, mean, least, greatest } = spread(own.map(({ drawn }) => drawn));
    if (steps.length === 0) return [];
    const all = runs.filter((run) => run.group === group).length;
    const part = own.length < all ? ` · ${own.length} of them` : '';
    const text = (i) => {
      const [low, middle, high] = [least[i], mean[i], greatest[i]].map(digits);
      return (
        (low === high ? middle : `${middle} (${low} to ${high})`) + (data.unit && ' ' + data.unit) + part
      );
    };
    return [
      {
        ...{ line: groups[group], run: own[0].run, name: nameIn(seedLegend, group) },
        output: seedLegend.querySelector('[data-group="' + group + '"]'),
        rest: text(steps.length - 1),
        drawn: { steps, values: mean },
        band: own.length > 1 ? { least, greatest } : undefined,
        steps,
        text,
        members: own.map(({ run }) => run),
      },
    ];
  }

  function draw() {
    shown = choices();
    const { scale, kind, isMean } = shown;
    const isLog = data.y.log && scale === 'log';
    // The best are runs, or settings with all their seeds.
    const isChosen = ({ numbers, group }, run) =>
      chosenRuns ? numbers.some((number) => chosenRuns.has(number)) : (isMean ? group : run) < shown.most;
    const each = eachLine(shown).filter(({ run }) => isChosen(runs[run], run));
    const byMean = groups.flatMap((_, group) => {
      const own = isMean ? each.filter(({ run }) => runs[run].group === group) : [];
      return own.length > 0 ? meanLine(own, group) : [];
    });
    for (const { cursor } of lines) cursor.remove();
    const listed = isMean ? byMean : each;
    const isHidden = ({ name, output }) => output !== undefined && hiddenCurves.has(name);
    lines = listed.filter((line) => !isHidden(line));
    if (seedLegend) [legend.hidden, seedLegend.hidden] = [isMean, !isMean];
    for (const item of texts('.legend li')) item.hidden = true;
    for (const line of listed) {
      if (line.output === undefined) continue;
      const item = line.output.closest('li');
      item.hidden = false;
      item.querySelector('button').ariaPressed = String(!isHidden(line));
      line.output.textContent = line.rest;
    }
    for (const line of lines) {
      line.cursor = document.createElement('span');
      line.cursor.className = 'cursor' + (outputs.length > 0 ? ' line-' + line.line : '');
      canvas.append(line.cursor);
    }

    const x = (line, step) => {
      const members = line.members ?? [line.run];
      return members.reduce((sum, run) => sum + place(run, step, kind), 0) / members.length;
    };
    const y = (value) => (isLog ? share(value, data.y.log, Math.log) : share(value, data.y.linear));
    const point = (line, step, value) =>
      (drawingSide * share(x(line, step), across[kind])).toFixed(1) +
      ' ' +
      (drawingSide * (1 - y(value))).toFixed(1);
    const points = (line, steps, values) => steps.map((step, i) => point(line, step, values[i]));
    const group = figure.querySelector('svg.drawing g.' + (isLog ? 'log' : 'linear'));
    for (const old of group.querySelectorAll('path:not(.rule)')) old.remove();
    const path = (className, d) => {
      const made = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      made.setAttribute('class', className);
      made.setAttribute('d', d);
      group.append(made);
    };
    for (const line of lines) {
      const { steps } = line;
      if (line.band)
        path(
          'band line-' + line.line,
          'M' +
            [
              ...points(line, steps, line.band.greatest),
              ...points(line, steps.toReversed(), line.band.least.toReversed()),
            ].join('L') +
            'Z',
        );
      if (line.curve && steps.length > 1)
        path('raw line-' + line.line, 'M' + points(line, steps, line.curve.values).join('L'));
    }
    for (const line of lines) {
      const { steps, values } = line.drawn;
      const isDot = steps.length === 1;
      path(
        'curve line-' + line.line + (isDot ? ' dot' : ''),
        'M' + points(line, steps, values).join('L') + (isDot ? 'h0' : ''),
      );
    }
    Object.assign(input, { max: Math.max(1, longest().length - 1) });
    placed = { x, y };
    rest();
  }

  /** The line with the most points, whose steps the slider goes through. */
  const longestLine = () => lines.reduce((a, b) => (b.steps.length > a.steps.length ? b : a));
  const longest = () => (lines.length === 0 ? [] : longestLine().steps);

  function at(step) {
    const { kind } = shown;
    const where = 'step ' + step.toLocaleString('en-US');
    if (kind === 'step' || lines.length === 0) return where;
    const value = placed.x(lines[0], step);
    return (
      where +
      (kind === 'time' ? ', ' + clock(value) : ', ' + Math.round(value).toLocaleString('en-US') + ' images')
    );
  }
  function show(step) {
    const { kind } = shown;
    const isOne = outputs.length === 0;
    const said = lines.map((line) => {
      const { steps } = line;
      const isPast = step > steps[steps.length - 1] || step < steps[0];
      const i = nearestIn(steps, step);
      line.cursor.hidden = isPast;
      line.cursor.style.left = 100 * share(placed.x(line, steps[i]), across[kind]) + '%';
      const height = valueAt(line.drawn.steps, line.drawn.values, steps[i]);
      line.cursor.style.setProperty('--at', 100 * placed.y(height ?? line.drawn.values[0]) + '%');
      const text = isPast ? '–' : line.text(i);
      if (line.output) line.output.textContent = text;
      return isOne ? text : line.name + ' ' + text;
    });
    const where = at(step);
    readout.textContent = isOne ? said[0] + ' at ' + where : where[0].toUpperCase() + where.slice(1);
    input.setAttribute(
      'aria-valuetext',
      isOne ? readout.textContent : readout.textContent + ': ' + said.join(', '),
    );
  }
  function rest() {
    for (const line of lines) {
      line.cursor.hidden = true;
      if (line.output) line.output.textContent = line.rest;
    }
    readout.textContent = atRest;
    const steps = longest();
    input.value = steps.length - 1;
    if (outputs.length === 0) input.setAttribute('aria-valuetext', atRest);
  }
  const chosenStep = () => longest()[Math.min(Number(input.value), longest().length - 1)];
  const showChosen = () => {
    if (lines.length > 0) show(chosenStep());
  };
  for (const type of ['input', 'focus']) input.addEventListener(type, showChosen);
  input.addEventListener('blur', rest);
  for (const type of ['pointerdown', 'pointermove'])
    canvas.addEventListener(type, (event) => {
      if (lines.length === 0) return;
      const { left, width } = canvas.getBoundingClientRect();
      const [low, high] = across[shown.kind];
      const wanted = low + ((event.clientX - left) / width) * (high - low);
      const most = longestLine();
      const i = nearestIn(
        most.steps.map((step) => placed.x(most, step)),
        wanted,
      );
      input.value = i;
      show(most.steps[i]);
    });
  canvas.addEventListener('pointerleave', () => {
    if (document.activeElement !== input) rest();
  });
  return draw;
}

/** The place of the value that is nearest, in ascending order. */
function nearestIn(values, wanted) {
  let [low, high] = [0, values.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle;
    else high = middle;
  }
  return wanted - values[low] < values[high] - wanted ? low : high;
}
