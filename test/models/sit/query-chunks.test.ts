import { expect, it } from 'vitest';
import { queryChunks } from '../../../src/models/sit/config.js';

it.each([
  // 12 tables of 100 scores, at most 400 of them at a time: 3 parts would do, but 10 queries divide by 5.
  { tables: 12, tokens: 10, atOnce: 400, chunks: 5 },
  { tables: 12, tokens: 9, atOnce: 400, chunks: 3 },
  { tables: 4, tokens: 10, atOnce: 400, chunks: 1 },
  // A single query has more scores than that.
  { tables: 12, tokens: 10, atOnce: 1, chunks: 10 },
])('takes $tokens queries of $tables tables in $chunks parts', ({ tables, tokens, atOnce, chunks }) => {
  expect(queryChunks(tables, tokens, atOnce)).toBe(chunks);
});
