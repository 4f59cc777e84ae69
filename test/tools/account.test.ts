import { expect, it } from 'vitest';
import { accountOf } from '../../tools/bench/account.js';

const operation = (operation: string, startUs: number, durationUs: number) => ({
  ...{ operation, startUs, durationUs },
  ...{ device: 'cpu', node: operation, thread: 0 },
});

it('accounts for all of a step: what runs at once shares its time, and gaps are told', () => {
  const step = [
    operation('_MklMatMul', 1e6, 4e6),
    operation('gelu_12', 3e6, 4e6),
    operation('Transpose', 9e6, 1e6),
    operation('Unheard', 10e6, 2e6),
  ];
  const account = Object.fromEntries(accountOf([step]));
  expect(account).toEqual({
    'products with weights': 3,
    GELU: 3,
    'nothing runs': 2,
    'transpositions, parts, casts': 1,
    'what is left': 2,
  });
  const halves = accountOf([step, []]);
  expect(halves.get('GELU')).toBe(1.5);
});
