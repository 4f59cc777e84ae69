import { describe, expect, it } from 'vitest';
import { formatLarge, formatNumber, formatTick } from '../../../src/base/format.js';
import { formatDuration } from '../../../src/base/text.js';
import { html } from '../../../src/pages/html.js';

describe('numbers', () => {
  it.each([
    [0.10176, '0.1018'],
    [1.16799e-8, '1.168 × 10⁻⁸'],
    [1e-4, '1 × 10⁻⁴'],
    [-2.5, '−2.5'],
    [3781, '3,781'],
    [NaN, 'not a number'],
  ])('%d is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it('are short on axes and in totals', () => {
    expect([0, 0.05, 2000, 12_000, 5e-4, 1e-8, -3e6].map(formatTick)).toEqual([
      '0',
      '0.05',
      '2,000',
      '12k',
      '5·10⁻⁴',
      '10⁻⁸',
      '−3M',
    ]);
    expect([81, 7_435_272, 33_000_000, 2.5e9].map(formatLarge)).toEqual([
      '81',
      '7.44 million',
      '33 million',
      '2.5 billion',
    ]);
    expect([0.44, 59.6, 124, 3780].map(formatDuration)).toEqual([
      '0.4 s',
      '1 min 00 s',
      '2 min 04 s',
      '1 h 03 min',
    ]);
  });
});

describe('templates', () => {
  it('escape text, keep markup, join lists and leave out what is absent', () => {
    const list = ['<', html`<br />`].map((item) => html`<li>${item}</li>`);
    expect(html`<p title="${`"'&`}">${list}${false}${undefined}${0}</p>`.text).toBe(
      '<p title="&quot;&#39;&amp;"><li>&lt;</li><li><br /></li>0</p>',
    );
  });
});
