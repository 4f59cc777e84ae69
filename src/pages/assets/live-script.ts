/**
 * Keeps a page of the server up to date: parts that changed are put in place, but for one whose slider is being used,
 * whose turn comes when it changes again. What was opened, chosen or focused in a part stays so.
 */
export const liveScript = `
if (document.documentElement.dataset.live !== undefined) {
  const note = document.querySelector('.live-note');
  const page = location.pathname + location.search;
  const source = new EventSource('/events?page=' + encodeURIComponent(page));
  source.addEventListener('open', () => (note.textContent = 'Live'));
  source.addEventListener('error', () => (note.textContent = 'Not connected: the server has ended or is busy'));
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
    const keyOf = (element) => ['href', 'name', 'value', 'aria-label', 'class'].map((name) => element.getAttribute(name)).join();
    old.replaceWith(fresh);
    setUp(fresh);
    if (active) {
      const same = [...fresh.querySelectorAll(active.tagName)].find((element) => keyOf(element) === keyOf(active));
      if (same) same.focus({ preventScroll: true });
    }
  });
}
`;
