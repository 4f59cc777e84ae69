import { trainingKind } from '../../tools/parity/kinds/training.js';
import { describeFixture } from '../support/fixture-checks.js';

await describeFixture(trainingKind, 'training.safetensors');
