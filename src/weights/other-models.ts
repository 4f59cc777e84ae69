import { UserError } from '../base/errors.js';
import type { WeightsFile } from '../formats/weights-file.js';

/** A model that is often met in the place of a SiT, by names that only its tensors have. */
interface OtherModel {
  readonly names: RegExp;
  readonly what: string;
  readonly remedy?: string;
}

const others: readonly OtherModel[] = [
  {
    names: /(^|\.)transformer_blocks\.0\.attn1\.to_q\.weight$/,
    what: "a transformer of diffusers, such as its DiT, which predicts the noise of a schedule of 1000 steps, or PixArt's",
  },
  {
    names: /(^|\.)(joint_blocks|double_blocks|single_blocks)\.0\./,
    what: "a transformer of text and image, such as SD3's or FLUX's",
  },
  {
    names: /(^|\.)(encoder\.conv_in|decoder\.conv_in)\.weight$/,
    what: 'an autoencoder',
    remedy: 'Use it in a stage `autoencoder`, as its `weights`.',
  },
  {
    names:
      /(^|\.)(input_blocks\.0\.0|down_blocks\.0\.resnets\.0\.time_emb_proj|middle_block\.0\.in_layers\.0)\./,
    what: "a U-Net, such as Stable Diffusion's or ADM's",
  },
  { names: /(^|\.)(in_blocks\.0\.attn\.qkv|out_blocks\.0\.skip_linear)\./, what: 'a U-ViT' },
  { names: /(^|\.)(map_noise\.freqs|map_layer0\.weight|emb_noise\.weight)$/, what: 'a network of EDM' },
];

/**
 * Refuses a file that holds another known model, whatever else of it would fit.
 *
 * @throws UserError `model-not-sit`
 */
export function refuseOtherModels({ path, groups }: WeightsFile): void {
  const names = groups.flatMap(({ tensors }) => [...tensors.keys()]);
  const other = others.find((model) => names.some((name) => model.names.test(name)));
  if (other === undefined) return;
  throw new UserError({
    code: 'model-not-sit',
    message: `${path}: it holds ${other.what}.`,
    remedy: other.remedy ?? 'Use the weights of a SiT, or of a REPA.',
  });
}
