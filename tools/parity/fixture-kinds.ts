import type { FixtureKind } from './check.js';
import { autoencoderKlKind } from './kinds/autoencoder-kl.js';
import { centerCropKind } from './kinds/center-crop.js';
import { embeddingsKind } from './kinds/embeddings.js';
import { finetuneKind } from './kinds/finetune.js';
import { metricsKind } from './kinds/metrics.js';
import { modelKind } from './kinds/model.js';
import { referenceCheckpointKind } from './kinds/reference-checkpoint.js';
import { samplerKind } from './kinds/sampler.js';
import { switchingKind } from './kinds/switching.js';
import { trainingKind } from './kinds/training.js';
import { transportKind } from './kinds/transport.js';

/** Every kind of fixture that is understood. A file belongs to the first kind that its name fits. */
export const fixtureKinds: readonly FixtureKind[] = [
  modelKind,
  finetuneKind,
  trainingKind,
  autoencoderKlKind,
  transportKind,
  samplerKind,
  switchingKind,
  embeddingsKind,
  metricsKind,
  centerCropKind,
  referenceCheckpointKind,
];
