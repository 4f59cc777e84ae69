import { trainingKind } from '../../src/parity/kinds/training.js';
import { describeFixture } from '../support/fixture-checks.js';

await describeFixture(trainingKind, 'training.safetensors');
