import { describe, expect, it } from 'vitest';
import {
  asWords,
  formatCount,
  formatDuration,
  formatLarge,
  formatNumber,
  formatPercent,
  formatRate,
  formatTick,
} from '../../src/base/format.js';
import { summaryFacts } from '../../src/pages/figures.js';

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
    [0.10176, '0.1018'],
    [12.5, '12.5'],
    [1.16799e-8, '1.168 × 10⁻⁸'],
    [1e-4, '1 × 10⁻⁴'],
    [-2.5, '−2.5'],
    [3781, '3,781'],
    [NaN, 'not a number'],
    [-Infinity, '−∞'],
  ])('the number %d is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
  it.each([
    [81, '81'],
    [465_000, '465,000'],
    [999_999, '999,999'],
    [7_435_272, '7.44 million'],
    [32_940_000, '32.9 million'],
    [33_000_000, '33 million'],
    [999_400_000, '999 million'],
    [999_600_000, '1 billion'],
    [2.5e9, '2.5 billion'],
    [1.2345e12, '1,235 billion'],
  ])('%d in few characters is %s', (value, text) => {
    expect(formatLarge(value)).toBe(text);
  });
  it.each([
    [0, '0'],
    [0.05, '0.05'],
    [2000, '2,000'],
    [12_000, '12k'],
    [5e-4, '5·10⁻⁴'],
    [1e-8, '10⁻⁸'],
    [-3e6, '−3M'],
  ])('%d on an axis is %s', (value, text) => {
    expect(formatTick(value)).toBe(text);
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
    expect(formatPercent(0.12345)).toBe('12.3 %');
    expect(asWords('learningRate')).toBe('learning rate');
    expect(asWords('autoencoderMemoryMiB')).toBe('autoencoder memory MiB');
    expect(
      summaryFacts({
        summary: {
          peakMemoryMegabytes: 1234,
          images: 3802,
          page: 'index.html',
          list: [1],
          peakSignalToNoiseDb: 22.64,
        },
        headline: { name: 'peakSignalToNoiseDb', better: 'more' },
      }),
    ).toEqual(['PSNR 22.6 dB', 'images 3,802', 'peak memory 1,234 MB']);
  });
});
