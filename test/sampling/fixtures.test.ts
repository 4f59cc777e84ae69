import { samplerKind } from '../../tools/parity/kinds/sampler.js';
import { switchingKind } from '../../tools/parity/kinds/switching.js';
import { describeFixture } from '../support/fixture-checks.js';

for (const name of ['Linear_velocity', 'GVP_score', 'VP_noise'])
  await describeFixture(samplerKind, `sampler_${name}.safetensors`);
for (const number of [0, 1, 2]) await describeFixture(switchingKind, `switching_${number}.safetensors`);
