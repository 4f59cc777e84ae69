import stringWidth from 'string-width';
import { expect, it } from 'vitest';
import { wrap } from '../../src/cli/wrap.js';

it('breaks between words, and goes on where the last column starts', () => {
  expect(wrap('train  runs  never run; images have changed', 30)).toBe(
    'train  runs  never run; images\n             have changed',
  );
  expect(wrap('  Free some space, then run again.', 20)).toBe('  Free some space,\n  then run again.');
  expect(wrap('error: there is no such file or folder', 20)).toBe('error: there is no\nsuch file or folder');
  expect(wrap('short\n', 20)).toBe('short\n');
});

it.each([40, 80])('keeps to %d columns, and keeps every word', (width) => {
  const text = `\u001B[31merror:\u001B[39m ${'The disk 数据 failed to read or write it. '.repeat(9)}`;
  const wrapped = wrap(text, width);
  for (const line of wrapped.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
  expect(wrapped.split(/\s+/)).toEqual(text.split(/\s+/));
  // A word that is wider than the terminal is not torn: paths can be copied.
  expect(wrap(`at /${'x'.repeat(100)} here`, width)).toContain(`/${'x'.repeat(100)}`);
});
