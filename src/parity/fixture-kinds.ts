import type { FixtureKind } from './check.js';
import { centerCropKind } from './kinds/center-crop.js';
import { embeddingsKind } from './kinds/embeddings.js';
import { metricsKind } from './kinds/metrics.js';
import { referenceCheckpointKind } from './kinds/reference-checkpoint.js';
import { samplerKind } from './kinds/sampler.js';
import { switchingKind } from './kinds/switching.js';
import { transportKind } from './kinds/transport.js';

/** Every kind of fixture that is understood. A file belongs to the first kind that its name fits. */
export const fixtureKinds: readonly FixtureKind[] = [
  transportKind,
  samplerKind,
  switchingKind,
  embeddingsKind,
  metricsKind,
  centerCropKind,
  referenceCheckpointKind,
];
