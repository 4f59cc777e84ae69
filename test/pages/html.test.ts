import { expect, it } from 'vitest';
import { html } from '../../src/pages/html.js';
import { type Row, table } from '../../src/pages/table.js';

it('templates escape text, keep markup, join lists and leave out what is absent', () => {
  const list = ['<', html`<br />`].map((item) => html`<li>${item}</li>`);
  expect(html`<p title="${`"'&`}">${list}${false}${undefined}${0}</p>`.text).toBe(
    '<p title="&quot;&#39;&amp;"><li>&lt;</li><li><br /></li>0</p>',
  );
});

const rowsOf = (markup: { text: string }): string[] =>
  markup.text.replace(/\s+/g, ' ').match(/<tr.*?<\/tr>/g) ?? [];

it('a table names its rows by one column, and says what a cell is sorted by', () => {
  const columns = ['Stage', { heading: 'Run', namesRows: true }, { heading: 'Time', kind: 'duration' }];
  const rows: Row[] = [
    { kind: 'same', cells: ['a', html`<b>1</b>`, { content: '2 s', sortedBy: 2 }] },
    ['"', 0, false],
  ];
  expect(rowsOf(table({ columns, rows })).map((row) => row.replace(/> </g, '><'))).toEqual([
    '<tr><th scope="col">Stage</th><th scope="col">Run</th><th scope="col" class="duration">Time</th></tr>',
    '<tr class="same"><td>a</td><th scope="row"><b>1</b></th><td class="duration" data-value="2">2 s</td></tr>',
    '<tr><td>&quot;</td><th scope="row">0</th><td class="duration"></td></tr>',
  ]);
});

it('a table may have groups of rows, a last row, and a frame that is scrolled', () => {
  const rows = [{ heading: '<one>', rows: [['a', 'b']] }];
  const { text } = table({ label: 'Both', columns: ['A', 'B'], rows, foot: ['All', ''] });
  expect(text).toMatch(/^<div class="frame" role="group" aria-label="Both" tabindex="0"><table>/);
  expect(text).toContain('<th class="group" scope="rowgroup" colspan="2">&lt;one&gt;</th>');
  expect(text.match(/<tbody>/g)).toHaveLength(1);
  expect(text).toMatch(/<tfoot>\s*<tr>\s*<th scope="row">All<\/th>/);
});
