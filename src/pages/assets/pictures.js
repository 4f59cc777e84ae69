/* Pictures: those of several steps, and any of them large. */
'use strict';
/* exported setUpSlides, setUpFrames, setUpZoom */

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

/** Pictures side by side at the step that a slider says, drawn from the sheets that a page holds of each column. */
function setUpFrames(section) {
  const control = section.querySelector('.slide-control');
  if (control === null) return;
  const input = control.querySelector('input');
  const output = control.querySelector('output');
  const steps = JSON.parse(section.dataset.frames);
  const rows = [...section.querySelectorAll('.cells tbody tr')];
  const notes = [...section.querySelectorAll('.at-step')];
  const columns = notes.map((_, column) => [...section.querySelectorAll(`.sheet[data-column="${column}"]`)]);
  const canvas = document.createElement('canvas');
  control.hidden = false;

  async function draw(column, step, isCurrent) {
    const past = columns[column].filter((sheet) => Number(sheet.dataset.step) <= step);
    const sheet = past.at(-1);
    const pictures = rows.map((row) => row.cells[column + 1].querySelector('img'));
    notes[column].textContent =
      sheet === undefined
        ? 'not yet drawn'
        : Number(sheet.dataset.step) === step
          ? ''
          : 'step ' + Number(sheet.dataset.step).toLocaleString('en-US');
    if (sheet !== undefined) await sheet.decode();
    if (!isCurrent()) return;
    for (const [row, picture] of pictures.entries()) {
      if (picture === null) continue;
      picture.classList.toggle('absent', sheet === undefined);
      if (sheet === undefined) continue;
      const size = sheet.naturalWidth;
      canvas.width = canvas.height = size;
      canvas.getContext('2d').drawImage(sheet, 0, row * size, size, size, 0, 0, size, size);
      picture.src = canvas.toDataURL();
    }
  }
  let turn = 0;
  input.addEventListener('input', () => {
    const step = steps[Number(input.value)];
    const own = ++turn;
    output.textContent = step.toLocaleString('en-US');
    input.setAttribute('aria-valuetext', 'step ' + output.textContent);
    for (const column of columns.keys()) void draw(column, step, () => own === turn);
  });
}

/** Groups of pictures, within which the arrows go from one to the next. */
const groups = '.samples, .cells, .slides, .frame';

/**
 * Any picture large, by click, Enter or Space: the arrows and swipes go to the next one, `+`, `-`, the wheel and two
 * fingers change its size, dragging moves it, Escape and the picture's surroundings close it. Of each group of pictures
 * one is reached by Tab, the others by the arrows.
 */
function setUpZoom(root) {
  const pictures = [...root.querySelectorAll('main img, section img')].filter(
    (picture) => picture.closest('[hidden]') === null && picture.closest(groups) !== null,
  );
  const seen = new Set();
  for (const picture of new Set(pictures)) {
    const group = picture.closest(groups);
    picture.setAttribute('role', 'button');
    picture.setAttribute('aria-haspopup', 'dialog');
    picture.tabIndex = seen.has(group) ? -1 : 0;
    seen.add(group);
    picture.addEventListener('click', () => zoomTo(picture));
    picture.addEventListener('keydown', (event) => {
      const next = neighbour(picture, event.key);
      if (event.key === 'Enter' || event.key === ' ') zoomTo(picture);
      else if (next) {
        picture.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      } else return;
      event.preventDefault();
    });
  }
}

const shownIn = (group) => [...group.querySelectorAll('img[role]')].filter((one) => one.offsetWidth > 0);

/** The picture that an arrow key leads to: the next one, or the nearest above or below. */
function neighbour(picture, key) {
  const all = shownIn(picture.closest(groups));
  const at = all.indexOf(picture);
  if (key === 'ArrowRight') return all[at + 1];
  if (key === 'ArrowLeft') return all[at - 1];
  if (key !== 'ArrowDown' && key !== 'ArrowUp') return undefined;
  const own = picture.getBoundingClientRect();
  const way = key === 'ArrowDown' ? 1 : -1;
  const distance = (one) => {
    const { left, top } = one.getBoundingClientRect();
    return way * (top - own.top) < 1 ? Infinity : Math.abs(top - own.top) * 100 + Math.abs(left - own.left);
  };
  const near = all.reduce((best, one) => (distance(one) < distance(best) ? one : best), picture);
  return near === picture ? undefined : near;
}

/** The dialog in which a picture is large; made when the first one is. */
let zoom;
const mostZoom = 40;

function zoomTo(picture) {
  zoom ??= makeZoom();
  zoom.show(picture);
}

function makeZoom() {
  const dialog = document.createElement('dialog');
  dialog.className = 'zoom';
  const large = new Image();
  large.draggable = false;
  const caption = document.createElement('p');
  caption.setAttribute('role', 'status');
  const button = (label, text, act) => {
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = text;
    made.setAttribute('aria-label', label);
    made.addEventListener('click', act);
    return made;
  };
  const bar = document.createElement('div');
  bar.className = 'zoom-bar';
  let current;
  let scale = 1;
  let [x, y] = [0, 0];
  /** Where each finger or the pressed pointer is. */
  const fingers = new Map();
  let moved = 0;

  const place = () => {
    large.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  };
  const resize = (factor, at = { x: innerWidth / 2, y: innerHeight / 2 }) => {
    const next = Math.min(mostZoom, Math.max(1, scale * factor));
    const [dx, dy] = [at.x - innerWidth / 2, at.y - innerHeight / 2];
    // What is below the pointer stays there.
    x = next === 1 ? 0 : dx - ((dx - x) * next) / scale;
    y = next === 1 ? 0 : dy - ((dy - y) * next) / scale;
    scale = next;
    place();
  };
  const show = (picture) => {
    current = picture;
    [scale, x, y] = [1, 0, 0];
    large.src = picture.src;
    large.alt = picture.alt;
    const { naturalWidth, naturalHeight } = picture;
    large.style.aspectRatio = `${naturalWidth} / ${naturalHeight}`;
    large.style.setProperty('--shape', naturalWidth / naturalHeight);
    large.classList.toggle('pixels', Math.max(naturalWidth, naturalHeight) <= 256);
    caption.textContent = `${picture.alt} · ${naturalWidth} × ${naturalHeight} px`;
    place();
    if (!dialog.open) dialog.showModal();
  };
  const go = (key) => {
    const next = neighbour(current, key);
    if (next) show(next);
  };
  bar.append(
    button('Previous picture', '←', () => go('ArrowLeft')),
    button('Smaller', '−', () => resize(1 / 1.5)),
    button('Larger', '+', () => resize(1.5)),
    button('Next picture', '→', () => go('ArrowRight')),
    button('Close', '×', () => dialog.close()),
  );
  dialog.append(large, caption, bar);
  dialog.setAttribute('aria-label', 'Picture');
  document.body.append(dialog);

  dialog.addEventListener('keydown', (event) => {
    const { key } = event;
    if (key.startsWith('Arrow')) go(key);
    else if (key === '+' || key === '=') resize(1.5);
    else if (key === '-') resize(1 / 1.5);
    else if (key === '0') resize(0);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener('close', () => current.focus({ preventScroll: true }));
  dialog.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      resize(Math.exp(-event.deltaY / 300), event);
    },
    { passive: false },
  );
  dialog.addEventListener('pointerdown', (event) => {
    if (bar.contains(event.target)) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 1) moved = 0;
    dialog.setPointerCapture(event.pointerId);
  });
  dialog.addEventListener('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other !== undefined) {
      const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y);
      resize(apart(now) / apart(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
      moved = Infinity;
    } else if (scale > 1) {
      [x, y] = [x + now.x - before.x, y + now.y - before.y];
      place();
    }
    moved += other === undefined ? now.x - before.x : 0;
    fingers.set(event.pointerId, now);
  });
  for (const type of ['pointerup', 'pointercancel'])
    dialog.addEventListener(type, (event) => {
      if (!fingers.delete(event.pointerId) || fingers.size > 0) return;
      if (scale === 1 && Number.isFinite(moved) && Math.abs(moved) > 40)
        go(moved < 0 ? 'ArrowRight' : 'ArrowLeft');
      else if (moved === 0 && type === 'pointerup' && event.target === dialog && !isOn(large, event))
        dialog.close();
    });
  return { show };
}

const isOn = (element, { clientX, clientY }) => {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
};
