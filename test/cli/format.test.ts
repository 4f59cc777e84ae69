import { describe, expect, it } from 'vitest';
import { asWords, formatCount, formatDuration } from '../../src/base/text.js';
import { formatFigure, formatRate, summaryFacts } from '../../src/cli/format.js';

describe('what people read', () => {
  it.each([
    [0, '0.0 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 min 00 s'],
    [124, '2 min 04 s'],
    [3599.6, '1 h 00 min'],
    [3780, '1 h 03 min'],
    [7199, '2 h 00 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
  it.each([
    [0.18342, '0.1834'],
    [12.5, '12.50'],
    [1.2e-5, '1.200e-5'],
    [3802, '3,802'],
    [12345.6, '12,346'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
  ])('a figure of %d is %s', (value, text) => {
    expect(formatFigure(value)).toBe(text);
  });
  it.each([
    [12.345, '12.3 steps/s'],
    [0.12, '7.20 steps/min'],
    [1234.5, '1,235 steps/s'],
  ])('a rate of %d is %s', (rate, text) => {
    expect(formatRate(rate, 'steps')).toBe(text);
  });
  it('counts have their thousands apart; keys are words', () => {
    expect(formatCount(1_300_000)).toBe('1,300,000');
    expect(asWords('learningRate')).toBe('learning rate');
    expect(asWords('autoencoderMemoryMiB')).toBe('autoencoder memory MiB');
    expect(summaryFacts({ images: 3802, page: 'index.html', list: [1] })).toEqual(['images 3,802']);
  });
});
