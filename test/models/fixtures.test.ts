import { autoencoderKlKind } from '../../tools/parity/kinds/autoencoder-kl.js';
import { finetuneKind } from '../../tools/parity/kinds/finetune.js';
import { modelKind } from '../../tools/parity/kinds/model.js';
import { describeFixture } from '../support/fixture-checks.js';

const models = [
  'm4_s16_p2',
  'm9_s16_p2',
  'm16_s16_p2',
  'm64_s16_p2',
  'm25_s20_p2',
  'm16_s32_p4',
  'm4_s16_p8',
  // LightningDiT's own blocks, and with the reference's mediators.
  ...['lightning_all', 'lightning_rope', 'lightning_swiglu', 'lightning_rmsnorm', 'lightning_mediators'],
  // With SpeedrunDiT's values.
  ...['lightning_values', 'lightning_values_mediators'],
];
for (const model of models) await describeFixture(modelKind, `model_${model}.safetensors`);
await describeFixture(autoencoderKlKind, 'autoencoder_kl.safetensors');
await describeFixture(finetuneKind, 'finetune_16to32.safetensors');
