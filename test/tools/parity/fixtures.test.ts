import { centerCropKind } from '../../../tools/parity/kinds/center-crop.js';
import { embeddingsKind } from '../../../tools/parity/kinds/embeddings.js';
import { describeFixture } from '../../support/fixture-checks.js';

await describeFixture(embeddingsKind, 'embeddings.safetensors');
await describeFixture(centerCropKind, 'center_crop.safetensors');
