import {
  frechetDistance,
  inceptionScore,
  precisionRecall,
  rowsOf,
  statisticsOf,
} from '../../../src/metrics/index.js';
import { type Check, expectNear, type HostFixtureKind, notUnderstood } from '../check.js';
import { type Fixture, readFixture, specNumber, statedTolerance, stored } from '../fixture.js';

const tensors = new Set(['features_reference', 'features_sample', 'probabilities']);

/** Fréchet distance, inception score, precision and recall of given features. */
export const metricsKind: HostFixtureKind = {
  name: 'metrics',
  files: /^metrics.*\.safetensors$/,
  programs: false,
  async checks(path) {
    const fixture = await readFixture(path);
    const figures = Object.keys(fixture.spec).filter(
      (key) => typeof fixture.spec[key] === 'number' && key !== 'k',
    );
    const unknown = [...fixture.tensors.keys()].filter((name) => !tensors.has(name));
    return [...figures.map((figure) => figureCheck(fixture, figure)), ...unknown.map(notUnderstood)];
  },
};

function figureCheck(fixture: Fixture, figure: string): Check {
  const compute = figures[figure];
  if (compute === undefined) return notUnderstood(figure);
  // Both sides compute in double precision; a matrix root by other means loses some half of its digits.
  const tolerance = { relative: statedTolerance(fixture, 1e-7) };
  return expectNear(figure, specNumber(fixture, figure), tolerance, () => compute(fixture));
}

const figures: Readonly<Record<string, (fixture: Fixture) => number>> = {
  frechet_distance: (fixture) =>
    frechetDistance(
      statisticsOf(rows(fixture, 'features_reference')),
      statisticsOf(rows(fixture, 'features_sample')),
    ),
  inception_score: (fixture) => inceptionScore(rows(fixture, 'probabilities')),
  precision: (fixture) => neighbourFigures(fixture).precision,
  recall: (fixture) => neighbourFigures(fixture).recall,
};

function neighbourFigures(fixture: Fixture): { precision: number; recall: number } {
  return precisionRecall(
    rows(fixture, 'features_reference'),
    rows(fixture, 'features_sample'),
    specNumber(fixture, 'k', 3),
  );
}

function rows(fixture: Fixture, name: string): ReturnType<typeof rowsOf> {
  const { shape, data } = stored(fixture, name);
  return rowsOf(shape[1] ?? 1, Float64Array.from(data as ArrayLike<number>));
}
