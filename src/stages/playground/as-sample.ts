import type { PlaygroundConfig, SampleConfig } from '../../generated/index.js';
import { sampleDefaults } from '../sample/plan.js';

/** The `sample` stage that draws what the page draws at first. */
export function asSample(config: Partial<PlaygroundConfig>): SampleConfig {
  const drawing = Object.entries(config).filter(([key]) => key !== 'title' && key !== 'weightType');
  return sampleDefaults({ uses: 'sample', ...Object.fromEntries(drawing), count: 9 });
}
