/*
 * The page beyond showing itself: without this script everything is still there to be read. All of it stands in the page as
 * one inline script.
 */
'use strict';
/* global setUpCurves, setUpTable, setUpSlides, setUpFrames, setUpZoom */

/** Prepares a part of the page: all of it at first, later what a live page puts in place. */
function setUp(root) {
  for (const [selector, prepare] of [
    ['[data-curves]', setUpCurves],
    ['[data-slides]', setUpSlides],
    ['[data-frames]', setUpFrames],
    ['table.sortable, table.searched', setUpTable],
  ])
    for (const element of root.querySelectorAll(selector)) prepare(element);
  setUpZoom(root);
  const sections = [...root.querySelectorAll('section[data-folded]')];
  for (const section of root.matches?.('section[data-folded]') ? [root] : sections) setUpFold(section);
}

/** Sections that someone has opened. */
const opened = new Set();
const narrow = matchMedia('(max-width: 44rem)');

/** The heading of a section of details folds it away and opens it: on a narrow screen, or always. */
function setUpFold(section) {
  const heading = section.querySelector('h2');
  const button = document.createElement('button');
  Object.assign(button, { type: 'button', className: 'fold' });
  const show = () => {
    const folds = narrow.matches || section.dataset.folded === 'always';
    const isFolded = folds && !opened.has(section.id);
    section.classList.toggle('folded', isFolded);
    button.ariaExpanded = String(!isFolded);
    if (folds && !button.isConnected) {
      button.append(...heading.childNodes);
      heading.append(button);
    } else if (!folds && button.isConnected) button.replaceWith(...button.childNodes);
  };
  button.addEventListener('click', () => {
    if (!opened.delete(section.id)) opened.add(section.id);
    show();
  });
  section.addEventListener('unfold', () => {
    opened.add(section.id);
    show();
  });
  narrow.addEventListener('change', show);
  show();
}

/** Opens what a link within the page leads to. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const section = target?.closest('section.folded');
  section?.dispatchEvent(new Event('unfold'));
  if (section) target.scrollIntoView();
}

/**
 * Keeps a page of the server up to date: parts that changed are put in place; one whose slider or search is being used
 * waits until it is not. What was opened, chosen or focused in a part stays so.
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
  /** Parts that changed while their slider was used. */
  const waiting = new Map();
  const isUsed = (part) =>
    part.contains(document.activeElement) && ['range', 'search'].includes(document.activeElement.type);
  document.addEventListener('focusout', () =>
    setTimeout(() => {
      for (const [id, markup] of waiting) put(id, markup);
    }),
  );
  source.addEventListener('part', (event) => {
    const { id, markup } = JSON.parse(event.data);
    put(id, markup);
  });
  function put(id, markup) {
    const old = document.getElementById(id);
    waiting.delete(id);
    if (!old) return;
    if (isUsed(old)) {
      waiting.set(id, markup);
      return;
    }
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const template = document.createElement('template');
    template.innerHTML = markup;
    const fresh = template.content.firstElementChild;
    const chosen = (root) => [...root.querySelectorAll('input[type=checkbox], input[type=radio]')];
    const before = new Map(chosen(old).map((input) => [input.name + input.value, input.checked]));
    for (const input of chosen(fresh)) input.checked = before.get(input.name + input.value) ?? input.checked;
    for (const input of fresh.querySelectorAll('input[type=range][name]'))
      input.value = old.querySelector(`[name="${input.name}"]`)?.value ?? input.value;
    const open = [...old.querySelectorAll('details')].map((details) => details.open);
    [...fresh.querySelectorAll('details')].forEach((details, i) => (details.open = open[i] ?? details.open));
    const keyOf = (element) =>
      ['href', 'name', 'value', 'aria-label', 'class'].map((name) => element.getAttribute(name)).join();
    const slider = '[data-slides] input, [data-frames] input[type=range]';
    const step = old.querySelector(slider);
    old.replaceWith(fresh);
    setUp(fresh);
    // Whoever looks at an earlier picture goes on to look at it; all others see the latest.
    if (step && step.value !== step.max) {
      const same = fresh.querySelector(slider);
      same.value = step.value;
      same.dispatchEvent(new Event('input'));
    }
    if (active) {
      const same = [...fresh.querySelectorAll(active.tagName)].find(
        (element) => keyOf(element) === keyOf(active),
      );
      if (same) same.focus({ preventScroll: true });
    }
  }
}

setUp(document);
openTarget();
addEventListener('hashchange', openTarget);
// A link to where the page is already changes nothing of its address.
addEventListener('click', ({ target }) => {
  if (target.closest?.('a[href^="#"]')) setTimeout(openTarget);
});
// A choice in a form that asks for runs is asked for at once.
document
  .querySelector('form[role=search]')
  ?.addEventListener('change', ({ currentTarget }) => currentTarget.requestSubmit());
if (document.documentElement.dataset.live !== undefined) keepUpToDate();
