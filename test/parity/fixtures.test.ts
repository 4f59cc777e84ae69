import { centerCropKind } from '../../src/parity/kinds/center-crop.js';
import { embeddingsKind } from '../../src/parity/kinds/embeddings.js';
import { describeFixture } from '../support/fixture-checks.js';

await describeFixture(embeddingsKind, 'embeddings.safetensors');
await describeFixture(centerCropKind, 'center_crop.safetensors');
