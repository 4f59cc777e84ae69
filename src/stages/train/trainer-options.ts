import type { MuonConfig as MuonKeys, TrainConfig } from '../../generated/index.js';
import { decaysOf } from '../../training/averages.js';
import type { Accumulation } from '../../training/gradients.js';
import type { MuonConfig } from '../../training/muon.js';
import type { TrainerOptions } from '../../training/trainer.js';
import { Beside } from './beside.js';
import { teacherPerSample } from './teacher.js';

/** Options of a trainer's steps that a configuration holds. */
export const trainerOptions = (
  config: TrainConfig,
): Pick<TrainerOptions, 'optimizer' | 'averageDecays' | 'gradientClip' | 'accumulation'> => ({
  optimizer: {
    ...{ betas: config.betas, epsilon: 1e-8, weightDecay: config.weightDecay },
    muon: config.optimizer && muon(config.optimizer, config),
  },
  averageDecays: decaysOf(config.ema),
  gradientClip: config.gradientClip,
  accumulation: accumulation(config),
});

/** Learning rate of Muon's source, whose updates have the size `original`. */
const originalRate = 0.02;

function muon({ scale, momentum, ...asked }: MuonKeys, stage: TrainConfig): MuonConfig {
  const rate = asked.learningRate ?? (scale === 'original' ? originalRate : stage.learningRate);
  const weightDecay = asked.weightDecay ?? stage.weightDecay;
  return { relativeRate: rate / stage.learningRate, weightDecay, momentum, scale };
}

/** A batch in parts, where it is computed in more than one. */
function accumulation({ accumulate }: TrainConfig): Accumulation | undefined {
  if (accumulate === 1) return undefined;
  const perSample = ['mean', 'std', 'labels', ...teacherPerSample, ...Beside.perSample];
  return { parts: accumulate, perSample, firstSample: 'firstSample' };
}
