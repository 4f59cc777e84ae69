import type { SampleConfig } from '../../generated/index.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import type { Parameter } from '../../nn/parameter.js';
import type { Guidance, PhaseOptions, SamplerSettings } from '../../sampling/index.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { TransportChoice } from '../../transport/index.js';
import type { WeightType } from './weight-types.js';

/** A model of a playground: its architecture, the stage that trained it, and which of its weights the page holds. */
export interface PlaygroundModel {
  readonly stage: string;
  readonly weights: SampleConfig['weights'];
  readonly config: SiTConfig;
}

/** Facts that a page has beside weights: plain data, which stands in it as JSON. */
export interface Description {
  readonly title: string;
  readonly pipeline: string;
  /** A model for each phase. */
  readonly phases: readonly PlaygroundModel[];
  /** Autoguidance's weaker model. */
  readonly base?: PlaygroundModel;
  readonly transport: TransportChoice;
  readonly normalization: Normalization;
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly autoencoder: AutoencoderConfig;
  /** Type of the weights in the page. */
  readonly weightType: WeightType;
  /** Id of the stage of the autoencoder. */
  readonly decoder: string;
  /** True where guidance is possible: by a class that stands for none, or by a weaker model. */
  readonly guides: boolean;
  /** Samplers to choose from, those of the same kind beside each other. */
  readonly samplers: readonly SamplerSettings[];
  /** Settings at the start. */
  readonly start: Settings;
}

/** Parameters of all models in the order in which the page holds their values: those of phases, of the base, of the decoder. */
export function parametersOf({
  phases,
  base,
  autoencoder,
}: Pick<Description, 'autoencoder'> & {
  readonly phases: readonly Pick<PlaygroundModel, 'config'>[];
  readonly base?: Pick<PlaygroundModel, 'config'>;
}): {
  readonly models: readonly (readonly Parameter[])[];
  readonly decoder: readonly Parameter[];
} {
  return {
    models: [...phases, ...(base ? [base] : [])].map(({ config }) => sitParameters(config)),
    decoder: autoencoderParameters(autoencoder).filter(({ name }) =>
      /^(decoder|post_quant_conv)\./.test(name),
    ),
  };
}

/** Settings of a drawing, but for classes and samples. */
export interface Settings {
  readonly seed: number;
  readonly guidance: Guidance;
  readonly switching: PhaseOptions;
  readonly sampler: SamplerSettings;
}

/** Request to a program that draws: some of a range of samples. */
export interface DrawRequest extends Settings {
  /** Number of the range's first sample. */
  readonly first: number;
  /** Samples in the range. */
  readonly size: number;
  /** Places in the range of those to draw. */
  readonly rows: readonly number[];
  /** Class of each of these. */
  readonly labels: readonly number[];
}

/** Engines that a page may compute on. */
export type BackendName = 'webgpu' | 'webgl' | 'wasm';

/** Messages to a program that draws. */
export type Order =
  | {
      readonly type: 'open';
      readonly backend: BackendName;
      readonly description: Description;
      /** Weights of all models, one packed parameter after the other, in the order of `parametersOf`. */
      readonly weights: ArrayBuffer;
      /** tfjs's WebAssembly. */
      readonly wasm: ArrayBuffer;
    }
  | { readonly type: 'draw'; readonly id: number; readonly request: DrawRequest }
  | { readonly type: 'stop' };

/** Pictures side by side in memory, `[samples, side, side, 4]`. */
export interface Pixels {
  readonly side: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** Messages from it. */
export type Answer =
  | { readonly type: 'ready' }
  /** Now and then after a step: of each row the steps after which it went on to the next phase, or null. */
  | { readonly type: 'step'; readonly id: number; readonly step: number; readonly switches: Switches }
  | { readonly type: 'preview'; readonly id: number; readonly pixels: Pixels }
  | {
      readonly type: 'done';
      readonly id: number;
      readonly pixels: Pixels;
      /** As the autoencoder decodes them, `[rows, size, size, channels]`. */
      readonly latents: Float32Array;
      readonly steps: readonly number[];
      readonly switches: Switches;
    }
  | { readonly type: 'stopped'; readonly id: number }
  | { readonly type: 'failed'; readonly message: string };

type Switches = readonly (readonly (number | null)[])[];
